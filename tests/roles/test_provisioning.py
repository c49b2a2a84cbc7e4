"""Phones that configure themselves by a link: Debian's Linphone, given nothing else, and a desk
phone's requests."""

from __future__ import annotations

import http.client
import io
import json
import re
import shlex
import socket
import ssl
import subprocess
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from callcenter.render import paths, users
from callcenter.site.provisioning import path_of
from tests.acceptance.support.audio import Tone, assert_heard, assert_speech, read_wav
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.support import CALLEE_HZ, CALLER_HZ, phone_of, until, until_on
from tests.roles.test_fax_tls import overheard

HOST, DESK = "links1", "desk1"
DOMAIN = "roles.callcenter.test"
PORT = 443
RATE = 16_000
OTHER_HZ = 900
ROOT_FILE = "/root/authority.pem"
"""File of the authority's root on the computer with Linphone."""
MAC = "001565123456"
PHONES = f"Extension(1010, phones=[DeskPhone('yealink', '{MAC}', keys=[1002])])"


@dataclass(frozen=True)
class Provisioned:
    """A switch that serves links, with a certificate of the Site's own authority."""

    operator: Operator
    root: Path
    """File of the authority's root, as the operator is told it."""

    @property
    def address(self) -> str:
        """The switch's."""
        return next(one.address for one in self.operator.lab.hosts if one.name == HOST)

    def describe(self, *, serves: bool = True) -> None:
        """Give the Site its authority, and links where it serves them."""
        tls = "PhoneTls(OwnAuthority(), plain_from=[], srtp='required')"
        site = SITE.replace("Network(", f"Network(tls={tls}, ")
        if serves:
            site = site.replace("media=", "provisioning=Provisioning(), media=")
            site = site.replace("extensions=[", f"extensions=[{PHONES}, ")
        self.operator.describe(site)

    def path(self, number: str, mac: str = "") -> str:
        """Return the path of an extension's link, or of its desk phone's."""
        known = json.loads(self.operator.secrets.read_text())
        return path_of(DOMAIN, number, known[f"provisioning/{number}"], mac)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Status and body of an answer, of a program that checks the certificate."""
        asked = ssl.create_default_context(cafile=self.root)
        plain = socket.create_connection((self.address, PORT), timeout=60)
        with asked.wrap_socket(plain, server_hostname=DOMAIN) as tls:
            over = http.client.HTTPConnection(DOMAIN)
            over.sock = tls
            over.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                over.putheader(name.replace("_", "-"), value)
            over.endheaders()
            answer = over.getresponse()
            return answer.status, answer.read()

    def callcenter(self, *words: str, command: str = "phones") -> str:
        """Lines that a command of ours prints."""
        done = self.operator.callcenter.typed(command, self.operator.inventory, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def switch(
    operator_of: Callable[..., Operator], tmp_path_factory: pytest.TempPathFactory
) -> Provisioned:
    """A switch that serves links."""
    made = Provisioned(operator_of(HOST), tmp_path_factory.mktemp("links") / "root.pem")
    made.operator.secrets.write_text("{}")
    made.operator.secrets.chmod(0o600)
    made.describe()
    made.operator.succeed()
    made.root.write_text(made.callcenter(command="authority"))
    return made


@pytest.fixture(scope="module")
def desk(switch: Provisioned, operator_of: Callable[..., Operator]) -> Operator:
    """A computer with Linphone and curl, which knows the switch's name, and has the authority's
    root in a file without trusting it."""
    made = operator_of(DESK, bare=True)
    names = f"{switch.address} {DOMAIN}"
    text = shlex.quote(switch.root.read_text())
    made.ssh(
        DESK,
        "export DEBIAN_FRONTEND=noninteractive; set -e; apt-get -qq update; "
        "apt-get -y -qq install --no-install-recommends linphone-cli ca-certificates curl "
        ">/dev/null; "
        f"echo {names} >>/etc/hosts; printf %s {text} >{ROOT_FILE}",
    )
    return made


@pytest.fixture
def exchange(switch: Provisioned) -> Iterator[Exchange]:
    """Phones that know the authority."""
    with Exchange(switch.operator.lab.gateway, ca_file=switch.root) as made:
        yield made


def test_a_link_is_good_for_one_phone(switch: Provisioned) -> None:
    """Whoever is first has it, until the operator gives it again."""
    path = switch.path("1003")

    def ask(_: int) -> int:
        return switch.ask(f"/{path}")[0]

    with ThreadPoolExecutor(8) as at_once:
        assert Counter(at_once.map(ask, range(16))) == {200: 1, 404: 15}
    assert re.search(
        rf"^{HOST}  1003  \S+ \S+ UTC  from {switch.operator.lab.gateway}$",
        switch.callcenter("--used"),
        re.MULTILINE,
    )
    assert "used once more" in switch.callcenter("--again", "1003")
    assert switch.callcenter("--used") == ""
    status, body = switch.ask(f"/{path}")
    assert status == 200
    known = json.loads(switch.operator.secrets.read_text())
    assert known["extension/1003"] not in body.decode()
    assert [ask(0), ask(0)] == [404, 404]
    # What a phone has taken is no difference to what is described.
    assert switch.callcenter(command="plan") == "nothing would change\n"


def test_nothing_without_a_link(switch: Provisioned) -> None:
    """Whatever is asked: all are told the same, and a link that was not opened stays good."""
    path = switch.path("1004")
    _, nothing = switch.ask("/")
    for asked in (
        *("/", "/phones.json", f"/{path}/", f"/{path}x", f"/{path[:-1]}", f"//{path}"),
        *(f"/{path.upper()}", f"/{'a' * 32}", "/1004.phone", "/../etc/callcenter/phones.json"),
        *(f"/%2e%2e/{path}", f"/{path}%00", f"/{path};a", f"/{path}%0d%0aX-Source:%20::1"),
    ):
        assert switch.ask(asked) in ((404, nothing), (400, switch.ask("/%00")[1])), asked
    for method in ("HEAD", "POST", "PUT", "DELETE"):
        assert switch.ask(f"/{path}", method)[0] in (404, 405), method
    assert switch.ask(f"/{path}", X_Source="192.0.2.1", Host="elsewhere.example")[0] == 200
    assert switch.operator.lab.gateway in switch.callcenter("--used")
    said = switch.operator.ssh(HOST, "journalctl -o cat; cat /var/log/nginx/* 2>/dev/null")
    assert path not in said
    assert "was given the settings of 1004" in said


def test_settings_are_nobody_elses(switch: Provisioned) -> None:
    """Neither those of a user of the host, nor of the web server, which strangers speak with."""
    known, noted = f"{paths.PHONES}/1000.phone", f"{paths.PHONES_STATE}/any"
    desks = f"{paths.PHONES}/1010.{MAC}.phone"
    for user, files in {
        "nobody": (known, desks, noted, paths.WEB_KEY),
        users.WEB: (known, desks, noted),
        users.FREESWITCH: (known, desks, noted, paths.WEB_KEY),
        users.KAMAILIO: (known, desks, noted, paths.WEB_KEY),
        users.PHONES: (paths.WEB_KEY,),
    }.items():
        for file in files:
            by = f"setpriv --reuid {user} --regid $(id -g {user}) --init-groups"
            assert "Permission denied" in switch.operator.ssh(HOST, f"{by} cat {file}"), user


def test_a_new_certificate_leaves_links_as_they_are(switch: Provisioned) -> None:
    before = switch.operator.ssh(HOST, "systemctl show -P MainPID callcenter-web callcenter-phones")
    assert switch.ask(f"/{switch.path('1005')}")[0] == 200
    shown = ssl.get_server_certificate((switch.address, PORT))
    switch.callcenter("--renew", "certificates/hosts", command="secrets")
    said = switch.operator.succeed("-y", "--diff", "-vvv").output
    assert "PRIVATE KEY" not in said
    assert switch.path("1005") not in said
    # A worker of before takes connections until the new ones are there.
    until(lambda: ssl.get_server_certificate((switch.address, PORT)) != shown, True)
    assert switch.ask(f"/{switch.path('1005')}")[0] == 404
    after = switch.operator.ssh(HOST, "systemctl show -P MainPID callcenter-web callcenter-phones")
    assert after == before


def linphone(desk: Operator, words: str) -> str:
    """Lines that Linphone's own command prints."""
    return desk.ssh(DESK, f"HOME=/root linphonecsh {words}")


