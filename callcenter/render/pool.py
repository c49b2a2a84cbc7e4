"""Connections between FreeSWITCH and the Site's database: a pool on the host, which knows the
password, speaks TLS, and says within seconds that there is no database."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

from callcenter.onhost import ledger
from callcenter.render import paths
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.postgresql import AUTHORITIES
from callcenter.site import RemotePostgres, Site

__all__ = ["configuration", "known_by", "reached_by"]


def configuration(site: Site) -> Tree:
    """Render the pool, where FreeSWITCH asks the database for anything."""
    if not site.needs_pool or (database := site.database) is None:
        return Tree([])
    remote = database if isinstance(database, RemotePostgres) else None
    is_prepaid = site.prepaid is not None
    # Both, whatever the Site describes: FreeSWITCH changes later, and asks for what it had until
    # then. Caps are asked one after the other, of all switches; prepaid calls need not wait.
    asking = (("billing", ""), ("caps", " pool_size=2"))
    values: dict[str, Any] = {
        "paths": paths,
        "database": database,
        "remote": remote,
        "is_prepaid": is_prepaid,
        "asking": asking,
        "ca": AUTHORITIES,
        "runtime": paths.POOL_SOCKET.rpartition("/")[2],
    }
    files = []
    if remote is not None:
        # As its file wants it. The template's words keep the value out of diffs.
        password = site.reveal(remote.password).replace("'", "''")
        values["password"] = f"'{password}'"
        if remote.ca_file is not None:
            values["ca"] = paths.POOL_CA
            files.append(File(paths.POOL_CA, remote.ca_file.read_bytes()))
    if is_prepaid:
        files.append(File(paths.BILLING_TOOL, inspect.getsource(ledger).encode(), 0o755))
    return Tree(
        [
            *files,
            File(paths.POOL_CONFIG, plain("system/pool.ini.j2", **values), 0o640, "freeswitch"),
            File(paths.POOL_UNIT, plain("system/pool.service.j2", **values)),
        ]
    )


def reached_by(name: str) -> str:
    """Return the words by which libpq reaches one of the pool's databases, on the pool's host."""
    return f"host={paths.POOL_SOCKET} port={paths.POOL_PORT} dbname={name} user=freeswitch"


def known_by(site: Site) -> str:
    """Return a word that changes with the database: FreeSWITCH then opens new connections. Old
    ones would try for two minutes to come back where the new database does not answer."""
    one = site.database
    where = (one.host, one.port, one.user) if isinstance(one, RemotePostgres) else ()
    name = one.name if one is not None else ""
    return hashlib.sha256(repr((where, name)).encode()).hexdigest()[:8]
