"""Ports of a Site, as data: where each listens, whose it is, and who reaches it.

What preflight looks for, what may be opened further, and what the acceptance tests expect to listen
all follow from :func:`listeners`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from callcenter.site._model import Problem
from callcenter.site.authorities import ACME_PORT
from callcenter.site.network import ANYWHERE, RELAY_PORTS

if TYPE_CHECKING:
    from callcenter.site.network import Sources
    from callcenter.site.site import Site
    from callcenter.site.switch import Switch

__all__ = ["SSH", "Listener", "Program", "check_further_ports", "check_ports", "listeners"]
__all__ += ["reached"]

SSH = 22

Protocol = Literal["udp", "tcp"]
Program = Literal[
    "sshd",
    "kamailio",
    "freeswitch",
    "acme",
    "event socket by TLS",
    "web",
    "turn",
    "http guard",
    "voice messages",
    "the operator's",
]
"""Program that has a port."""


@dataclass(frozen=True)
class Listener:
    """A port of the Site's own."""

    field: str
    """Field that says it."""
    port: int
    program: Program
    at: Literal["phones", "trunks", "loopback", "edge", "everywhere"]
    """Address that it is bound to: the switch's for phones or for trunks, loopback for programs of
    the host or for Kamailio before FreeSWITCH, or all."""
    spoken: tuple[tuple[Protocol, Sources], ...]
    """Protocols that are listened on, each with the networks that reach it: none reach what is for
    the host's loopback."""
    kept: tuple[Protocol, ...] = ("tcp",)
    """Protocols of which nothing else may have the port, whether they are spoken or not."""
    opened: str = ""
    """Words of who opens it, for whoever opens it further."""
    another: str = "another"
    """Port to be used where this one is taken, for a message."""

    @property
    def words(self) -> str:
        """Name of it in a refusal of another that is the same."""
        if self.program == "sshd":
            return "ssh's"
        return f"where ACME asks for {self.field}" if self.program == "acme" else self.field

    def address(self, switch: Switch) -> str:
        """Return the address that it is bound to on a host."""
        return {
            "phones": switch.bind_address,
            "trunks": switch.trunk_bind_address,
            "loopback": "127.0.0.1",
            "edge": switch.loopback,
            "everywhere": "*",
        }[self.at]


def listeners(site: Site, *, alone: bool = False, apart: bool = False) -> Iterator[Listener]:
    """Yield every port of a Site, those of a call's voice apart. ``alone``: those of a host that is
    an edge. ``apart``: Kamailio and FreeSWITCH are on two hosts."""
    network = site.network
    yield Listener(
        *("firewall.ssh_from", SSH, "sshd", "everywhere"),
        (("tcp", site.firewall.ssh_from),),
        opened=", which firewall.ssh_from opens",
    )
    if apart and not alone:
        yield from _of_switch(site, apart=True)
        return
    if site.acme is not None and site.acme.asks_at_host:
        # Who asks may come by any of the host's addresses, and from anywhere.
        tcp: tuple[tuple[Protocol, Sources], ...] = (("tcp", ANYWHERE),)
        yield Listener("network.tls.certificate", ACME_PORT, "acme", "everywhere", tcp)
    edge = alone or network.edge
    plain: dict[Protocol, Sources] = {}
    if not network.needs_tls:
        plain |= dict.fromkeys(network.transports, network.plain_from)
    if edge and (apart or not alone):
        # FreeSWITCH speaks UDP with it, whatever phones may use.
        plain.setdefault("udp", ())
    phones = ", which network.sip_from opens"
    yield Listener(
        *("network.sip_port", network.sip_port, "kamailio" if edge else "freeswitch", "phones"),
        tuple(plain.items()),
        # A protocol that phones do not speak is kept for them, and closed.
        ("udp", "tcp"),
        phones,
    )
    if (tls := network.tls) is not None:
        spoken: tuple[tuple[Protocol, Sources], ...] = (("tcp", network.sip_from),)
        yield Listener(
            *("network.tls.port", tls.port, "kamailio", "phones", spoken),
            opened=phones,
            another="5061 or another",
        )
        if (wss := network.wss) is not None:
            yield Listener(
                *("network.tls.wss.port", wss.port, "kamailio", "phones", spoken),
                opened=phones,
                another="7443 or another",
            )
    yield from _served(site) if alone else _of_switch(site)


def _served(site: Site) -> Iterator[Listener]:
    # Where the Site's domain leads to, as phones do.
    if (web := site.web_server) is not None:
        yield Listener(
            *(*web, "web", "phones", (("tcp", site.network.sip_from),)),
            opened=", which network.sip_from opens",
            another="443 or another",
        )
    if (turn := site.network.turn) is not None:
        yield Listener(
            *("network.tls.wss.turn.port", turn.port, "turn", "phones"),
            (("tcp", site.network.sip_from),),
            opened=", which network.sip_from opens",
            another="5349 or another",
        )


