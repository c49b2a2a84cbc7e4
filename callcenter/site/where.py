"""Hosts that can carry a Site: what it asks for that a kind of host, or several, cannot have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from callcenter.site._plan import NAMED
from callcenter.site.cdr import LocalPostgres
from callcenter.site.extensions import UNANSWERED
from callcenter.site.families import ONE
from callcenter.site.trunks import TAKEN_FOR_LOCAL

if TYPE_CHECKING:
    from callcenter.site.site import Site
    from callcenter.site.switch import Switch

__all__ = ["behind_edge", "misleads", "needs_switch", "one_asked", "one_count"]
__all__ += ["not_relayed", "one_giver", "one_ledger", "unsaid"]


def needs_switch(site: Site) -> list[str]:
    """List what of the Site an inventory without a switch cannot have, a line each."""
    out = [
        f"Site.features.{name}: {code} needs a switch, and the inventory has edges only; "
        "set it to None"
        for name, code in site.features.items()
    ]
    out += [
        f"Site.{kind}: needs a switch, and the inventory has edges only; leave it out"
        for kind in NAMED
        if getattr(site, kind)
    ]
    out += [
        f"Site.extensions[{index}].{field}: needs a switch, and the inventory has edges only; "
        "leave it out"
        for index, extension in enumerate(site.extensions)
        for field in (*UNANSWERED, "voicemail", "pickup_groups")
        if getattr(extension, field)
    ]
    out += [
        f"Site.{field}: needs a switch, and the inventory has edges only; leave it out"
        for field in (
            "parking",
            "speed_dials",
            "callers",
            "cdr",
            "billing",
            "caps",
            "provisioning",
            "web_phone",
        )
        if getattr(site, field)
    ]
    out += [
        f"Site.event_socket.{field}: needs a switch, and the inventory has edges only; leave it out"
        for field in ("users", "tls")
        if getattr(site.event_socket, field)
    ]
    if site.network.srtp != "off":
        out.append(
            "Site.network.tls.srtp: needs a switch, and the inventory has edges only; leave it out"
        )
    if site.network.wss is not None:
        out.append(
            "Site.network.tls.wss: needs a switch, and the inventory has edges only; leave it out"
        )
    if site.media.mode != "bypass":
        out.append(
            f"Site.media.mode: {site.media.mode!r} needs a switch, and the inventory has edges "
            "only; use 'bypass'"
        )
    return site.placed(out)


def behind_edge(site: Site, switch: Switch, edge: Switch | None = None) -> list[str]:
    """List what a switch cannot have behind an edge of its own, a line each. ``edge``: that of
    another host."""
    if site.network.edge and switch.is_windows and edge is None:
        return [
            "Site.network.edge: is Kamailio's, which does not run on Windows; put a Linux host "
            "into edges, or set it to False in a site of the Windows hosts' own, whose phones are "
            "in local networks"
        ]
    return []


def misleads(site: Site, switch: Switch) -> list[str]:
    """List the carriers that a switch behind a NAT could not tell the right address, a line
    each."""
    shared = {n: one for n, one in enumerate(site.trunks) if one.transport != "tls"}
    sources = [source for trunk in shared.values() for source in trunk.sources]
    if not switch.is_trunk_behind_nat:
        return []
    if site.network.holds(sources) is not None:
        return []
    out = []
    for index, trunk in shared.items():
        field, local = (
            f"Site.trunks[{index}].{trunk.proxy_field}",
            site.network.holds(trunk.reached_at),
        )
        if local and trunk.is_named:
            out.append(
                f"{field}: {trunk.proxy} is a name, for which FreeSWITCH does not look into "
                "network.local_networks, and other trunks are outside of these; give its "
                "address"
            )
        if local is False and trunk.proxy.startswith(TAKEN_FOR_LOCAL):
            out.append(
                f"{field}: FreeSWITCH takes {trunk.proxy} for a local address, and other "
                "trunks are in network.local_networks; give its name"
            )
    return out


def not_relayed(site: Site, switches: Sequence[Switch]) -> list[str]:
    """List why TURN cannot carry the voice of these switches, a line each."""
    if site.network.turn is None:
        return []
    out = []
    if any(one.stun is not None for one in switches):
        out.append(
            "Site.network.tls.wss.turn: turns back what goes to the public address, which a STUN "
            "server says anew each minute; leave it out, or give public_ip instead of stun"
        )
    elif len(switches) > 1 and any(one.is_behind_nat for one in switches):
        out.append(
            f"Site.network.tls.wss.turn: of {len(switches)} switches each carries voice of all, "
            "and does not reach another by its router's address; leave it out, or use hosts that "
            "hold their addresses"
        )
    if len({":" in one.bind_address for one in switches}) > 1:
        out.append(
            "Site.network.tls.wss.turn: of several switches each carries voice of all, and has no "
            f"address of another's family; leave it out, or give all one family ({ONE})"
        )
    return site.placed(out)


def unsaid(site: Site, *, windows: bool = False) -> list[str]:
    """List the fields, a line each, in which the Site must say who may connect and does not.
    ``windows`` is for a Windows host: its own rules say who may administer it."""
    if not site.firewall.enabled:
        return []
    asked = {"network.sip_from": (site.network.sip_from, "your phones and offices")}
    if not windows:
        asked["firewall.ssh_from"] = (site.firewall.ssh_from, "those who administer the host")
    return site.placed(
        f"Site.{path}: is not said; name the networks of {whose}, such as ['203.0.113.0/24'], "
        'or "anywhere"'
        for path, (networks, whose) in asked.items()
        if not networks
    )


def one_ledger(site: Site, switches: int) -> list[str]:
    """List why so many switches cannot bill, a line each: an account is in one place."""
    if site.prepaid is None or switches < 2 or not isinstance(site.database, LocalPostgres):
        return []
    return site.placed(
        [
            f"Site.database: each of the {switches} switches would have balances of its own, "
            "and money could be spent on each; use RemotePostgres(…), or one switch"
        ]
    )


def one_count(site: Site, switches: int) -> list[str]:
    """List why so many switches cannot count what caps are about, a line each: nobody has said
    whether they count together."""
    if not site.caps or switches < 2 or site.caps_counted_by is not None:
        return []
    return site.placed(
        [
            f"Site.caps_counted_by: is not said, and each of the {switches} switches would spend a "
            "cap of its own; use 'site', with database=RemotePostgres(…), or 'switch', where each "
            "may spend all of it"
        ]
    )


def one_asked(site: Site, hosts: int) -> list[str]:
    """List why so many hosts cannot get a certificate by HTTP-01, a line each: one of them
    is asked, and another has asked for it."""
    if site.acme is None or not site.acme.asks_at_host or hosts < 2:
        return []
    return site.placed(
        [
            f"Site.network.tls.certificate: HTTP-01 asks one of the {hosts} hosts behind "
            f"{site.domain}, whichever that is; give dns=DnsHook(…), or use one host"
        ]
    )


def one_giver(site: Site, switches: Sequence[Switch]) -> list[str]:
    """List why these switches cannot give links out, a line each: a link is good once, so one
    switch gives, and the others ask it."""
    if site.provisioning is None or len(switches) < 2:
        return []
    out = []
    if any(one.is_behind_nat for one in switches):
        out.append(
            f"Site.provisioning: one of {len(switches)} switches gives links out, and is not "
            "reached by the others behind a router; leave it out, or use hosts that hold their "
            "addresses"
        )
    elif len({":" in one.bind_address for one in switches}) > 1:
        out.append(
            "Site.provisioning: one of several switches gives links out, and is not reached from "
            f"an address of another family; leave it out, or give all one family ({ONE})"
        )
    return site.placed(out)
