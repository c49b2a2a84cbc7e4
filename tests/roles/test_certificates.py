"""Certificates that an authority gives: a real one over ACME, and one of the Site's own."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

LACKING = [name for name in ("pebble", "knotd") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(LACKING), reason=f"{' and '.join(LACKING)} of Debian's not installed"
)

HOST, BESIDE = "certified1", "certified2"
DOMAIN = "roles.callcenter.test"
DIRECTORY = "acme.callcenter.test"
EMAIL = "phones@callcenter.test"
ACME, MANAGEMENT, NAMES = 14000, 15000, 53
ZONE = "callcenter.test"
WILDCARD, FURTHER = f"*.{ZONE}", f"one.phones.{ZONE}"
"""Names of the certificate that is asked for in the DNS, of which the first stands for the
domain."""
DNS_KEY = base64.b64encode(bytes(range(32))).decode()
EXAMPLE = ROOT / "examples/dns/nsupdate"
PORT, WEB, TURN = 5061, 443, 5349
UNIT = paths.ACME_UNIT.rpartition("/")[2]


@dataclass(frozen=True)
class Knot:
    """A name server of Debian's that knows where the domain is, and whose records whoever has its
    key may change by RFC 2136."""

    folder: Path
    address: str
    knows: str
    """Address of the domain."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve the domain's zone."""
        self.folder.mkdir()
        zone = self.folder / "zone"
        zone.write_text(
            f"{ZONE}. 60 SOA ns.{ZONE}. root.{ZONE}. 1 60 60 60 60\n"
            f"{ZONE}. 60 NS ns.{ZONE}.\n"
            f"{DOMAIN}. 60 A {self.knows}\n"
            f"ns.{ZONE}. 60 A {self.address}\n"
        )
        self._config.write_text(
            f"server:\n  rundir: {self.folder}\n  listen: {self.address}@{NAMES}\n"
            f"database:\n  storage: {self.folder}\n"
            f"key:\n- id: callcenter\n  algorithm: hmac-sha256\n  secret: {DNS_KEY}\n"
            "acl:\n- id: host\n  key: callcenter\n  action: update\n  update-type: TXT\n"
            f"zone:\n- domain: {ZONE}\n  file: {zone}\n  acl: host\n"
        )
        with (self.folder / "knot.log").open("wb") as out:
            process = subprocess.Popen(
                ["knotd", "-c", str(self._config)], stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
            try:
                eventually(self.records, lambda text: f"{DOMAIN}. 60 A" in text, "knot")
                yield
            finally:
                process.kill()
                process.wait()

    @property
    def _config(self) -> Path:
        return self.folder / "knot.conf"

    def records(self) -> str:
        """Return what it has, as text."""
        done = subprocess.run(
            ["knotc", "-c", str(self._config), "zone-read", ZONE],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout


@dataclass(frozen=True)
class Pebble:
    """Let's Encrypt's own ACME server for tests."""

    address: str
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
        # It would wait a while, and refuse some of what is asked, to try its clients.
        hasty = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        # Nor would it look each time.
        tries = {"PEBBLE_AUTHZREUSE": "0"}
        log = self.authority.folder / "pebble.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["pebble", "-config", str(config), "-dnsserver", f"{self.address}:{NAMES}"],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **hasty, **tries},
            )
            try:
                eventually(self.is_up, bool, "pebble")
                yield
            finally:
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
    knot: Knot
    known: Path
    """File of the authorities that a phone knows."""

    @property
    def address(self) -> str:
        """The switch's."""
        return next(one.address for one in self.operator.lab.hosts if one.name == HOST)

    def describe(self, certificate: str, more: str = "provisioning=Provisioning(), ") -> None:
        """Give the Site somebody who gives it a certificate."""
        tls = f"Network(tls=PhoneTls({certificate}, wss=Wss(turn=Turn())), "
        more = f"{more}{SMTP} media="
        self.operator.describe(SITE.replace("Network(", tls).replace("media=", more))

    def acme(self, email: str = EMAIL, more: str = "") -> str:
        """Return the words by which it asks pebble."""
        directory = f"https://{DIRECTORY}:{ACME}/dir"
        known = f"terms_agreed=True, ca_file='{self.known}'"
        return f"Acme('{email}', directory='{directory}', {known}, {more})"

    def by_acme(self, email: str = EMAIL) -> None:
        """Have it ask pebble, which comes to it."""
        self.describe(self.acme(email))

    def by_dns(self, hook: Path, more: str = "") -> str:
        """Return the words by which it asks pebble, which looks into the DNS. The hook may need
        the name server's key."""
        kept = json.loads(self.operator.secrets.read_text())
        self.operator.secrets.write_text(json.dumps(kept | {"dns-key": DNS_KEY}))
        hooked = f"dns=DnsHook('{hook}', secret=secret('dns-key'), {more})"
        return self.acme(more=f"{hooked}, names=['{WILDCARD}', '{FURTHER}']")

    def example(self, folder: Path) -> Path:
        """Return the example of a hook, with all that it needs on the hosts."""
        for host in self.operator.hosts:
            self.operator.ssh(host, "apt-get -qq install --no-install-recommends bind9-dnsutils")
        hook = folder / "nsupdate"
        hook.write_text(EXAMPLE.read_text().replace("ns.example.net", self.pebble.address))
        return hook

    def is_near_its_end(self, folder: Path, name: str = DOMAIN) -> None:
        """Give who asks a certificate that is due."""
        near = Authority.make(folder).certificate(name, days=(-5, 1))
        kept = name.replace("*", "_")
        for kind, file in zip(("crt", "key"), near, strict=True):
            name = f"$(echo {paths.ACME_STATE}/*)/certificates/{kept}.{kind}"
            self.ssh(f"cat >{name} <<'END'\n{file.read_text()}END")

    def shown(self, port: int = PORT, address: str | None = None) -> x509.Certificate:
        """Return the certificate that a phone is shown which knows the authorities, and checks the
        name. ``address``: another host's."""
        asked = ssl.create_default_context(cafile=self.known)
        plain = socket.create_connection((address or self.address, port), timeout=60)
        with asked.wrap_socket(plain, server_hostname=DOMAIN) as by:
            seen = by.getpeercert(binary_form=True)
        assert seen is not None
        return x509.load_der_x509_certificate(seen)

    def ssh(self, command: str) -> str:
        """Return what a command on the switch prints."""
        return self.operator.ssh(HOST, command)

    def prepare(self) -> None:
        """Let the hosts find their servers."""
        gateway = self.operator.lab.gateway
        known = f"echo {gateway} {DIRECTORY} {MAIL_SERVER} >>/etc/hosts"
        for host in self.operator.hosts:
            self.operator.ssh(host, f"{known}; echo nameserver {gateway} >/etc/resolv.conf")

    def pids(self) -> str:
        """Return the main processes of what reads the certificate."""
        units = (one.rpartition("/")[2] for one in (paths.WEB_UNIT, paths.TURN_UNIT))
        return self.ssh(
            f"systemctl show --value -p MainPID {paths.KAMAILIO_UNIT} {' '.join(units)}"
        )

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
    pebble = Pebble(gateway, Authority.make(folder / "server"))
    knot = Knot(folder / "knot", gateway, address)
    made = Certified(operator, pebble, knot, folder / "known.pem")
    made.prepare()
    with knot.running(), pebble.running():
        made.known.write_text(f"{pebble.authority.file.read_text()}\n{pebble.root()}")
        made.by_acme()
        operator.succeed()
        yield made


def test_a_second_run_changes_nothing(certified: Certified) -> None:
    again = certified.operator.succeed(counted=True)
    assert again.changes == 0, again.output
    assert again.commands <= 12


def test_the_operators_own_tests_prove_it(certified: Certified, tmp_path: Path) -> None:
    proved = verify(
        certified.operator,
        "test_certificate or test_renewal or test_turn",
        tmp_path / "report.html",
    )
    assert proved.returncode == 0, proved.stdout
    for line in (
        "is shown the Site's certificate",
        "The asking for a certificate by ACME",
        "gives nothing",
    ):
        assert line in proved.stdout, proved.stdout


def test_the_key_is_for_who_serves(certified: Certified) -> None:
    """Each has a copy of its own, and who asks has what is given to no service."""
    for user, files in {
        "nobody": (paths.ACME_KAMAILIO_KEY, paths.ACME_WEB_KEY, f"{paths.ACME_STATE}/any"),
        users.WEB: (paths.ACME_KAMAILIO_KEY, paths.ACME_TURN_KEY, f"{paths.ACME_STATE}/any"),
        users.TURN: (paths.ACME_KAMAILIO_KEY, paths.ACME_WEB_KEY, f"{paths.ACME_STATE}/any"),
        users.KAMAILIO: (paths.ACME_WEB_KEY, f"{paths.ACME_STATE}/any"),
        users.ACME: (paths.ACME_KAMAILIO_KEY, paths.ACME_WEB_KEY),
    }.items():
        for file in files:
            by = f"setpriv --reuid {user} --regid $(id -g {user}) --init-groups"
            assert "Permission denied" in certified.ssh(f"{by} cat {file}"), (user, file)
    assert certified.ssh("ss -Hlnt 'sport = :80'") == ""
    # As on a host whose certificate is older than its TURN.
    key = certified.ssh(f"sha256sum {paths.ACME_TURN_KEY}")
    certified.ssh(f"rm {paths.ACME_TURN_KEY} && systemctl start {UNIT}")
    assert certified.ssh(f"sha256sum {paths.ACME_TURN_KEY}") == key


def test_a_renewal_costs_no_call(certified: Certified, tmp_path: Path) -> None:
    """A certificate near its end is renewed by itself: a call by TLS goes on, and new connections
    see the new one. The next deploy finds nothing to do."""
    before, pids = certified.shown(), certified.pids()
    with Exchange(certified.operator.lab.gateway, ca_file=certified.known) as exchange:
        caller = phone_of(certified.operator, HOST, exchange, "1002", transport="tls")
        callee = phone_of(certified.operator, HOST, exchange, "1000")
        call, answered = put_through(caller, callee, "1000")
        certified.is_near_its_end(tmp_path / "near")
        said = certified.ssh(f"systemctl start {UNIT} || journalctl -u {UNIT} -o cat")
        assert said == "", said
        after = certified.shown()
        assert after.serial_number != before.serial_number
        assert after.issuer.rfc4514_string().startswith("CN=Pebble")
        # A worker of before takes connections until the new ones are there.
        eventually(lambda: certified.shown(WEB), lambda seen: seen == after, "the web server's")
        eventually(lambda: certified.shown(TURN), lambda seen: seen == after, "TURN's")
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


@pytest.fixture(scope="module")
def hooked(certified: Certified, tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """The same switch, which has its certificate from then on by the example of a hook."""
    hook = certified.example(tmp_path_factory.mktemp("hook"))
    certified.describe(certified.by_dns(hook))
    said = certified.operator.succeed("-y", "--diff", "-vvv").output
    assert "update add" in said
    assert DNS_KEY not in said
    return certified


def test_asked_for_in_the_dns(hooked: Certified, tmp_path: Path) -> None:
    """Nobody comes to the host, and one name of the certificate is a wildcard. The name server's
    key is in no log, and is for nobody else."""
    before, pids = hooked.shown(), hooked.pids()
    names = before.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {WILDCARD, FURTHER}
    assert hooked.ssh(f"grep 'dport 80 ' {paths.FIREWALL_RULES}") == ""
    assert hooked.operator.succeed().changes == 0
    hooked.is_near_its_end(tmp_path / "near", WILDCARD)
    said = hooked.ssh(f"systemctl start {UNIT} || journalctl -u {UNIT} -o cat")
    assert said == "", said
    after = hooked.shown()
    assert after.serial_number != before.serial_number
    assert after.issuer.rfc4514_string().startswith("CN=Pebble")
    eventually(lambda: hooked.shown(WEB), lambda seen: seen == after, "the web server's")
    assert hooked.pids() == pids
    assert "_acme-challenge" not in hooked.knot.records()
    assert DNS_KEY not in hooked.ssh("journalctl -o cat")
    # An authority is free to name what it will.
    other = f"_acme-challenge.elsewhere.{ZONE}."
    said = hooked.ssh(f"{paths.ACME_TOOL} present {other} text; echo $?")
    assert said == "acme: the authority looks at a name that nobody has asked for\n1\n"
    assert other not in hooked.knot.records()
    for file in (paths.ACME_HOOK, paths.ACME_HOOK_SECRET):
        by = f"setpriv --reuid {users.WEB} --regid {users.WEB} --init-groups"
        assert "Permission denied" in hooked.ssh(f"{by} cat {file}"), file
        assert hooked.ssh(f"stat -c %U:%G {file}") == f"root:{users.ACME}\n"


def test_a_hook_that_fails(hooked: Certified, tmp_path: Path) -> None:
    """It is named with what it says, who is responsible is mailed, and what is served stays.
    Without it, nothing of it is left, and the authority comes to the host again."""
    hook = tmp_path / "wrong hook"
    hook.write_text('#!/bin/sh\n[ "$1" = cleanup ] || . /etc/wrong\n')
    hooked.describe(hooked.by_dns(hook, "max_seconds=1"))
    hooked.operator.succeed()
    before = hooked.shown()
    hooked.is_near_its_end(tmp_path / "near", WILDCARD)
    for program, words in (
        (r"printf '\033[31mno such zone\377\n'; exit 3", "failed (present, status 3)"),
        ("sleep 1000", "did not end within 1 s (present)"),
        ("yes", "failed (present, status 153)"),
    ):
        hooked.ssh(f'echo "{program}" >/etc/wrong')
        with mail_server(hooked.operator.lab, EMAIL) as mails:
            asked = f"date +%s; systemctl start {UNIT} 2>/dev/null; systemctl is-failed {UNIT}"
            since, state = hooked.ssh(asked).split()
            assert state == "failed", program
            mail = mails.get(timeout=PATIENCE)
        assert mail["subject"] == f"{DOMAIN}: its certificate was not renewed"
        said = hooked.ssh(f"journalctl -u {UNIT} -o cat --since=@{since}")
        assert f"the DNS hook wrong hook {words}" in said, said
        assert "\033" not in said
        assert len(said) < 20000
    assert hooked.shown() == before
    hooked.by_acme()
    hooked.operator.succeed()
    assert hooked.shown() != before
    assert "No such file" in hooked.ssh(f"ls {paths.ACME_HOOK}")
    assert "No such file" in hooked.ssh(f"ls {paths.ACME_HOOK_SECRET}")
    assert hooked.ssh(f"grep 'dport 80 ' {paths.FIREWALL_RULES}") != ""


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
    printed = certified.operator.callcenter.typed("authority", certified.operator.inventory)
    assert printed.returncode == 0, printed.stderr
    certified.known.write_text(printed.stdout)
    certified.phone_by_tls("1004")
    assert certified.shown() == certified.shown(WEB)
    again = certified.operator.succeed()
    assert again.changes == 0, again.output
    left = (
        f"ls -d {paths.ACME}* {paths.ACME_STATE} {paths.ACME_TOOL}* {paths.ACME_OURS} "
        f"{paths.ACME_UNIT}* {paths.ACME_USERS} /etc/systemd/system/*/{UNIT}* "
        "/etc/systemd/system/lego.service 2>/dev/null; "
        f"systemctl list-units --all --plain --no-legend '{UNIT}*'; getent passwd {users.ACME}; "
        f"grep -c acme {paths.FIREWALL_RULES}; dpkg -s lego 2>/dev/null | grep ^Status; true"
    )
    assert certified.ssh(left) == "0\n"


def test_hosts_behind_one_name(
    certified: Certified, operator_of: Callable[..., Operator], tmp_path: Path
) -> None:
    """Each gets a certificate of its own, at the same time, though one name has the records of
    both."""
    both = replace(certified, operator=operator_of(HOST, BESIDE))
    both.operator.secrets.touch(0o600)
    both.operator.secrets.write_text(certified.operator.secrets.read_text())
    both.prepare()
    both.known.write_text(f"{both.pebble.authority.file.read_text()}\n{both.pebble.root()}")
    both.describe(both.by_dns(both.example(tmp_path)), more="")
    both.operator.succeed()
    digest = f"openssl x509 -noout -fingerprint -in {paths.ACME_CERTIFICATE}"
    assert both.operator.ssh(HOST, digest) != both.operator.ssh(BESIDE, digest)
    for one in both.operator.lab.hosts:
        if one.name in (HOST, BESIDE):
            both.shown(address=one.address)
    assert "_acme-challenge" not in both.knot.records()
