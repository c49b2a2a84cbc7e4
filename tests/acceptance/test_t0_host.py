"""T0 of a switch: the host is what the Site says, and open to nobody else."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

from callcenter import render
from callcenter.client import npm
from callcenter.client.inventory import Host
from callcenter.render import paths, sip_profiles, users
from callcenter.render.debian import version_matches
from callcenter.render.known_holes import holes_of
from callcenter.site import Site, Switch
from callcenter.site.ports import listeners
from tests.acceptance.support.waiting import PATIENCE


@pytest.fixture(autouse=True)
def switches_only(node: Host) -> None:
    if node.is_edge:
        pytest.skip(f"{node.name} is an edge")


@pytest.fixture
def linux(node: Host) -> None:
    """For what is otherwise on Windows: test_t0_windows.py."""
    if node.switch.is_windows:
        pytest.skip(f"{node.name} is a Windows host")


LINUX = pytest.mark.usefixtures("linux")


@LINUX
def test_packages(host: Any, site: Site) -> None:
    """FreeSWITCH and its modules are installed as one set, at the pinned version"""
    for name in render.freeswitch.packages(site):
        package = host.package(name)
        assert package.is_installed, f"{name} is not installed"
        assert version_matches(package.version, site.packages.version), (
            f"{name} is {package.version}, not {site.packages.version}"
        )


@LINUX
def test_service(host: Any, fs_cli: Callable[[str], str]) -> None:
    """The service runs, starts at boot, and FreeSWITCH answers as ready"""
    unit = host.service(paths.UNIT.removesuffix(".service"))
    assert unit.is_running
    assert unit.is_enabled
    assert "is ready" in fs_cli("status")


def test_realtime(host: Any) -> None:
    """FreeSWITCH goes before ordinary processes, where the host grants realtime scheduling"""
    if host.run("chrt -r 1 true").rc != 0:
        pytest.skip("this host grants no realtime scheduling, as in most containers")
    process = host.check_output("systemctl show --property MainPID --value %s", paths.UNIT)
    policy = host.check_output("chrt -p %s", process)
    assert "SCHED_FIFO" in policy or "SCHED_RR" in policy, policy


CONFINED = {
    "CapabilityBoundingSet": "",
    "LimitCORE": "0",
    "LockPersonality": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
}


def _served(site: Site, node: Host) -> render.Tree:
    return render.web.configuration(site, node.switch, npm.library, hosts=node.all_hosts)


@LINUX
def test_confinement(host: Any, site: Site, node: Host) -> None:
    """FreeSWITCH and every program beside it may do what each needs, as systemd says it"""
    trees = (
        render.beside.configuration(site, realtime=False),
        render.public_address.configuration(node.switch),
        render.pool.configuration(site),
        *(() if node.edge else (_served(site, node),)),
        render.turn.configuration(site, node.all_hosts),
    )
    files = [file.path.rpartition("/")[2] for tree in trees for file in tree]
    # A template is asked of by one of its instances.
    ours = [name.replace("@.", "@any.") for name in files if name.endswith(".service")]
    for unit in (paths.UNIT, *ours):
        shown = host.check_output(f"systemctl show --property {','.join(CONFINED)} {unit}")
        found = dict(line.split("=", 1) for line in shown.splitlines())
        if unit == f"{paths.STUN.rpartition('/')[2]}.service":
            # It runs FreeSWITCH's releases, as root.
            assert found.pop("CapabilityBoundingSet") == "cap_dac_override"
        if unit == paths.BANS_FILTER_UNIT.rpartition("/")[2]:
            # What it is for, and it is nobody else's.
            assert found.pop("CapabilityBoundingSet") == "cap_net_admin"
        if site.web_server is not None and unit == paths.WEB_UNIT.rpartition("/")[2]:
            low = site.web_server[1] < 1024
            assert found.pop("CapabilityBoundingSet") == ("cap_net_bind_service" if low else "")
        if site.network.turn is not None and unit == paths.TURN_UNIT.rpartition("/")[2]:
            low = site.network.turn.port < 1024
            assert found.pop("CapabilityBoundingSet") == ("cap_net_bind_service" if low else "")
        if unit == paths.UNIT and found["CapabilityBoundingSet"]:
            assert found.pop("CapabilityBoundingSet") == "cap_sys_nice"
        assert found == {name: CONFINED[name] for name in found}, unit
        assert len(found) > len(CONFINED) - 2, unit


def test_known_holes(site: Site) -> None:
    """FreeSWITCH has no hole that is known to the public and that nothing of the site closes"""
    assert [str(hole) for hole in holes_of(site.packages.version) if not hole.closed_by] == []


@LINUX
def test_no_program(host: Any, fs_cli: Callable[[str], str]) -> None:
    """FreeSWITCH starts no program: neither by its own commands, nor could it by any"""
    for command in ("system id", "bg_system id", "spawn id", "spawn_stream id"):
        assert "not found" in fs_cli(command)
    show = "systemctl show --value --property %s %s"
    assert host.check_output(show, "NoExecPaths", paths.UNIT) == "/"
    assert host.check_output(show, "User", paths.UNIT) == users.FREESWITCH


def heard_at(site: Site, node: Host) -> str:
    """Return the address at which FreeSWITCH hears phones' SIP."""
    if not site.network.edge:
        return node.switch.bind_address
    return sip_profiles.heard_at(node.switch, node.edge or node.switch)


