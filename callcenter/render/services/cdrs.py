"""Call detail records: each leg of a call as a file in the spool, which a service delivers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

from callcenter.onhost import delivery
from callcenter.render import paths
from callcenter.render._actions import Action, Severity
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.postgresql import ASKS_POSTGRESQL, AUTHORITIES
from callcenter.render.services._dialplan import config
from callcenter.render.services._shape import Unit
from callcenter.site import LocalPostgres, Site

__all__ = ["COSTS", "UNITS", "files", "modules", "needs_linux", "on_host", "packages"]

UNITS = (
    Unit(
        paths.CALLS_UNIT,
        (paths.CALLS_CONFIG, paths.CALLS_TOOL, paths.CALLS_PASSWORD, paths.CALLS_CA),
    ),
)
COSTS = {"autoload_configs/json_cdr.conf.xml": Action(Severity.MODULE, "reload mod_json_cdr")}


def modules(site: Site) -> tuple[str, ...]:
    """Name the module that writes them."""
    return ("mod_json_cdr",) if site.cdr is not None else ()


def files(site: Site) -> Iterator[File]:
    """Yield the settings that tell where it writes them to."""
    if site.cdr is not None:
        yield config("autoload_configs/json_cdr.conf.xml", site, spool=paths.CALLS_SPOOL)


def on_host(site: Site) -> Iterator[File]:
    """Yield the files of what delivers call detail records."""
    if (cdr := site.cdr) is None:
        return
    given: dict[str, Any] = {
        "to": cdr.to,
        "keep_days": cdr.keep_days,
        "spool": paths.CALLS_SPOOL,
        "folder": paths.CALLS,
    }
    if cdr.to == "database" and (database := site.database) is not None:
        if isinstance(database, LocalPostgres):
            given["database"] = {"dbname": database.name}
        else:
            given["database"] = {
                "host": database.host,
                "port": database.port,
                "dbname": database.name,
                "user": database.user,
                "password": paths.CALLS_PASSWORD,
                "sslmode": "verify-full",
                "sslrootcert": paths.CALLS_CA if database.ca_file else AUTHORITIES,
            }
            # The word keeps the value out of diffs.
            text = f"password {site.reveal(database.password)}\n".encode()
            yield File(paths.CALLS_PASSWORD, text, 0o640, "freeswitch")
            if database.ca_file is not None:
                yield File(paths.CALLS_CA, database.ca_file.read_bytes())
    yield File(paths.CALLS_CONFIG, (json.dumps(given, indent=2) + "\n").encode())
    yield File(paths.CALLS_TOOL, inspect.getsource(delivery).encode(), 0o755)
    below = {"folder": paths.CALLS, "spool": paths.CALLS_SPOOL}
    names = {name: path.removeprefix("/var/lib/") for name, path in below.items()}
    yield File(paths.CALLS_UNIT, plain("system/calls.service.j2", paths=paths, **names))


def packages(site: Site) -> tuple[str, ...]:
    """Name what the delivering program runs by."""
    if site.cdr is None:
        return ()
    return ("python3", *(ASKS_POSTGRESQL if site.cdr.to == "database" else ()))


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.cdr is not None:
        yield "Site.cdr: needs a Linux host, where a service delivers the records; leave it out"
