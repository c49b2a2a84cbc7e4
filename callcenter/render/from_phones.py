"""Calls that phones begin: ``default`` of the dialplan, in which what they dial is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from callcenter.render._files import File
from callcenter.render.services import _names as names
from callcenter.render.services._dialplan import (
    codes,
    config,
    leads_on,
    numbers,
    records,
    voices,
)
from callcenter.render.services._expressions import emergency_numbers, literal, one_of, whole
from callcenter.site import Route, Site, dialled
from callcenter.site._outside import is_outside

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
    """Yield what acts for the extension that dials it."""
    for name, code, after in codes(site):
        yield Dialled(name, literal(code) + after, f"{name}-$1" if after else name)


def _numbers(site: Site) -> Iterator[Dialled]:
    """Yield the numbers of services, and those of emergency calls."""
    for number, name in numbers(site):
        yield Dialled(name, literal(number), name)
    for one in site.emergency:
        to = f"{names.EMERGENCY}{one.number}"
        yield Dialled(f"emergency {one.number}", literal(one.number), to)


def _speed_dials(site: Site) -> Iterator[SpeedDial]:
    for number, target in site.speed_dials.items():
        yield SpeedDial(number, literal(number), target, is_outside(site, target))


def _by_route(route: Route) -> ByRoute:
    rest = f"${{destination_number:{route.strip}}}" if route.strip else "${destination_number}"
    to = Markup(f"{names.ROUTE}{route.name}-{route.prefix}{rest}")
    return ByRoute(route.name, whole(route.pattern), to)


def mono_codecs(site: Site) -> tuple[str, ...]:
    """List the codecs of a phone that offers stereo, or nothing where it may speak Opus: FreeSWITCH
    records a leg of stereo Opus with both voices in both channels."""
    is_split = records(site) and site.recording.stereo and "OPUS" in site.media.codecs
    return tuple(one for one in site.media.spoken if one != "OPUS") if is_split else ()
