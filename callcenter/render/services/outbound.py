"""Calls that leave by trunks: routes, emergency numbers, and the limits that their legs hit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from callcenter.onhost import alarm
from callcenter.render._addresses import bracketed
from callcenter.render._files import File
from callcenter.render._templates import xml_escape
from callcenter.render.services import _names as names
from callcenter.render.services import caps
from callcenter.render.services._carrier_legs import (
    BARRED,
    FULL,
    CarrierLeg,
    Variables,
    an_hour,
    at_a_time,
    capped,
    causes,
    counting,
    of_trunk,
)
from callcenter.render.services._dialplan import config, records
from callcenter.render.services._gateways import late
from callcenter.render.services._hits import Hit
from callcenter.render.services._voice import Voice
from callcenter.render.services.hours import other_zone
from callcenter.render.services.trunks import during, identity, written
from callcenter.site import PASSTHROUGH_CODEC, Emergency, Route, Site, Trunk
from callcenter.site._outside import asks
from callcenter.site.trunks import TONES

__all__ = ["ForHelp", "Reached", "Rewritten", "Tried", "TrunkLimit", "files", "reached"]

_ACTING, _CALLED = "${acting}", "${called_number}"
"""Expressions of the dialplan: the extension that calls, and the number that it calls."""

_SILENCE = "leg_progress_timeout"
"""Variable with the seconds after which a carrier that is silent is given up. 100 and 181 are no
progress to FreeSWITCH, and carriers send no more for long: the last trunk has none."""


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that leads out, and that tells of calls over a limit."""
    if not site.trunks:
        return
    yield config(
        "dialplan/services/outbound.xml",
        site,
        routes=[(Voice.of(site, one.media), reached(site, one)) for one in site.outbound],
        urgent=[_for_help(site, one) for one in site.emergency],
        notifies=any(one.notify for one in site.emergency),
        limits=[limit for trunk in _used(site) for limit in _limits(site, trunk)],
        rewrites=_rewrites(site),
        denied=_beginnings(site.outbound_limits.barred),
        countries=_beginnings(site.outbound_limits.countries),
        over=causes(site),
        calls=at_a_time(site, _ACTING, BARRED),
        hour=an_hour(site, _ACTING, BARRED),
        full=FULL,
        barred=BARRED,
        came_in=Hit("trunk-calls", trunk="${trunk}"),
        callers_hit=Hit("$1", extension=_ACTING, called=_CALLED),
        records=records(site),
        cap_hours=[(one.name, other_zone(site, one)) for one in caps.asked_hours(site)],
    )


def _used(site: Site) -> list[Trunk]:
    """Return the trunks of routes, each once."""
    named = dict.fromkeys(name for one in site.outbound for name in one.trunks)
    return [site.named("trunks", name) for name in named]


@dataclass(frozen=True)
class Tried:
    """A trunk of a route's, as the dialplan tries it."""

    trunk: Trunk
    leg: CarrierLeg
    rewrites: tuple[Markup, ...]
    """Extensions that write both numbers as the trunk's own rules have them, before the leg."""
    tone: str | None
    """Tone that its callers hear instead of what the carrier plays."""
    is_toneless: bool
    """Removal of an earlier trunk's tone: another trunk of routes has one, and this has none."""
    silence: Markup
    """Variable that a trunk which is drawn by its weight is given, as ``;name=value``, or nothing:
    nobody knows which is the last."""


@dataclass(frozen=True)
class Reached:
    """A route as the dialplan follows it."""

    route: Route
    name: str
    """Beginning of the name by which a call is led to it; the number follows."""
    digits: str
    """Expression of that number, whose digits are the first group."""
    plus: str
    """Sign that is before these digits."""
    is_recorded: bool
    """Recording, which one of its trunks asks for."""
    goes_on: tuple[str, ...]
    """Causes after which the next trunk is tried."""
    drawn: tuple[Tried, ...]
    """Trunks that are drawn by their weights."""
    rest: tuple[Tried, ...]
    """Trunks that are tried in their order, after those."""


@dataclass(frozen=True)
class ForHelp:
    """An emergency number as the dialplan calls it."""

    number: str
    name: str
    """Name by which a call is led to it."""
    warning: Markup
    """Line of the log, of which a mail is made."""
    notify: tuple[str, ...]
    """Extensions that ring and tell of it."""
    legs: tuple[tuple[tuple[Markup, ...], CarrierLeg, CarrierLeg], ...]
    """Carriers in their order: what writes the caller's number before the leg, the leg, and the
    same by the gateway that nothing marks as down."""


