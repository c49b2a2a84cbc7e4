"""The dial plan as a whole: each number once, each destination there, no call in a circle."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from callcenter.site._model import Problem
from callcenter.site.countries import country_of, example
from callcenter.site.destinations import (
    SERVICES,
    Destination,
    OpenDuring,
    ToExtension,
    ToVoicemail,
    destinations_in,
    target_of,
)
from callcenter.site.extensions import UNANSWERED
from callcenter.site.features import WITH_NUMBER
from callcenter.site.media import PASSTHROUGH_CODEC

if TYPE_CHECKING:
    from callcenter.site.site import Site
    from callcenter.site.trunks import Route

__all__ = [
    "NAMED",
    "callers_lost",
    "check_billing",
    "check_callers",
    "check_destinations",
    "check_members",
    "check_names",
    "check_numbers",
    "check_outbound",
    "check_phones",
    "dialled_numbers",
    "services",
    "slow_numbers",
]

NAMED = (
    *("conferences", "faxes", "hours", "ivrs", "notices", "paging_groups", "queues", "ring_groups"),
    *("trunks", "outbound", "applications", "http_applications", "scripts"),
)
"""Fields of the Site whose members have a name and may have a number."""


def dialled_numbers(site: Site) -> Iterator[tuple[str, str]]:
    """Yield every number of the Site but its extensions, after the path of its field."""
    for name, code in site.features.items():
        yield f"features.{name}", code
    for kind in NAMED:
        for index, member in enumerate(getattr(site, kind)):
            for field in ("number", "night"):
                if (number := getattr(member, field, None)) is not None:
                    yield f"{kind}[{index}].{field}", number
    if site.mailboxes:
        for field in ("check", "check_any"):
            if (number := getattr(site.voicemail, field)) is not None:
                yield f"voicemail.{field}", number
    yield from _agent_codes(site)
    if site.parking is not None:
        if site.parking.number is not None:
            yield "parking.number", site.parking.number
        for place in site.parking.places:
            yield "parking.first", place
    for code in site.speed_dials:
        yield f"speed_dials[{code!r}]", code
    for index, one in enumerate(site.emergency):
        yield f"emergency[{index}].number", one.number


def _agent_codes(site: Site) -> Iterator[tuple[str, str]]:
    for field in fields(site.agent_codes) if site.agents else ():
        if (code := getattr(site.agent_codes, field.name)) is not None:
            yield f"agent_codes.{field.name}", code


def check_numbers(site: Site) -> None:
    """Check that no number stands for two things, nor for a code and what is dialled after it."""
    seen: dict[str, str] = {}
    for path, number in dialled_numbers(site):
        if number in seen:
            raise Problem(path, f"{number} is already {seen[number]}; give each its own")
        seen[number] = path
    for index, extension in enumerate(site.extensions):
        number, path = extension.number, f"extensions[{index}].number"
        if (taken := seen.get(number)) is None:
            seen[number] = path.removesuffix(".number")
        elif (code := taken.removeprefix("features.")) != taken:
            raise Problem(
                path,
                f"{number} is the feature code {code!r}; choose another number, or another code "
                f"in {taken}",
            )
        else:
            raise Problem(path, f"{number} is already {taken}; give each its own")
    codes = {code for name, code in site.features.items() if name in WITH_NUMBER}
    for path, number, shorter in _beginnings(seen):
        if shorter in codes and number.removeprefix(shorter).isdigit():
            raise Problem(
                path,
                f"{number} begins with {shorter}, after which a number is dialled, so it would be "
                "taken for both; choose another",
            )


def check_phones(site: Site) -> None:
    """Check that each desk phone has links, a MAC address of its own, keys that call somebody, and
    encryption that does not hang on a guess."""
    owners: dict[str, str] = {}
    known = {number for _, number in dialled_numbers(site)} | site.extension_by_number.keys()
    for index, extension in enumerate(site.extensions):
        for place, phone in enumerate(extension.phones):
            path = f"extensions[{index}].phones[{place}]"
            if site.provisioning is None:
                raise Problem(
                    path, "needs a link; set provisioning=Provisioning(), or leave it out"
                )
            if phone.make == "fanvil" and site.network.srtp != "required":
                raise Problem(
                    f"{path}.make",
                    "a Fanvil's own way of demanding SRTP is not documented, so the switch has to; "
                    "set network.tls.srtp='required', or leave the phone out",
                )
            if (other := owners.setdefault(phone.mac, path)) != path:
                raise Problem(f"{path}.mac", f"{phone.mac} is also that of {other}; give its own")
            for key, number in enumerate(phone.keys):
                if number == extension.number:
                    raise Problem(f"{path}.keys[{key}]", f"{number} is itself; leave it out")
                if number not in known:
                    raise Problem(
                        f"{path}.keys[{key}]",
                        f"{number} is no number of the Site; use an extension's, or for one "
                        "outside one of speed_dials",
                    )


def slow_numbers(site: Site) -> list[str]:
    """List the numbers that phones which dial digit by digit never reach, a line each."""
    seen = {number: path for path, number in dialled_numbers(site)}
    seen |= {one.number: f"extensions[{index}]" for index, one in enumerate(site.extensions)}
    return [
        f"Site.{path}: {number} begins with {shorter}, which phones that dial digit by digit would "
        "call instead; choose numbers of one length"
        for path, number, shorter in _beginnings(seen)
    ]


def _beginnings(seen: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the field of each number that begins with another, it, and the shortest of these."""
    for number, path in seen.items():
        shorter = next((number[:n] for n in range(2, len(number)) if number[:n] in seen), None)
        if shorter is not None:
            yield path + ".number" * path.startswith("extensions["), number, shorter


