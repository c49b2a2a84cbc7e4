"""Addresses and ports: where phones and carriers reach the switch, and what it announces."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, Networks, Port, Transport
from callcenter.site.authorities import PhoneCertificate
from callcenter.site.secrets import Secret

__all__ = ["Firewall", "Network", "OpenPort", "PhoneTls", "Srtp", "Turn", "Wss"]

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Networks of RFC 1918."""

UNIQUE_LOCAL = "fc00::/7"
"""Networks of RFC 4193."""

ANYWHERE = ("0.0.0.0/0",)

RELAY_PORTS = (49152, 53247)
"""UDP ports at which TURN hears the switch, of those that RFC 8656, 7.2 recommends. Nobody reaches
them from elsewhere."""

Origin = Annotated[
    str, StringConstraints(pattern=r"^https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$")
]
"""Page's place: scheme, host and, where it is not 443, port."""


def _said(given: object) -> object:
    return ANYWHERE if given == "anywhere" else given


def _is_within(network: str, others: Iterable[str]) -> bool:
    """Tell whether one of the others holds the whole network."""
    own = ipaddress.ip_network(network)
    known = [ipaddress.ip_network(one) for one in others]
    # Two networks overlap only where one holds the other.
    return any(
        one.version == own.version and one.overlaps(own) and one.prefixlen <= own.prefixlen
        for one in known
    )


Listener = Literal["udp", "tcp", "tls", "wss"]
"""Transport of SIP that something listens on."""


def _word(given: object) -> object:
    # What YAML 1.1 reads where somebody has written off.
    return "off" if given is False else given


Srtp = Annotated[
    Literal["required", "offered", "off"],
    BeforeValidator(_word, json_schema_input_type=Literal["required", "offered", "off"]),
]
"""Word for whether voice is encrypted: always, where a phone can, or not by the switch."""

Sources = Annotated[
    Networks,
    BeforeValidator(_said, json_schema_input_type=Literal["anywhere"] | Networks),
]
"""Networks, or ``"anywhere"`` in words; none where nothing is said."""


@model
class Turn:
    """TURN (RFC 8656) over TLS, for browsers whose network lets no UDP out: Debian's coturn where
    Kamailio is, with the certificate of ``network.tls``. It carries voice to the Site's switches,
    and to nothing else, for who has logged in (docs/web-phone.md). It needs the packet filter."""

    _: KW_ONLY
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 5349
    """TCP port, one of its own (RFC 8656, 18). Networks that let out nothing else let out 443."""


@model
class Wss:
    """SIP by secure WebSocket (RFC 7118) for phones in a browser, with the certificate of
    ``network.tls``. Their voice is WebRTC's: encrypted by DTLS-SRTP, and found by ICE. It needs a
    switch, and ``media.mode`` ``default``."""

    _: KW_ONLY
    port: Port = 7443
    """TCP port, one of its own."""
    origins: Many[Origin] = ()
    """Web pages besides the Site's own domain whose scripts may come, each as browsers write it in
    ``Origin`` (RFC 6454, 7): ``"https://crm.example.net"``."""
    turn: Turn | None = None
    """Way for the voice of browsers whose network lets no UDP out. Default: none."""


