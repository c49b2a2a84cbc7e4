"""Ports that a Site listens on, and who reaches each. No further port is one of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callcenter.site._model import Problem
from callcenter.site.authorities import ACME_PORT
from callcenter.site.network import ANYWHERE

if TYPE_CHECKING:
    from callcenter.site.network import Sources
    from callcenter.site.site import Site

__all__ = ["SSH", "check_further_ports", "reached"]

SSH = 22


@dataclass(frozen=True)
class _Listener:
    """A port of the Site's own."""

    protocol: str
    port: int
    words: str
    """Field that says it, and who may come, for a message."""
    sources: Sources = ()
    """Networks that reach it; none reach what is for the host's loopback."""


def check_further_ports(site: Site) -> None:
    """Refuse a further port that is the Site's own."""
    own = list(_own(site))
    first, last = site.network.rtp_ports
    for field, protocol in (("tcp_ports", "tcp"), ("udp_ports", "udp")):
        for index, one in enumerate(site.firewall.further(field)):
            path = f"firewall.{field}[{index}]"
            for used in own:
                if (used.protocol, used.port) == (protocol, one.port):
                    raise Problem(path, f"{one.port} is {used.words}; leave it out")
            if protocol == "udp" and first <= one.port <= last:
                raise Problem(
                    path,
                    f"{one.port} lies in network.rtp_ports {first}-{last}, which network.sip_from "
                    "opens; leave it out",
                )


def reached(site: Site, address: str) -> set[tuple[str, int]]:
    """Return protocol and port of what an address reaches of a switch: those of calls' voice apart,
    which are open as long as a call is up."""
    open_to = [(one.protocol, one.port, one.sources) for one in _own(site)]
    open_to.append(("tcp", SSH, site.firewall.ssh_from))
    for protocol in ("tcp", "udp"):
        further = site.firewall.further(f"{protocol}_ports")
        open_to += [(protocol, one.port, one.sources) for one in further]
    return {(protocol, port) for protocol, port, sources in open_to if _holds(sources, address)}


def _holds(sources: Sources, address: str) -> bool:
    if sources == ANYWHERE:
        return True
    one = ipaddress.ip_address(address)
    return any(one in ipaddress.ip_network(network) for network in sources)


def _own(site: Site) -> Iterator[_Listener]:
    """Yield what the Site listens on."""
    phones = "network.sip_port, which network.sip_from opens"
    for protocol in ("udp", "tcp"):
        # A protocol that phones do not speak is kept for them, and closed.
        sources = site.network.plain_from if protocol in site.network.transports else ()
        yield _Listener(protocol, site.network.sip_port, phones, sources)
    if (phone_tls := site.network.tls) is not None:
        words = "network.tls.port, which network.sip_from opens"
        yield _Listener("tcp", phone_tls.port, words, site.network.sip_from)
    if (wss := site.network.wss) is not None:
        words = "network.tls.wss.port, which network.sip_from opens"
        yield _Listener("tcp", wss.port, words, site.network.sip_from)
    if (web := site.web_server) is not None:
        words = f"{web[0]}, which network.sip_from opens"
        yield _Listener("tcp", web[1], words, site.network.sip_from)
    if site.acme is not None:
        words = "where ACME asks for network.tls.certificate"
        yield _Listener("tcp", ACME_PORT, words, ANYWHERE)
    never = "the Event Socket, which must never be opened"
    yield _Listener("tcp", site.event_socket.port, never)
    if (tls := site.event_socket.tls) is not None:
        words = "event_socket.tls.port, which event_socket.tls.networks open"
        yield _Listener("tcp", tls.port, words, tls.networks)
    for index, trunk in enumerate(site.trunks):
        listens = trunk.listens(site.network)
        if trunk.transport == "tls":
            words = f"trunks[{index}].tls_port, which its networks open"
            yield _Listener("tcp", trunk.tls_port, words, trunk.sources if listens else ())
        else:
            words = "network.trunk_port, which the networks of trunks open"
            for protocol in ("udp", "tcp"):
                sources = trunk.sources if listens and listens[0] == protocol else ()
                yield _Listener(protocol, site.network.trunk_port, words, sources)
    if site.http_applications:
        words = "network.http_port, which is for the host's loopback"
        yield _Listener("tcp", site.network.http_port, words)
    for index, application in enumerate(site.applications):
        words = f"applications[{index}].port, which is for the host's loopback"
        yield _Listener("tcp", application.port, words)
    if site.firewall.ssh_from not in ((), ANYWHERE):
        yield _Listener("tcp", SSH, "ssh's, which firewall.ssh_from opens", site.firewall.ssh_from)