def check_names(site: Site) -> None:
    """Check that names are each given once among their kind."""
    for kind in NAMED:
        seen: set[str] = set()
        for index, member in enumerate(getattr(site, kind)):
            if member.name in seen:
                raise Problem(
                    f"{kind}[{index}].name", f"{member.name!r} is given twice; name each once"
                )
            seen.add(member.name)


def check_destinations(site: Site) -> None:
    """Check that every destination is there, and that no call is sent in a circle for ever."""
    for path, destination in destinations_in(site):
        field, target = target_of(destination)
        if not (kind := getattr(destination, "names", "")):
            continue
        check_member(site, kind, f"{path}.{field}", target)
    for path, destination in destinations_in(site):
        _check_circle(path, site, destination)


def check_members(site: Site) -> None:
    """Check that those whom a service rings are extensions of the Site."""
    for index, group in enumerate(site.ring_groups):
        _check_listed(site, f"ring_groups[{index}].members", group.members)
    for index, one in enumerate(site.paging_groups):
        _check_listed(site, f"paging_groups[{index}].members", one.members)
        _check_listed(site, f"paging_groups[{index}].from_extensions", one.from_extensions or ())
        if len(one.members) >= (room := 2 * site.media.max_calls):
            raise Problem(
                f"paging_groups[{index}].members",
                f"are {len(one.members)} phones, and media.max_calls has room for {room}, whoever "
                "pages among them; page fewer, or raise media.max_calls",
            )
    _check_features(site)
    for index, queue in enumerate(site.queues):
        if not any(queue.name in agent.skills for agent in site.agents):
            raise Problem(
                f"queues[{index}].name",
                f"{queue.name!r} is in no agent's skills, so nobody would answer; give it an agent",
            )
        if queue.record and site.media.mode != "default":
            raise Problem(
                f"queues[{index}].record",
                f"nothing can be recorded with media.mode {site.media.mode!r}; use 'default'",
            )
    seen: set[str] = set()
    for index, agent in enumerate(site.agents):
        check_member(site, "extensions", f"agents[{index}].extension", agent.extension)
        if agent.extension in seen:
            raise Problem(
                f"agents[{index}].extension",
                f"{agent.extension} is an agent already; give that one all skills",
            )
        seen.add(agent.extension)
        for name in agent.skills:
            check_member(site, "queues", f"agents[{index}].skills[{name!r}]", name)
    for index, extension in enumerate(site.extensions):
        if extension.record and site.media.mode != "default":
            raise Problem(
                f"extensions[{index}].record",
                f"nothing can be recorded with media.mode {site.media.mode!r}; use 'default'",
            )
    for index, menu in enumerate(site.ivrs):
        for keys in menu.options if menu.direct_dial else ():
            for extension in site.extensions:
                if extension.number.startswith(keys):
                    raise Problem(
                        f"ivrs[{index}].options[{keys!r}]",
                        f"begins extension {extension.number}, which direct_dial offers; choose "
                        "other keys, or leave direct_dial off",
                    )


