"""IVR menus: a caller presses keys, or dials an extension."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Map, Name, Number, no_entries
from callcenter.site.destinations import Destination
from callcenter.site.sounds import Announcement

__all__ = ["Ivr"]


def _keys(text: str) -> str:
    if not re.fullmatch(r"[0-9*#]{1,15}", text):
        raise ValueError("cannot be pressed; use keys such as '1', '12', '*' or '#'")
    return text


@model
class Ivr:
    """A menu: it says what can be pressed, waits, and sends the call on.

    A nested menu is an option that leads to another IVR; one that leads to its own IVR repeats it,
    and one that leads to the IVR before returns there.
    """

    name: Name
    """Name that destinations call it by."""
    greeting: Announcement
    """Announcement that the caller hears first, and while choosing."""
    _: KW_ONLY
    options: Map[Annotated[str, AfterValidator(_keys)], Destination] = Field(
        default_factory=no_entries, kw_only=True
    )
    """Destinations by key, or by keys in a row: ``{"1": queue("sales")}``."""
    number: Number | None = None
    """Number that extensions dial for it. Default: other parts of the Site alone reach it."""
    again: Announcement | None = None
    """Announcement instead of the greeting when it must be said again. Default: the greeting."""
    invalid: Announcement | None = None
    """Announcement after keys that lead nowhere. Default: a short low tone."""
    direct_dial: Annotated[bool, Field(strict=True)] = False
    """Permission to dial an extension here. No option may begin an extension's number."""
    wait_seconds: Annotated[int, Field(strict=True, ge=1, le=60)] = 6
    """Seconds that it waits for the first key after it has spoken, 1 to 60."""
    next_key_seconds: Annotated[int, Field(strict=True, ge=1, le=15)] = 2
    """Seconds that it waits for a further key where one may follow, 1 to 15."""
    attempts: Annotated[int, Field(strict=True, ge=1, le=10)] = 3
    """Times that it speaks before it gives up, 1 to 10."""
    otherwise: Destination | None = None
    """Destination of the call when it gives up. Default: the call ends."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.options and not self.direct_dial:
            raise Problem(
                "options", "is empty, so it leads nowhere; give it an option, or set direct_dial"
            )
        return self
