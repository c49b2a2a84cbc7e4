"""Feature codes: numbers that are a service, not a phone."""

from __future__ import annotations

from dataclasses import KW_ONLY, fields
from typing import Self

from pydantic import model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Number

__all__ = ["DIGITS", "WITH_NUMBER", "FeatureCodes"]

WITH_NUMBER = ("forward", "intercom")
"""Codes after which a number is dialled at once."""
DIGITS = 20
"""Digits of such a number at most; at least 2."""


@model
class FeatureCodes:
    """What is dialled for a service. None switches a service off."""

    _: KW_ONLY
    echo: Number | None = "9196"
    """Code to hear oneself: proves both directions of the voice."""
    tone: Number | None = "9197"
    """Code for a 1004 Hz tone: proves the voice from the switch to the phone."""
    forward: Number | None = None
    """Code after which a number is dialled: calls to the extension go to that number, until it is
    undone. One outside is called as if the extension had dialled it: by its routes, under its
    limits, and paid by its account. Ring groups and queues still ring the extension itself."""
    forward_off: Number | None = None
    """Code after which calls to the extension ring it again."""
    do_not_disturb: Number | None = None
    """Code after which nothing rings the extension, as if it had no phone, until it is undone."""
    do_not_disturb_off: Number | None = None
    """Code after which calls ring the extension again."""
    pickup: Number | None = None
    """Code that answers a call that rings an extension of one of the own pickup_groups."""
    intercom: Number | None = None
    """Code after which an extension is dialled: its phone answers by itself, where it is willing
    to."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: dict[str, str] = {}
        for name, code in self.items():
            if code in seen:
                raise Problem(name, f"{code} is already {seen[code]}; choose another code")
            seen[code] = name
        for on in ("forward", "do_not_disturb"):
            if (getattr(self, on) is None) != (getattr(self, f"{on}_off") is None):
                raise Problem(on, f"needs {on}_off, and the other way round; give both or neither")
        return self

    def items(self) -> list[tuple[str, str]]:
        """List name and code of every service that is on."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return [(name, code) for name, code in named if code is not None]
