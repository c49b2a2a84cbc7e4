"""The way that a call takes, told without a host, by the models that are rendered."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any

from callcenter.render.outbound import Met, arrives, arriving, leaving, met
from callcenter.site import (
    Cap,
    Destination,
    Emergency,
    OpenDuring,
    OutboundLimits,
    RingGroup,
    Route,
    Site,
    SiteError,
    ToExtension,
    ToFax,
    ToHangUp,
    ToIvr,
    ToOutside,
    ToRingGroup,
    ToVoicemail,
    Trunk,
)
from callcenter.site._outside import is_outside, route_of
from callcenter.site._plan import dialled_numbers, services
from callcenter.site.destinations import SERVICES, target_of
from callcenter.site.dialled import cleaned
from callcenter.site.features import DIGITS, WITH_NUMBER

__all__ = ["explain", "moment", "resolve", "service_of"]


def moment(text: str, site: Site) -> datetime.datetime:
    """Read a moment such as ``2026-12-25T10:00``, of the Site's clock where it names no other, or
    ``now``."""
    if text == "now":
        return datetime.datetime.now(zoneinfo.ZoneInfo(site.timezone))
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise SiteError(
            [f"{text!r} is no moment; use one such as '2026-12-25T10:00', or 'now'"]
        ) from None
    return when if when.tzinfo else when.replace(tzinfo=zoneinfo.ZoneInfo(site.timezone))


def resolve(
    site: Site, destination: Destination, when: datetime.datetime, closed: Collection[str] = ()
) -> Destination:
    """Tell where a destination leads at a moment. ``closed``: hours whose night switch is on."""
    while isinstance(destination, OpenDuring):
        destination = _branch(site, destination, when, closed)[0]
    return destination


def _branch(
    site: Site, during: OpenDuring, when: datetime.datetime, closed: Collection[str]
) -> tuple[Destination, str]:
    is_open, why = _is_open(site, during.hours, when, closed)
    return (during.open if is_open else during.closed), f"hours {during.hours}: {why}"


def _is_open(
    site: Site, name: str, when: datetime.datetime, closed: Collection[str]
) -> tuple[bool, str]:
    """Return the state of opening hours at a moment, and what they have it by."""
    if name in closed:
        return False, "closed by the night switch"
    is_open, why = site.named("hours", name).why(when, site.timezone)
    return is_open, f"{'open' if is_open else 'closed'} by {why}"


def service_of(site: Site, number: str) -> tuple[str, Destination | None]:
    """Tell what a number is that an extension dials: the path of its field, and where it leads."""
    if number in site.extension_by_number:
        return "extensions", ToExtension(number)
    for path, taken in dialled_numbers(site):
        if taken != number:
            continue
        kind, bracket, rest = path.partition("[")
        if kind == "speed_dials":
            return path, service_of(site, site.speed_dials[number])[1]
        if not bracket or path.endswith(".night"):
            return path, None
        name = getattr(site, kind)[int(rest.partition("]")[0])].name
        return path, SERVICES[kind](name) if kind in SERVICES else None
    raise SiteError([f"{number} is nothing that can be dialled; see extensions, ivrs and features"])


def explain(
    site: Site,
    number: str,
    when: datetime.datetime,
    closed: Collection[str] = (),
    *,
    caller: str | None = None,
    trunk: str | None = None,
    outsider: str | None = None,
) -> Iterator[str]:
    """Yield the steps of a call to a number, a line each, until it ends or somebody must act.

    ``caller``: the extension that dials it, by default the first. ``trunk``: the one by which it
    comes instead. ``outsider``: the caller's number as the carrier sends it.
    """
    if trunk is not None:
        yield from _arriving(site, trunk, number, when, closed, outsider)
        return
    if (meant := cleaned(site, number)) != number:
        yield f"{number} is dialled as {meant}"
        number = meant
    if number not in site.extension_by_number and number not in _taken(site):
        caller = caller or site.extensions[0].number
        code = _code_with_number(site, number)
        if code:
            yield from _by_code(site, caller, *code, when, closed)
        else:
            yield from _leaving(site, caller, number, when, closed)
        return
    if (target := site.speed_dials.get(number, "")) and is_outside(site, target):
        yield f"{number} is {target} (speed_dials[{number!r}])"
        yield from _leaving(site, caller or site.extensions[0].number, target, when, closed)
        return
    path, destination = service_of(site, number)
    if path.startswith("paging_groups["):
        yield from _page(site, caller or site.extensions[0].number, path, number)
        return
    if destination is None:
        yield f"{number} is {path}"
        yield from _own_code(site, caller or site.extensions[0].number, path)
        return
    field, target = target_of(destination)
    yield f"{number} is {_words(field)} {target} ({path})"
    yield from _onward(site, destination, when, closed)


def _page(site: Site, caller: str, path: str, number: str) -> Iterator[str]:
    group = next(one for one in site.paging_groups if one.number == number)
    yield f"{number} is paging group {group.name} ({path})"
    if not group.admits(caller):
        yield f"the call is refused (403): extension {caller} is not in from_extensions"
    elif paged := [one for one in group.members if one != caller]:
        yield (
            f"{caller} pages {', '.join(paged)} for {group.max_seconds} s: each that is in no call "
            "answers by itself, where its phone is willing to"
        )
    else:
        yield f"the call is refused (486): the group has nobody but {caller}"


def _own_code(site: Site, caller: str, path: str) -> Iterator[str]:
    """Tell why a code does nothing for whoever dials it, if so."""
    if path.removeprefix("features.") in WITH_NUMBER:
        yield "the call is refused (404): a number is dialled after it"
    elif path == "voicemail.check" and site.extension_by_number[caller].mailbox is None:
        yield f"the call is refused (603): extension {caller} has no mailbox"
    elif path.startswith("agent_codes.") and caller not in {one.extension for one in site.agents}:
        yield f"{caller} is told that it is no agent"


def _code_with_number(site: Site, dialled: str) -> tuple[str, str] | None:
    """Split what is dialled into the name of a feature code and the number after it."""
    for name, code in site.features.items():
        number = dialled.removeprefix(code)
        if (
            name in WITH_NUMBER
            and number != dialled
            and re.fullmatch(rf"[0-9]{{2,{DIGITS}}}", number)
        ):
            return name, number
    return None


def _by_code(
    site: Site,
    caller: str,
    name: str,
    number: str,
    when: datetime.datetime,
    closed: Collection[str],
) -> Iterator[str]:
    code = getattr(site.features, name)
    yield f"{code}{number} is features.{name} with {number}"
    known = number in site.extension_by_number
    if name == "intercom":
        yield (
            f"extension {number} answers by itself, where its phone is willing to"
            if known
            else f"the call is refused (404): {number} is no extension"
        )
    elif number != caller and not (known or number in services(site)):
        yield from _forwarded_outside(site, caller, number, when, closed)
    elif number == caller:
        yield f"{caller} is told that its calls cannot be forwarded to {number}"
    else:
        yield f"calls to {caller} go to {number} from then on"


def _forwarded_outside(
    site: Site, caller: str, number: str, when: datetime.datetime, closed: Collection[str]
) -> Iterator[str]:
    route = route_of(site, number, site.extension_by_number[caller].routes)
    called = route.called(number) if route is not None else ""
    is_whole = re.fullmatch(r"\+[0-9]{6,15}", called) is not None
    if not is_whole or site.outbound_limits.refused(called) or arrives(site, called):
        yield f"{caller} is told that its calls cannot be forwarded to {number}"
        return
    yield f"calls to {caller} go outside to {number} from then on, as if {caller} called it:"
    yield from _leaving(site, caller, number, when, closed)


def _taken(site: Site) -> set[str]:
    return {taken for path, taken in dialled_numbers(site) if not path.startswith("emergency")}


def _arriving(
    site: Site,
    trunk: str,
    number: str,
    when: datetime.datetime,
    closed: Collection[str],
    outsider: str | None,
) -> Iterator[str]:
    did = arriving(site, trunk, number)
    rule = None
    if outsider is not None:
        seen = met(site, trunk, outsider, did)
        rule = seen.rule
        yield from _met(site, trunk, outsider, seen)
    if did is None:
        yield f"{number} by trunk {trunk} is none of inbound: the call is refused (603)"
        return
    field, target = target_of(did.to)
    until = f" to {did.last}" if did.last else ""
    path = f"inbound[{site.inbound.index(did)}]"
    yield f"{number} by trunk {trunk} is {did.number}{until} ({path}): {_words(field)} {target}"
    if rule is not None and rule.to is not None:
        field, target = target_of(rule.to)
        yield f"rule {rule.name} sends it elsewhere: {_words(field)} {target}"
    yield from _onward(site, rule.to if rule is not None and rule.to else did.to, when, closed)


def _met(site: Site, trunk: str, outsider: str, seen: Met) -> Iterator[str]:
    is_known = seen.number not in (None, outsider)
    meant = f" is {seen.number}," if is_known else " is"
    yield f"caller {outsider} by trunk {trunk}{meant} shown as {seen.shown}, named {seen.name}"
    if seen.rule is not None and site.callers is not None:
        index = site.callers.rules.index(seen.rule)
        yield f"caller {outsider} is of rule {seen.rule.name} (callers.rules[{index}])"


def _leaving(
    site: Site,
    caller: str,
    number: str,
    when: datetime.datetime,
    closed: Collection[str],
) -> Iterator[str]:
    call = leaving(site, caller, number)
    if call.by is None:
        raise SiteError(
            [
                f"{number} is nothing that can be dialled; see extensions, ivrs, outbound and "
                "features"
            ]
        )
    if isinstance(call.by, Emergency):
        yield f"{number} is emergency[{site.emergency.index(call.by)}], which nothing limits"
    else:
        yield f"{number} fits the route {call.by.name} (outbound[{site.outbound.index(call.by)}])"
    if call.refused is not None:
        yield f"the call is refused ({call.status}): {call.refused}"
        return
    shares = call.by.shares if isinstance(call.by, Route) else {}
    whole = sum(shares.values())
    spread = ", ".join(
        f"{one.name} ({one.host}) {shares[one.name] / whole:.0%}"
        for one in call.trunks
        if one.name in shares
    )
    if len(shares) > 1:
        spread += " (the others where one fails)"
    rest = [f"{one.name} ({one.host})" for one in call.trunks if one.name not in shares]
    yield f"{call.number} is called over {', then '.join([spread, *rest] if spread else rest)}"
    if isinstance(call.by, Route):
        yield from _rewritten(site, caller, call.by, call.number, call.trunks)
    if isinstance(call.by, Emergency):
        own = site.extension_by_number[caller].called_back_at
        shown = dict.fromkeys(own or str(one.caller_id) for one in call.trunks)
        yield f"it is shown {' or '.join(shown)}"
        if call.by.notify:
            yield f"extensions {', '.join(call.by.notify)} ring and tell of it"
    if isinstance(call.by, Route):
        yield from _limits(site.outbound_limits, call.trunks)
        account = site.extension_by_number[caller].account
        for cap in call.caps:
            yield _capped(site, cap, cap.whose(caller, account), when, closed)
    if call.rate is not None and site.billing is not None:
        account = site.extension_by_number[caller].account
        yield (
            f"a minute costs account {account} {call.rate.price} {site.billing.currency} "
            f"(rate {call.rate.prefix}), as long as its balance is above zero"
        )


def _rewritten(
    site: Site, caller: str, route: Route, number: str, trunks: Sequence[Trunk]
) -> Iterator[str]:
    """Tell how trunks with rules of their own write both numbers."""
    for trunk in trunks:
        if trunk.called_out and not route.short:
            yield f"{trunk.name} is sent {trunk.sent(number)}"
        own = site.extension_by_number[caller].caller_id or trunk.caller_id
        if trunk.caller_out and own is not None:
            yield f"{trunk.name} is shown {trunk.shown(own)}"


def _limits(limits: OutboundLimits, trunks: Sequence[Trunk]) -> Iterator[str]:
    """Tell what may refuse the call at the time."""
    yield (
        f"it is refused (403) where its caller has {limits.calls} calls outside, or has had "
        f"{limits.calls_per_hour} within the hour"
    )
    for trunk in trunks:
        hour = trunk.calls_per_hour
        also = f", or has had {hour} out within the hour" if hour is not None else ""
        yield f"{trunk.name} is passed over where it has {trunk.channels} calls{also}"


def _capped(
    site: Site, cap: Cap, whose: str, when: datetime.datetime, closed: Collection[str]
) -> str:
    """Tell what a cap allows, and whether it does at a moment."""
    most = []
    if cap.calls is not None:
        most.append(f"{cap.calls} calls")
    if cap.minutes is not None:
        most.append(f"{cap.minutes} minutes")
    if cap.money is not None and site.billing is not None:
        most.append(f"{Decimal(cap.money):f} {site.billing.currency}")
    line = f"cap {cap.name}: {whose} are at most {' or '.join(most)} within {_SPANS[cap.per]}"
    if cap.hours is None:
        return line
    holds = f"while hours {cap.hours} are {cap.when}"
    is_open, why = _is_open(site, cap.hours, when, closed)
    does = "counts" if is_open == (cap.when == "open") else "does not count"
    return f"{line}, {holds}: it {does} this call ({why})"


_SPANS = {"hour": "60 minutes", "day": "24 hours"}


def _words(field: str) -> str:
    return field.replace("_", " ")


def _onward(
    site: Site, destination: Destination, when: datetime.datetime, closed: Collection[str]
) -> Iterator[str]:
    while isinstance(destination, OpenDuring):
        destination, why = _branch(site, destination, when, closed)
        yield why
    after: Destination | None = None
    here: Any = destination
    match here:
        case ToOutside():
            yield f"{here.outside} is called outside as if extension {here.by} called it"
            yield from _leaving(site, str(here.by), here.outside, when, closed)
            return
        case ToHangUp():
            yield f"the call ends ({here.hang_up})"
            return
        case ToVoicemail():
            yield f"the mailbox of {here.voicemail} takes a message"
            return
        case ToFax():
            yield f"fax {here.fax} receives"
            return
        case ToExtension():
            called = site.extension_by_number[here.extension]
            yield f"extension {called.number} rings for {called.ring_seconds} s"
            for words, to in (("busy", called.busy), ("not registered", called.not_registered)):
                if to is not None:
                    field, target = target_of(to)
                    yield f"  {words}: {_words(field)} {target}"
            after = called.unanswered
        case ToRingGroup():
            group: RingGroup = site.named("ring_groups", here.ring_group)
            members = ", ".join([*group.members, *(one.outside for one in group.outside)])
            yield f"ring group {group.name} rings {members} {group.strategy.replace('-', ' ')}"
            for one in group.outside:
                yield f"{one.outside} is called as if extension {one.by} called it, and presses 1:"
                yield from _leaving(site, str(one.by), one.outside, when, closed)
            after = group.otherwise
        case ToIvr():
            menu = site.named("ivrs", here.ivr)
            yield f"IVR {menu.name} plays its greeting"
            for keys, to in menu.options.items():
                field, target = target_of(to)
                yield f"  {keys}: {_words(field)} {target}"
            after = menu.otherwise
        case _:
            field, target = target_of(destination)
            yield f"{_words(field)} {target}"
            after = getattr(_owner(site, destination), "otherwise", None)
    if after is None:
        yield "else the call ends"
    else:
        field, target = target_of(after)
        yield f"else {_words(field)} {target}:"
        yield from _onward(site, after, when, closed)


def _owner(site: Site, destination: Destination) -> object:
    kind = getattr(destination, "names", "")
    return site.named(kind, target_of(destination)[1]) if kind not in ("", "extensions") else None
