"""Trunks, the numbers that come in, and the routes that lead out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from markupsafe import Markup

from callcenter.onhost import alarm
from callcenter.render._actions import DISTRIBUTOR
from callcenter.render._files import File
from callcenter.render._templates import xml, xml_escape
from callcenter.render.services import caps
from callcenter.render.services._carrier_legs import (
    BARRED,
    FULL,
    CarrierLeg,
    Limit,
    Variables,
    an_hour,
    at_a_time,
    capped,
    causes,
    counting,
    of_trunk,
)
from callcenter.render.services._dialplan import config, encrypted, records
from callcenter.render.services._hits import Hit
from callcenter.site import PASSTHROUGH_CODEC, Did, Emergency, Route, Site, Trunk
from callcenter.site._outside import asks
from callcenter.site.countries import dialling
from callcenter.site.trunks import TONES, NumberFormat

__all__ = [
    "COSTS",
    "HIDDEN",
    "PROFILE",
    "advertised_scope",
    "dids",
    "during",
    "expression",
    "files",
    "identity",
    "modules",
    "needs_linux",
    "own_numbers",
    "profile",
    "profiles",
    "spans",
    "timers",
]

_IDENTITY: Mapping[str, Mapping[str, str]] = {
    "from": {},
    "p-asserted-identity": {"sip_cid_type": "pid"},
    # What is not screened is what we would prefer.
    "p-preferred-identity": {"sip_cid_type": "pid", "origination_privacy": "none"},
    "remote-party-id": {"sip_cid_type": "rpid"},
}

PROFILE = "external"
"""The sofia profile that carriers call."""

COSTS = {"autoload_configs/distributor.conf.xml": DISTRIBUTOR}
# FreeSWITCH reads both from one file.
HIDDEN = {"/agent.pem": "certificate and private key"}


def modules(site: Site) -> tuple[str, ...]:
    """Name the modules that count calls, and that spread them."""
    spread = ("mod_distributor",) if any(route.shares for route in site.outbound) else ()
    return ("mod_hash", *spread) if site.trunks else ()


def files(site: Site) -> Iterator[File]:
    """Yield a gateway for each trunk, and the dialplan that leads out."""
    if not site.trunks:
        return
    for_help = {name for one in site.emergency for name in one.trunks}
    for trunk in site.trunks:
        password = site.reveal(trunk.password) if trunk.password else ""
        # As for the address in SDP, where FreeSWITCH's own idea of what is local does not count.
        own = advertised_scope(site, profile(trunk)) == "each" and site.network.holds(
            trunk.reached_at
        )
        made = xml(
            "freeswitch/gateways/gateway.xml.j2",
            trunk=trunk,
            password=password,
            own=own,
            urgent=trunk.name in for_help,
            late=late,
        )
        folder = "gateways/tls" if trunk.transport == "tls" else "gateways"
        yield File(f"{folder}/{trunk.name}.xml", made, 0o640)
        if trunk.transport == "tls":
            yield from _certificates(site, trunk)

    def named(names: Iterable[str]) -> list[Trunk]:
        return [site.named("trunks", name) for name in names]

    if "mod_distributor" in modules(site):
        yield config("autoload_configs/distributor.conf.xml", site)
    yield config(
        "dialplan/services/outbound.xml",
        site,
        routes=[_tried(site, one, named(one.trunks)) for one in site.outbound],
        urgent=[_for_help(site, one, named(one.trunks)) for one in site.emergency],
        used=named(dict.fromkeys(name for one in site.outbound for name in one.trunks)),
        records=records(site),
        passthrough=PASSTHROUGH_CODEC,
        denied=_beginnings(site.outbound_limits.barred),
        countries=_beginnings(site.outbound_limits.countries),
        rewrites=_rewrites(site),
        tones=TONES,
        over=causes(site),
        calls=at_a_time(site, _ACTING, BARRED),
        hour=an_hour(site, _ACTING, BARRED),
        full=FULL,
        barred=BARRED,
        came_in=Hit("trunk-calls", trunk="${trunk}"),
        callers_hit=Hit("$1", extension=_ACTING, called=_CALLED),
        trunk_hit=lambda trunk, limit: Hit(limit, trunk.name, _ACTING, called=_CALLED),
        helped=lambda one: Markup(alarm.helped(_ACTING, one.number)),
        cap_hours=caps.asked_hours(site),
    )


_ACTING, _CALLED = "${acting}", "${called_number}"
"""Expressions of the dialplan: the extension that calls, and the number that it calls."""


@dataclass(frozen=True)
class _Tried:
    """A trunk of a route's, as the dialplan tries it."""

    trunk: Trunk
    leg: CarrierLeg
    silence: Markup
    """Variable that a trunk which is drawn by its weight is given, as ``;name=value``, or nothing:
    nobody knows which is the last."""


