"""Trunks, and the numbers that come in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from callcenter.render._actions import DISTRIBUTOR
from callcenter.render._addresses import bracketed
from callcenter.render._files import File
from callcenter.render._templates import xml
from callcenter.render.services._dialplan import config, encrypted
from callcenter.render.services._gateways import gateways
from callcenter.site import Did, Site, Trunk
from callcenter.site.countries import dialling
from callcenter.site.trunks import NumberFormat

__all__ = [
    "COSTS",
    "HIDDEN",
    "PROFILE",
    "Scope",
    "advertised_scope",
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
    "written",
]

_IDENTITY: Mapping[str, Mapping[str, str]] = {
    "from": {},
    "p-asserted-identity": {"sip_cid_type": "pid"},
    # What is not screened is what we would prefer.
    "p-preferred-identity": {"sip_cid_type": "pid", "origination_privacy": "none"},
    "remote-party-id": {"sip_cid_type": "rpid"},
}

Scope = Literal["own", "public", "each"]
"""Address that the carriers of a profile are told: the switch's own, the public one, or each its
own of both."""
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
    """Yield a gateway for each trunk, and what spreads calls over several."""
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
            gateways=tuple(gateways(trunk, urgent=trunk.name in for_help)),
            in_from=trunk.caller_id_in == "from",
        )
        folder = "gateways/tls" if trunk.transport == "tls" else "gateways"
        yield File(f"{folder}/{trunk.name}.xml", made, 0o640)
        if trunk.transport == "tls":
            yield from _certificates(site, trunk)

    if "mod_distributor" in modules(site):
        routes = [route for route in site.outbound if route.shares]
        yield config("autoload_configs/distributor.conf.xml", site, routes=routes)


def identity(trunk: Trunk) -> dict[str, str]:
    """Return the variables of a call out by which the caller's number, and the name in From, stand
    where the carrier looks for them."""
    out = dict(_IDENTITY[trunk.caller_id_in])
    if trunk.from_user is not None:
        domain = trunk.from_domain or trunk.host
        out["sip_from_uri"] = f"sip:{trunk.from_user}@{bracketed(domain)}"
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


def written(trunk: Trunk, form: NumberFormat, digits: str) -> str:
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


def profile(trunk: Trunk) -> str:
    """Return the sofia profile of a trunk. By TLS each has its own, since a profile knows one set
    of authorities, and sends all that it sends to one proxy whose name is checked: within a call
    FreeSWITCH would go to the address in Contact, which no certificate holds."""
    return f"tls-{trunk.name}" if trunk.transport == "tls" else PROFILE


def profiles(site: Site) -> dict[str, Trunk | None]:
    """Return the sofia profiles that carriers call, each with its only trunk if it has one."""
    return {profile(trunk): trunk if trunk.transport == "tls" else None for trunk in site.trunks}


def advertised_scope(site: Site, name: str) -> Scope:
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


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    for index, trunk in enumerate(site.trunks):
        if trunk.transport == "tls":
            yield (f"Site.trunks[{index}].transport: 'tls' needs a Linux host; use 'tcp' or 'udp'")