def test_a_second_run_changes_nothing(switch: Provisioned) -> None:
    again = switch.operator.succeed(counted=True)
    assert again.changes == 0, again.output
    assert again.commands <= 12


def linphone_link(switch: Provisioned, number: str) -> str:
    """Link of an extension, as the operator is told it."""
    lines = switch.callcenter().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(f"{number} "))


def started(desk: Operator, link: str, root: str = "") -> None:
    """Start a Linphone that has been given its link, and a root where it is to know one."""
    given = f"[misc]\nconfig-uri={link}\n" + f"[sip]\nroot_ca={root}\n" * bool(root)
    desk.ssh(
        DESK,
        "mkdir -p /root/.local/share/linphone /root/.config/linphone; rm -f /root/log; "
        f"printf %s {shlex.quote(given)} >/root/rc",
    )
    linphone(desk, "init -c /root/rc -d 6 -l /root/log")


def ended(desk: Operator) -> None:
    """End Linphone: one that begins before another is gone is not heard of."""
    # Told to exit in the moments after a call it may say so, and stay.
    gone = "timeout 10 tail --pid=$of -f /dev/null || kill -KILL $of"
    desk.ssh(DESK, f"of=$(pgrep -x linphonec); HOME=/root linphonecsh exit; {gone}")
    until_on(desk, DESK, "! pgrep -x linphonec >/dev/null")