def check_outbound(site: Site) -> None:
    """Check that trunks are there, no number has two ways, and nothing stands before an emergency
    number."""
    for kind in ("outbound", "emergency"):
        for index, one in enumerate(getattr(site, kind)):
            for place, name in enumerate(one.trunks):
                path = f"{kind}[{index}].trunks[{place}]"
                check_member(site, "trunks", path, name)
                if name in one.trunks[:place]:
                    raise Problem(path, f"{name!r} is listed twice; list it once")
    for index, extension in enumerate(site.extensions):
        for place, name in enumerate(extension.routes):
            check_member(site, "outbound", f"extensions[{index}].routes[{place}]", name)
    for index, fax in enumerate(site.faxes):
        for place, name in enumerate(fax.routes):
            check_member(site, "outbound", f"faxes[{index}].routes[{place}]", name)
    _check_dids(site)
    for index, trunk in enumerate(site.trunks):
        if trunk.record and site.media.mode != "default":
            raise Problem(
                f"trunks[{index}].record",
                f"nothing can be recorded with media.mode {site.media.mode!r}; use 'default'",
            )
        if PASSTHROUGH_CODEC in (trunk.codecs or ()) and PASSTHROUGH_CODEC not in site.media.codecs:
            raise Problem(
                f"trunks[{index}].codecs",
                f"has {PASSTHROUGH_CODEC}, which no phone is offered; add it to media.codecs, or "
                "drop it",
            )
        if (needing := trunk.needs_media) is not None and site.media.mode != "default":
            raise Problem(
                f"trunks[{index}].{needing}",
                f"needs the switch in the voice's way, and media.mode is {site.media.mode!r}; use "
                "'default'",
            )
        if trunk.srtp and site.media.mode != "default":
            raise Problem(
                f"trunks[{index}].srtp",
                f"needs the switch in the voice's way, and media.mode is {site.media.mode!r}; use "
                "'default'",
            )
    for field, is_used in (
        ("srtp", site.network.srtp != "off"),
        ("wss", site.network.wss is not None),
    ):
        if is_used and site.media.mode != "default":
            raise Problem(
                f"network.tls.{field}",
                f"needs the switch in the voice's way, and media.mode is {site.media.mode!r}; use "
                "'default'",
            )
    if site.outbound and not site.outbound_limits.countries:
        raise Problem(
            "outbound_limits.countries",
            "is empty, so no route leads anywhere; name what may be called, such as '+49'",
        )
    inside = {number: path for path, number in dialled_numbers(site)}
    inside |= {one.number: f"extensions[{n}]" for n, one in enumerate(site.extensions)}
    for index, route in enumerate(site.outbound):
        for number, path in inside.items():
            if route.matches(number):
                what = "an emergency number" if path.startswith("emergency") else "inside"
                raise Problem(
                    f"outbound[{index}].pattern",
                    f"matches {number}, which is {what} ({path}); make it narrower",
                )
        if (
            not route.short
            and not route.prefix.startswith("+")
            and not (route.prefix == "" and route.strip == 0 and route.pattern.startswith(r"^\+"))
        ):
            raise Problem(
                f"outbound[{index}].prefix",
                "does not make a number of E.164, which the limits are about; give the country, "
                "such as strip=1, prefix='+49'",
            )
        _check_recorded(site, index, route)
    _check_emergency(site)


def _check_emergency(site: Site) -> None:
    """Check that whoever calls for help can be called back, and whoever is told has a phone."""
    for index, one in enumerate(site.emergency):
        for place, number in enumerate(one.notify):
            check_member(site, "extensions", f"emergency[{index}].notify[{place}]", number)
        for name in one.trunks:
            if site.named("trunks", name).caller_id is not None:
                continue
            for place, extension in enumerate(site.extensions):
                if extension.called_back_at is None:
                    raise Problem(
                        f"extensions[{place}].emergency_caller_id",
                        f"is missing, and trunk {name!r} has no caller_id, so {one.number} could "
                        "not call back; give it here, or a caller_id to the extension or the trunk",
                    )


def check_callers(site: Site) -> None:
    """Check that rules about callers are about numbers of the Site, and that there is somebody who
    calls."""
    if site.callers is None:
        return
    if not site.inbound:
        raise Problem("callers", "needs numbers by which they come; give them in inbound")
    known = {did.number for did in site.inbound}
    for index, rule in enumerate(site.callers.rules):
        for place, number in enumerate(rule.called):
            if number not in known:
                raise Problem(
                    f"callers.rules[{index}].called[{place}]",
                    f"{number} is the number of nothing in inbound; write it as it stands there",
                )


