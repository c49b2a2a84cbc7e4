"""Certificates that an authority gives: a real one over ACME, and one of the Site's own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from callcenter.render import paths, users
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.certificates import Authority
from tests.roles.conftest import ROOT, SITE, Operator
from tests.roles.support import hold_and_resume, phone_of, put_through, still_talking, verify
from tests.roles.test_limits import MAIL_SERVER, SMTP, mail_server

pytestmark = pytest.mark.skipif(
    shutil.which("pebble") is None, reason="pebble, an ACME server of Debian's, is not installed"
)

HOST = "certified1"
DOMAIN = "roles.callcenter.test"
DIRECTORY = "acme.callcenter.test"
EMAIL = "phones@callcenter.test"
ACME, MANAGEMENT, NAMES = 14000, 15000, 8053
PORT, WEB = 5061, 443
UNIT = paths.ACME_UNIT.rpartition("/")[2]


@dataclass(frozen=True)
class Pebble:
    """Let's Encrypt's own ACME server for tests, with a name server that knows one address."""

    address: str
    knows: str
    """Address of every name."""
    authority: Authority
    """Authority of the server's own certificate."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve ACME, with an authority that is new each time."""
        certificate, key = self.authority.certificate(DIRECTORY)
        config = self.authority.folder / "pebble.json"
        ports = {
            "listenAddress": f"{self.address}:{ACME}",
            "managementListenAddress": f"{self.address}:{MANAGEMENT}",
            "httpPort": 80,
        }
        shown = {"certificate": str(certificate), "privateKey": str(key)}
        config.write_text(json.dumps({"pebble": ports | shown}))
        off = [f"-{name}=" for name in ("http01", "https01", "tlsalpn01", "management")]
        names = f"{self.address}:{NAMES}"
        known = [f"-defaultIPv4={self.knows}", "-defaultIPv6=", f"-dns01={names}", *off]
        # It would wait a while, and refuse some of what is asked, to try its clients.
        hasty = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        log = self.authority.folder / "pebble.log"
        with log.open("wb") as out:
            processes = [
                subprocess.Popen(
                    command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=hasty
                )
                for command in (
                    ["pebble-challtestsrv", *known],
                    ["pebble", "-config", str(config), "-dnsserver", names],
                )
            ]
            try:
                eventually(self.is_up, bool, "pebble")
                yield
            finally:
                for process in processes:
                    process.kill()
                    process.wait()

    def is_up(self) -> bool:
        """Tell whether it serves both its ports."""
        return all(self._serves(port) for port in (ACME, MANAGEMENT))

    def _serves(self, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, port)) == 0

    def root(self) -> str:
        """Return the certificate of the authority that signs."""
        asked = ssl.create_default_context(cafile=self.authority.file)
        plain = socket.create_connection((self.address, MANAGEMENT), timeout=60)
        with asked.wrap_socket(plain, server_hostname=DIRECTORY) as tls:
            over = http.client.HTTPConnection(DIRECTORY)
            over.sock = tls
            over.request("GET", "/roots/0")
            return over.getresponse().read().decode()


@dataclass(frozen=True)
class Certified:
    """A switch with phones by TLS, and links."""

    operator: Operator
    pebble: Pebble
    known: Path
    """File of the authorities that a phone knows."""

    @property
    def address(self) -> str:
        """The switch's."""
        return next(one.address for one in self.operator.lab.hosts if one.name == HOST)

    def describe(self, certificate: str) -> None:
        """Give the Site somebody who gives it a certificate."""
        tls = f"Network(tls=PhoneTls({certificate}), "
        more = f"provisioning=Provisioning(), {SMTP} media="
        self.operator.describe(SITE.replace("Network(", tls).replace("media=", more))

    def by_acme(self, email: str = EMAIL) -> None:
        """Have it ask pebble."""
        directory = f"https://{DIRECTORY}:{ACME}/dir"
        self.describe(
            f"Acme('{email}', directory='{directory}', terms_agreed=True, ca_file='{self.known}')"
        )

    def shown(self, port: int = PORT) -> x509.Certificate:
        """Return the certificate that a phone is shown which knows the authorities, and checks the
        name."""
        asked = ssl.create_default_context(cafile=self.known)
        plain = socket.create_connection((self.address, port), timeout=60)
        with asked.wrap_socket(plain, server_hostname=DOMAIN) as by:
            seen = by.getpeercert(binary_form=True)
        assert seen is not None
        return x509.load_der_x509_certificate(seen)

    def ssh(self, command: str) -> str:
        """Return what a command on the switch prints."""
        return self.operator.ssh(HOST, command)

    def pids(self) -> str:
        """Return the main processes of what reads the certificate."""
        services = f"{paths.KAMAILIO_UNIT} {paths.WEB_UNIT.rpartition('/')[2]}"
        return self.ssh(f"systemctl show --value -p MainPID {services}")

    def phone_by_tls(self, number: str) -> None:
        """Register an extension by TLS."""
        with Exchange(self.operator.lab.gateway, ca_file=self.known) as exchange:
            phone_of(self.operator, HOST, exchange, number, transport="tls")


