"""Event Socket by TLS, for programs elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._shape import Unit
from callcenter.site import Site

__all__ = ["TLS", "UNITS", "needs_linux", "on_host", "packages"]


TLS = "stunnel4"
"""Debian's package, and the user and group that it makes."""

UNITS = (
    Unit(
        paths.EVENT_SOCKET_UNIT,
        (
            paths.EVENT_SOCKET_CONFIG,
            paths.EVENT_SOCKET_CERTIFICATE,
            paths.EVENT_SOCKET_KEY,
            paths.EVENT_SOCKET_CLIENTS,
        ),
        packages=(TLS,),
        cost="applications that come by TLS connect anew",
    ),
)


def on_host(site: Site) -> Iterator[File]:
    """Yield the files of what speaks TLS before the Event Socket."""
    if (tls := site.event_socket.tls) is None:
        return
    values = {"site": site, "paths": paths, "tls": tls}
    yield File(paths.EVENT_SOCKET_CONFIG, plain("system/event-socket.conf.j2", **values))
    yield File(paths.EVENT_SOCKET_UNIT, plain("system/event-socket.service.j2", **values))
    yield File(paths.EVENT_SOCKET_CERTIFICATE, tls.certificate.read_bytes())
    yield File(paths.EVENT_SOCKET_CLIENTS, tls.clients.read_bytes())
    yield File(paths.EVENT_SOCKET_KEY, tls.key.read_bytes(), 0o640, TLS)


def packages(site: Site) -> tuple[str, ...]:
    """Name what speaks TLS."""
    return (TLS,) if site.event_socket.tls is not None else ()


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.event_socket.tls is not None:
        yield "Site.event_socket.tls: needs a Linux host, which has stunnel; leave it out"