def test_profile(fs_cli: Callable[[str], str], site: Site, node: Host) -> None:
    """The sofia profile is running where the Site says, and names the address that phones call"""
    profile = fs_cli(f"sofia status profile {render.freeswitch.PROFILE}")
    named = (node.edge or node.switch).bind_address
    assert f"@{named}:{site.network.sip_port}" in profile
    bound = heard_at(site, node)
    assert re.search(rf"^SIP-IP\s+{re.escape(bound)}\s*$", profile, re.MULTILINE)


def test_no_message_is_a_command(fs_cli: Callable[[str], str], site: Site, switch: Switch) -> None:
    """FreeSWITCH takes no text message (SIP MESSAGE), which could be a command"""
    if site.network.edge:
        pytest.skip("nobody but Kamailio speaks with FreeSWITCH; it passes on no text message")
    # Without a password: whoever takes one asks for it, whoever takes none says yes to all.
    asked = (
        f"MESSAGE sip:{site.domain} SIP/2.0\r\n"
        "Via: SIP/2.0/{transport} {own};rport;branch=z9hG4bK-t0\r\n"
        f"From: <sip:t0@{site.domain}>;tag=t0\r\nTo: <sip:t0@{site.domain}>\r\n"
        "Call-ID: t0-message\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n"
        "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"
    )
    transport, port = site.network.for_all
    if transport == "tls":
        pytest.skip("the question is asked without TLS, which the Site does not take from all")
    family = socket.AF_INET6 if ":" in switch.advertised_address else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        probe.settimeout(PATIENCE)
        probe.connect((switch.advertised_address, port))
        own = "{}:{}".format(*probe.getsockname()[:2])
        probe.send(asked.format(transport=transport.upper(), own=own).encode())
        answer = probe.recv(4096).decode().splitlines()[0]
    assert "401" not in answer
    assert "407" not in answer


def test_nothing_a_peer_says_leads_elsewhere(fs_cli: Callable[[str], str]) -> None:
    """A redirect ends the call, headers and identities stay on their side, talks are not taken"""
    for name, value in (
        ("outbound_redirect_fatal", "true"),
        ("sip_copy_custom_headers", "false"),
        ("sip_copy_multipart", "false"),
        ("sip_ignore_remote_cid", "true"),
        ("intercept_unbridged_only", "true"),
        ("execute_on_blind_transfer", "execute_extension sent-on XML services"),
    ):
        assert fs_cli(f"global_getvar {name}") == value, name


def test_modules(fs_cli: Callable[[str], str], site: Site) -> None:
    """Exactly the modules that the Site needs are loaded"""
    listed = [line.split(",")[-2:] for line in fs_cli("show modules").splitlines()]
    loaded = {words[0] for words in listed if words[0].startswith("mod_")}
    assert loaded == set(render.freeswitch.modules(site))


@LINUX
def test_listeners(host: Any, site: Site, switch: Switch, node: Host) -> None:
    """FreeSWITCH listens where the Site says and nowhere else; the Event Socket on loopback only"""
    lines = host.check_output("ss -Hlntup").splitlines()
    found = {
        (words[0], words[4]) for line in lines if '"freeswitch"' in line and (words := line.split())
    }
    wanted = {
        (protocol, f"[{at}]:{one.port}" if ":" in at else f"{at}:{one.port}")
        for one in listeners(site, apart=bool(node.others))
        if one.program == "freeswitch" and (at := one.address(switch))
        for protocol, _ in one.spoken
    }
    rtp = range(site.network.rtp_ports[0], site.network.rtp_ports[1] + 1)
    calls = {one for one in found if one[0] == "udp" and int(one[1].rsplit(":", 1)[1]) in rtp}
    assert found - calls == wanted


def test_event_socket_is_closed(site: Site, switch: Switch) -> None:
    """The Event Socket cannot be reached from here"""
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex((switch.advertised_address, site.event_socket.port)) != 0


