"""Calls that phones begin: ``default`` of the dialplan, in which what they dial is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from markupsafe import Markup

from callcenter.render._files import File
from callcenter.render.services import _names as names
from callcenter.render.services._dialplan import config, leads_on, records, voices
from callcenter.render.services._expressions import emergency_numbers, literal, one_of, whole
from callcenter.site import Route, Site, dialled
from callcenter.site._outside import is_outside
from callcenter.site.destinations import SERVICES
from callcenter.site.features import DIGITS, WITH_NUMBER

__all__ = ["ByRoute", "Dialled", "SpeedDial", "file", "mono_codecs"]


def file(site: Site, profile: str) -> File:
    """Render the context. ``profile``: the sofia profile of phones."""
    return config(
        "dialplan/default.xml",
        site,
        profile=profile,
        written=dialled.WRITTEN,
        groups=Markup("".join(f"${n}" for n in range(1, dialled.GROUPS + 1))),
        hash=dialled.HASH,
        kept=one_of(dialled.hash_ended(site)),
        urgent=emergency_numbers(site),
        # Behind Kamailio the phone's own address is in a header.
        seen_at=Markup("${phone_address}" if site.network.edge else "${network_addr}"),
        voices=voices(site),
        mono=mono_codecs(site),
        echo=literal(site.features.echo or ""),
        tone=literal(site.features.tone or ""),
        codes=tuple(_codes(site)),
        speed_dials=tuple(_speed_dials(site)),
        numbers=tuple(_numbers(site)),
        routes=[_by_route(route) for route in site.outbound],
        leads_on=leads_on(site),
        records=records(site),
    )


@dataclass(frozen=True)
class Dialled:
    """A number that the Site itself answers, and where a call to it goes on."""

    title: str
    number: str
    """Expression of what is dialled."""
    to: str
    """Name in the context of services, of the expression's groups."""


@dataclass(frozen=True)
class SpeedDial:
    """A number that is dialled for another."""

    number: str
    expression: str
    target: str
    is_outside: bool
    """Call of the target as if whoever dials this had dialled that itself."""


@dataclass(frozen=True)
class ByRoute:
    """A route, as the numbers that it takes are led to it."""

    name: str
    number: str
    """Expression of what is dialled."""
    to: Markup
    """Name in the context of services."""


def _codes(site: Site) -> Iterator[Dialled]:
    """Yield codes and pages, which act for the extension that dials them."""
    for field in (
        *("forward_off", "forward", "do_not_disturb_off", "do_not_disturb"),
        *("pickup", "intercom"),
    ):
        if (code := getattr(site.features, field)) is None:
            continue
        name = field.replace("_", "-")
        if field in WITH_NUMBER:
            yield Dialled(name, rf"{literal(code)}(\d{{2,{DIGITS}}})", f"{name}-$1")
        else:
            yield Dialled(name, literal(code), name)
    for group in site.paging_groups:
        name = f"{names.PAGE}{group.name}"
        yield Dialled(name, literal(group.number), name)


def _numbers(site: Site) -> Iterator[Dialled]:
    """Yield the numbers of services, and those of emergency calls."""
    for number, name in _services(site):
        if number is not None:
            yield Dialled(name, literal(number), name)
    for one in site.emergency:
        to = f"{names.EMERGENCY}{one.number}"
        yield Dialled(f"emergency {one.number}", literal(one.number), to)


def _services(site: Site) -> Iterator[tuple[str | None, str]]:
    """Yield the names of services, each with its number if it has one."""
    for kind in SERVICES:
        for member in getattr(site, kind):
            yield member.number, names.service(kind, member.name)
    for field in fields(site.agent_codes) if site.agents else ():
        code = getattr(site.agent_codes, field.name)
        yield code, f"{names.AGENT}{field.name.replace('_', '-')}"
    if site.parking is not None:
        yield site.parking.number, names.PARK_ANYWHERE
    for hours in site.hours:
        yield hours.night, f"{names.NIGHT}{hours.name}"
    if site.mailboxes:
        yield site.voicemail.check, names.CHECK_VOICEMAIL
        yield site.voicemail.check_any, names.CHECK_ANY_VOICEMAIL


def _speed_dials(site: Site) -> Iterator[SpeedDial]:
    for number, target in site.speed_dials.items():
        yield SpeedDial(number, literal(number), target, is_outside(site, target))


def _by_route(route: Route) -> ByRoute:
    rest = f"${{destination_number:{route.strip}}}" if route.strip else "${destination_number}"
    to = Markup(f"{names.ROUTE}{route.name}-{route.prefix}{rest}")
    return ByRoute(route.name, whole(route.pattern), to)


def mono_codecs(site: Site) -> tuple[str, ...]:
    """List the codecs that a phone which offers stereo has instead of Opus, where its call may be
    recorded with a voice in each channel: FreeSWITCH records stereo Opus with both in both."""
    is_split = records(site) and site.recording.stereo and "OPUS" in site.media.codecs
    return tuple(one for one in site.media.spoken if one != "OPUS") if is_split else ()
