"""Parking: a call waits in a numbered place until somebody takes it from there."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Number
from callcenter.site.destinations import Destination

__all__ = ["Parking"]

MAXIMUM_PLACES = 100


@model
class Parking:
    """Places for calls. A call is parked by a transfer to a place, and taken by dialling it."""

    first: Number
    """The first place. Digits only, no leading zero."""
    last: Number
    """The last place, as many digits as the first. 100 places at most."""
    _: KW_ONLY
    number: Number | None = None
    """Number for any free place: who transfers a call here after asking is told which. Default: the
    place is always chosen by who transfers."""
    max_wait: Annotated[int, Field(strict=True, ge=5, le=86_400)] = 120
    """Seconds that a call stays before it goes to ``otherwise``, 5 to 86,400."""
    otherwise: Destination | None = None
    """Destination of calls that nobody took. Default: back to the extension that parked it."""

    if TYPE_CHECKING:
        # The same as below, but numbers may be written as numbers.
        def __init__(
            self,
            first: str | int,
            last: str | int,
            *,
            number: str | int | None = None,
            max_wait: int = 120,
            otherwise: Destination | None = None,
        ) -> None: ...

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("first", "last"):
            if not (number := getattr(self, name)).isdigit() or number.startswith("0"):
                raise Problem(name, "must be digits without a leading zero, such as 5901")
        if len(self.first) != len(self.last) or int(self.last) < int(self.first):
            raise Problem(
                "last", f"must not be below {self.first}, and have as many digits; give both ends"
            )
        if int(self.last) - int(self.first) >= MAXIMUM_PLACES:
            raise Problem("last", f"makes more than {MAXIMUM_PLACES} places; choose a nearer end")
        return self

    @property
    def places(self) -> tuple[str, ...]:
        """The numbers of all places."""
        return tuple(str(number) for number in range(int(self.first), int(self.last) + 1))
