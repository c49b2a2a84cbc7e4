"""TURN: the voice of browsers whose network lets no UDP out."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths, users
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.kamailio import CIPHERS, turn_password
from callcenter.render.services import hash_of
from callcenter.site import Site
from callcenter.site.network import RELAY_PORTS
from callcenter.site.served import certificate_of
from callcenter.site.site_hosts import SiteHosts

__all__ = ["PACKAGE", "configuration"]

PACKAGE = "coturn"
"""Debian's."""
PER_EXTENSION = 16
"""Allocations that an extension may have: a browser makes one a call and interface."""
BYTES_PER_SECOND = 64_000
"""Bytes that an allocation may take each way: the most that Opus has (RFC 6716, 2.1.1)."""
SESSIONS = 2048
"""Allocations at most, of which each has a port. More calls than that have none."""


def configuration(site: Site, hosts: SiteHosts) -> Tree:
    """Render all that TURN needs, or nothing where the Site has none, or this host."""
    return Tree(_files(site, hosts))


def _files(site: Site, hosts: SiteHosts) -> Iterator[File]:
    if (turn := site.network.turn) is None or not hosts.is_served:
        return
    certificate, key = paths.TURN_CERTIFICATE, paths.TURN_KEY
    if site.acme is not None:
        certificate, key = paths.ACME_CERTIFICATE, paths.ACME_TURN_KEY
    if (served := certificate_of(site)) is not None:
        yield File(paths.TURN_CERTIFICATE, served[0])
        yield File(paths.TURN_KEY, served[1], 0o640, users.TURN)
    # What coturn knows an extension by is not what the extension says.
    keys = {one.number: hash_of(site, one, turn_password(site, one)) for one in site.extensions}
    accounts = plain("turn/users.sql.j2", domain=site.domain, keys=keys)
    yield File(paths.TURN_USERS, accounts, 0o640, users.TURN)
    config = plain(
        "turn/turn.conf.j2",
        paths=paths,
        site=site,
        switch=hosts.here,
        reached=hosts.reached,
        certificate=certificate,
        key=key,
        ciphers=CIPHERS,
        relay_ports=RELAY_PORTS,
        per_extension=PER_EXTENSION,
        sessions=min(2 * site.media.max_calls, SESSIONS),
        bytes_per_second=BYTES_PER_SECOND,
    )
    yield File(paths.TURN_CONFIG, config)
    yield File(
        paths.TURN_UNIT,
        plain(
            "turn/turn.service.j2",
            paths=paths,
            users=users,
            folder=paths.TURN.rpartition("/")[2],
            low_port=turn.port < 1024,
        ),
    )
