"""A leg to a carrier with the limits that it counts: the dialplan bridges to it, and faxes are sent
over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from callcenter.onhost import delivery
from callcenter.render._templates import xml_escape
from callcenter.render.services import caps
from callcenter.site import Site, Trunk

__all__ = [
    "BARRED",
    "FULL",
    "CarrierLeg",
    "Limit",
    "Variables",
    "an_hour",
    "at_a_time",
    "capped",
    "causes",
    "counting",
    "of_trunk",
]

BARRED = "OUTGOING_CALL_BARRED"
"""Cause that a call over a limit of the caller's own is refused with."""
FULL = "NORMAL_CIRCUIT_CONGESTION"
"""Cause that a trunk over a limit is passed over with."""

Variables = Sequence[tuple[str, str]]
"""Variables of a call, in their order. One without a name holds ``;name=value``, or nothing, when
the call is made. What is Markup is an expression of ours, and nothing else is expanded."""


@dataclass(frozen=True)
class Limit:
    """A limit that a leg counts before anything is sent. The first that is hit ends it."""

    name: str
    """Name in FreeSWITCH's log, events and mails: one of alarm.LIMITS."""
    cause: str
    """Cause by which it ends the leg."""
    run: tuple[str, ...]
    """Applications that count."""
    counted: str
    """Variable of the leg that is there once it has counted."""
    trunk: str | None = None
    """Trunk whose limit it is; else the caller's."""
    resource: str = ""
    """Realm and resource that FreeSWITCH counts."""
    most: str = ""
    """Most of them at a time, or within seconds: ``30``, ``90/3600``."""


def _limit(
    name: str, realm: str, whose: str, many: int, cause: str, *, hour: bool = False, of: str | None
) -> Limit:
    most = f"{many}/3600" if hour else str(many)
    run = f"limit hash {realm} {whose} {most} !{cause}"
    counted = f"limit_{'rate' if hour else 'usage'}_{realm}_{whose}"
    return Limit(name, cause, (run,), counted, of, f"{realm} {whose}", most)


def at_a_time(site: Site, caller: str, cause: str) -> Limit:
    """Return the limit of a caller's calls outside at a time."""
    return _limit("calls", "calls", caller, site.outbound_limits.calls, cause, of=None)


def an_hour(site: Site, caller: str, cause: str) -> Limit:
    """Return the limit of a caller's calls outside within an hour."""
    many = site.outbound_limits.calls_per_hour
    return _limit("hour", "hour", caller, many, cause, hour=True, of=None)


def of_trunk(trunk: Trunk, at_a_time: str, an_hour: str) -> Iterator[Limit]:
    """Yield the limits of a trunk, which are hit with these causes."""
    name, many = trunk.name, trunk.calls_per_hour
    yield _limit("trunk-calls", "trunk", name, trunk.channels, at_a_time, of=name)
    if many is not None:
        yield _limit("trunk-hour", "trunk-hour", name, many, an_hour, hour=True, of=name)


def capped(caller: str, number: str, route: str, attempt: str, hours: str) -> Limit:
    """Return all caps, as one limit: the script knows which of them it is."""
    asked = caps.asked(caller, number, route, attempt, hours)
    run = (asked, "execute_extension caps-asked XML services")
    return Limit("cap", caps.OVER, run, "cap_free")


def causes(site: Site) -> dict[str, str]:
    """Return the causes by which legs of the dialplan end, by the limit: each its own, and such as
    no call to a carrier ends with."""
    out = {"calls": "BOWOUT", "trunk-calls": "NO_PICKUP", "trunk-hour": "USER_CHALLENGE"}
    return {**out, "caps": caps.OVER} if site.caps else out


def counting(run: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the variables by which a leg runs applications before anything is sent."""
    # Else the count ends when the call begins to be routed, after it was made.
    yield "limit_ignore_transfer", "true"
    for index, one in enumerate(run, 1):
        yield f"execute_on_originate_{index}", Markup(one)


@dataclass(frozen=True)
class CarrierLeg:
    """A leg to a carrier."""

    trunk: Trunk
    number: str
    """Number as the carrier wants it, or the dialplan's expression of that."""
    variables: Variables
    """Variables but that which names the trunk."""
    gateway: str = ""
    """Gateway that it goes by; that of the trunk's name if empty."""

    @property
    def address(self) -> str:
        """Address that FreeSWITCH calls."""
        return f"sofia/gateway/{self.gateway or self.trunk.name}/{self.number}"

    @property
    def bridged(self) -> Markup:
        """The argument of the dialplan's bridge."""
        said = [f";{name}={_text(value)}" if name else value for name, value in self.variables]
        return Markup(f"{delivery.LEG}{self.trunk.name}{''.join(said)}}}{self.address}")


def _text(value: str) -> str:
    return value if isinstance(value, Markup) else xml_escape(value)
