"""What preflight refuses, as pure rules over one look at the host."""

from __future__ import annotations

import ipaddress

from callcenter.render import paths
from callcenter.site import Site, Switch
from callcenter.site.authorities import ACME_PORT
from callcenter.site.families import other_family, out_of_reach
from roles.host.facts import State

__all__ = ["problems"]

SUPPORTED = {"bookworm": "Debian 12", "trixie": "Debian 13"}
PROCESSES = {
    "network.http_port": paths.HTTP_GUARD_TOOL.rpartition("/")[2],
    "event_socket.tls.port": "stunnel4",
    "network.tls.certificate": "lego",
    **dict.fromkeys(
        ("provisioning.port", "web_phone.port"),
        paths.WEB_UNIT.rpartition("/")[2].removesuffix(".service"),
    ),
}
"""Program that a port belongs to, where it is not the service's own."""
PROGRAM = "/usr/bin/freeswitch"
"""Path of the executable in FreeSWITCH's Debian packages."""
STOPS = {"ufw": "ufw disable", "firewalld": "systemctl disable --now firewalld"}
"""Command that ends each packet filter that is not ours."""
FREE_MEGABYTES = 500
"""Packages take 150; the rest is for logs until somebody reads the alarm."""
CLOCK_SECONDS = 60
"""TLS and package signatures fail on a wrong clock, and nobody can compare two hosts' logs."""


def problems(site: Site, switch: Switch, found: State, service: str = "freeswitch") -> list[str]:
    """List in one sentence each what is wrong with the host and what would be right. ``service``:
    whose the ports are to be."""
    out: list[str] = []
    if found.os != "debian" or found.codename not in SUPPORTED:
        names = " and ".join(SUPPORTED.values())
        system = f"{found.os} {found.codename}".strip() or "an unknown system"
        out.append(f"it runs {system}; use {names}")
    if not found.root:
        out.append(
            "the login is not root; set ssh_user='root' or _sudo=True for the host, or run pyinfra "
            "with --sudo"
        )
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
    out += site.unsaid() + site.ungiven()
    out += site.placed(other_family(site, switch) + out_of_reach(site, found.addresses))
    if service == "freeswitch":
        out += site.misleads(switch) + site.behind_edge(switch)
    if switch.stun is not None and found.os == "debian" and "python3" not in found.packages:
        out.append("stun is asked by a program in Python: install python3 on it")
    if service == "freeswitch":
        out += _foreign(found)
    out += [
        f"{name} is active on it, and what it drops the Site's own filter cannot let in: run "
        f"{STOPS[name]}, and name what else it let in by firewall.tcp_ports and udp_ports; or keep "
        f"it, set firewall.enabled to False, and let it open {', '.join(_open(site, service))}"
        for name in (found.filters if site.firewall.enabled else ())
    ]
    at = switch.trunk_bind_address
    wanted: list[tuple[str, int, str, tuple[str, ...]]] = [
        # The profile binds both, whatever the phones may use.
        ("network.sip_port", site.network.sip_port, switch.bind_address, ("udp", "tcp")),
    ]
    if service == "freeswitch" and site.network.edge:
        wanted.append(("network.sip_port", site.network.sip_port, switch.loopback, ("udp",)))
    if service == "freeswitch" and any(one.transport != "tls" for one in site.trunks):
        wanted.append(("network.trunk_port", site.network.trunk_port, at, ("udp", "tcp")))
    if service == "freeswitch":
        wanted += [
            (f"trunks[{index}].tls_port", one.tls_port, at, ("tcp",))
            for index, one in enumerate(site.trunks)
            if one.transport == "tls"
        ]
    if site.acme is not None:
        wanted.append(("network.tls.certificate", ACME_PORT, switch.bind_address, ("tcp",)))
    if service == "freeswitch":
        wanted.append(("event_socket.port", site.event_socket.port, "127.0.0.1", ("tcp",)))
        if site.http_applications:
            wanted.append(("network.http_port", site.network.http_port, "127.0.0.1", ("tcp",)))
        if (tls := site.event_socket.tls) is not None:
            wanted.append(("event_socket.tls.port", tls.port, switch.bind_address, ("tcp",)))
        if (web := site.web_server) is not None:
            wanted.append((*web, switch.bind_address, ("tcp",)))
    for listener in found.listeners:
        for field, port, address, protocols in wanted:
            # Who asks may come by any of the host's addresses, and at no other port.
            is_acme = field == "network.tls.certificate"
            everywhere = (listener.address,) if is_acme else ()
            taken = (
                listener.port == port
                and listener.protocol in protocols
                and listener.address in (address, "0.0.0.0", "::", "*", *everywhere)
            )
            ours = {PROCESSES.get(field, service)}
            if field == "network.sip_port" and found.edge:
                # Of the edge that the Site puts before the switch, or no longer does.
                ours.add("kamailio")
            if taken and listener.process not in ours:
                out.append(
                    f"port {port}/{listener.protocol} ({field}) is taken by {listener.process}; "
                    "stop that service, or "
                    + ("give a certificate" if is_acme else "choose another port in the Site")
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


def _open(site: Site, service: str) -> list[str]:
    """List what another packet filter would have to let in."""
    network = site.network
    out = [f"{port}/{'udp' if way == 'udp' else 'tcp'}" for way, port in network.listeners]
    out += [f"{ACME_PORT}/tcp"] if site.acme is not None else []
    if service == "freeswitch":
        out.append(f"{network.rtp_ports[0]}-{network.rtp_ports[1]}/udp")
        for trunk in site.trunks:
            if (at := trunk.listens(network)) is not None:
                out.append(f"{at[1]}/{at[0]}")
        if (tls := site.event_socket.tls) is not None:
            out.append(f"{tls.port}/tcp")
        if (web := site.web_server) is not None:
            out.append(f"{web[1]}/tcp")
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
