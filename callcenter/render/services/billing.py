"""Prepaid calls: mod_nibblebill charges the leg to the carrier, for as long as that lasts."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import pool
from callcenter.render._actions import Action, Severity
from callcenter.render._files import File
from callcenter.render.postgresql import ASKS_POSTGRESQL
from callcenter.render.services._dialplan import config
from callcenter.site import Site

__all__ = ["COSTS", "files", "modules", "needs_linux", "packages"]

COSTS = {
    # The rates' calls know what they are charged; what the module keeps of them outlives it.
    "autoload_configs/nibblebill.conf.xml": Action(Severity.MODULE, "reload mod_nibblebill"),
}

_LATE_SECONDS = 2
"""Seconds by which FreeSWITCH's clock may be late with a beat."""


def modules(site: Site) -> tuple[str, ...]:
    """Name the modules that charge, and that speak PostgreSQL for it."""
    return ("mod_nibblebill", "mod_pgsql") if site.prepaid is not None else ()


def files(site: Site) -> Iterator[File]:
    """Yield the settings by which calls are charged, and the dialplan that asks for the balance and
    knows the prices."""
    if (billing := site.prepaid) is None:
        return
    yield config(
        "autoload_configs/nibblebill.conf.xml",
        site,
        billing=billing,
        low_balance=format(billing.low_balance, "f"),
        unasked_seconds=billing.heartbeat_seconds + _LATE_SECONDS,
        reached_by=pool.reached_by("billing"),
        database=pool.known_by(site),
    )
    # The first that fits is taken.
    rates = sorted(billing.rates, key=lambda rate: (-len(rate.prefix), rate.prefix))
    yield config("dialplan/rates.xml", site, billing=billing, rates=rates)


def packages(site: Site) -> tuple[str, ...]:
    """Name what the operator's program for accounts runs by."""
    return ASKS_POSTGRESQL if site.prepaid is not None else ()


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.prepaid is not None:
        yield (
            "Site.billing: needs a Linux host, where a pool of connections answers for the "
            "database; leave it out, and account of extensions with it"
        )
