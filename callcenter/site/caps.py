"""Most that calls outside may be within an hour or a day: calls, minutes, money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._plan import check_member
from callcenter.site._types import Many, Name, Number
from callcenter.site.billing import Price
from callcenter.site.sounds import Announcement
from callcenter.site.trunks import Prefix, Route

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = ["Cap", "check_caps"]


@model
class Cap:
    """Most calls, minutes or money that calls outside may be within the last hour or day, for the
    whole site or a part of it. A call that would pass it is refused, and one that is up ends when
    it is reached. Emergency numbers are free of it. See docs/caps.md."""

    name: Name
    """Name of the cap, for `route`, mails and FreeSWITCH's log."""
    _: KW_ONLY
    per: Literal["hour", "day"]
    """Time that is looked back on: the last 60 minutes, or the last 24 hours."""
    calls: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    """Calls that are sent to a carrier, answered or not. 0: none is. Default: any number."""
    minutes: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    """Minutes of talk, from the carrier's answer. Default: any number."""
    money: Price | None = None
    """Sum of what the minutes cost by ``billing.rates``, in its currency. Calls of numbers without
    a rate are refused then. Default: any sum."""
    each: Literal["site", "account", "extension"] = "site"
    """Calls that are counted together: all of the ``site``, those of an ``account``, or those of
    one ``extension``. A fax is counted like an extension."""
    extensions: Many[Number] = ()
    """Extensions whose calls it counts. Default: all, and faxes."""
    accounts: Many[Name] = ()
    """Accounts whose extensions' calls it counts. Default: all, and those without one."""
    routes: Many[Name] = ()
    """Routes whose calls it counts. Default: all."""
    prefixes: Many[Prefix] = ()
    """Beginnings of the numbers whose calls it counts, such as ``+43``. Default: all numbers."""
    hours: Name | None = None
    """Name of the ``hours`` by which ``when`` is meant. Default: it holds at all times."""
    when: Literal["open", "closed"] = "closed"
    """State of ``hours`` in which it holds: nights and holidays are ``closed``. The moment at which
    a call begins counts."""
    announcement: Announcement | None = None
    """Words that a caller hears whose call is refused or ends. Default: a sentence."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.calls is None and self.minutes is None and self.money is None:
            raise Problem("calls", "is missing, as are minutes and money; give one of them")
        if self.money is not None and not self.money:
            raise Problem("money", "is 0, so nobody could call; use calls=0 for that")
        if self.when == "open" and self.hours is None:
            raise Problem("when", "is about hours, and none are given; give hours, or leave it out")
        for field in ("extensions", "accounts", "routes", "prefixes"):
            given: Sequence[str] = getattr(self, field)
            for index, one in enumerate(given):
                if one in given[:index]:
                    raise Problem(f"{field}[{index}]", f"{one} is listed twice; list it once")
        return self

    def fits(self, caller: str, account: str | None, route: Route, number: str) -> bool:
        """Return True where it counts a caller's call by a route."""
        return (
            (not self.extensions or caller in self.extensions)
            and (not self.accounts or account in self.accounts)
            and (self.each != "account" or account is not None)
            and (not self.routes or route.name in self.routes)
            and (not self.prefixes or (not route.short and number.startswith(tuple(self.prefixes))))
        )

    def whose(self, caller: str, account: str | None) -> str:
        """Return whose calls are counted together with one of a caller's, in words."""
        if self.each == "extension":
            return f"calls of extension {caller}"
        if self.each == "account":
            return f"calls of account {account}"
        of = [
            f"{field} {', '.join(given)}"
            for field in ("extensions", "accounts", "routes", "prefixes")
            if (given := getattr(self, field))
        ]
        return f"all calls of {' and '.join(of)}" if of else "all calls"


def check_caps(site: Site) -> None:
    """Check that caps are about parts of the Site, and about calls that may be made and have a
    price."""
    if site.caps_counted_by is not None and not site.caps:
        raise Problem("caps_counted_by", "is about caps, and there are none; leave it out")
    seen: set[str] = set()
    for index, cap in enumerate(site.caps):
        path = f"caps[{index}]"
        if cap.name in seen:
            raise Problem(f"{path}.name", f"{cap.name!r} is given twice; name each once")
        seen.add(cap.name)
        if not site.outbound:
            raise Problem(path, "caps nothing, since no route leads outside; leave it out")
        for place, number in enumerate(cap.extensions):
            check_member(site, "extensions", f"{path}.extensions[{place}]", number)
        for place, name in enumerate(cap.routes):
            check_member(site, "outbound", f"{path}.routes[{place}]", name)
        if cap.hours is not None:
            check_member(site, "hours", f"{path}.hours", cap.hours)
        if cap.each == "account" and not site.accounts:
            raise Problem(f"{path}.each", "is 'account', and no extension has one; use 'extension'")
        for place, name in enumerate(cap.accounts):
            if name not in site.accounts:
                raise Problem(
                    f"{path}.accounts[{place}]",
                    f"{name!r} is no extension's account; give one of them, or leave it out",
                )
        for place, prefix in enumerate(cap.prefixes):
            allowed = site.outbound_limits.countries
            if not any(one.startswith(prefix) or prefix.startswith(one) for one in allowed):
                raise Problem(
                    f"{path}.prefixes[{place}]",
                    f"{prefix} is not in outbound_limits.countries, so nothing of it is called; "
                    "leave it out",
                )
        if cap.money is not None:
            _check_priced(site, f"{path}.money", cap)


def _check_priced(site: Site, path: str, cap: Cap) -> None:
    """Check that every route that a cap of money is about leads to numbers that may have a rate."""
    if site.billing is None:
        raise Problem(path, "needs prices; give billing=Billing(…), too, with or without accounts")
    for route in site.outbound:
        is_meant = not cap.routes or route.name in cap.routes
        if not is_meant or route.short:
            continue
        if not site.billing.may_have_rate(route.prefix or "+"):
            raise Problem(
                path,
                f"route {route.name!r} calls numbers of {route.prefix}, which nothing in "
                "billing.rates begins, so each call would be refused; give them a rate, or name "
                "other routes",
            )
