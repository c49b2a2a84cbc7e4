"""What preflight refuses, as pure rules over one look at the host."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from callcenter.render import paths
from callcenter.site import Site, Switch
from callcenter.site.families import other_family, out_of_reach
from callcenter.site.named_secrets import ungiven
from callcenter.site.ports import Listener, Program, listeners
from callcenter.site.where import behind_edge, misleads, unsaid
from roles.host.facts import State

__all__ = ["problems"]

SUPPORTED = {"bookworm": "Debian 12", "trixie": "Debian 13"}
PROCESSES: Mapping[Program, str] = {
    "http guard": paths.HTTP_GUARD_TOOL.rpartition("/")[2],
    "voice messages": paths.VOICEMAIL_PAGE_TOOL.rpartition("/")[2],
    "event socket by TLS": "stunnel4",
    "acme": "lego",
    "web": paths.WEB_UNIT.rpartition("/")[2].removesuffix(".service"),
    "turn": paths.TURN_UNIT.rpartition("/")[2].removesuffix(".service"),
}
"""Process of a port's program, where it is not called so."""
PROGRAM = "/usr/bin/freeswitch"
"""Path of the executable in FreeSWITCH's Debian packages."""
STOPS = {"ufw": "ufw disable", "firewalld": "systemctl disable --now firewalld"}
"""Command that ends each packet filter that is not ours."""
FREE_MEGABYTES = 500
"""Packages take 150; the rest is for logs until somebody reads the alarm."""
CLOCK_SECONDS = 60
"""TLS and package signatures fail on a wrong clock, and nobody can compare two hosts' logs."""


def problems(
    site: Site,
    switch: Switch,
    found: State,
    service: str = "freeswitch",
    edge: Switch | None = None,
) -> list[str]:
    """List in one sentence each what is wrong with the host and what would be right. ``service``:
    whose the ports are to be. ``edge``: Kamailio's host, where that is another one."""
    if not found.root:
        # Another login does not see whose the ports are, nor much else.
        return [
            "the login is not root; set ssh_user='root' or _sudo=True for the host, or run pyinfra "
            "with --sudo"
        ]
    out: list[str] = []
    if found.os != "debian" or found.codename not in SUPPORTED:
        names = " and ".join(SUPPORTED.values())
        system = f"{found.os} {found.codename}".strip() or "an unknown system"
        out.append(f"it runs {system}; use {names}")
    if not found.systemd:
        out.append("systemd does not run on it; the services need it")
    if switch.bind_address not in found.addresses:
        own = sorted(a for a in found.addresses if not ipaddress.ip_address(a).is_loopback)
        if switch.address is None and own:
            out.append(
                f"public_ip {switch.public_ip} is on no interface (it has {', '.join(own)}): set "
                f"address={own[0]!r} and keep public_ip, if the host is behind NAT"
            )
        else:
            has = ", ".join(own) or "none"
            out.append(f"address {switch.bind_address} is on no interface; it has {has}")
    if service == "freeswitch" and switch.trunk_bind_address not in {
        switch.bind_address,
        *found.addresses,
    }:
        out.append(f"trunk_address {switch.trunk_address} is on no interface; put it on one")
    out += unsaid(site) + ungiven(site)
    out += site.placed(other_family(site, switch) + out_of_reach(site, found.addresses))
    if service == "freeswitch":
        out += misleads(site, switch) + behind_edge(site, switch)
    if switch.stun is not None and found.os == "debian" and "python3" not in found.packages:
        out.append("stun is asked by a program in Python: install python3 on it")
    if service == "freeswitch":
        out += _foreign(found)
    apart = edge is not None
    ports = _own(site, service, apart)
    out += [
        f"{name} is active on it, and what it drops the Site's own filter cannot let in: run "
        f"{STOPS[name]}, and name what else it let in by firewall.tcp_ports and udp_ports; or keep "
        f"it, set firewall.enabled to False, and let it open "
        f"{', '.join(_open(site, service, apart))}"
        for name in (found.filters if site.firewall.enabled else ())
    ]
    for listener in found.listeners:
        for port in ports:
            address = port.address(switch)
            taken = (
                listener.port == port.port
                and listener.protocol in port.kept
                and (address == "*" or listener.address in (address, "0.0.0.0", "::", "*"))
            )
            ours = {PROCESSES.get(port.program, service)}
            if port.program == "kamailio" or port.field == "network.sip_port":
                # Of the edge that the Site puts before the switch, or no longer does.
                ours |= {"kamailio"} if found.edge else set()
            if taken and listener.process not in ours:
                out.append(
                    f"port {port.port}/{listener.protocol} ({port.field}) is taken by "
                    f"{listener.process}; stop that service, or "
                    + (
                        "give a certificate"
                        if port.program == "acme"
                        else "choose another port in the Site"
                    )
                )
    if found.free_megabytes < FREE_MEGABYTES:
        out.append(
            f"/var has {found.free_megabytes} MB free; {FREE_MEGABYTES} are needed: make room"
        )
    if abs(found.clock_offset) > CLOCK_SECONDS:
        ahead = "ahead of" if found.clock_offset > 0 else "behind"
        out.append(
            f"its clock is {abs(found.clock_offset):.0f} s {ahead} this machine's; set the one "
            "that is wrong, e.g. with timedatectl set-ntp true"
        )
    return list(dict.fromkeys(out))


def _own(site: Site, service: str, apart: bool) -> list[Listener]:
    """List the Site's ports that a deploy brings to the host."""
    return [
        one
        for one in listeners(site, alone=service == "kamailio", apart=apart)
        if one.program not in ("sshd", "the operator's")
    ]


def _open(site: Site, service: str, apart: bool) -> list[str]:
    """List what another packet filter would have to let in."""
    out = [
        f"{one.port}/{protocol}"
        for one in _own(site, service, apart)
        for protocol, sources in one.spoken
        if sources
    ]
    if service == "freeswitch":
        first, last = site.network.rtp_ports
        out.append(f"{first}-{last}/udp")
    return list(dict.fromkeys(out))


def _foreign(found: State) -> list[str]:
    """Name each FreeSWITCH that no deploy brought: its calls would end, its files be replaced."""
    remedy = "move it to another host, or stop it and keep it from starting"
    out = []
    for process in found.freeswitch:
        if process.program != PROGRAM:
            out.append(
                "a FreeSWITCH that Debian's packages did not bring runs on it "
                f"({process.program}): {remedy}"
            )
        elif not process.unit:
            out.append(f"a FreeSWITCH runs on it outside {paths.UNIT}, as in a container: {remedy}")
        elif not process.described:
            out.append(
                "a FreeSWITCH that no deploy of this project has described runs on it: "
                f"{remedy} (systemctl disable --now {paths.UNIT})"
            )
    return out
