"""Prepaid calls: what they cost, and what callers hear when their money ends."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, grammar
from callcenter.site.sounds import Announcement
from callcenter.site.trunks import Prefix

__all__ = ["Billing", "Price", "Rate"]

DECIMALS = 4
HIGHEST = 10_000


def _price(amount: Decimal) -> Decimal:
    if amount > HIGHEST:
        raise ValueError(f"is no price; use one from 0 to {HIGHEST}, such as '0.02'")
    if amount < 0:
        raise ValueError("is below zero, so a call would pay the caller; use 0 or more")
    if amount != round(amount, DECIMALS):
        raise ValueError(f"has more than {DECIMALS} decimals; round it")
    return amount


def _currency(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError("is no currency; use its three letters, such as 'EUR'")
    return text


if TYPE_CHECKING:
    Price = Decimal | str | int
else:
    Price = Annotated[
        Decimal,
        AfterValidator(_price),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "number", "minimum": 0, "maximum": HIGHEST},
                    # What Python reads as a number, such as 1e-2.
                    {"type": "string", "pattern": r"^\s*[+-]?[0-9_.]*[0-9][0-9_.eE+-]*\s*$"},
                ]
            }
        ),
    ]
"""An amount of the site's currency, zero or more, of four decimals at most. Written as text, it is
what it looks like."""


@model
class Rate:
    """What a minute costs to numbers that begin alike. Each second is charged, from the moment at
    which the carrier says that somebody has answered."""

    prefix: Prefix
    """Beginning of the numbers, as E.164 writes it: ``+49``. Of several, the longest counts."""
    minute: Price
    """Price of a minute. 0: such calls are free, for whoever has any money."""

    @property
    def price(self) -> str:
        """Price in digits, without an exponent."""
        return format(Decimal(self.minute), "f")


@model
class Billing:
    """Prepaid accounts: calls by a route of extensions that have one are charged while they last,
    and end when the money does. Emergency numbers and calls inside cost nothing. See
    docs/billing.md."""

    _: KW_ONLY
    currency: Annotated[str, AfterValidator(_currency), grammar("[A-Z]{3}")]
    """Currency of all prices and balances, by its three letters: ``EUR`` (ISO 4217)."""
    rates: Annotated[Many[Rate], Field(min_length=1)]
    """Rates that calls are charged by. A number without a rate is not called by extensions that
    have an account."""
    heartbeat_seconds: Annotated[int, Field(strict=True, ge=1, le=300)] = 10
    """Seconds after which a call is charged again while it lasts. The last call of an account may
    cost so many seconds more than was there."""
    low_balance: Price = Decimal(1)
    """Balance at or below which the caller is told, once a call."""
    low_announcement: Announcement | None = None
    """Announcement that the caller hears at ``low_balance``. Who is called does not hear it.
    Default: a sentence."""
    used_up_announcement: Announcement | None = None
    """Announcement that the caller hears before a call that is not allowed, or after one that was
    ended, for want of money. Default: a sentence."""
    unavailable_announcement: Announcement | None = None
    """Announcement that the caller hears where the database does not answer. Default: a
    sentence."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: dict[str, int] = {}
        for index, rate in enumerate(self.rates):
            if (first := seen.setdefault(rate.prefix, index)) != index:
                raise Problem(
                    f"rates[{index}].prefix",
                    f"{rate.prefix} is already rates[{first}]; give each beginning one price",
                )
        return self

    def rate(self, number: str) -> Rate | None:
        """Return what a number of E.164 costs, or None: it is not called."""
        fitting = [rate for rate in self.rates if number.startswith(rate.prefix)]
        return max(fitting, key=lambda rate: len(rate.prefix), default=None)

    def may_have_rate(self, beginning: str) -> bool:
        """Tell whether any number that begins so has a rate."""
        return any(
            rate.prefix.startswith(beginning) or beginning.startswith(rate.prefix)
            for rate in self.rates
        )
