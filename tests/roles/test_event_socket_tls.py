"""The Event Socket from another host: with a certificate of the Site's authority, and not else."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from callcenter.render import paths
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.certificates import Authority
from tests.roles.conftest import ROOT, SITE, Operator
from tests.roles.support import phone_of, until_on

HOST, PORT = "tls1", 8031
DOCS = ROOT / "docs/applications.md"
SWITCH = "switch.callcenter.test"
USERS = """event_socket=EventSocket(
        users=[EventSocketUser("watcher", events=["sofia::register"], commands=["status"])],
        {tls}
    ),
    media="""
TLS = (
    """tls=EventSocketTls("{certificate}", "{key}", clients="{clients}", networks=["{network}"]),"""
)


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "switch")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "programs")


@pytest.fixture(scope="module")
def described(switch: Authority, programs: Authority) -> Callable[[str], str]:
    """The Site that lets a network in, or without TLS."""
    certificate, key = switch.certificate(SWITCH)

    def make(network: str) -> str:
        tls = TLS.format(certificate=certificate, key=key, clients=programs.file, network=network)
        return SITE.replace("media=", USERS.replace("{tls}", tls if network else ""))

    return make


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], described: Callable[[str], str]) -> Operator:
    made = operator_of(HOST)
    made.describe(described("10.77.0.0/24"))
    shown = made.succeed("-y", "--diff").output
    assert f"{paths.EVENT_SOCKET_KEY}: private key" in shown
    assert "PRIVATE KEY" not in shown
    return made


def address(operator: Operator) -> str:
    return next(host.address for host in operator.lab.hosts if host.name == HOST)


class Program:
    """A program that speaks with the Event Socket over TLS."""

    def __init__(
        self, operator: Operator, switch: Authority, certificate: tuple[Path, Path] | None
    ) -> None:
        context = ssl.create_default_context(cafile=str(switch.file))
        if certificate is not None:
            context.load_cert_chain(*certificate)
        plain = socket.create_connection((address(operator), PORT), timeout=PATIENCE)
        self.connection = context.wrap_socket(plain, server_hostname=SWITCH)
        self.file = self.connection.makefile("rwb")

    def hears(self) -> str:
        """One message, whole."""
        head = b""
        while not head.endswith(b"\n\n"):
            if not (line := self.file.readline()):
                raise ConnectionError(head)
            head += line
        lengths = [int(x.split(b":")[1]) for x in head.splitlines() if b"Content-Length" in x]
        return (head + (self.file.read(lengths[0]) if lengths else b"")).decode()

    def says(self, command: str) -> str:
        """Return a command, and what is answered."""
        self.file.write(f"{command}\n\n".encode())
        self.file.flush()
        return self.hears()


def test_a_program_logs_in_and_hears_events(
    operator: Operator, switch: Authority, programs: Authority, exchange: Exchange
) -> None:
    password = json.loads(operator.secrets.read_text())["event-socket/watcher"]
    program = Program(operator, switch, programs.certificate("watcher"))
    assert "auth/request" in program.hears()
    assert "+OK" in program.says(f"userauth watcher@event_socket:{password}")
    assert "UP " in program.says("api status")
    assert "+OK" in program.says("event plain CUSTOM sofia::register")
    phone_of(operator, HOST, exchange, "1000")
    assert "from-user: 1000" in program.hears()
    program.connection.close()


def test_the_certificate_is_not_the_password(
    operator: Operator, switch: Authority, programs: Authority
) -> None:
    program = Program(operator, switch, programs.certificate("guesser"))
    program.hears()
    assert "UP " not in program.says("api status")


@pytest.mark.parametrize("whose", ["nobody's", "the switch's authority's", "another authority's"])
def test_who_has_no_certificate_of_it_hears_nothing(
    operator: Operator, switch: Authority, tmp_path: Path, whose: str
) -> None:
    given = {
        "nobody's": None,
        "the switch's authority's": switch.certificate("stranger"),
        # Of the same name as the right one.
        "another authority's": Authority.make(tmp_path / "other").certificate("watcher"),
    }[whose]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Program(operator, switch, given).hears()


def test_plain_tcp_hears_nothing(operator: Operator) -> None:
    with socket.create_connection((address(operator), PORT), timeout=PATIENCE) as plain:
        plain.sendall(b"auth x\n\n")
        try:
            heard = plain.recv(1024)
        except ConnectionResetError:
            heard = b""
        assert b"auth" not in heard
    with pytest.raises(TimeoutError):
        socket.create_connection((address(operator), 8021), timeout=2)


def test_a_program_that_knows_no_tls(
    operator: Operator, switch: Authority, programs: Authority
) -> None:
    """docs/applications.md's stunnel, here on the switch itself."""
    (config,) = re.findall(r"^```ini\n(client = yes.*?)^```", DOCS.read_text(), re.M | re.S)
    for given, ours in (("127.0.0.1:8021", "127.0.0.1:18021"), ("cc1.example.net", SWITCH)):
        assert given in config
        config = config.replace(given, ours)
    certificate, key = programs.certificate("tunnel")
    files = {
        "program.pem": certificate.read_text(),
        "program.key": key.read_text(),
        "switches.pem": switch.file.read_text(),
        "client.conf": f"foreground = yes\n{config}",
    }
    for name, text in files.items():
        assert operator.ssh(HOST, f"umask 077; echo '{text}' >/etc/stunnel/{name}") == ""
    operator.ssh(HOST, f"echo 127.0.0.1 {SWITCH} >>/etc/hosts")
    said = operator.ssh(HOST, "systemd-run -q -u client stunnel4 /etc/stunnel/client.conf")
    assert said == ""
    password = json.loads(operator.secrets.read_text())["event-socket/watcher"]
    login = f"-H 127.0.0.1 -P 18021 -u watcher@event_socket -p {password}"
    try:
        until_on(operator, HOST, "ss -Hltn | grep -q 127.0.0.1:18021")
        said = operator.ssh(HOST, f"fs_cli {login} -x status")
        assert "UP " in said
    finally:
        operator.ssh(HOST, f"systemctl stop client; cd /etc/stunnel && rm {' '.join(files)}")


def test_the_key_is_for_root_and_stunnel(operator: Operator) -> None:
    mode = operator.ssh(HOST, f"stat -c '%a %U %G' {paths.EVENT_SOCKET_KEY}")
    assert mode.strip() == "640 root stunnel4"


def test_a_redeploy_changes_nothing(operator: Operator) -> None:
    assert operator.succeed().changes == 0


def test_other_networks_and_off(operator: Operator, described: Callable[[str], str]) -> None:
    operator.describe(described("192.0.2.0/24"))
    operator.succeed()
    with pytest.raises(TimeoutError):
        socket.create_connection((address(operator), PORT), timeout=2)
    operator.describe(described(""))
    operator.succeed()
    there = operator.ssh(HOST, "ss -Hltn; ls /etc/callcenter /etc/systemd/system; dpkg -l stunnel4")
    assert str(PORT) not in there
    assert "event-socket" not in there
    assert "ii  stunnel4" not in there
