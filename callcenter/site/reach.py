"""Reach of addresses: said here for the description, and by ``onhost.stun`` again for the host,
which has nothing of ours."""

from __future__ import annotations

import ipaddress

__all__ = ["is_no_host", "is_private"]

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)


def is_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether nobody in the internet reaches it. Documentation's addresses are not global
    either, but examples must load, and a lab's internet is made of them."""
    return any(address in network for network in _PRIVATE if network.version == address.version)


def is_no_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether it is nobody's own."""
    return (
        address.is_unspecified
        or address.is_multicast
        or address.is_loopback
        or (address.version == 4 and address.is_reserved)
    )
