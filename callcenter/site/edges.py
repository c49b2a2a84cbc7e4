"""Edges on hosts of their own: what an inventory that has both groups may ask for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from callcenter.site.families import ONE
from callcenter.site.reach import is_private

if TYPE_CHECKING:
    from callcenter.site.site import Site
    from callcenter.site.switch import Switch

__all__ = ["OWN", "before_switches"]

OWN = "leave edges out, and Kamailio stands on the switch's own host; or give it one of its own"
"""Words of refusals for an edge that is where its switch is."""


def before_switches(site: Site, edges: Sequence[Switch], switches: Sequence[Switch]) -> list[str]:
    """List why these edges cannot stand before these switches, a line each. Nothing is wrong where
    one of the groups is empty."""
    if not edges or not switches:
        return []
    out = []
    if len(edges) > 1:
        out.append(
            f"edges: are {len(edges)} before a switch, and a text message would not go from a "
            "phone at one to a phone at another; keep one edge"
        )
    if len(switches) > 1:
        out.append(
            f"switches: are {len(switches)} behind an edge, and queues, mailboxes, parked calls "
            "and lamps would be apart on each; keep one switch"
        )
    out += [line for one in switches for line in _of_switch(one)]
    out += [line for edge in edges for one in switches for line in _between(site, edge, one)]
    return list(dict.fromkeys(site.placed(out + _of_site(site))))


def _of_site(site: Site) -> list[str]:
    out = []
    if not site.network.edge:
        out.append(
            "Site.network.edge: is False, and the inventory has edges before its switch; leave it "
            "out, or leave the edges out"
        )
    if not site.firewall.enabled:
        out.append(
            "Site.firewall.enabled: is False, and nothing else keeps others than the edge from "
            "FreeSWITCH's port; leave it out"
        )
    return out


def _of_switch(switch: Switch) -> list[str]:
    if switch.stun is not None:
        return [
            f"switches[{switch.name!r}].stun: is told to Kamailio on the switch's own host alone; "
            "give public_ip"
        ]
    return []


def _between(site: Site, edge: Switch, switch: Switch) -> list[str]:
    """List what is wrong with the way from one to the other, and with what phones are told."""
    if edge.bind_address in (switch.bind_address, switch.trunk_bind_address):
        return [
            f"edges[{edge.name!r}]: {edge.bind_address} is switches[{switch.name!r}]'s, too; {OWN}"
        ]
    here, there = (ipaddress.ip_address(one.bind_address) for one in (edge, switch))
    if here.version != there.version:
        return [
            f"edges[{edge.name!r}]: {here} is of IPv{here.version}, and the switch's {there} of "
            f"IPv{there.version}; give both one family ({ONE})"
        ]
    out = [
        f"{group}[{one.name!r}]: {one.bind_address} is not in network.local_networks, and SIP "
        "between edge and switch is not encrypted: who is on that way could read it and make "
        "calls; give address in a network of your own, which local_networks names"
        for group, one in (("edges", edge), ("switches", switch))
        if not site.network.holds([one.bind_address])
    ]
    if edge.stun is not None or switch.stun is not None:
        return out
    entry, voice = (ipaddress.ip_address(one.advertised_address) for one in (edge, switch))
    if is_private(voice) and not is_private(entry):
        out.append(
            f"switches[{switch.name!r}].public_ip: is missing, and phones that reach the edge at "
            f"{entry} would send their voice to {voice}; give the switch's public address"
        )
    return out
