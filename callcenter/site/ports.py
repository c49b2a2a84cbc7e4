"""Further ports of the host: none of them opens past its own rule what the Site opens or keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from callcenter.site._model import Problem
from callcenter.site.network import ANYWHERE

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = ["check_further_ports"]

SSH = 22


def check_further_ports(site: Site) -> None:
    """Refuse a further port that is the Site's own."""
    own = list(_own(site))
    first, last = site.network.rtp_ports
    for field, protocol in (("tcp_ports", "tcp"), ("udp_ports", "udp")):
        for index, one in enumerate(site.firewall.further(field)):
            path = f"firewall.{field}[{index}]"
            for used, port, words in own:
                if (used, port) == (protocol, one.port):
                    raise Problem(path, f"{port} is {words}; leave it out")
            if protocol == "udp" and first <= one.port <= last:
                raise Problem(
                    path,
                    f"{one.port} lies in network.rtp_ports {first}-{last}, which network.sip_from "
                    "opens; leave it out",
                )


def _own(site: Site) -> Iterator[tuple[str, int, str]]:
    """Yield protocol and port of what the Site listens on, with its field and who may come."""
    phones = "network.sip_port, which network.sip_from opens"
    yield "udp", site.network.sip_port, phones
    yield "tcp", site.network.sip_port, phones
    yield "tcp", site.event_socket.port, "the Event Socket, which must never be opened"
    if (tls := site.event_socket.tls) is not None:
        yield "tcp", tls.port, "event_socket.tls.port, which event_socket.tls.networks open"
    for index, trunk in enumerate(site.trunks):
        if trunk.transport == "tls":
            yield "tcp", trunk.tls_port, f"trunks[{index}].tls_port, which its networks open"
        else:
            carriers = "network.trunk_port, which the networks of trunks open"
            yield "udp", site.network.trunk_port, carriers
            yield "tcp", site.network.trunk_port, carriers
    if site.http_applications:
        yield "tcp", site.network.http_port, "network.http_port, which is for the host's loopback"
    for index, one in enumerate(site.applications):
        yield "tcp", one.port, f"applications[{index}].port, which is for the host's loopback"
    if site.firewall.ssh_from not in ((), ANYWHERE):
        yield "tcp", SSH, "ssh's, which firewall.ssh_from opens"
