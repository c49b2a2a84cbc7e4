"""An edge: Kamailio as the registrar and proxy of a site's extensions."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from callcenter import paths
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.freeswitch import a1_hash
from callcenter.site import Site, Switch

__all__ = ["GROUP", "PACKAGES", "TABLES", "configuration"]

PACKAGES = ("kamailio",)
"""Debian's own."""
GROUP = "kamailio"
TABLES = {"ha1": "ha1", "ring": "ring"}
"""Kamailio's tables of extensions: a1-hash and milliseconds of ringing, by number."""


def configuration(site: Site, edge: Switch) -> Tree:
    """Kamailio's configuration, its extensions, and how its unit starts."""
    return Tree(_files(site, edge))


def _files(site: Site, edge: Switch) -> Iterator[File]:
    def host_port(address: str) -> str:
        shown = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
        return f"{shown}:{site.network.sip_port}"

    tables = [f"{paths.KAMAILIO}/{name}" for name in TABLES.values()]
    yield File(
        paths.KAMAILIO_CONFIG,
        plain(
            "kamailio/kamailio.cfg.j2",
            site=site,
            switch=edge,
            host_port=host_port,
            folder=paths.KAMAILIO,
            tables=TABLES,
        ),
    )
    yield File(
        paths.KAMAILIO_DROP_IN,
        plain(
            "kamailio/unit.conf.j2",
            config=paths.KAMAILIO_CONFIG,
            tables=tables,
            applied=paths.KAMAILIO_APPLIED,
        ),
    )
    hashes = [(one.number, 0, a1_hash(site, one)) for one in site.extensions]
    yield File(f"{paths.KAMAILIO}/{TABLES['ha1']}", _table(hashes), 0o640, GROUP)
    rings = [(one.number, 1, one.ring_seconds * 1000) for one in site.extensions]
    yield File(f"{paths.KAMAILIO}/{TABLES['ring']}", _table(rings), 0o640, GROUP)


def _table(rows: Iterable[tuple[str, int, str | int]]) -> bytes:
    """As db_text reads it: the types of the columns, then a row a line."""
    head = "key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n"
    return (head + "".join(f"{key}:0:{kind}:{value}:0\n" for key, kind, value in rows)).encode()