def test_linphone_opens_no_link_of_an_authority_that_it_does_not_know(
    switch: Provisioned, desk: Operator
) -> None:
    """Its certificate is checked before anything is asked, so the link stays good."""
    started(desk, linphone_link(switch, "1001"))
    until_on(desk, DESK, "grep -q 'SSL handshake failed' /root/log")
    ended(desk)
    assert f"{HOST}  1001 " not in switch.callcenter("--used")


def test_linphone_needs_its_link_and_the_root_alone(
    switch: Provisioned, desk: Operator, exchange: Exchange
) -> None:
    """Registers by TLS, calls, holds, transfers and is called; nobody else hears it."""
    callee = phone_of(switch.operator, HOST, exchange, "1002", transport="tls", srtp="sdes")
    link = linphone_link(switch, "1001")
    assert link == f"https://{DOMAIN}/{switch.path('1001')}"
    tone = io.BytesIO()
    with wave.open(tone, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(Tone(CALLER_HZ, RATE).read(RATE * 60).tobytes())
    given = desk.lab.ssh(DESK, ["cat >/root/tone.wav"])
    subprocess.run(given, input=tone.getvalue(), check=True)
    started(desk, link, ROOT_FILE)
    until_on(desk, DESK, "HOME=/root linphonecsh generic 'status register' | grep -q ^registered,")
    kept = switch.operator.ssh(HOST, "kamcmd ul.lookup location s:1001")
    assert "transport=tls" in kept
    for words in ("soundcard use files", "play /root/tone.wav", "record /root/heard.wav"):
        linphone(desk, f"generic '{words}'")
    linphone(desk, "generic 'call 1002'")
    answered = callee.incoming().answer()
    answered.play(CALLEE_HZ)
    with overheard(switch.operator.lab.gateway, switch.address) as heard:
        assert_heard(answered, CALLER_HZ, 2)
    voice = [one for one in heard if one[0] >> 6 == 2 and one[1] & 0x7F == 0]
    assert len(voice) > 100
    assert min(map(len, voice)) == 12 + 160 + 10
    linphone(desk, "generic pause")
    answered.forget()
    assert_speech(answered, 1)
    linphone(desk, "generic resume")
    linphone(desk, "generic 'play /root/tone.wav'")
    answered.forget()
    assert_heard(answered, CALLER_HZ, 1)
    other = phone_of(switch.operator, HOST, exchange, "1006", transport="tls", srtp="sdes")
    linphone(desk, "generic 'transfer 1 1006'")
    transferred = other.incoming().answer()
    transferred.play(OTHER_HZ)
    assert_heard(answered, OTHER_HZ, 1)
    answered.hangup()
    transferred.wait_ended()
    linphone(desk, "generic 'autoanswer enable'")
    call = callee.call("1001")
    call.wait_established()
    call.play(CALLEE_HZ)
    linphone(desk, "generic 'play /root/tone.wav'")
    assert_heard(call, CALLER_HZ, 2)
    call.hangup()
    ended(desk)
    taken = desk.lab.ssh(DESK, ["cat /root/heard.wav"])
    [sound] = read_wav(subprocess.run(taken, capture_output=True, check=True).stdout)
    assert_heard(sound, CALLEE_HZ, 1)


def test_a_desk_phone_is_given_its_file_once(
    switch: Provisioned, desk: Operator, exchange: Exchange
) -> None:
    """Asks in a Yealink's order, from its own host, and what it is given logs in."""
    link = next(
        line.split("  ")
        for line in switch.callcenter().splitlines()
        if line.startswith("1010 ") and MAC in line
    )
    base = f"https://{DOMAIN}/{switch.path('1010', MAC)}/"
    assert base in link
    assert switch.path("1010", MAC) != switch.path("1010")

    def ask(name: str) -> tuple[str, str]:
        asked = f"--cacert {ROOT_FILE} {shlex.quote(base + name)}"
        status = desk.ssh(DESK, f"curl -sS -o got -w '%{{http_code}}' {asked}")
        return status.strip(), desk.ssh(DESK, "cat got")

    for name in (f"{MAC}.boot", "y000000000000.boot", "y000000000096.cfg", "001565654321.cfg"):
        assert ask(name)[0] == "404", name
    status, given = ask(f"{MAC}.cfg")
    assert status == "200"
    values = dict(line.split(" = ", 1) for line in given.splitlines()[1:])
    kept = json.loads(switch.operator.secrets.read_text())
    assert values["account.1.password"] == kept["extension/1010"]
    assert values["account.1.sip_server.1.address"] == DOMAIN
    assert values["static.trusted_certificates.url"] == f"{base}authority.pem"
    assert (values["linekey.2.type"], values["linekey.2.value"]) == ("16", "1002")
    for _ in range(2):
        status, certificate = ask("authority.pem")
        assert (status, certificate.strip()) == ("200", switch.root.read_text().strip())
        assert ask(f"{MAC}.cfg")[0] == "404"
    callee = phone_of(switch.operator, HOST, exchange, "1002", transport="tls", srtp="sdes")
    phone = phone_of(switch.operator, HOST, exchange, "1010", transport="tls", srtp="sdes")
    call = phone.call("1002")
    answered = callee.incoming().answer()
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 1)
    call.hangup()
    assert re.search(
        rf"^{HOST}  1010  {MAC}  \S+ \S+ UTC  from \S+$", switch.callcenter("--used"), re.MULTILINE
    )
    said = switch.operator.ssh(HOST, "journalctl -o cat; cat /var/log/nginx/* 2>/dev/null")
    assert switch.path("1010", MAC) not in said
    assert f"was given the settings of 1010.{MAC}" in said
    assert "used once more" in switch.callcenter("--again", "1010")
    assert ask(f"{MAC}.cfg") == ("200", given)
    assert ask(f"{MAC}.cfg")[0] == "404"


def test_off_again(switch: Provisioned) -> None:
    switch.describe(serves=False)
    switch.operator.succeed()
    assert switch.operator.succeed().changes == 0
    left = (
        f"ls -d {paths.PHONES}* {paths.PHONES_STATE} {paths.PHONES_TOOL} /etc/callcenter/web* "
        f"/etc/nginx {paths.WEB_OURS} 2>/dev/null; ss -Hlnt 'sport = :{PORT}'; "
        "systemctl list-units --all --plain --no-legend 'callcenter-web*' 'callcenter-phones*'; "
        "dpkg -s nginx 2>/dev/null | grep ^Status; true"
    )
    assert switch.operator.ssh(HOST, left) == ""
