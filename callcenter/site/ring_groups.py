"""Ring groups: several extensions under one number."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, Name, Number
from callcenter.site.destinations import Destination, ToOutside

__all__ = ["RingGroup"]


@model
class RingGroup:
    """Extensions that ring for one call, each with all its phones; the first to answer has it."""

    name: Name
    """Name that destinations call it by."""
    members: Many[Number] = ()
    """Extensions, in the order in which they ring. A group of numbers ``outside`` has none."""
    _: KW_ONLY
    outside: Many[ToOutside] = ()
    """Numbers outside, such as mobiles, that ring with the members, or after them in turn. Whoever
    answers is asked to press 1: a mailbox that answers does not have the call."""
    number: Number | None = None
    """Number that extensions dial for it. Default: other parts of the Site alone reach it."""
    strategy: Literal["together", "in-turn"] = "together"
    """Order of ringing: ``together``, all at once, or ``in-turn``, one after the other."""
    ring_seconds: Annotated[int, Field(strict=True, ge=5, le=300)] = 20
    """Seconds that they ring, all of them or each in turn, 5 to 300."""
    otherwise: Destination | None = None
    """Destination of a call that nobody answers. Default: the call ends."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.members and not self.outside:
            raise Problem("members", "is empty, so nobody rings; name extensions, or outside")
        return self