def test_sip_is_for_the_edge_alone(site: Site, switch: Switch, node: Host) -> None:
    """FreeSWITCH answers nobody but the edge before it, be it that the domain is known"""
    if node.edge is None:
        pytest.skip(f"{node.name} has no edge on another host")
    family = socket.AF_INET6 if ":" in switch.advertised_address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(1)
        stranger.connect((switch.advertised_address, site.network.sip_port))
        own = "{}:{}".format(*stranger.getsockname()[:2])
        stranger.send(
            f"OPTIONS sip:{site.domain} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;"
            f"branch=z9hG4bK-t0\r\nFrom: <sip:t0@{site.domain}>;tag=t0\r\n"
            f"To: <sip:{site.domain}>\r\nCall-ID: t0-options\r\nCSeq: 1 OPTIONS\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode()
        )
        with pytest.raises(OSError, match=r"timed out|refused"):
            stranger.recv(4096)


@LINUX
def test_firewall(host: Any, site: Site) -> None:
    """The packet filter is loaded now and at boot, or gone where the Site switches it off"""
    table = host.run(f"nft list table inet {paths.FIREWALL_TABLE}")
    assert (table.rc == 0) == site.firewall.enabled
    if site.firewall.enabled:
        assert "policy drop" in table.stdout
        assert host.service(paths.FIREWALL_UNIT.removesuffix(".service")).is_enabled


@LINUX
def test_egress(host: Any, site: Site) -> None:
    """FreeSWITCH and the programs beside it reach what the Site names, where the Site filters it"""
    if not site.firewall.enabled:
        pytest.skip("the Site has no packet filter")
    table = host.check_output(f"nft -s -t list table inet {paths.FIREWALL_TABLE}")
    held = set()
    for user in (users.FREESWITCH, *users.OURS):
        number = host.check_output("id -u %s", user)
        if f"meta skuid {number} goto from-{user}" in table:
            held.add(user)
    assert held == ({users.FREESWITCH, *users.OURS} if site.firewall.egress else set())


@LINUX
def test_public_address(
    host: Any, fs_cli: Callable[[str], str], site: Site, node: Host, switch: Switch
) -> None:
    """What the STUN server last said is announced, and it is asked again each minute"""
    if node.switch.stun is None:
        pytest.skip("the host asks no STUN server")
    timer = f"{paths.STUN.rpartition('/')[2]}.timer"
    assert host.service(timer).is_running
    assert host.service(timer).is_enabled
    profiles = set(render.freeswitch.profiles(site))
    if site.network.edge:
        profiles.remove(render.freeswitch.PROFILE)
        table = paths.KAMAILIO_ADVERTISED.rpartition("/")[2]
        told = host.check_output(f"kamcmd htable.get {table} address")
        assert f"value: {switch.advertised_address}\n" in f"{told}\n"
    for profile in profiles:
        lines = (line.split() for line in fs_cli(f"sofia status profile {profile}").splitlines())
        said = {words[0]: words[1] for words in lines if len(words) == 2}
        assert {said["Ext-SIP-IP"], said["Ext-RTP-IP"]} == {switch.advertised_address}, profile


@LINUX
def test_no_drift(host: Any, site: Site, node: Host) -> None:
    """The configuration is the Site's to the byte: nothing was edited by hand"""
    wanted = render.freeswitch.configuration(site, node.switch, node.edge)
    listed = host.check_output(
        f"cd {paths.CURRENT}/ && find . -type f -printf '%P\\0' | xargs -0 sha256sum"
    )
    present = {
        path: digest for digest, path in (line.split("  ", 1) for line in listed.splitlines())
    }
    assert not wanted.against(present), f"differing: {wanted.against(present).paths}"


@LINUX
def test_secrets_are_not_readable(host: Any) -> None:
    """No file that may hold a secret can be read by others"""
    loose = host.check_output(
        f"find {paths.RELEASES}/ {paths.FS_CLI_CONFIG} {paths.APT_AUTH} /var/log/freeswitch "
        "-follow -type f -perm /o+r 2>/dev/null || true"
    )
    # The folder guards what is in it: others may not enter.
    folders = {paths.RELEASES: 0o750, "/var/log/freeswitch": 0o770}
    for folder, most in folders.items():
        assert host.file(folder).mode & ~most == 0, f"{folder} is open to others"
    assert [path for path in loose.splitlines() if not path.startswith(tuple(folders))] == []


@LINUX
@pytest.mark.parametrize("default", ["1234", "ClueCon"])
def test_no_default_password(host: Any, default: str) -> None:
    """No password of the installation media is anywhere in the configuration"""
    found = host.run("grep -rlwF -- %s %s", f'value="{default}"', f"{paths.CURRENT}/")
    assert found.stdout == ""


@LINUX
def test_password_is_a_hash(host: Any, site: Site) -> None:
    """No phone's password is on the switch, only its a1-hash"""
    text = host.check_output(f"cat {paths.CURRENT}/directory/users/*.xml")
    assert 'name="password"' not in text
    held = [e.number for e in site.extensions if site.reveal(e.password) in text]
    assert held == []
