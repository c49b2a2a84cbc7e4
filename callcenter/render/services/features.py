"""What an extension does by feature codes: call forward, do not disturb, pick-up, intercom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services import _names as names
from callcenter.render.services import trunks
from callcenter.render.services._dialplan import config, records
from callcenter.site import Route, Site
from callcenter.site._plan import services

__all__ = ["PICKUP_SCRIPT", "Forward", "files", "modules"]

PICKUP_SCRIPT = "scripts/pickup.lua"
"""Script that finds the call that is picked up."""

_DIALPLAN = ("forward", "do_not_disturb", "pickup", "intercom")


def modules(site: Site) -> tuple[str, ...]:
    """Name mod_db, which keeps what extensions have switched on, through restarts."""
    features = site.features
    kept = features.forward is not None or features.do_not_disturb is not None
    return (
        *(("mod_db",) if kept else ()),
        *(("mod_lua",) if features.pickup is not None else ()),
    )


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan of the codes that are on."""
    if all(getattr(site.features, name) is None for name in _DIALPLAN):
        return
    yield config(
        "dialplan/services/features.xml",
        site,
        records=records(site),
        targets=[number for number in services(site) if number.isdigit()],
        barred="|".join([*_digits(site.outbound_limits.barred), *trunks.spans(site.inbound)]),
        countries="|".join(_digits(site.outbound_limits.countries)),
        forwards=[_forward(route) for route in site.outbound],
        pickup_script=f"{paths.CURRENT}/{PICKUP_SCRIPT}",
    )
    if site.features.pickup is not None:
        yield File(PICKUP_SCRIPT, plain(f"freeswitch/{PICKUP_SCRIPT}.j2", site=site), 0o640)


@dataclass(frozen=True)
class Forward:
    """A route, as calls may be forwarded by it."""

    name: str
    number: str
    """Expression of the numbers that it takes."""
    called: Markup
    """Words for the number that is called, of the name that holds what was dialled."""


def _forward(route: Route) -> Forward:
    dialled = f"${{destination_number:{len(names.FORWARD) + route.strip}}}"
    return Forward(route.name, route.pattern[1:-1], Markup(f"{route.prefix}{dialled}"))


def _digits(prefixes: Sequence[str]) -> list[str]:
    return [prefix[1:] for prefix in prefixes]