@dataclass(frozen=True)
class TrunkLimit:
    """A limit of a trunk, as the dialplan finds that a leg has hit it."""

    trunk: str
    field: str
    """Field of the trunk that says it."""
    title: str
    cause: str
    """Cause by which the leg has ended."""
    hit: Hit


@dataclass(frozen=True)
class Rewritten:
    """A rule of a trunk's as the dialplan has it."""

    name: str
    """The extension that is run."""
    expression: str
    """Expression of the number behind that name."""
    variable: str
    """The variable that is set."""
    value: Markup
    """Value that it is set to, of the expression's groups."""


def reached(site: Site, route: Route) -> Reached:
    """Return a route as the dialplan follows it."""
    voice = Voice.of(site, route.media)
    trunks: list[Trunk] = [site.named("trunks", name) for name in route.trunks]
    drawn = [one for one in trunks if one.name in route.shares]
    rest = [one for one in trunks if one.name not in route.shares]
    is_toned = any(one.ringback for one in _used(site))

    def tried(trunk: Trunk, is_last: bool) -> Tried:
        said = Markup("" if is_last else f";{_SILENCE}={route.silence_seconds}")
        # Drawn by its weight it is told before.
        silence = ("", Markup("${silence}")) if trunk in drawn else ("", said)
        return Tried(
            trunk,
            _by_route(site, route, trunk, voice, silence),
            _rewriting(trunk, called=not route.short),
            tone=TONES[trunk.ringback] if trunk.ringback else None,
            is_toneless=is_toned and not trunk.ringback,
            silence=said,
        )

    return Reached(
        route,
        name=f"{names.ROUTE}{route.name}-",
        digits=r"(\d{3,8})" if route.short else r"\+(\d{6,15})",
        plus="" if route.short else "+",
        is_recorded=any(one.record for one in trunks),
        goes_on=(*route.failover, *causes(site).values()),
        drawn=tuple(tried(one, one is drawn[-1] and not rest) for one in drawn),
        rest=tuple(tried(one, one is rest[-1]) for one in rest),
    )


def _by_route(
    site: Site, route: Route, trunk: Trunk, voice: Voice, silence: tuple[str, str]
) -> CarrierLeg:
    """Return the leg of a call that follows a route. It counts, before anything is sent, since it
    outlasts the caller's where the call is transferred."""
    called, own, cause = Markup(_sent(trunk, route)), _own(trunk), causes(site)
    limits = [
        at_a_time(site, _ACTING, cause["calls"]),
        *of_trunk(trunk, cause["trunk-calls"], cause["trunk-hour"]),
    ]
    if site.caps:
        limits.append(capped(_ACTING, _CALLED, route.name, "${cap_attempt}", "${cap_hours}"))
    run = [
        "limit hash leg ${uuid} -1",
        *(one for limit in limits for one in limit.run),
        "execute_extension diverted XML services",
        # Not run where a limit was hit.
        "execute_extension counted XML services",
    ]
    caller = own
    if trunk.shows_callers:
        other = _shown_of(trunk, "sent_on_caller")
        caller = Markup(f"${{cond(${{sent_on_caller}}x == x ? {own} : {other})}}")
    more = [
        # What a call that the Site sends outside says of who has sent it on; see sent_outside.xml.
        *([("diverted_to", called)] if trunk.forwarded_in == "history-info" else []),
        ("diverted_why", Markup("${diverted_why}")),
        ("diverted_at", bracketed(trunk.host)),
        ("diverted_by", own),
        *counting(run),
        *([("", "${billed}")] if site.prepaid else []),
        *([("", "${asked}")] if asks(site) else []),
    ]
    return CarrierLeg(trunk, called, _variables(site, trunk, voice, caller, [silence, *more]))


def _for_help(site: Site, one: Emergency) -> ForHelp:
    """Return an emergency number with its legs."""
    number, seconds = one.sent or one.number, str(one.silence_seconds)
    trunks: list[Trunk] = [site.named("trunks", name) for name in one.trunks]

    def leg(trunk: Trunk, gateway: str) -> CarrierLeg:
        silence = [] if trunk is trunks[-1] else [(_SILENCE, seconds)]
        voice = Voice.of(site, "default")
        said = _variables(site, trunk, voice, _own(trunk), silence, urgent=True)
        return CarrierLeg(trunk, number, said, gateway)

    return ForHelp(
        one.number,
        f"{names.EMERGENCY}{one.number}",
        Markup(alarm.helped(_ACTING, one.number)),
        tuple(one.notify),
        tuple(
            (_rewriting(trunk, called=False), leg(trunk, trunk.name), leg(trunk, late(trunk)))
            for trunk in trunks
        ),
    )