@model
class PhoneTls:
    """SIP by TLS 1.2 or 1.3 for phones. It ends at Kamailio, so it needs ``network.edge``. A phone
    is not asked for a certificate: it logs in by its password as before."""

    certificate: PhoneCertificate
    """Certificate (PEM, on this machine) with the Site's domain among its names, and after it those
    of the authorities between. Phones refuse one of another name, and one whose authority they do
    not know. One that has ended, has not begun, or is not signed by the next is refused. Or who
    gives the Site one: ``Acme(…)`` or ``OwnAuthority()``."""
    key: Annotated[Secret, AfterValidator(Secret.as_key)] | None = None
    """Private key of a certificate that is a file, as PEM without a passphrase. None is ever
    made."""
    _: KW_ONLY
    port: Port = 5061
    """TCP port (RFC 3261, 19.1.2)."""
    plain_from: Sources | None = None
    """Networks of ``sip_from`` whose phones may go on without TLS, such as your offices'. Default:
    all of them. Empty: none, so that every phone needs TLS."""
    srtp: Srtp = "off"
    """Encryption of voice between phones and the switch, whose key is in SDP (SDES, RFC 4568).
    ``"required"``: a call that cannot be encrypted does not come about; it needs ``plain_from=[]``.
    ``"offered"``: a phone that comes by TLS has it where it can. ``"off"``: the switch offers
    none."""
    wss: Wss | None = None
    """SIP by secure WebSocket for phones in a browser. Default: none."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        is_file = isinstance(self.certificate, Path)
        if is_file and self.key is None:
            raise Problem("key", "is missing; give the certificate's, as secret('phones-key')")
        if not is_file and self.key is not None:
            raise Problem(
                "key",
                "is that of a certificate which is a file, and this one has its own; leave it out",
            )
        return self


@model
class Network:
    """Ports of the site, alike on every switch. A switch's own addresses are in the inventory."""

    _: KW_ONLY
    sip_port: Port = 5060
    """Port of SIP for phones. FreeSWITCH drops its privileges and cannot bind below 1024."""
    transports: Annotated[Many[Transport], Field(min_length=1)] = ("udp", "tcp")
    """Transports over which phones may register. Neither FreeSWITCH nor the firewall opens any
    other."""
    tls: PhoneTls | None = None
    """SIP by TLS for phones, on a port of its own. Default: none."""
    edge: Annotated[bool, Field(strict=True)] = True
    """Kamailio between all phones and FreeSWITCH: on each switch's own host (docs/way-in.md), or on
    the edge that the inventory names (docs/edges.md). A Windows switch has none of its own, and
    needs ``False`` without one before it. FreeSWITCH by itself faces no strangers: without it
    ``sip_from`` may name private networks and those of ``local_networks`` alone."""
    trunk_port: Port = 5080
    """Port of SIP for carriers, where the Site has trunks. Only they may reach it."""
    http_port: Port = 8089
    """TCP port, on 127.0.0.1 only, by which FreeSWITCH asks HTTP applications, where the Site has
    any."""
    rtp_ports: tuple[Port, Port] = (16384, 32767)
    """UDP ports for voice, the first and the last. A call has two legs, and a leg takes two
    ports."""
    local_networks: Networks = PRIVATE
    """Networks in which phones and carriers are told the switch's own address in SDP and Contact,
    all others the public one. A VPN to a carrier belongs here, too."""
    sip_from: Sources = ()
    """Networks that may speak SIP and RTP with the switch, such as your offices', or
    ``"anywhere"``. A Site that does not say it is not deployed."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        first, last = self.rtp_ports
        if last <= first:
            raise Problem("rtp_ports", f"{first}-{last} is no range; put the lower port first")
        if first <= self.sip_port <= last:
            raise Problem(
                "rtp_ports",
                f"{first}-{last} overlaps sip_port {self.sip_port}; move one of them",
            )
        if len(set(self.transports)) != len(self.transports):
            raise Problem("transports", "names one twice; name each once")
        if not self.edge:
            self._check_alone()
        if self.tls is not None:
            self._check_tls(self.tls)
        return self

    def _check_alone(self) -> None:
        """Refuse what only Kamailio keeps strangers from, or what ends there."""
        if self.tls is not None:
            raise Problem("tls", "ends at Kamailio, and edge is False; leave one of the two out")
        for index, one in enumerate(self.sip_from):
            if not _is_within(one, (*PRIVATE, UNIQUE_LOCAL, *self.local_networks)):
                which = "" if self.sip_from == ANYWHERE else f"[{index}]"
                raise Problem(
                    f"sip_from{which}",
                    f"{one} is neither private nor in local_networks, and edge is False: "
                    "FreeSWITCH by itself bears no strangers; leave edge out, or name local "
                    "networks only",
                )

    def _check_tls(self, tls: PhoneTls) -> None:
        if tls.srtp == "required" and not self.needs_tls:
            raise Problem(
                "tls.srtp", "would show its key to all; set plain_from=[], or use 'offered'"
            )
        if tls.plain_from is None or self.sip_from == ANYWHERE:
            return
        for index, one in enumerate(tls.plain_from):
            if not _is_within(one, self.sip_from):
                raise Problem(
                    f"tls.plain_from[{index}]", f"{one} is not in sip_from; name it there as well"
                )

    @property
    def plain_from(self) -> Sources:
        """Networks whose phones may speak SIP without TLS."""
        if self.tls is None or self.tls.plain_from is None:
            return self.sip_from
        return self.tls.plain_from

    @property
    def needs_tls(self) -> bool:
        """True where no phone may speak SIP without TLS."""
        return self.tls is not None and self.tls.plain_from == ()

    @property
    def srtp(self) -> Srtp:
        """Word for whether voice between phones and the switch is encrypted."""
        return "off" if self.tls is None else self.tls.srtp

    @property
    def listeners(self) -> tuple[tuple[Listener, int], ...]:
        """Transport and port of each way by which phones come: those without TLS first, that of
        browsers last."""
        plain = () if self.needs_tls else self.transports
        tls: tuple[tuple[Listener, int], ...] = (
            () if self.tls is None else (("tls", self.tls.port),)
        )
        wss: tuple[tuple[Listener, int], ...] = (
            () if self.wss is None else (("wss", self.wss.port),)
        )
        return (*((one, self.sip_port) for one in plain), *tls, *wss)

    @property
    def wss(self) -> Wss | None:
        """Way by which browsers come, or None."""
        return None if self.tls is None else self.tls.wss

    @property
    def turn(self) -> Turn | None:
        """Way for the voice of browsers whose network lets no UDP out, or None."""
        return None if self.wss is None else self.wss.turn

    @property
    def for_all(self) -> tuple[Transport | Literal["tls"], int]:
        """Transport and port by which any phone may come, without TLS where all may."""
        if self.tls is None or (self.plain_from == self.sip_from and not self.needs_tls):
            return self.transports[0], self.sip_port
        return "tls", self.tls.port

    def holds(self, networks: Iterable[str]) -> bool | None:
        """Return True where all of these are in local_networks, False where none is, None where
        some are."""
        local = [ipaddress.ip_network(one) for one in self.local_networks]
        found: set[bool | None] = set()
        for network in map(ipaddress.ip_network, networks):
            near = [
                one for one in local if one.version == network.version and one.overlaps(network)
            ]
            # Two networks overlap only where one holds the other.
            whole = any(one.prefixlen <= network.prefixlen for one in near)
            found.add(True if whole else None if near else False)
        return found.pop() if len(found) == 1 else None


@model
class OpenPort:
    """A further port of the host, and who may come to it."""

    port: Annotated[int, Field(strict=True, ge=1, le=65535)]
    """Number of the port, 1 to 65535."""
    _: KW_ONLY
    sources: Annotated[Sources, Field(min_length=1)] = ANYWHERE
    """Networks that may come, such as your monitoring's. Default: anybody."""