def _of_switch(site: Site, *, apart: bool = False) -> Iterator[Listener]:
    network = site.network
    nobody: tuple[tuple[Protocol, Sources], ...] = (("tcp", ()),)
    if network.edge:
        yield Listener(
            *("network.sip_port", network.sip_port, "freeswitch", "phones" if apart else "edge"),
            (("udp", ()),),
            ("udp",),
        )
    yield Listener(
        *("event_socket.port", site.event_socket.port, "freeswitch", "loopback", nobody),
        opened=": the Event Socket, which must never be opened",
        another="8021",
    )
    if plain := [one for one in site.trunks if one.transport != "tls"]:
        yield Listener(
            *("network.trunk_port", network.trunk_port, "freeswitch", "trunks"),
            tuple((one.transport, one.sources) for one in plain if one.transport != "tls"),
            ("udp", "tcp"),
            ", which the networks of trunks open",
            "5080 or another",
        )
    if site.http_applications:
        yield Listener(
            *("network.http_port", network.http_port, "http guard", "loopback", nobody),
            opened=", which is for the host's loopback",
            another="8089 or another",
        )
    if (tls := site.event_socket.tls) is not None:
        yield Listener(
            *("event_socket.tls.port", tls.port, "event socket by TLS", "phones"),
            (("tcp", tls.networks),),
            opened=", which event_socket.tls.networks open",
            another="8031",
        )
    if not apart:
        yield from _served(site)
    elif site.web_phone is not None and site.shows_messages:
        yield Listener(
            "web_phone.messages_port",
            *(site.web_phone.messages_port, "voice messages", "phones", nobody),
            opened=", which is for the edge's web server",
            another="8444 or another",
        )
    for index, trunk in enumerate(site.trunks):
        if trunk.transport == "tls":
            sources = trunk.sources if trunk.listens(network) else ()
            yield Listener(
                f"trunks[{index}].tls_port",
                *(trunk.tls_port, "freeswitch", "trunks", (("tcp", sources),)),
                opened=", which its networks open",
                another="5081 or another",
            )
    for index, application in enumerate(site.applications):
        yield Listener(
            f"applications[{index}].port",
            *(application.port, "the operator's", "loopback", nobody),
            opened=", which is for the host's loopback",
            another="8084 or another",
        )


def check_ports(site: Site) -> None:
    """Refuse voice that has too few ports, a port that is another's, or a service without the one
    that it needs."""
    first, last = site.network.rtp_ports
    have, need = last - first + 1, site.media.rtp_ports_needed
    if have < need:
        raise Problem(
            "network.rtp_ports",
            f"{first}-{last} holds {have} ports, and {site.media.max_calls} calls need {need} "
            f"(two legs, two ports each); end it at {first + need - 1} or above, or lower "
            "media.max_calls",
        )
    for field in ("provisioning", "web_phone"):
        if getattr(site, field) is not None and site.network.tls is None:
            raise Problem(field, "is served with a certificate; give one as network.tls")
    if site.web_phone is not None and site.network.wss is None:
        raise Problem("web_phone", "needs a way for its SIP; set network.tls.wss=Wss()")
    if site.web_server is not None and site.web_phone is not None:
        _, port = site.web_server
        if site.web_phone.port != port:
            raise Problem(
                "web_phone.port",
                f"{site.web_phone.port} is not provisioning.port, and one web server serves "
                f"both; use {port}",
            )
    relayed = RELAY_PORTS if site.network.turn is not None else None
    if relayed is not None and first <= relayed[1] and relayed[0] <= last:
        raise Problem(
            "network.rtp_ports",
            f"{first}-{last} overlaps {relayed[0]}-{relayed[1]}, at which TURN hears the switch; "
            f"end it at {relayed[0] - 1} or below",
        )
    if relayed is not None and not site.firewall.enabled:
        raise Problem(
            "network.tls.wss.turn",
            "is held to the ports of the switch's voice by the packet filter, and "
            "firewall.enabled is False; leave one of the two out",
        )
    earlier: list[Listener] = []
    # Whether Kamailio is on another host, the inventory says.
    for one in (*listeners(site), *listeners(site, apart=True)):
        if relayed is not None and relayed[0] <= one.port <= relayed[1]:
            raise Problem(
                one.field,
                f"{one.port} lies in {relayed[0]}-{relayed[1]}, at which TURN hears the switch; "
                f"use {one.another}",
            )
        if first <= one.port <= last:
            raise Problem(
                one.field,
                f"{one.port} lies in network.rtp_ports {first}-{last}; use {one.another}",
            )
        for other in earlier:
            if one.port == other.port and one.field != other.field:
                raise Problem(one.field, f"{one.port} is {other.words}; use {one.another}")
        # One program may be several applications.
        if one.program != "the operator's":
            earlier.append(one)


def check_further_ports(site: Site) -> None:
    """Refuse a further port that is the Site's own."""
    own = [
        one
        for one in (*listeners(site), *listeners(site, apart=True))
        if one.program != "sshd" or site.firewall.ssh_from not in ((), ANYWHERE)
    ]
    first, last = site.network.rtp_ports
    for field, protocol in (("tcp_ports", "tcp"), ("udp_ports", "udp")):
        for index, one in enumerate(site.firewall.further(field)):
            path = f"firewall.{field}[{index}]"
            for used in own:
                if protocol in used.kept and used.port == one.port:
                    raise Problem(path, f"{one.port} is {used.words}{used.opened}; leave it out")
            if protocol == "udp" and first <= one.port <= last:
                raise Problem(
                    path,
                    f"{one.port} lies in network.rtp_ports {first}-{last}, which network.sip_from "
                    "opens; leave it out",
                )


def reached(site: Site, address: str) -> set[tuple[str, int]]:
    """Return protocol and port of what an address reaches of a switch: those of calls' voice apart,
    which are open as long as a call is up."""
    open_to: list[tuple[str, int, Sources]] = [
        (protocol, one.port, sources) for one in listeners(site) for protocol, sources in one.spoken
    ]
    for protocol in ("tcp", "udp"):
        further = site.firewall.further(f"{protocol}_ports")
        open_to += [(protocol, one.port, one.sources) for one in further]
    return {(protocol, port) for protocol, port, sources in open_to if _holds(sources, address)}


def _holds(sources: Sources, address: str) -> bool:
    if sources == ANYWHERE:
        return True
    one = ipaddress.ip_address(address)
    return any(one in ipaddress.ip_network(network) for network in sources)
