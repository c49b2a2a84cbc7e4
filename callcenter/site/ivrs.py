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
    """What destinations call it by."""
    greeting: Announcement
    """What the caller hears first, and while choosing."""
    _: KW_ONLY
    options: Map[Annotated[str, AfterValidator(_keys)], Destination] = Field(
        default_factory=no_entries, kw_only=True
    )
    """Where each key, or keys in a row, leads: ``{"1": queue("sales")}``."""
    number: Number | None = None
    """What extensions dial for it. Default: it is reached by other parts of the Site alone."""
    again: Announcement | None = None
    """What is said instead of the greeting when it must be said again. Default: the greeting."""
    invalid: Announcement | None = None
    """What is said after keys that lead nowhere. Default: a short low tone."""
    direct_dial: Annotated[bool, Field(strict=True)] = False
    """Whether a caller may dial an extension here. No option may begin an extension's number."""
    wait_seconds: Annotated[int, Field(strict=True, ge=1, le=60)] = 6
    """How long it waits for the first key after it has spoken. Seconds, 1 to 60."""
    next_key_seconds: Annotated[int, Field(strict=True, ge=1, le=15)] = 2
    """How long it waits for a further key where one may follow. Seconds, 1 to 15."""
    attempts: Annotated[int, Field(strict=True, ge=1, le=10)] = 3
    """How often it speaks before it gives up. 1 to 10."""
    otherwise: Destination | None = None
    """Where the call goes then. Default: it ends."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.options and not self.direct_dial:
            raise Problem(
                "options", "is empty, so it leads nowhere; give it an option, or set direct_dial"
            )
        return self