@pytest.fixture(scope="module")
def certified(
    operator_of: Callable[..., Operator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Certified]:
    """A switch whose first deploy gets its certificate from pebble."""
    folder = tmp_path_factory.mktemp("certified")
    operator = operator_of(HOST)
    gateway = operator.lab.gateway
    address = next(one.address for one in operator.lab.hosts if one.name == HOST)
    pebble = Pebble(gateway, address, Authority.make(folder / "server"))
    made = Certified(operator, pebble, folder / "known.pem")
    made.ssh(f"echo {gateway} {DIRECTORY} {MAIL_SERVER} >>/etc/hosts")
    with pebble.running():
        made.known.write_text(f"{pebble.authority.file.read_text()}\n{pebble.root()}")
        made.by_acme()
        operator.succeed()
        yield made


def test_a_second_run_changes_nothing(certified: Certified) -> None:
    again = certified.operator.succeed()
    assert again.changes == 0, again.output
    assert again.commands <= 12


def test_the_operators_own_tests_prove_it(certified: Certified, tmp_path: Path) -> None:
    proved = verify(
        certified.operator, "test_certificate or test_renewal", tmp_path / "report.html"
    )
    assert proved.returncode == 0, proved.stdout
    for line in ("is shown the Site's certificate", "The asking for a certificate by ACME"):
        assert line in proved.stdout, proved.stdout


def test_the_key_is_for_who_serves(certified: Certified) -> None:
    """Each has a copy of its own, and who asks has what is given to no service."""
    for user, files in {
        "nobody": (paths.ACME_KAMAILIO_KEY, paths.ACME_WEB_KEY, f"{paths.ACME_STATE}/any"),
        users.WEB: (paths.ACME_KAMAILIO_KEY, f"{paths.ACME_STATE}/any"),
        users.KAMAILIO: (paths.ACME_WEB_KEY, f"{paths.ACME_STATE}/any"),
        users.ACME: (paths.ACME_KAMAILIO_KEY, paths.ACME_WEB_KEY),
    }.items():
        for file in files:
            by = f"setpriv --reuid {user} --regid $(id -g {user}) --init-groups"
            assert "Permission denied" in certified.ssh(f"{by} cat {file}"), (user, file)
    assert certified.ssh("ss -Hlnt 'sport = :80'") == ""


def test_a_renewal_costs_no_call(certified: Certified, tmp_path: Path) -> None:
    """A certificate near its end is renewed by itself: a call by TLS goes on, and new connections
    see the new one. The next deploy finds nothing to do."""
    before, pids = certified.shown(), certified.pids()
    near = Authority.make(tmp_path / "near").certificate(DOMAIN, days=(-5, 1))
    with Exchange(certified.operator.lab.gateway, ca_file=certified.known) as exchange:
        caller = phone_of(certified.operator, HOST, exchange, "1002", transport="tls")
        callee = phone_of(certified.operator, HOST, exchange, "1000")
        call, answered = put_through(caller, callee, "1000")
        for kind, file in zip(("crt", "key"), near, strict=True):
            name = f"$(echo {paths.ACME_STATE}/*)/certificates/{DOMAIN}.{kind}"
            certified.ssh(f"cat >{name} <<'END'\n{file.read_text()}END")
        said = certified.ssh(f"systemctl start {UNIT} || journalctl -u {UNIT} -o cat")
        assert said == "", said
        after = certified.shown()
        assert after.serial_number != before.serial_number
        assert after.issuer.rfc4514_string().startswith("CN=Pebble")
        # A worker of before takes connections until the new ones are there.
        eventually(lambda: certified.shown(WEB), lambda seen: seen == after, "the web server's")
        assert certified.pids() == pids
        hold_and_resume(answered, call)
        still_talking(call, answered)
        call.hangup()
        assert answered.wait_ended().by == "them"
    assert certified.operator.succeed().changes == 0
    assert certified.shown() == after


def test_what_cannot_be_served_is_not_used(certified: Certified, tmp_path: Path) -> None:
    """A certificate of another name: the unit fails, who is responsible is mailed, the next deploy
    tells, and what is served stays."""
    before = certified.shown()
    kept = tmp_path / "kept"
    folder = f"$(echo {paths.ACME_STATE}/*)/certificates"
    kept.write_text(certified.ssh(f"cat {folder}/{DOMAIN}.crt"))
    other, _ = Authority.make(tmp_path / "other").certificate("other.test", days=(-1, 9))
    certified.ssh(f"cat >{folder}/{DOMAIN}.crt <<'END'\n{other.read_text()}END")
    with mail_server(certified.operator.lab, EMAIL) as mails:
        assert "failed" in certified.ssh(f"systemctl start {UNIT}; systemctl is-failed {UNIT}")
        mail = mails.get(timeout=PATIENCE)
    assert mail["subject"] == f"{DOMAIN}: its certificate was not renewed"
    assert f"The host {HOST} could not" in mail.get_content()
    assert "is for another name; it is not used" in certified.ssh(f"journalctl -u {UNIT} -o cat")
    assert certified.shown() == before
    told = certified.operator.succeed()
    assert told.changes == 0
    assert "and was not renewed; see journalctl" in told.output
    certified.ssh(f"cat >{folder}/{DOMAIN}.crt <<'END'\n{kept.read_text()}END")
    assert certified.ssh(f"systemctl start {UNIT}; systemctl is-failed {UNIT}") == "inactive\n"


def test_nobody_answers(certified: Certified) -> None:
    """An authority that is away: the deploy fails with its reason, and what runs is as before."""
    before, pids = certified.shown(), certified.pids()
    certified.ssh(f"sed -i 's/^.* {DIRECTORY}/127.0.0.2 {DIRECTORY}/' /etc/hosts")
    certified.by_acme("others@callcenter.test")
    failed = certified.operator.deploy("-y")
    assert failed.code != 0
    assert f"{DIRECTORY}:{ACME}" in failed.output, failed.output
    assert "refused" in failed.output, failed.output
    assert (certified.shown(), certified.shown(WEB), certified.pids()) == (before, before, pids)
    certified.phone_by_tls("1003")
    certified.by_acme()
    certified.operator.succeed()
    assert certified.shown() == before


def test_an_authority_of_the_sites_own(certified: Certified) -> None:
    """Phones need nothing but its root. Nothing is left of who asked another."""
    certified.describe("OwnAuthority()")
    said = certified.operator.succeed("-y", "--diff", "-vvv").output
    assert "PRIVATE KEY" not in said
    kept = json.loads(certified.operator.secrets.read_text())
    assert "PRIVATE KEY" in kept["certificates/authority"]
    printed = subprocess.run(
        (sys.executable, "-m", "callcenter", "authority", str(certified.operator.inventory)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    certified.known.write_text(printed.stdout)
    certified.phone_by_tls("1004")
    assert certified.shown() == certified.shown(WEB)
    again = certified.operator.succeed()
    assert again.changes == 0, again.output
    left = (
        f"ls -d {paths.ACME}* {paths.ACME_STATE} {paths.ACME_TOOL} {paths.ACME_OURS} "
        f"{paths.ACME_UNIT}* {paths.ACME_USERS} /etc/systemd/system/*/{UNIT}* "
        "/etc/systemd/system/lego.service 2>/dev/null; "
        f"systemctl list-units --all --plain --no-legend '{UNIT}*'; getent passwd {users.ACME}; "
        f"grep -c acme {paths.FIREWALL_RULES}; dpkg -s lego 2>/dev/null | grep ^Status; true"
    )
    assert certified.ssh(left) == "0\n"
