"""T0 of an edge: the host is what the Site says, and open to nobody else."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from callcenter import render
from callcenter.client.inventory import Host
from callcenter.render import paths
from callcenter.site import Site, Switch
from callcenter.site.authorities import is_late
from callcenter.site.ports import listeners
from callcenter.site.served import certificate_of
from tests.acceptance.conftest import authorities, local_address
from tests.acceptance.support.phones import Exchange, Phone, RegistrationRefused
from tests.acceptance.support.strangers import bind_unknown, stranger
from tests.acceptance.support.waiting import PATIENCE, eventually


@pytest.fixture(autouse=True)
def edges_only(node: Host, site: Site) -> None:
    if node.edge is not None:
        pytest.skip(f"{node.name} has its edge on another host")
    if not (node.is_edge or site.network.edge):
        pytest.skip(f"{node.name} is a switch without an edge before it")


def test_service(host: Any) -> None:
    """Kamailio runs and starts at boot"""
    unit = host.service(paths.KAMAILIO_UNIT.removesuffix(".service"))
    assert unit.is_running
    assert unit.is_enabled


def test_realtime(host: Any, site: Site) -> None:
    """Kamailio reads UDP before ordinary processes, where the host grants realtime scheduling"""
    if "udp" not in {transport for transport, _ in site.network.listeners}:
        pytest.skip("the Site does not take UDP")
    if host.run("chrt -r 1 true").rc != 0:
        pytest.skip("this host grants no realtime scheduling, as in most containers")
    said = host.check_output("kamcmd core.ps").splitlines()
    readers = [pid for pid, what in zip(said[::2], said[1::2], strict=True) if "udp" in what]
    assert readers
    for pid in readers:
        policy = host.check_output("chrt -p %s", pid)
        assert "SCHED_RR" in policy, policy


def test_listeners(host: Any, site: Site, switch: Switch, node: Host) -> None:
    """Kamailio listens where the Site says and nowhere else"""
    lines = host.check_output("ss -Hlntup").splitlines()
    found = {
        (words[0], words[4]) for line in lines if '"kamailio"' in line and (words := line.split())
    }
    wanted = {
        (protocol, f"[{at}]:{one.port}" if ":" in at else f"{at}:{one.port}")
        for one in listeners(site, alone=node.is_edge, apart=bool(node.others))
        if one.program == "kamailio" and (at := one.address(switch))
        for protocol, _ in one.spoken
    }
    assert found == wanted


def test_no_drift(host: Any, site: Site, node: Host) -> None:
    """Configuration and extensions are the Site's to the byte, and what runs has read them"""
    applied = host.check_output(f"cat {paths.KAMAILIO_APPLIED}")
    for file in render.kamailio.configuration(site, node.switch, node.behind):
        assert host.file(file.path).sha256sum == file.digest, f"{file.path} differs"
        assert f"{file.digest}  {file.path}" in applied, f"{file.path} was not applied"


def test_certificate(site: Site, switch: Switch, tmp_path: Path) -> None:
    """A phone by TLS is shown the Site's certificate, its name and its authorities"""
    if (tls := site.network.tls) is None:
        pytest.skip("the Site does not enable tls")
    asked = ssl.create_default_context(cafile=authorities(site, tmp_path / "authorities.pem"))
    plain = socket.create_connection((switch.advertised_address, tls.port), timeout=PATIENCE)
    with asked.wrap_socket(plain, server_hostname=site.domain) as shown:
        seen = shown.getpeercert(binary_form=True)
    assert seen is not None
    if (served := certificate_of(site)) is not None:
        own = x509.load_pem_x509_certificates(served[0])[0]
        assert seen == own.public_bytes(serialization.Encoding.DER)
        return
    given = x509.load_der_x509_certificate(seen)
    begin, end = given.not_valid_before_utc, given.not_valid_after_utc
    assert not is_late(begin, end), f"it ends on {end:%Y-%m-%d}, and nobody has renewed it"