def _variables(
    site: Site, trunk: Trunk, voice: Voice, caller: Markup, more: Variables, *, urgent: bool = False
) -> Variables:
    """Return the variables of a leg of the dialplan's."""
    return [
        *([] if voice.bypasses else [("media_mix_inbound_outbound_codecs", "true")]),
        *more,
        *_codecs(site, trunk, voice),
        *identity(trunk).items(),
        *during(trunk, urgent=urgent).items(),
        ("origination_caller_id_number", caller),
        ("origination_caller_id_name", caller),
    ]


def _codecs(site: Site, trunk: Trunk, voice: Voice) -> Iterator[tuple[str, str]]:
    """Yield what the carrier is offered, and what of its tones is heard before the answer."""
    codecs, spoken = trunk.codecs or site.media.codecs, trunk.spoken or site.media.spoken
    if trunk.codecs and trunk.codecs == trunk.spoken:
        yield "absolute_codec_string", trunk.offered
    elif voice.is_decoded and PASSTHROUGH_CODEC in codecs:
        choice = f"${{cond(${{passing}}x == truex ? {','.join(codecs)} : {','.join(spoken)})}}"
        yield "absolute_codec_string", Markup(choice)
    elif trunk.codecs:
        yield "absolute_codec_string", ",".join(trunk.spoken)
    if trunk.ringback:
        yield "ignore_early_media", "true"
    elif not trunk.early_media:
        yield "ignore_early_media", "ring_ready"


def _own(trunk: Trunk) -> Markup:
    """Return the dialplan's words for a number of the caller's, as its carrier wants it."""
    without = trunk.shown(trunk.caller_id) if trunk.caller_id else "anonymous"
    own = _shown_of(trunk, "outside_number")
    return Markup(f"${{cond(${{outside_number}}x == x ? {xml_escape(without)} : {own})}}")


def _sent(trunk: Trunk, route: Route) -> str:
    """Return the dialplan's words for a called number, whose digits are its first group, as the
    carrier wants it."""
    if route.short:
        return "$1"
    if trunk.called_out:
        return "${called_sent}"
    return trunk.number_prefix + written(trunk, trunk.number_format, "$1")


def _shown_of(trunk: Trunk, variable: str) -> str:
    """Return the dialplan's words for the caller's number, which a variable holds."""
    if trunk.caller_out:
        return "${caller_sent}"
    return written(trunk, trunk.caller_id_format, f"${{{variable}:1}}")


def _limits(site: Site, trunk: Trunk) -> Iterator[TrunkLimit]:
    """Yield the limits of a trunk, as its legs hit them."""
    over = causes(site)
    titles = {"trunk-calls": ("channels", "channels"), "trunk-hour": ("calls_per_hour", "hour")}
    for limit in of_trunk(trunk, over["trunk-calls"], over["trunk-hour"]):
        field, title = titles[limit.name]
        hit = Hit(limit.name, trunk.name, _ACTING, called=_CALLED)
        yield TrunkLimit(trunk.name, field, title, limit.cause, hit)


def _rewriting(trunk: Trunk, *, called: bool) -> tuple[Markup, ...]:
    """Return the names by which a trunk's own rules are run for a call out. ``called``: the number
    is one of E.164, whose digits are the dialplan's first group."""
    return (
        *((Markup(f"{_name('called', trunk)}-+$1"),) if trunk.called_out and called else ()),
        *((Markup(f"{_name('caller', trunk)}-${{outside_number}}"),) if trunk.caller_out else ()),
    )


def _name(kind: str, trunk: Trunk) -> str:
    return f"{kind}-by-{trunk.name}"


def _rewrites(site: Site) -> list[Rewritten]:
    """Return the rules of trunks for calls out, and after each trunk's what holds without."""
    out = []
    for trunk in site.trunks:
        for kind, rules, form in (
            ("called", trunk.called_out, trunk.number_format),
            ("caller", trunk.caller_out, trunk.caller_id_format),
        ):
            if not rules:
                continue
            name, variable = _name(kind, trunk), f"{kind}_sent"
            out += [
                Rewritten(name, one.pattern[1:-1], variable, Markup(one.replacement))
                for one in rules
            ]
            before = trunk.number_prefix if kind == "called" else ""
            rest = before + written(trunk, form, "$1")
            out.append(Rewritten(name, r"\+(\d{3,15})", variable, Markup(rest)))
    return out


def _beginnings(prefixes: Sequence[str]) -> str:
    return "|".join(prefix[1:] for prefix in prefixes)
