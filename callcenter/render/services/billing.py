"""Prepaid calls: mod_nibblebill charges the leg to the carrier, for as long as that lasts."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from typing import Any

from callcenter.onhost import ledger
from callcenter.render import paths
from callcenter.render._actions import Action, Severity
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.postgresql import ASKS_POSTGRESQL, AUTHORITIES
from callcenter.render.services._dialplan import config
from callcenter.site import RemotePostgres, Site

__all__ = ["COSTS", "files", "modules", "needs_linux", "packages", "pool"]

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


def pool(site: Site) -> Tree:
    """Render what reaches the accounts of prepaid calls, where the Site has any."""
    if site.prepaid is None or (database := site.database) is None:
        return Tree([])
    remote = database if isinstance(database, RemotePostgres) else None
    values: dict[str, Any] = {
        "paths": paths,
        "database": database,
        "remote": remote,
        "ca": AUTHORITIES,
    }
    files = []
    if remote is not None:
        # As its file wants it. The template's words keep the value out of diffs.
        password = site.reveal(remote.password).replace("'", "''")
        values["password"] = f"'{password}'"
        if remote.ca_file is not None:
            values["ca"] = paths.BILLING_CA
            files.append(File(paths.BILLING_CA, remote.ca_file.read_bytes()))
    pool = plain("system/billing-pool.ini.j2", **values)
    return Tree(
        [
            *files,
            File(paths.BILLING_POOL, pool, 0o640, "freeswitch"),
            File(paths.BILLING_TOOL, inspect.getsource(ledger).encode(), 0o755),
            File(paths.BILLING_UNIT, plain("system/billing.service.j2", **values)),
        ]
    )


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
