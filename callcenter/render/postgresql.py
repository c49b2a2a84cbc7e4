"""PostgreSQL on a switch, and the authorities of one elsewhere."""

from __future__ import annotations

from callcenter.render import paths
from callcenter.render._files import File, Tree
from callcenter.site import LocalPostgres, Site

__all__ = ["ASKS_POSTGRESQL", "AUTHORITIES", "configuration"]

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's own choice of them."""
ASKS_POSTGRESQL = ("python3-psycopg2", "ca-certificates")
"""Packages by which programs in Python ask a database."""


def configuration(site: Site) -> Tree:
    """Render the file that tells how Debian's PostgreSQL makes its cluster, where the Site has one
    on the switch."""
    if not isinstance(site.database, LocalPostgres):
        return Tree([])
    return Tree([File(paths.POSTGRES_CLUSTER, b"listen_addresses = ''\n")])
