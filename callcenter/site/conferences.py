"""Conferences: several people talk under one number."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Name, Number
from callcenter.site.voicemail import Pin

__all__ = ["Conference"]


@model
class Conference:
    """A room in which everybody hears everybody."""

    name: Name
    """Name that destinations call it by."""
    _: KW_ONLY
    number: Number | None = None
    """Number that extensions dial for it. Default: other parts of the Site alone reach it."""
    pin: Pin | None = None
    """PIN that is typed to be let in, three attempts. A secret such as ``conference/weekly``
    becomes six random digits where it is not there yet. Default: whoever reaches it is in."""
    moderator_pin: Pin | None = None
    """PIN that the moderator types instead: until then the others hear music, and not each other.
    Needs pin. Default: it needs no moderator."""
    announce: Literal["words", "tones"] | None = "tones"
    """Words or tones that those inside hear when somebody comes or goes. None: nothing."""
    max_members: Annotated[int, Field(strict=True, ge=2, le=1000)] | None = None
    """Members who have room in it, 2 to 1,000. Default: as many as call."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        # FreeSWITCH 1.10 reads the length of a PIN that is not there, and ends.
        if self.moderator_pin is not None and self.pin is None:
            raise Problem("moderator_pin", "tells the moderator from the others; give pin, too")
        return self
