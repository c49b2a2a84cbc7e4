"""A trunk's gateways: by one FreeSWITCH calls the carrier, and where emergency calls go over it, by
another that nothing marks as down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from callcenter.render._addresses import bracketed
from callcenter.site import Trunk

__all__ = ["Gateway", "gateways", "late"]


@dataclass(frozen=True)
class Gateway:
    """A gateway, as FreeSWITCH reads it. What is empty or None is not written."""

    name: str
    is_late: bool
    """Use by emergency calls alone, also where the carrier is known to be down."""
    registers: bool
    ping_seconds: int | None
    proxy: str
    """Place that stands behind the @ of what is called."""
    outbound_proxy: str
    """Place that SIP is sent to, where that is another."""
    register_proxy: str
    """Place that REGISTER is sent to, where that is another."""
    from_domain: str


def gateways(trunk: Trunk, *, urgent: bool) -> Iterator[Gateway]:
    """Yield the gateways of a trunk. ``urgent``: emergency calls go over it."""
    reached = bracketed(trunk.proxy)
    # Without a port FreeSWITCH asks DNS for NAPTR and SRV.
    if not trunk.is_looked_up:
        reached += f":{trunk.proxy_port}"
    by = f";transport={trunk.transport}"
    outbound = f"{reached}{by}" if trunk.outbound_proxy else ""
    for name in (trunk.name, late(trunk)) if urgent else (trunk.name,):
        is_late = name != trunk.name
        yield Gateway(
            name,
            is_late,
            registers=trunk.registers and not is_late,
            ping_seconds=None if is_late else trunk.ping_seconds,
            proxy=bracketed(trunk.host) if trunk.outbound_proxy else reached,
            outbound_proxy=outbound,
            register_proxy=f"{bracketed(trunk.registrar)}{by}" if trunk.registrar else outbound,
            from_domain=bracketed(trunk.from_domain or ""),
        )


def late(trunk: Trunk) -> str:
    """Return the gateway of a trunk that nothing marks as down: no name of a trunk has a dot."""
    return f"{trunk.name}.urgent"
