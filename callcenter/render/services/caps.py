"""Caps of calls outside: a script that each leg to a carrier asks, and the words of one that is
hit."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from markupsafe import Markup

from callcenter.onhost import alarm, counts
from callcenter.render import paths, pool
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.postgresql import ASKS_POSTGRESQL
from callcenter.render.services import _names as names
from callcenter.render.services._dialplan import config
from callcenter.render.services._hits import SUBCLASS, Hit
from callcenter.render.services.hours import rules
from callcenter.site import Cap, Hours, Site

__all__ = ["OVER", "PARTS", "SCRIPT", "SPANS", "asked", "asked_hours", "files", "modules"]
__all__ += ["needs_linux", "packages"]

_PATH = "scripts/caps.lua"
SCRIPT = f"{paths.CURRENT}/{_PATH}"
"""The script that counts."""
OVER = "MANAGER_REQUEST"
"""Cause by which a leg ends that a cap refuses: no call to a carrier ends with it."""
SPANS = {"hour": 3600, "day": 86400}
"""Seconds over which a cap counts."""
PARTS = 10_000
"""Number of parts of a unit of money in which the script counts, as small as a price can be."""
LOCK = 5544872
"""Number by which PostgreSQL knows that a switch counts."""


def modules(site: Site) -> tuple[str, ...]:
    """Name the modules that run the script, and that speak PostgreSQL for it."""
    if not site.caps:
        return ()
    return ("mod_lua", "mod_pgsql") if site.shares_caps else ("mod_lua",)


def files(site: Site) -> Iterator[File]:
    """Yield the script with the Site's caps and prices, and the dialplan of calls that one
    refuses."""
    if not site.caps:
        return
    priced = any(cap.money is not None for cap in site.caps) and site.billing is not None
    rates = site.billing.rates if priced and site.billing is not None else ()
    made = plain(
        f"freeswitch/{_PATH}.j2",
        site=site,
        is_shared=site.shares_caps,
        names=names,
        caps=[(cap, SPANS[cap.per], tuple(_most(cap)), _only(cap)) for cap in site.caps],
        rates=[(rate.prefix, _units(Decimal(rate.minute))) for rate in rates],
        over=OVER,
        # Of whom, if it counts for each: an extension, a fax or an account.
        hit=alarm.hit("cap", "cap %s%s", "of %s to %s"),
        subclass=SUBCLASS,
        database=_asked_by(site),
        table=counts.TABLE if site.shares_caps else counts.TABLE_OF_FILE,
        lock=LOCK,
        script=SCRIPT,
    )
    yield File(_PATH, made, 0o640)
    unknown = Hit("caps", extension="${acting}", called="${called_number}").line
    yield config(
        "dialplan/services/caps.xml",
        site,
        hours=asked_hours(site),
        rules=rules,
        over=OVER,
        unknown=Markup(unknown),
    )


def asked_hours(site: Site) -> tuple[Hours, ...]:
    """Return the opening hours that caps ask."""
    named = {cap.hours for cap in site.caps}
    return tuple(one for one in site.hours if one.name in named)


def asked(caller: str, number: str, route: str, attempt: str, hours: str) -> str:
    """Return the application by which a leg to a carrier asks all caps, before it is sent."""
    return f"lua {SCRIPT} begin {caller} {number} {route} {attempt} {hours}"


def _most(cap: Cap) -> Iterator[tuple[str, str | int]]:
    """Yield what a cap allows, and while which hours it does, as the script's own names say it."""
    if cap.calls is not None:
        yield "calls", cap.calls
    if cap.minutes is not None:
        yield "talk", cap.minutes * 60
    if cap.money is not None:
        # Of a second at a price of a minute.
        yield "money", _units(Decimal(cap.money)) * 60
    if cap.hours:
        yield "hours", f'"{cap.hours}"'
        yield "when", f'"{cap.when}"'


def _only(cap: Cap) -> list[tuple[str, tuple[str, ...]]]:
    """Return what a cap is about, where it is not about all calls."""
    fields = ("extensions", "accounts", "routes")
    return [(field, getattr(cap, field)) for field in fields if getattr(cap, field)]


def _asked_by(site: Site) -> str:
    """Return where the script finds its table: a file, or the pool on this host, so that no
    password is here and no question waits for long."""
    if not site.shares_caps:
        return paths.CAPS_DATABASE
    return (
        f"{pool.reached_by('caps')} connect_timeout=2 application_name=caps-{pool.known_by(site)}"
    )


def packages(site: Site) -> tuple[str, ...]:
    """Name what the operator's question for the counts runs by."""
    return ASKS_POSTGRESQL if site.shares_caps else ()


def _units(money: Decimal) -> int:
    return int(money * PARTS)


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.caps:
        yield "Site.caps: needs a Linux host, where calls are counted; leave it out"