def test_renewal(host: Any, site: Site) -> None:
    """The asking for a certificate by ACME happens twice a day, and has not failed"""
    if site.acme is None:
        pytest.skip("the Site asks for no certificate by ACME")
    name = paths.ACME_UNIT.rpartition("/")[2]
    assert host.service(f"{name}.timer").is_running
    assert host.service(f"{name}.timer").is_enabled
    failed = host.run(f"systemctl is-failed --quiet {name}.service").rc == 0
    assert not failed, host.check_output(f"journalctl -u {name} -n 20 -o cat --no-pager")


@pytest.fixture
def answered(site: Site, switch: Switch, tmp_path: Path) -> Callable[[int, bytes], bytes]:
    """Send something by TLS, as who checks the certificate, and return how the answer begins."""
    asked = ssl.create_default_context(cafile=authorities(site, tmp_path / "authorities.pem"))

    def ask(port: int, data: bytes) -> bytes:
        plain = socket.create_connection((switch.advertised_address, port), timeout=PATIENCE)
        with asked.wrap_socket(plain, server_hostname=site.domain) as shown:
            shown.sendall(data)
            return shown.recv(100)

    return ask


@pytest.fixture
def said(site: Site, answered: Callable[[int, bytes], bytes]) -> Callable[..., bytes]:
    """Ask by HTTP, and return how the answer begins."""

    def ask(port: int, path: str, **headers: str) -> bytes:
        words = {"Host": f"{site.domain}:{port}"} | headers
        lines = [f"GET {path} HTTP/1.1", *(f"{n.replace('_', '-')}: {v}" for n, v in words.items())]
        return answered(port, "\r\n".join([*lines, "", ""]).encode())

    return ask


def test_nothing_without_a_link(site: Site, said: Callable[..., bytes]) -> None:
    """Nothing is served without a link, and the Site's certificate is shown"""
    if site.provisioning is None:
        pytest.skip("the Site does not enable provisioning")
    for path in ("/phones.json", f"/{'a' * 32}"):
        assert said(site.provisioning.port, path).startswith(b"HTTP/1.1 404 ")


def test_page(site: Site, said: Callable[..., bytes]) -> None:
    """The page that is a phone is served, and the Site's certificate is shown"""
    if site.web_phone is None:
        pytest.skip("the Site does not enable web_phone")
    assert said(site.web_phone.port, "/").startswith(b"HTTP/1.1 200 ")


def test_websocket(site: Site, said: Callable[..., bytes]) -> None:
    """A page of the Site's own opens a WebSocket, and none of anybody else's does"""
    if (wss := site.network.wss) is None:
        pytest.skip("the Site does not enable wss")
    asked = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec_WebSocket_Protocol": "sip",
        "Sec_WebSocket_Version": "13",
    }
    own = f"https://{site.domain}"
    assert b" 101 " in said(wss.port, "/", Origin=own, **asked)
    assert said(wss.port, "/", Origin=f"{own}.invalid", **asked) == b""


def test_turn(site: Site, answered: Callable[[int, bytes], bytes]) -> None:
    """TURN shows the Site's certificate, and gives nothing to who does not log in"""
    if (turn := site.network.turn) is None:
        pytest.skip("the Site does not enable turn")
    # Allocate, and its refusal by 401 (RFC 8656, 7.1; RFC 8489, 14.8).
    asked = bytes.fromhex("0003 0008 2112a442") + bytes(12) + bytes.fromhex("0019 0004 11000000")
    answer = answered(turn.port, asked)
    assert answer.startswith(bytes.fromhex("0113"))
    assert bytes.fromhex("00000401") in answer


CONFINED = {
    "User": "kamailio",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictSUIDSGID": "yes",
    "NoExecPaths": "/",
    "LimitCORE": "0",
}


