"""Feature codes: numbers that are a service, not a phone."""

from __future__ import annotations

from dataclasses import KW_ONLY, fields
from typing import Self

from pydantic import model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Number

__all__ = ["FeatureCodes"]


@model
class FeatureCodes:
    """What is dialled for a service. None switches a service off."""

    _: KW_ONLY
    echo: Number | None = "9196"
    """Hear yourself: proves both directions of the voice."""
    tone: Number | None = "9197"
    """A 1004 Hz tone: proves the voice from the switch to the phone."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: dict[str, str] = {}
        for name, code in self.items():
            if code in seen:
                raise Problem(name, f"{code} is already {seen[code]}; choose another code")
            seen[code] = name
        return self

    def items(self) -> list[tuple[str, str]]:
        """Name and code of every service that is on."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return [(name, code) for name, code in named if code is not None]
