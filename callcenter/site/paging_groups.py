"""Paging groups: phones that answer by themselves, and hear whoever pages them."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Self

from pydantic import Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, Name, Number

__all__ = ["PagingGroup"]


@model
class PagingGroup:
    """Extensions whose phones answer by themselves, all at once, and hear whoever dials the
    number. Nobody hears them."""

    name: Name
    """Name of the group, in logs and refusals."""
    members: Many[Number]
    """Extensions that are paged: each that is in no call and may be disturbed, but not the one that
    pages. Of several phones of an extension the first to answer is paged."""
    _: KW_ONLY
    number: Number
    """Number that extensions dial to page. Neither a transfer nor a speed dial leads to it."""
    from_extensions: Many[Number] | None = None
    """Extensions that may page; others are refused (403). Default: all of the Site."""
    max_seconds: Annotated[int, Field(strict=True, ge=5, le=3600)] = 60
    """Seconds after which a page is ended, 5 to 3,600."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.members:
            raise Problem("members", "is empty, so nobody is paged; name extensions")
        if self.from_extensions == ():
            raise Problem(
                "from_extensions",
                "is empty, so nobody could page; name extensions, or leave it out for all",
            )
        return self

    def admits(self, extension: str) -> bool:
        """Tell whether an extension may page the group."""
        return self.from_extensions is None or extension in self.from_extensions