def test_confinement(host: Any, site: Site) -> None:
    """Kamailio runs without privileges: it writes its own folders alone and starts no program"""
    names = ",".join([*CONFINED, "CapabilityBoundingSet", "MainPID"])
    said = host.check_output(f"systemctl show {paths.KAMAILIO_UNIT} -p {names}")
    found = dict(line.split("=", 1) for line in said.splitlines())
    assert {name: found[name] for name in CONFINED} == CONFINED
    low = "cap_net_bind_service" if any(at < 1024 for _, at in site.network.listeners) else ""
    assert found["CapabilityBoundingSet"] == low
    status = host.check_output(f"cat /proc/{found['MainPID']}/status")
    kernel = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (kernel["NoNewPrivs"], kernel["Seccomp"]) == ("1", "2")


def test_says_nothing_to_strangers(site: Site, switch: Switch) -> None:
    """A stranger's question is not answered, and what is answered does not say what runs here"""
    if site.network.for_all[0] != "udp":
        pytest.skip("the Site does not take UDP from all")
    address = local_address(switch)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    shown = f"[{address}]" if ":" in address else address
    user = stranger()
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        bind_unknown(asking, address)
        asking.settimeout(1)
        own = f"{shown}:{asking.getsockname()[1]}"

        def ask(method: str, domain: str) -> str:
            lines = [
                f"{method} sip:{domain} SIP/2.0",
                f"Via: SIP/2.0/UDP {own};rport;branch=z9hG4bK{method}t0",
                f"From: <sip:{user}@{domain}>;tag=t0",
                f"To: <sip:{user}@{domain}>",
                f"Call-ID: t0-{method}-{asking.getsockname()[1]}",
                f"CSeq: 1 {method}",
                "Max-Forwards: 70",
                "Content-Length: 0",
            ]
            text = "".join(f"{line}\r\n" for line in [*lines, ""])
            asking.sendto(text.encode(), (switch.advertised_address, site.network.sip_port))
            try:
                return asking.recv(65535).decode()
            except TimeoutError:
                return ""

        assert ask("OPTIONS", site.domain) == ""
        assert ask("REGISTER", "example.invalid") == ""
        answer = ask("REGISTER", site.domain)
        assert answer.startswith("SIP/2.0 401 ")
        assert not [
            word for word in ("kamailio", "server:", "user-agent:") if word in answer.lower()
        ]


def test_firewall(host: Any, site: Site, node: Host) -> None:
    """The packet filter is loaded; no port is open for voice, which goes from phone to phone"""
    if not node.is_edge:
        pytest.skip("voice comes to FreeSWITCH, on the same host")
    table = host.run(f"nft list table inet {paths.FIREWALL_TABLE}")
    assert (table.rc == 0) == site.firewall.enabled
    assert "rtp" not in table.stdout


def test_secrets_are_not_readable(host: Any) -> None:
    """Hashes of passwords and keys are for root and Kamailio alone"""
    for table in render.kamailio.TABLES.values():
        file = host.file(f"{paths.KAMAILIO}/{table}")
        assert (file.mode, file.user, file.group) == (0o640, "root", render.kamailio.GROUP)


def test_password_is_a_hash(host: Any, site: Site) -> None:
    """No phone's password is on the edge, only its a1-hash"""
    text = host.check_output(f"cat {paths.KAMAILIO}/*")
    assert [e.number for e in site.extensions if site.reveal(e.password) in text] == []


def test_refusals_name_the_address(
    host: Any, numbers: list[str], phone: Callable[..., Phone], exchange: Exchange
) -> None:
    """A refused login leaves a line with the phone's address, for whoever bans guessers"""
    journal = f"journalctl -u {paths.KAMAILIO_UNIT} --no-pager"
    cursor = host.check_output(f"{journal} -n 0 --show-cursor").rpartition("cursor: ")[2]
    with pytest.raises(RegistrationRefused):
        phone(numbers[0], password="not-the-password-of-anybody")
    eventually(
        lambda: host.check_output(f"{journal} -o cat --after-cursor=%s", cursor),
        lambda said: f"callcenter: refused {exchange.address}: wrong password" in said,
        "the refusal in the journal",
    )
