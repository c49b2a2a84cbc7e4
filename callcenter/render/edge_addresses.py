"""Addresses of Kamailio, and of the switch behind it, as Kamailio's configuration has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from callcenter.render import paths
from callcenter.render._addresses import bracketed
from callcenter.render.sip_grammar import literal
from callcenter.render.sip_profiles import heard_at
from callcenter.site import Site, Switch

__all__ = ["ADVERTISED", "EdgeAddresses"]

ADVERTISED = paths.KAMAILIO_ADVERTISED.rpartition("/")[2]
"""Table with what the STUN server has said last."""


@dataclass(frozen=True)
class EdgeAddresses:
    """Addresses of Kamailio, and who is told which of two."""

    site: Site
    edge: Switch
    behind: Switch | None
    """Host of FreeSWITCH, or nothing where phones call each other alone."""

    def _at(self, address: str, port: int | None = None) -> str:
        return f"{bracketed(address)}:{port or self.site.network.sip_port}"

    @property
    def own(self) -> str:
        """Address and port by which Kamailio knows itself."""
        return self._at(self.edge.bind_address if self.behind else self.edge.advertised_address)

    @property
    def own_literal(self) -> str:
        """The same as an expression."""
        return literal(self.own)

    @property
    def has_two(self) -> bool:
        """True where Kamailio, or voice, has two addresses: one for local networks and FreeSWITCH,
        another for who is outside."""
        behind = self.behind
        return behind is not None and (self.edge.is_behind_nat or behind.is_behind_nat)

    @property
    def is_asked(self) -> bool:
        """True where a STUN server says the other, which is in a table then."""
        return self.has_two and self.edge.stun is not None

    @property
    def public(self) -> str:
        """Kamailio's words for the other address, of voice, where there are two."""
        if self.is_asked:
            return f"$sht({ADVERTISED}=>address)"
        assert self.behind is not None
        return f'"{self.behind.advertised_address}"'

    @property
    def public_at(self) -> str:
        """The same of SIP, with its port."""
        if self.is_asked:
            return f'{self.public} + ":{self.site.network.sip_port}"'
        return f'"{self._at(self.edge.advertised_address)}"'

    @property
    def known(self) -> str:
        """The expression of all that Kamailio has written into its own Record-Route."""
        network = self.site.network
        tls, wss = network.tls, network.wss
        ports = [network.sip_port, *([tls.port] if tls else []), *([wss.port] if wss else [])]
        if self.is_asked:
            # Which one, is compared.
            shown = "|".join(map(str, ports))
            return "[0-9.]+:" + (f"({shown})" if len(ports) > 1 else shown)
        addresses = [self.edge.bind_address if self.behind else self.edge.advertised_address]
        if self.has_two:
            addresses.append(self.edge.advertised_address)
        known = [self._at(one, port) for port in ports for one in dict.fromkeys(addresses)]
        return literal("|".join(known))

    @property
    def listens(self) -> Iterator[str]:
        """Return what Kamailio listens at; FreeSWITCH speaks UDP with it."""
        network, edge = self.site.network, self.edge
        inside = [("udp", network.sip_port)] if self.behind else []
        for transport, port in dict.fromkeys([*network.listeners, *inside]):
            # A WebSocket begins within TLS.
            protocol = "tls" if transport == "wss" else transport
            place = f"{protocol}:{self._at(edge.bind_address, port)}"
            if edge.stun is None and edge.advertised_address != edge.bind_address:
                place += f" advertise {self._at(edge.advertised_address, port)}"
            yield place

    @property
    def inner(self) -> str | None:
        """Address at which FreeSWITCH speaks with Kamailio."""
        return None if self.behind is None else heard_at(self.behind, self.edge)

    @property
    def is_beside(self) -> bool:
        """True where FreeSWITCH is on the same host, and on its loopback."""
        return self.inner == self.edge.loopback

    @property
    def inside(self) -> str | None:
        """The same as inner, with its port."""
        return None if self.inner is None else self._at(self.inner)

    @property
    def inner_networks(self) -> list[str]:
        """Networks that are told Kamailio's own address."""
        return [*([self.inner] if self.inner else []), *self.site.network.local_networks]

    @property
    def voice_literal(self) -> str | None:
        """The expression of the address that FreeSWITCH says of voice."""
        return None if self.behind is None else literal(self.behind.bind_address)