def callers_lost(site: Site) -> list[str]:
    """List the forms, a line each, in which phones show a caller whom no route calls back."""
    if site.callers is None or not site.outbound:
        return []
    out = []
    for country in dict.fromkeys(country_of(one) for one in site.outbound_limits.countries):
        if (number := example(country)) is None or site.outbound_limits.refused(number):
            continue
        shown = site.callers.shown(number)
        if not any(
            route.matches(shown) and route.called(shown) == number for route in site.outbound
        ):
            out.append(
                f"Site.callers: shows {number} as {shown}, which no route calls back as that; "
                "change number_format or number_prefix, or give a route"
            )
    return out


def check_billing(site: Site) -> None:
    """Check that who is prepaid has prices, and no route that could never be paid or heard."""
    capped = any(cap.money is not None for cap in site.caps)
    if site.billing is not None and not site.accounts and not capped:
        raise Problem(
            "billing",
            "charges nobody; give an extension an account, such as account='family', or caps money",
        )
    for index, extension in enumerate(site.extensions):
        if extension.account is None:
            continue
        if site.billing is None:
            raise Problem(
                f"extensions[{index}].account", "needs prices; give billing=Billing(…), too"
            )
        for place, name in enumerate(extension.routes):
            route: Route = site.named("outbound", name)
            path = f"extensions[{index}].routes[{place}]"
            if route.short:
                raise Problem(
                    path,
                    f"{name!r} is for short numbers, which no rate is for; give prepaid extensions "
                    "other routes",
                )
            if not site.billing.may_have_rate(route.prefix or "+"):
                raise Problem(
                    path,
                    f"{name!r} calls numbers of {route.prefix}, which nothing in billing.rates "
                    "begins, so each call would be refused; give them a rate",
                )
            if (mode := route.media or site.media.mode) != "default":
                raise Problem(
                    path,
                    f"{name!r} has media {mode!r}, where a prepaid caller would not hear that the "
                    "money ends; give the extension a route with 'default'",
                )


def _check_dids(site: Site) -> None:
    for index, did in enumerate(site.inbound):
        if did.trunk is not None:
            check_member(site, "trunks", f"inbound[{index}].trunk", did.trunk)
            _check_distinct_sources(site, f"inbound[{index}].trunk", did.trunk)
        for earlier, other in enumerate(site.inbound[:index]):
            first, last = did.ends
            if first <= other.ends[1] and other.ends[0] <= last:
                raise Problem(
                    f"inbound[{index}].number",
                    f"{did.number} is already in inbound[{earlier}]; give each number one way",
                )
    if site.inbound and not site.trunks:
        raise Problem("inbound", "needs a trunk by which calls come; give one in trunks")


def _check_distinct_sources(site: Site, path: str, name: str) -> None:
    """Check that a trunk's calls are not taken for those of one before it. By TLS each has its own
    port, and an account's calls are sent to the account."""
    trunk = site.named("trunks", name)
    for earlier in site.trunks:
        if earlier.name == name or trunk.transport == "tls" or trunk.registers:
            return
        if earlier.transport == "tls":
            continue
        if earlier.meets(trunk):
            raise Problem(
                path,
                f"calls of {name!r} may come from the same address as those of {earlier.name!r}, "
                f"which stands before it; use {earlier.name!r}, or leave it out",
            )


def _check_recorded(site: Site, index: int, route: Route) -> None:
    mode = route.media or site.media.mode
    if mode == "default":
        return
    for name in route.trunks:
        trunk = site.named("trunks", name)
        if (needing := trunk.needs_media) is not None:
            raise Problem(
                f"outbound[{index}].media",
                f"with {mode!r} nothing could be done for {needing} of trunk {name!r}; use "
                "'default', or leave that out",
            )
        if trunk.srtp:
            raise Problem(
                f"outbound[{index}].media",
                f"with {mode!r} the phones would have to encrypt what trunk {name!r} requires; use "
                "'default'",
            )
        if trunk.codecs is not None:
            raise Problem(
                f"outbound[{index}].media",
                f"with {mode!r} trunk {name!r} is offered what the phone offers, and it has codecs "
                "of its own; use 'default', or leave them out",
            )
    recorded = [f"trunk {name!r}" for name in route.trunks if site.named("trunks", name).record]
    recorded += [
        f"extension {one.number}"
        for one in site.extensions
        if one.record and route.name in one.routes
    ]
    if recorded:
        raise Problem(
            f"outbound[{index}].media",
            f"nothing can be recorded with {mode!r}, and {recorded[0]} is; use 'default'",
        )


