"""A router in a lab's network, between the lab's hosts, the internet and a home.

The lab's namespace routes. ``INTERNET`` is a namespace with a public address, ``HOME`` one with a
private address behind a NAT that gives each conversation a port of its own (symmetric: the hardest
kind). One host of the lab may be behind a NAT, too: then ``SWITCH_OUTSIDE`` is its public address,
or ``SWITCH_MOVED``, as of a line that is given another one each night. Two carriers have private
addresses: ``VPN``, to which the host's packets go as they are, and ``PROVIDER``, inside an access
provider's network, to which they go by the host's NAT.
"""

from __future__ import annotations

import subprocess
from typing import Literal

from lab.network import BRIDGE, namespace, within
from lab.system import run

__all__ = [
    "HOME",
    "HOME_OUTSIDE",
    "HOME_ROUTER",
    "INTERNET",
    "PROVIDER",
    "PUBLIC_NETWORK",
    "SWITCH_MOVED",
    "SWITCH_OUTSIDE",
    "VPN",
    "Place",
    "make",
    "move",
    "place",
    "within_place",
]

# Documentation's own addresses (RFC 5737) are this lab's internet.
INTERNET = "203.0.113.50"
SWITCH_OUTSIDE = "203.0.113.10"
SWITCH_MOVED = "203.0.113.11"
HOME_OUTSIDE = "203.0.113.20"
_ROUTER = "203.0.113.1"
HOME = "192.168.77.50"
HOME_ROUTER = "192.168.77.1"
VPN = "100.64.7.50"
_VPN_ROUTER = "100.64.7.1"
PROVIDER = "10.99.7.50"
_PROVIDER_ROUTER = "10.99.7.1"
PUBLIC_NETWORK = "198.51.100.0/24"
"""Network of lab hosts that have a public address themselves."""
_PUBLIC_ROUTER = "198.51.100.1"

Place = Literal["internet", "home", "vpn", "provider"]

_TABLE = "callcenter_nat"
_RULES = """
table ip {table}
delete table ip {table}
table ip {table} {{
    chain in {{
        type nat hook prerouting priority dstnat;
        iifname {{ internet, home, provider }} ip daddr {switch_outside} dnat to {switch}
    }}
    chain out {{
        type nat hook postrouting priority srcnat;
        iifname home meta l4proto {{ tcp, udp }} snat to {home_outside}:1024-65535 fully-random
        iifname {bridge} oifname {{ internet, provider }} ip saddr {switch} snat to {switch_outside}
    }}
    chain between {{
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname {{ home, {bridge} }} oifname internet accept
        iifname {bridge} oifname {{ vpn, provider }} accept
        # What hosts say to each other comes by here where br_netfilter is loaded, as Docker does.
        iifname {bridge} oifname {bridge} accept
        iifname {{ home, internet, provider }} oifname {bridge} ct status dnat accept
        iifname {{ home, internet }} ip daddr {public} accept
        iifname vpn oifname {bridge} accept
    }}
}}
"""


def place(name: str, where: Place) -> str:
    """Return the network namespace of a place of a lab."""
    return f"{namespace(name)}.{where}"


def within_place(name: str, where: Place) -> list[str]:
    """Return what goes before a command that is to run there."""
    return ["nsenter", f"--net=/run/netns/{place(name, where)}"]


def make(name: str, switch: str) -> None:
    """Make the router and all places anew. ``switch`` is the address behind the switch's NAT. They
    go with the lab's network."""
    router = within(name)
    own: dict[Place, tuple[list[str], str]] = {
        "internet": ([_ROUTER, SWITCH_OUTSIDE, HOME_OUTSIDE], INTERNET),
        "home": ([HOME_ROUTER], HOME),
        "vpn": ([_VPN_ROUTER], VPN),
        "provider": ([_PROVIDER_ROUTER], PROVIDER),
    }
    say = "could not make the lab's router"
    for where, (ours, theirs) in own.items():
        space = place(name, where)
        # The link by itself: it would go with the namespace, but not at once.
        for old in ([*router, "ip", "link", "delete", where], ["ip", "netns", "delete", space]):
            subprocess.run(old, capture_output=True, check=False)
        run(["ip", "netns", "add", space], say=say)
        inside = [*within_place(name, where), "ip"]
        ends = ["type", "veth", "peer", "name", "eth0", "netns", space]
        run([*router, "ip", "link", "add", where, *ends], say=say)
        for address in ours:
            run([*router, "ip", "address", "add", f"{address}/24", "dev", where], say=say)
        run([*router, "ip", "link", "set", where, "up"], say=say)
        run([*inside, "link", "set", "lo", "up"], say=say)
        run([*inside, "address", "add", f"{theirs}/24", "dev", "eth0"], say=say)
        run([*inside, "link", "set", "eth0", "up"], say=say)
        run([*inside, "route", "add", "default", "via", ours[0]], say=say)
    run([*router, "ip", "address", "replace", f"{_PUBLIC_ROUTER}/24", "dev", BRIDGE], say=say)
    run([*router, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"], say=say)
    _translate(name, switch, SWITCH_OUTSIDE)


def move(name: str, switch: str, old: str, new: str) -> None:
    """Give the switch's router another public address, at which alone it is reached from now on:
    it forgets every conversation, as one does whose line was cut. Needs the program conntrack."""
    router, say = within(name), "could not change the router's address"
    run([*router, "ip", "address", "delete", f"{old}/24", "dev", "internet"], say=say)
    run([*router, "ip", "address", "add", f"{new}/24", "dev", "internet"], say=say)
    _translate(name, switch, new)
    run([*router, "conntrack", "-F"], say=say)


def _translate(name: str, switch: str, outside: str) -> None:
    rules = _RULES.format(
        table=_TABLE,
        switch=switch,
        switch_outside=outside,
        home_outside=HOME_OUTSIDE,
        public=PUBLIC_NETWORK,
        bridge=BRIDGE,
    )
    run([*within(name), "nft", rules], say="could not make the router's rules")
