"""Hosts of a Site, of which a browser or a phone finds any by the Site's domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from callcenter.site.switch import Switch

__all__ = ["SiteHosts"]


@dataclass(frozen=True)
class SiteHosts:
    """Hosts of a Site, as one of them sees them. Who comes by the Site's domain finds one for its
    SIP, and again for TURN or for a link: these need not be the same."""

    here: Switch
    servers: tuple[Switch, ...]
    """Hosts with Kamailio, to which the domain leads. TURN and the web server are there."""
    voices: tuple[Switch, ...]
    """Hosts with FreeSWITCH."""

    @classmethod
    def of(
        cls, here: Switch, switches: Sequence[Switch] = (), edges: Sequence[Switch] = ()
    ) -> Self:
        """Return those of an inventory, of which this is one. Default: it is alone."""
        voices = tuple(switches or (here,))
        return cls(here, tuple(edges) or voices, voices)

    @property
    def is_served(self) -> bool:
        """True where the domain leads to this host."""
        return self.here in self.servers

    @property
    def reached(self) -> tuple[str, ...]:
        """Addresses that browsers are told for voice."""
        both = [one for v in self.voices for one in (v.bind_address, v.advertised_address)]
        return tuple(dict.fromkeys(both))

    @property
    def further_voices(self) -> tuple[Switch, ...]:
        """Hosts to which TURN of this one carries voice, besides itself."""
        return tuple(one for one in self.voices if one != self.here) if self.is_served else ()

    @property
    def further_servers(self) -> tuple[Switch, ...]:
        """Hosts whose TURN carries voice to this one, besides its own."""
        if self.here not in self.voices:
            return ()
        return tuple(one for one in self.servers if one != self.here)

    @property
    def giver(self) -> Switch | None:
        """Host that gives links out, where that is another one: each is good once, and one host
        knows which were used."""
        first = min(self.servers, key=lambda one: one.name)
        return None if first == self.here or not self.is_served else first

    @property
    def askers(self) -> tuple[Switch, ...]:
        """Hosts that pass links on to this one."""
        if not self.is_served or self.giver is not None:
            return ()
        return tuple(one for one in self.servers if one != self.here)
