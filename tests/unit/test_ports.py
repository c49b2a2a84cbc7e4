"""Ports of a Site: no two are one, each address reaches its own, and rules open no others."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from callcenter.render import packet_filter, paths
from callcenter.site import (
    Extension,
    Firewall,
    Network,
    OpenPort,
    OwnAuthority,
    PhoneTls,
    Provisioning,
    Site,
    Trunk,
    Wss,
)
from callcenter.site.ports import SSH, listeners, reached
from tests.unit import test_site

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


def whole() -> Site:
    """Return a Site with every kind of port but ACME's."""
    twin = test_site.twin()
    tls = PhoneTls(OwnAuthority(), wss=Wss())
    return replace(
        twin,
        network=replace(twin.network, edge=True, tls=tls),
        firewall=Firewall(ssh_from=["192.0.2.0/24"], tcp_ports=[9100]),
        provisioning=Provisioning(),
    )


@pytest.mark.parametrize("alone", [False, True], ids=["switch", "edge"])
@pytest.mark.usefixtures("certificates")
def test_rules_open_what_listens_and_nothing_else(alone: bool) -> None:
    """Further ports and voice apart, which no list of listeners has."""
    site = whole()
    rules = packet_filter.configuration(site, [SSH], rtp=not alone)[paths.FIREWALL_RULES].text
    chain = rules[rules.index("chain input") :].replace("{ ", "").replace(" }", "")
    opened = set(re.findall(r"(tcp|udp) dport (\d+) accept comment", chain))
    further = {
        (protocol, str(one.port))
        for protocol in ("tcp", "udp")
        for one in site.firewall.further(f"{protocol}_ports")
    }
    assert opened - further == {
        (protocol, str(one.port))
        for one in listeners(site, alone=alone)
        for protocol, sources in one.spoken
        if sources
    }


@pytest.mark.usefixtures("certificates")
def test_no_two_listeners_have_a_field_or_a_port_in_common() -> None:
    """But for Kamailio and FreeSWITCH, which have one each, at addresses of their own."""
    given = [one for one in listeners(whole()) if one.at != "edge"]
    assert len({one.port for one in given}) == len({one.field for one in given}) == len(given)
    # All kinds of them, or the tests here prove little.
    assert len(given) > 10