def _tried(
    site: Site, route: Route, trunks: Sequence[Trunk]
) -> tuple[Route, str, list[_Tried], list[_Tried]]:
    """Return a route with the way of its voice, the trunks that are drawn by their weights, and
    those that are tried in their order."""
    mode = route.media or site.media.mode
    drawn = [one for one in trunks if one.name in route.shares]
    rest = [one for one in trunks if one.name not in route.shares]
    seconds = str(route.silence_seconds)

    def tried(trunk: Trunk, is_last: bool) -> _Tried:
        said = Markup("" if is_last else f";{_SILENCE}={seconds}")
        # Drawn by its weight it is told before.
        silence = ("", Markup("${silence}")) if trunk in drawn else ("", said)
        return _Tried(trunk, _by_route(site, route, trunk, mode, silence), said)

    return (
        route,
        mode,
        [tried(one, one is drawn[-1] and not rest) for one in drawn],
        [tried(one, one is rest[-1]) for one in rest],
    )


_SILENCE = "leg_progress_timeout"
"""Variable with the seconds after which a carrier that is silent is given up. 100 and 181 are no
progress to FreeSWITCH, and carriers send no more for long: the last trunk has none."""


def _by_route(
    site: Site, route: Route, trunk: Trunk, mode: str, silence: tuple[str, str]
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
    host = f"[{trunk.host}]" if ":" in trunk.host else trunk.host
    caller = own
    if trunk.shows_callers:
        other = _shown_of(trunk, "sent_on_caller")
        caller = Markup(f"${{cond(${{sent_on_caller}}x == x ? {own} : {other})}}")
    more = [
        # What a call that the Site sends outside says of who has sent it on; see sent_outside.xml.
        *([("diverted_to", called)] if trunk.forwarded_in == "history-info" else []),
        ("diverted_why", Markup("${diverted_why}")),
        ("diverted_at", host),
        ("diverted_by", own),
        *counting(run),
        *([("", "${billed}")] if site.prepaid else []),
        *([("", "${asked}")] if asks(site) else []),
    ]
    return CarrierLeg(trunk, called, _variables(site, trunk, mode, caller, [silence, *more]))


def _for_help(
    site: Site, one: Emergency, trunks: Sequence[Trunk]
) -> tuple[Emergency, list[tuple[CarrierLeg, CarrierLeg]]]:
    """Return an emergency number with its legs, each also by the gateway that nothing marks as
    down."""
    number, seconds = one.sent or one.number, str(one.silence_seconds)

    def leg(trunk: Trunk, gateway: str) -> CarrierLeg:
        silence = [] if trunk is trunks[-1] else [(_SILENCE, seconds)]
        said = _variables(site, trunk, "default", _own(trunk), silence, urgent=True)
        return CarrierLeg(trunk, number, said, gateway)

    return one, [(leg(trunk, trunk.name), leg(trunk, late(trunk))) for trunk in trunks]


def _variables(
    site: Site, trunk: Trunk, mode: str, caller: Markup, more: Variables, *, urgent: bool = False
) -> Variables:
    """Return the variables of a leg of the dialplan's."""
    return [
        *([] if mode == "bypass" else [("media_mix_inbound_outbound_codecs", "true")]),
        *more,
        *_codecs(site, trunk, mode),
        *identity(trunk).items(),
        *during(trunk, urgent=urgent).items(),
        ("origination_caller_id_number", caller),
        ("origination_caller_id_name", caller),
    ]


def _codecs(site: Site, trunk: Trunk, mode: str) -> Iterator[tuple[str, str]]:
    """Yield what the carrier is offered, and what of its tones is heard before the answer."""
    codecs, spoken = trunk.codecs or site.media.codecs, trunk.spoken or site.media.spoken
    if trunk.codecs and trunk.codecs == trunk.spoken:
        yield "absolute_codec_string", trunk.offered
    elif mode == "default" and PASSTHROUGH_CODEC in codecs:
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
    return trunk.number_prefix + _written(trunk, trunk.number_format, "$1")


def _shown_of(trunk: Trunk, variable: str) -> str:
    """Return the dialplan's words for the caller's number, which a variable holds."""
    if trunk.caller_out:
        return "${caller_sent}"
    return _written(trunk, trunk.caller_id_format, f"${{{variable}:1}}")


@dataclass(frozen=True)
class _Rewritten:
    """A rule of a trunk's as the dialplan has it."""

    name: str
    """The extension that is run."""
    expression: str
    """Expression of the number behind that name."""
    variable: str
    """The variable that is set."""
    value: str
    """Value that it is set to, of the expression's groups."""


def _rewrites(site: Site) -> list[_Rewritten]:
    """Return the rules of trunks for calls out, and after each trunk's what holds without."""
    out = []
    for trunk in site.trunks:
        for kind, rules, form in (
            ("called", trunk.called_out, trunk.number_format),
            ("caller", trunk.caller_out, trunk.caller_id_format),
        ):
            if not rules:
                continue
            name, variable = f"{kind}-by-{trunk.name}", f"{kind}_sent"
            out += [_Rewritten(name, one.pattern[1:-1], variable, one.replacement) for one in rules]
            before = trunk.number_prefix if kind == "called" else ""
            rest = before + _written(trunk, form, "$1")
            out.append(_Rewritten(name, r"\+(\d{3,15})", variable, rest))
    return out


def identity(trunk: Trunk) -> dict[str, str]:
    """Return the variables of a call out by which the caller's number, and the name in From, stand
    where the carrier looks for them."""
    out = dict(_IDENTITY[trunk.caller_id_in])
    if trunk.from_user is not None:
        domain = trunk.from_domain or trunk.host
        at = f"[{domain}]" if ":" in domain else domain
        out["sip_from_uri"] = f"sip:{trunk.from_user}@{at}"
    out |= timers(trunk)
    return out | {f"sip_h_{name}": text for name, text in trunk.headers.items()}


USUAL_SESSION_SECONDS = 1800
"""Seconds of the session timer (RFC 4028) in the profile."""


def timers(trunk: Trunk) -> dict[str, str]:
    """Return the variables of a call, in or out, that say what RFC 4028's timer is."""
    if trunk.session_seconds == USUAL_SESSION_SECONDS:
        return {}
    return {"sofia_session_timeout": str(trunk.session_seconds or 0)}


def during(trunk: Trunk, *, urgent: bool = False) -> dict[str, str]:
    """Return the variables of a call, in or out, that say how voice and keys travel and when it
    ends. One to an emergency number (``urgent``) may last."""
    out = encrypted("mandatory") if trunk.srtp else {}
    if trunk.dtmf == "info":
        out["dtmf_type"] = "info"
    if trunk.dtmf == "in-band":
        out["dtmf_type"] = "none"
        out["execute_on_answer_1"] = "start_dtmf"
        out["execute_on_answer_2"] = "start_dtmf_generate write"
    if trunk.longest_call is not None and not urgent:
        out["execute_on_answer_3"] = f"sched_hangup +{trunk.longest_call} ALLOTTED_TIMEOUT"
    return out


def _written(trunk: Trunk, form: NumberFormat, digits: str) -> str:
    """Return an expression of FreeSWITCH's for a number of E.164, without its plus, as the carrier
    wants it: what the trunk's own methods do where the number is known."""
    if form != "national" or trunk.national is None:
        return {"+": "+", "00": "00"}.get(form, "") + digits
    known, country = dialling(trunk.national), trunk.national[1:]
    out = known.abroad + digits
    # Where the expression does not match, regex returns what it was given.
    if known.own and known.bare:
        out = rf"${{regex({out}|^{known.abroad}{country}({known.bare})\z|%1)}}"
    return rf"${{regex({out}|^{known.abroad}{country}(\d+)\z|{known.own}%1)}}"


def late(trunk: Trunk) -> str:
    """Return the gateway of a trunk that nothing marks as down: no name of a trunk has a dot."""
    return f"{trunk.name}.urgent"


def profile(trunk: Trunk) -> str:
    """Return the sofia profile of a trunk. By TLS each has its own, since a profile knows one set
    of authorities, and sends all that it sends to one proxy whose name is checked: within a call
    FreeSWITCH would go to the address in Contact, which no certificate holds."""
    return f"tls-{trunk.name}" if trunk.transport == "tls" else PROFILE


def profiles(site: Site) -> dict[str, Trunk | None]:
    """Return the sofia profiles that carriers call, each with its only trunk if it has one."""
    return {profile(trunk): trunk if trunk.transport == "tls" else None for trunk in site.trunks}


def advertised_scope(site: Site, name: str) -> Literal["own", "public", "each"]:
    """Tell which address the carriers of a profile are told by a switch behind a NAT: its own one,
    where all are in local networks, the public one, where none is, or each its own of both. Only
    for the last FreeSWITCH must tell carriers apart, which it does by less than local_networks."""
    trunks = [trunk for trunk in site.trunks if profile(trunk) == name]
    match site.network.holds(source for trunk in trunks for source in trunk.sources):
        case True:
            return "own"
        case False:
            return "public"
        case None:
            return "each"


def _certificates(site: Site, trunk: Trunk) -> Iterator[File]:
    """Yield certificates under the names that sofia-sip looks for. It would make a certificate of
    its own where agent.pem is not there, and sends no other than its first."""
    assert trunk.ca_file is not None
    authorities, own = [trunk.ca_file.read_text()], "No certificate: nobody can connect.\n"
    if trunk.certificate is not None and trunk.key is not None:
        own = f"{trunk.certificate.read_text()}\n{site.reveal(trunk.key)}\n"
        # Those between are taken from here. They are trusted no further than what signed them.
        between = x509.load_pem_x509_certificates(own.encode())[1:]
        authorities += [one.public_bytes(serialization.Encoding.PEM).decode() for one in between]
    yield File(f"certificates/{trunk.name}/cafile.pem", "\n".join(authorities).encode(), 0o640)
    yield File(f"certificates/{trunk.name}/agent.pem", own.encode(), 0o640)


def arrivals(site: Site) -> list[tuple[Trunk, bool, Limit]]:
    """Return the ways to find a call's trunk, in their order, with the limit that counts it among
    those that go out. True: by the account, too, to which the carrier sends the call, where several
    trunks have one address."""
    shared = [
        trunk
        for trunk in site.trunks
        if trunk.registers
        and any(
            other is not trunk and profile(other) == profile(trunk) and other.meets(trunk)
            for other in site.trunks
        )
    ]
    found = [*((trunk, True) for trunk in shared), *((trunk, False) for trunk in site.trunks)]
    return [(trunk, by, next(of_trunk(trunk, FULL, FULL))) for trunk, by in found]


def dids(site: Site) -> list[tuple[Did, str]]:
    """Return the numbers that come in, each with the expression of what a carrier sends for it."""
    return [(did, expression(did, site.trunks)) for did in site.inbound]


def expression(did: Did, trunks: Sequence[Trunk]) -> str:
    """Return what a carrier sends for a number: with a plus, with 00, with neither; as one dials
    it in its country where it sends that country's numbers so. Nothing stands before or after
    it."""
    first, last = did.number[1:], (did.last or did.number)[1:]
    spellings = [rf"(?:\+|00)?{_span(first, last)}"]
    for trunk in trunks:
        if trunk.national and did.trunk in (None, trunk.name):
            country = trunk.national[1:]
            if first.startswith(country) and last.startswith(country):
                known = dialling(trunk.national)
                within = _span(first[len(country) :], last[len(country) :])
                # China's mobiles are sent with a 0, and without.
                optional = (
                    known.own and known.bare and re.fullmatch(known.bare, last[len(country) :])
                )
                spelling = (f"{known.own}?" if optional else known.own) + within
                if spelling not in spellings:
                    spellings.append(spelling)
    return f"(?:{'|'.join(spellings)})"


def own_numbers(dids: Sequence[Did]) -> str:
    """Return an expression that finds one of the Site's own numbers in a header."""
    return rf"\b(?:{'|'.join(_span(*ends) for ends in map(_ends, dids))})\b"


def spans(dids: Sequence[Did]) -> list[str]:
    """Return expressions of the Site's own numbers without their plus, each whole."""
    return [rf"{_span(*ends)}\z" for ends in map(_ends, dids)]


def _ends(did: Did) -> tuple[str, str]:
    return did.number[1:], (did.last or did.number)[1:]


def _span(first: str, last: str) -> str:
    """Return a regular expression of the numbers from first to last, both of as many digits."""
    if first == last:
        return first
    if first[0] == last[0]:
        return first[0] + _span(first[1:], last[1:])
    low, high, rest = int(first[0]), int(last[0]), len(first) - 1
    parts = []
    if rest and set(first[1:]) != {"0"}:
        parts.append(first[0] + _span(first[1:], "9" * rest))
        low += 1
    upper = ""
    if rest and set(last[1:]) != {"9"}:
        upper = last[0] + _span("0" * rest, last[1:])
        high -= 1
    if low <= high:
        digits = str(low) if low == high else f"[{low}-{high}]"
        parts.append(digits + (rf"\d{{{rest}}}" if rest else ""))
    if upper:
        parts.append(upper)
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


def _beginnings(prefixes: Sequence[str]) -> str:
    return "|".join(prefix[1:] for prefix in prefixes)


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    for index, trunk in enumerate(site.trunks):
        if trunk.transport == "tls":
            yield (f"Site.trunks[{index}].transport: 'tls' needs a Linux host; use 'tcp' or 'udp'")