def _kind(given: Any) -> str:
    return "number" if isinstance(given, int) else "OpenPort"


FurtherPorts = Many[
    Annotated[
        Annotated[int, Field(strict=True, ge=1, le=65535), Tag("number")]
        | Annotated[OpenPort, Tag("OpenPort")],
        Discriminator(_kind),
    ]
]
"""Numbers of ports that anybody may come to, and ports with sources of their own."""


@model
class Firewall:
    """The host's own packet filter: it lets in what the site needs, and nothing else."""

    _: KW_ONLY
    enabled: Annotated[bool, Field(strict=True)] = True
    """Use of the filter: off removes our table and nothing else."""
    ssh_from: Sources = ()
    """Networks that may reach ssh, this machine's among them, or ``"anywhere"``. The port of the
    connection that deploys is always open to these. A Site that does not say it is not deployed."""
    egress: Annotated[bool, Field(strict=True)] = True
    """Filter of what FreeSWITCH and the programs beside it reach: phones, carriers, and what else
    the Site names. Linux switches have it; nobody else on the host is held."""
    egress_to: Networks = ()
    """Further networks that they may reach, on every port."""
    tcp_ports: FurtherPorts = ()
    """Further TCP ports of the host to keep open, such as a monitoring agent's: ``9100`` for
    anybody, ``OpenPort(9100, sources=["192.0.2.5"])`` for some."""
    udp_ports: FurtherPorts = ()
    """Further UDP ports of the host to keep open, such as an SNMP agent's, by the same words."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for field in ("tcp_ports", "udp_ports"):
            ports = [one.port for one in self.further(field)]
            for index, port in enumerate(ports):
                if port in ports[:index]:
                    raise Problem(
                        f"{field}[{index}]",
                        f"{port} is listed twice; list it once, with all its sources",
                    )
        return self

    def further(self, field: str) -> tuple[OpenPort, ...]:
        """Return the ports of ``tcp_ports`` or ``udp_ports``, each with its sources."""
        given = getattr(self, field)
        return tuple(OpenPort(one) if isinstance(one, int) else one for one in given)
