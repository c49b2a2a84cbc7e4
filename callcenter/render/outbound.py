"""What becomes of calls from and to the telephone network, by the models that are rendered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from callcenter.render.services.trunks import expression
from callcenter.site import (
    CallerRule,
    Cap,
    Did,
    Emergency,
    Fax,
    Rate,
    Route,
    Site,
    SiteError,
    Trunk,
)
from callcenter.site._outside import route_of
from callcenter.site.callers import ANONYMOUS
from callcenter.site.dialled import cleaned, without_parameters
from callcenter.site.trunks import rewritten

__all__ = ["Call", "Met", "arrives", "arriving", "leaving", "met", "sending"]


@dataclass(frozen=True)
class Call:
    """A call to the outside, or why there is none."""

    by: Route | Emergency | None
    """Part of the Site that the number belongs to, or None: nothing."""
    number: str = ""
    """Number that is called: of E.164, or an emergency number."""
    refused: str | None = None
    """Reason why it is not called."""
    status: int = 403
    """SIP's answer to a call that is refused."""
    rate: Rate | None = None
    """Price of the call for the account of whoever calls, where there is one."""
    trunks: tuple[Trunk, ...] = ()
    """Trunks in the order in which they are tried."""
    caps: tuple[Cap, ...] = ()
    """Caps that count it, in the order in which they are asked."""


@dataclass(frozen=True)
class Met:
    """A caller from outside, as the Site knows it."""

    number: str | None
    """Number of E.164, ``anonymous``, or None: the carrier's text is no such number."""
    shown: str
    """The number that phones show."""
    name: str
    """The name that phones show."""
    rule: CallerRule | None = None
    """The rule that its call follows."""


def met(site: Site, trunk: str, sent: str, did: Did | None) -> Met:
    """Return the treatment of a caller whom a carrier sends to a DID."""
    carrier, sent = _trunk(site, trunk), without_parameters(sent)
    sent = rewritten(carrier.caller_in, sent) or sent
    sent = sent if re.fullmatch(r"\+?[0-9]{3,20}", sent) else ANONYMOUS
    callers = site.callers
    number = callers.number(carrier, sent) if callers else None
    shown = callers.shown(number) if callers and number not in (None, ANONYMOUS) else sent
    if shown in site.extension_by_number:
        number = shown = ANONYMOUS
    if callers is None:
        return Met(None, shown, shown)
    entry = callers.by_number.get(number or "")
    rule = next(
        (one for one in callers.rules if did and one.fits(number or "", entry, did.number)), None
    )
    name = (rule and rule.shown_as) or (entry and entry.name) or shown
    return Met(number, shown, name, rule)


def leaving(site: Site, caller: str, number: str) -> Call:
    """Return what an extension's call to a number outside becomes."""
    number = cleaned(site, number)
    extension = site.extension_by_number.get(caller)
    if extension is None:
        raise SiteError([f"{caller} is no extension of the Site; give one that calls"])
    for one in site.emergency:
        if one.number == number:
            return Call(one, one.sent or number, trunks=_trunks(site, one.trunks))
    call = _by_route(site, number, extension.routes, f"extension {caller}")
    call = _capped(site, call, caller, extension.account)
    if extension.account is None or call.refused is not None or site.billing is None:
        return call
    if (rate := site.billing.rate(call.number)) is None:
        return replace(call, refused=f"billing.rates has no beginning of {call.number}")
    return replace(call, rate=rate)


def sending(site: Site, fax: Fax, number: str) -> Call:
    """Return what a fax to a number outside becomes."""
    call = _by_route(site, number, fax.routes, f"fax {fax.name}")
    return _capped(site, call, f"fax-{fax.name}", None)


def _capped(site: Site, call: Call, caller: str, account: str | None) -> Call:
    """Return a call with the caps that count it; one whose price they do not know is refused."""
    if not isinstance(call.by, Route) or call.refused is not None:
        return call
    route = call.by
    caps = tuple(one for one in site.caps if one.fits(caller, account, route, call.number))
    priced = next((one for one in caps if one.money is not None), None)
    if priced is None or route.short or site.billing is None:
        return replace(call, caps=caps)
    if site.billing.rate(call.number) is None:
        why = f"billing.rates has no beginning of {call.number}, which cap {priced.name} counts"
        return replace(call, refused=why)
    return replace(call, caps=caps)


def _by_route(site: Site, number: str, routes: Sequence[str], who: str) -> Call:
    if (route := route_of(site, number, routes)) is not None:
        called = route.called(number)
        trunks = _trunks(site, route.trunks)
        if route.short:
            return Call(route, called, trunks=trunks)
        is_whole = re.fullmatch(r"\+[0-9]{6,15}", called) is not None
        why = site.outbound_limits.refused(called)
        if why is not None and (is_whole or re.fullmatch(r"\+[0-9]*", called)):
            return Call(route, called, why)
        if not is_whole:
            return Call(route, called, f"{called} is no number of E.164", 404)
        return Call(route, called, trunks=trunks)
    if fitting := [route for route in site.outbound if route.matches(number)]:
        names = " or ".join(route.name for route in fitting)
        return Call(fitting[0], number, f"{who} has not the route {names}")
    return Call(None, number, "nothing of the Site leads there")


def arrives(site: Site, number: str) -> bool:
    """Return True where a number of E.164 is one of the Site's own."""
    return any(number in did for did in site.inbound)


def arriving(site: Site, trunk: str, number: str) -> Did | None:
    """Return the DID that a trunk's call to a number comes to, or None: it is refused."""
    number = without_parameters(number)
    number = rewritten(_trunk(site, trunk).called_in, number) or number
    return next(
        (
            did
            for did in site.inbound
            if did.trunk in (None, trunk)
            and re.fullmatch(expression(did, site.trunks), number, re.ASCII)
        ),
        None,
    )


def _trunk(site: Site, name: str) -> Trunk:
    if name not in (known := [one.name for one in site.trunks]):
        raise SiteError([f"{name!r} is none of the Site's trunks: {', '.join(known) or 'none'}"])
    return _trunks(site, [name])[0]


def _trunks(site: Site, names: Sequence[str]) -> tuple[Trunk, ...]:
    return tuple(site.named("trunks", name) for name in names)