def _check_features(site: Site) -> None:
    if site.parking is not None and site.media.mode != "default":
        raise Problem(
            "parking",
            f"calls with media.mode {site.media.mode!r} could not be heard after it; use 'default'",
        )
    groups = {group for extension in site.extensions for group in extension.pickup_groups}
    if groups and site.features.pickup is None:
        index = next(i for i, one in enumerate(site.extensions) if one.pickup_groups)
        raise Problem(
            f"extensions[{index}].pickup_groups",
            "needs a code by which calls are picked up; give features.pickup, such as '*8'",
        )
    if site.features.pickup is not None and not groups:
        raise Problem(
            "features.pickup",
            "picks up calls of the own groups, and no extension has pickup_groups; give them some",
        )
    known = {*site.extension_by_number, *services(site)}
    for code, target in site.speed_dials.items():
        if target not in known and not any(route.matches(target) for route in site.outbound):
            raise Problem(
                f"speed_dials[{code!r}]",
                f"{target} is no extension, no number of an IVR, a queue …, and fits no route of "
                "outbound; give one of them",
            )
    for index, room in enumerate(site.conferences):
        if room.pin is None or room.moderator_pin is None:
            continue
        pins = {room.pin, room.moderator_pin}
        if len(pins) < 2 or len({site.vault.known(pin) or pin for pin in pins}) < 2:
            raise Problem(
                f"conferences[{index}].moderator_pin", "is also pin; give the moderator another"
            )


def services(site: Site) -> list[str]:
    """List the numbers of the Site's services that calls may be sent on to by hand."""
    return [
        member.number
        for kind in NAMED
        if kind in SERVICES
        for member in getattr(site, kind)
        if getattr(member, "number", None) is not None
    ]


def _check_listed(site: Site, path: str, members: Sequence[str]) -> None:
    """Check that members of something are extensions, each listed once."""
    for place, number in enumerate(members):
        check_member(site, "extensions", f"{path}[{place}]", number)
        if number in members[:place]:
            raise Problem(f"{path}[{place}]", f"{number} is listed twice; list it once")


def check_member(site: Site, kind: str, path: str, target: str) -> None:
    """Check that ``target`` is the name of one of the Site's ``kind``, or an extension's number."""
    if kind == "extensions":
        if target not in site.extension_by_number:
            raise Problem(path, f"{target} is no extension of the Site; give one in extensions")
        return
    if kind == "mailboxes":
        if target not in {extension.number for extension in site.mailboxes}:
            right = f"set voicemail=True in extension {target}"
            if target not in site.extension_by_number:
                right = "give the number of one in extensions"
            raise Problem(path, f"{target} has no mailbox; {right}")
        return
    known = [member.name for member in getattr(site, kind)]
    if target not in known:
        close = difflib.get_close_matches(target, known, n=1) or known
        right = f"use {' or '.join(map(repr, close))}" if close else f"describe it in {kind}"
        raise Problem(path, f"{target!r} is not in the Site's {kind}; {right}")


def onward(site: Site, destination: Destination) -> list[Destination]:
    """List where a call may go on from a destination without anybody doing anything."""
    if isinstance(destination, OpenDuring):
        return [destination.open, destination.closed]
    if isinstance(destination, ToVoicemail):
        return []
    if isinstance(destination, ToExtension):
        owner: Any = site.extension_by_number[destination.extension]
    elif kind := getattr(destination, "names", ""):
        owner = site.named(kind, target_of(destination)[1])
    else:
        return []
    return [
        to
        for field in ("otherwise", *UNANSWERED)
        if (to := getattr(owner, field, None)) is not None
    ]


def _check_circle(path: str, site: Site, start: Destination) -> None:
    waiting, met = onward(site, start), set()
    while waiting:
        here = waiting.pop()
        if here == start:
            raise Problem(
                path, "leads back to itself without anybody pressing a key; let it end elsewhere"
            )
        if here not in met:
            met.add(here)
            waiting += onward(site, here)
