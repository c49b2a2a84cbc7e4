"""Prepaid calls: mod_nibblebill charges the leg to the carrier, for as long as that lasts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render.services._way import config
from callcenter.site import RemotePostgres, Site

__all__ = ["files", "modules"]


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
        socket=paths.BILLING_SOCKET,
        database=_known_by(site),
    )
    # The first that fits is taken.
    rates = sorted(billing.rates, key=lambda rate: (-len(rate.prefix), rate.prefix))
    yield config("dialplan/rates.xml", site, billing=billing, rates=rates)


def _known_by(site: Site) -> str:
    """Return a word that changes with the database: mod_nibblebill then opens new connections. Old
    ones would try for two minutes to come back where the new database does not answer."""
    one = site.database
    where = (one.host, one.port, one.user) if isinstance(one, RemotePostgres) else ()
    name = one.name if one is not None else ""
    return hashlib.sha256(repr((where, name)).encode()).hexdigest()[:8]
