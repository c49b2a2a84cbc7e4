"""Which ports of a switch an address reaches, by its Site."""

from __future__ import annotations

import pytest

from callcenter.site import Extension, Firewall, Network, OpenPort, Site, Trunk
from callcenter.site.ports import reached

OFFICE, CARRIER, STRANGER = "192.0.2.5", "198.51.100.1", "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "ports"),
    [
        (OFFICE, {("udp", 5060), ("tcp", 5060), ("tcp", 22), ("tcp", 9100)}),
        (CARRIER, {("udp", 5080), ("tcp", 9100)}),
        (STRANGER, {("tcp", 9100)}),
    ],
)
def test_each_reaches_what_is_for_it(address: str, ports: set[tuple[str, int]]) -> None:
    site = Site(
        "example.net",
        extensions=[Extension(1000)],
        network=Network(sip_from=["192.0.2.0/24"]),
        firewall=Firewall(
            ssh_from=["192.0.2.0/24"],
            tcp_ports=[9100],
            udp_ports=[OpenPort(161, sources=["192.0.2.99"])],
        ),
        trunks=[Trunk("carrier", host=CARRIER)],
    )
    assert reached(site, address) == ports
