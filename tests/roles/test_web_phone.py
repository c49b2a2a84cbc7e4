"""A phone in a browser: Chromium, the page that the switch serves, and WebRTC."""

from __future__ import annotations

import errno
import gzip
import hashlib
import hmac
import http.client
import http.server
import ipaddress
import json
import os
import re
import select
import shlex
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from callcenter.client import npm
from callcenter.onhost import voicemail_page
from callcenter.render import packet_filter, paths, users
from lab import nat, network
from tests.acceptance.support.audio import assert_heard, assert_speech
from tests.acceptance.support.phones import Call, Exchange, Phone
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Account, WebPeer
from tests.browsers import Page, browser, lacking
from tests.certificates import Authority
from tests.roles.conftest import ROOT, SITE, Operator
from tests.roles.support import CALLEE_HZ, CALLER_HZ, phone_of, until, until_on
from tests.turn import TCP, Client

HOST = "web1"
DOMAIN = "roles.callcenter.test"
QUEUE = "7000"
ECHO = "9196"
WSS_PORT = 7443
ONE, TWO = "1020", "1021"
OTHER = "1022"
"""Extension that has a mailbox, too, and no phone."""
NAMED = "O'Neill & Söhne"
CRM = "crm.example.net"
CRM_PORT = 8443
TURN_PORT = 5349
VOICE = 16384
"""First port of the switch's voice."""
WITHOUT_TURN = f", wss=Wss(origins=['https://{CRM}:{CRM_PORT}'])"
WSS = WITHOUT_TURN.replace("])", "], turn=Turn())")
EMBEDDED = ROOT / "examples/embedded"
PUSH = "pn-provider=fcm;pn-param=shop-1234;pn-prid=c8K_:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"
HZ = {ONE: 500, TWO: 900}
"""Tone of each browser's microphone, by its extension."""


MORE = f"""web_phone=WebPhone(), agents=[Agent({TWO}, skills={{"sales": 1}})],
    queues=[Queue("sales", number={QUEUE})], """
# Whoever presses a button has a minute for it.
EXTENSIONS = f"""extensions=[Extension({ONE}, name="{NAMED}", ring_seconds=60,
    voicemail=True),
    Extension({TWO}, ring_seconds=60, busy=extension(1003)),
    Extension({OTHER}, voicemail=True), """


@dataclass(frozen=True)
class Served:
    """A switch that serves the page, and the authority of its certificate."""

    operator: Operator
    authority: Authority
    other: str = ""
    """Address by which it is reached instead of the lab's."""

    @property
    def address(self) -> str:
        """The switch's."""
        named = (one.address for one in self.operator.lab.hosts if one.name == HOST)
        return self.other or next(named)

    def describe(self, wss: str = WSS, more: str = MORE, **host_data: str) -> None:
        """Give the Site a new certificate, and say more of it."""
        certificate, key = self.authority.certificate(DOMAIN)
        kept = json.loads(self.operator.secrets.read_text())
        self.operator.secrets.write_text(json.dumps(kept | {"phones-key": key.read_text()}))
        given = (
            f"PhoneTls('{certificate}', secret('phones-key'), plain_from=[], srtp='required'{wss})"
        )
        site = SITE.replace("Network(", f"Network(tls={given}, ")
        site = site.replace("extensions=[", EXTENSIONS)
        self.operator.describe(site.replace("media=", f"{more}media="), **host_data)

    def connection(self, port: int, source: str = "") -> ssl.SSLSocket:
        """Return a connection of a program that checks the certificate, from one of this machine's
        addresses."""
        asked = ssl.create_default_context(cafile=self.authority.file)
        plain = socket.create_connection((self.address, port), PATIENCE, (source, 0))
        return asked.wrap_socket(plain, server_hostname=DOMAIN)

    def ask(
        self, method: str, path: str, by: str = "", source: str = "", **more: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the web server's answer."""
        over = http.client.HTTPConnection(DOMAIN)
        over.sock = self.connection(443, source)
        more |= {"Authorization": by} if by else {}
        over.request(method, path, headers={name.replace("_", "-"): more[name] for name in more})
        answer = over.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()

    def proves(
        self, number: str, password: str, source: str = "", **more: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask for a session as the page does, and return the answer."""
        nonce: str = json.loads(self.ask("GET", "/voicemail/nonce", source=source)[2])["nonce"]
        known = hashlib.md5(f"{number}:{DOMAIN}:{password}".encode()).hexdigest()
        key = hmac.digest(known.encode(), voicemail_page.PURPOSE.encode(), "sha256")
        proof = hmac.digest(key, nonce.encode(), "sha256").hex()
        by = f"Proof {number} {nonce} {proof}"
        return self.ask("POST", "/voicemail/session", by, source, **more)

    def session(self, number: str) -> str:
        """Return what an extension's page would send with each request."""
        status, _, body = self.proves(number, self.password(number))
        assert status == 200
        return f"Bearer {json.loads(body)['token']}"

    def messages(self, number: str) -> list[dict[str, object]]:
        """List an extension's voice messages, as its page is told of them."""
        status, _, body = self.ask("GET", "/voicemail", self.session(number))
        assert status == 200
        found: list[dict[str, object]] = json.loads(body)["messages"]
        return found

    def hears(self, port: int, first: str, headers: dict[str, str]) -> bytes:
        """Return what is said to a message before the connection is closed."""
        lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with self.connection(port) as over:
            over.sendall("\r\n".join(lines).encode())
            over.settimeout(3)
            try:
                return over.recv(4096)
            except TimeoutError:
                return b""

    def password(self, number: str) -> str:
        """Return an extension's."""
        known: str = json.loads(self.operator.secrets.read_text())[f"extension/{number}"]
        return known


@pytest.fixture(scope="module")
def switch(
    operator_of: Callable[..., Operator], tmp_path_factory: pytest.TempPathFactory
) -> Served:
    """A switch that serves the page."""
    if reason := lacking():
        pytest.skip(reason)
    made = Served(operator_of(HOST), Authority.make(tmp_path_factory.mktemp("web") / "own"))
    made.operator.secrets.write_text("{}")
    made.operator.secrets.chmod(0o600)
    made.describe()
    made.operator.succeed()
    return made


@pytest.fixture
def exchange(switch: Served) -> Iterator[Exchange]:
    """Desk phones."""
    with Exchange(switch.operator.lab.gateway, ca_file=switch.authority.file) as made:
        yield made


def desk_of(switch: Served, exchange: Exchange, number: str) -> Phone:
    """Return a desk phone, by TLS and SRTP as the Site demands."""
    return phone_of(switch.operator, HOST, exchange, number, transport="tls", srtp="sdes")


def program_of(library: str, folder: Path) -> list[str]:
    """Return the command of a library's example."""
    if library == "pjsip":
        python = ROOT / ".venv-examples/bin/python"
        can = [str(python), "-c", "import pjsua2"]
        if not python.exists() or subprocess.run(can, capture_output=True, check=False).returncode:
            pytest.skip("no pjsua2 in .venv-examples (docs/embedded.md)")
        return [str(python), str(EMBEDDED / "pjsip/call.py")]
    if not Path("/usr/include/linphone/core.h").exists():
        pytest.skip("no liblinphone on this machine (apt install liblinphone-dev)")
    code = EMBEDDED / "liblinphone/call.c"
    words = ("cc", "-Wall", "-Werror", "-o", folder / "liblinphone", code, "-llinphone")
    subprocess.run(words, check=True)
    return [str(folder / "liblinphone")]


@contextmanager
def program(
    switch: Served, library: str, folder: Path, number: str, **more: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a library's example as an extension, with names of its own, as DNS would tell them."""
    command = program_of(library, folder)
    (names := folder / "hosts").write_text(f"127.0.0.1 localhost\n{switch.address} {DOMAIN}\n")
    (secret := folder / number).write_text(switch.password(number) + "\n")
    environment = {
        **os.environ,
        **{"SIP_DOMAIN": DOMAIN, "SIP_USER": number, "SIP_PASSWORD_FILE": str(secret)},
        **{"SIP_DIGITS": "15#", "SIP_CA": str(switch.authority.file), "SIP_PUSH": PUSH},
    }
    within = 'mount --bind "$0" /etc/hosts && exec "$@"'
    named = ["unshare", "--mount", "sh", "-c", within, str(names)]
    with subprocess.Popen(
        [*named, *command], env=environment | more, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("library", "number"), [("liblinphone", "1004"), ("pjsip", "1008")])
def test_a_program_of_ones_own_calls(
    switch: Served, exchange: Exchange, tmp_path: Path, library: str, number: str
) -> None:
    """Registers by TLS with what would wake it, calls, sends digits, hangs up, and is gone"""
    desk = desk_of(switch, exchange, "1002")
    with program(switch, library, tmp_path, number, SIP_CALL="1002") as process:
        answered = desk.incoming().answer()
        assert PUSH in switch.operator.ssh(HOST, f"kamcmd ul.lookup location s:{number}")
        answered.wait_digits("15#")
        assert answered.wait_ended().by == "them"
        said, _ = process.communicate(timeout=PATIENCE)
    assert said.split()[-4:] == ["registered", "talks", "over", "gone"]
    assert process.returncode == 0
    # Kamailio forgets what is deleted when it next writes to disk.
    until(lambda: switch.operator.ssh(HOST, "kamcmd ul.dump"), lambda known: PUSH not in known)


def test_a_program_of_ones_own_answers(switch: Served, exchange: Exchange, tmp_path: Path) -> None:
    """PJSIP's example without a number waits for a call, and answers it"""
    desk = desk_of(switch, exchange, "1002")
    with program(switch, "pjsip", tmp_path, "1009") as process:
        assert process.stdout is not None
        # The library says a word before it can be told to be quiet.
        while (line := process.stdout.readline()) != "registered\n":
            assert line
        call = desk.call("1009")
        call.wait_established()
        call.wait_digits("15#")
        assert call.wait_ended().by == "them"
        said, _ = process.communicate(timeout=PATIENCE)
    assert said.split() == ["called", "talks", "over", "gone"]
    assert process.returncode == 0


@contextmanager
def served(folder: Path, switch: Served) -> Iterator[str]:
    """Serve a folder by HTTPS, as a web server of somebody else's."""
    certificate, key = switch.authority.certificate(CRM)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer((switch.operator.lab.gateway, CRM_PORT), handler) as at:
        at.socket = tls.wrap_socket(at.socket, server_side=True)
        threading.Thread(target=at.serve_forever, daemon=True).start()
        yield f"https://{CRM}:{CRM_PORT}/"
        at.shutdown()


@pytest.mark.parametrize(("example", "number"), [("jssip", "1006"), ("sipjs", "1007")])
def test_a_page_of_ones_own_calls(
    switch: Served, exchange: Exchange, tmp_path: Path, example: str, number: str
) -> None:
    """Registers by secure WebSocket from another origin, calls, sends digits, hangs up, and is
    gone"""
    folder = EMBEDDED / example
    if example == "jssip":
        folder = tmp_path / "page"
        folder.mkdir()
        shutil.copy(EMBEDDED / "jssip/index.html", folder)
        (folder / "jssip.js").write_bytes(npm.library())
    elif not (folder / "node_modules").exists():
        pytest.skip("no SIP.js (docs/embedded.md)")
    desk = desk_of(switch, exchange, "1002")
    home, names = tmp_path / "home", {DOMAIN: switch.address}
    with (
        served(folder, switch) as url,
        browser(home, url, switch.operator.lab.gateway, switch.authority.file, 500, names) as page,
    ):
        page.fills(
            domain=DOMAIN,
            user=number,
            password=switch.password(number),
            number="1002",
            digits="15#",
        )
        answered = desk.incoming().answer()
        answered.wait_digits("15#")
        assert answered.wait_ended().by == "them"
        page.says("gone")
        assert page.state.split() == ["registered", "talks", "over", "gone"]


@pytest.fixture(scope="module")
def pages(switch: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Page]]:
    """Two browsers that are logged in, by extension."""
    home = tmp_path_factory.mktemp("browsers")
    url = f"https://{DOMAIN}/"
    with ExitStack() as stack:
        made = {}
        for number, hz in HZ.items():
            page = stack.enter_context(
                browser(home / number, url, switch.address, switch.authority.file, hz)
            )
            page.log_in(number, switch.password(number))
            page.ready()
            made[number] = page
        yield made


def test_two_browsers_talk(pages: dict[str, Page]) -> None:
    one, other = pages[ONE], pages[TWO]
    one.dial(TWO)
    other.shows(f"{NAMED} ({ONE}): ringing")
    other.click("answer")
    one.shows(f"{TWO}: talking")
    one.hears(HZ[TWO])
    other.hears(HZ[ONE])
    one.pictures("web-phone")
    one.click("hangup")
    other.shows()
    one.shows()


def test_a_desk_phone_calls_a_browser(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    page = pages[ONE]
    desk = desk_of(switch, exchange, "1001")
    call = desk.call(ONE)
    page.shows("1001: ringing")
    page.click("answer")
    call.wait_established()
    call.play(CALLER_HZ)
    page.hears(CALLER_HZ)
    assert_heard(call, HZ[ONE], 0.5)
    page.click("hold")
    page.shows("1001: held")
    page.click("resume")
    page.shows("1001: talking")
    page.hears(CALLER_HZ)
    call.hangup()
    page.shows()


def test_a_browser_calls_a_desk_phone(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    page = pages[ONE]
    desk = desk_of(switch, exchange, "1001")
    page.dial("1001")
    call = desk.incoming().answer()
    call.play(CALLEE_HZ)
    page.shows("1001: talking")
    page.hears(CALLEE_HZ)
    assert_heard(call, HZ[ONE], 0.5)
    call.hangup()
    page.shows()


def test_a_call_ends_at_a_browser_that_came_back(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    """Its WebSocket is another one by then"""
    page, desk = pages[ONE], desk_of(switch, exchange, "1001")
    page.dial("1001")
    answered = desk.incoming().answer()
    page.shows("1001: talking")
    page.loses_connection()
    answered.hangup()
    page.shows()


# As where the machine is so busy that what needs no socket is found first: until the browser has
# found all, it knows of that alone.
_TCP_FIRST = """
const found = "a=candidate:1 1 tcp 1518280447 10.77.0.1 9 typ host tcptype active";
const prototype = RTCPeerConnection.prototype;
const { get } = Object.getOwnPropertyDescriptor(prototype, "localDescription");
const set = prototype.setLocalDescription;
prototype.setLocalDescription = async function (...given) {
  await set.apply(this, given);
  if (this.iceGatheringState === "complete") return;
  Object.defineProperty(this, "localDescription", { configurable: true, get: () => {
    const { type, sdp } = get.call(this);
    const lines = sdp.split("\\r\\n").filter((line) => line && !line.startsWith("a=candidate"));
    return { type, sdp: [...lines, found, ""].join("\\r\\n") };
  } });
  this.addEventListener("icegatheringstatechange", () => {
    if (this.iceGatheringState === "complete") delete this.localDescription;
  });
};
"""


def test_an_address_that_no_switch_can_use_comes_first(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    """A call waits for all of them"""
    page = pages[ONE]
    page.driver.execute_script(_TCP_FIRST)
    desk = desk_of(switch, exchange, "1001")
    call = desk.call(ONE)
    page.click("answer")
    call.wait_established()
    assert_heard(call, HZ[ONE], 0.5)
    call.hangup()
    page.shows()
    page.dial("1001")
    call = desk.incoming().answer()
    assert_heard(call, HZ[ONE], 0.5)
    call.hangup()
    page.shows()


def test_a_browser_transfers(switch: Served, pages: dict[str, Page], exchange: Exchange) -> None:
    """To a number, and by connecting the two whom it has in calls of its own."""
    page, other = pages[ONE], pages[TWO]
    desk = desk_of(switch, exchange, "1001")
    call = desk.call(ONE)
    page.click("answer")
    call.wait_established()
    call.play(CALLER_HZ)
    page.hears(CALLER_HZ)
    page.type(TWO)
    page.click("transfer")
    other.click("answer")
    other.hears(CALLER_HZ)
    page.shows()
    call.hangup()
    other.shows()

    call = desk.call(ONE)
    page.click("answer")
    call.wait_established()
    call.play(CALLER_HZ)
    page.hears(CALLER_HZ)
    page.dial(TWO)
    other.click("answer")
    page.shows("1001: held", f"{TWO}: talking")
    page.hears(HZ[TWO])
    page.click("join", 0)
    other.hears(CALLER_HZ)
    page.shows()
    assert_heard(call, HZ[TWO], 0.5)
    call.hangup()
    other.shows()


def test_keys_are_heard(switch: Served, pages: dict[str, Page], exchange: Exchange) -> None:
    page = pages[ONE]
    desk = desk_of(switch, exchange, "1001")
    page.dial("1001")
    call = desk.incoming().answer()
    page.shows("1001: talking")
    page.hears_no(HZ[TWO])
    for key in "5#":
        page.press(key)
    call.wait_digits("5#")
    call.hangup()
    page.shows()


def test_an_agent_answers_a_queue(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    page = pages[TWO]
    page.dial("*22")
    page.says("ended")
    desk = desk_of(switch, exchange, "1001")
    call = desk.call(QUEUE)
    page.click("answer")
    call.wait_established()
    call.play(CALLER_HZ)
    page.hears(CALLER_HZ)
    call.hangup()
    page.shows()
    page.dial("*23")
    page.says("ended")


def test_a_declined_call_goes_where_the_extension_says(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    """To another extension, where it is busy."""
    desk = desk_of(switch, exchange, "1001")
    other = desk_of(switch, exchange, "1003")
    call = desk.call(TWO)
    pages[TWO].click("decline")
    answered = other.incoming().answer()
    call.wait_established()
    answered.hangup()
    call.wait_ended()


FILES = f"find {paths.VOICEMAIL} -name 'msg*' -path '*/{ONE}/*'"


def test_a_declined_call_leaves_a_message(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    """The light comes on and the message is on the page, where it is played, heard, and deleted."""
    page = pages[ONE]
    assert page.mailbox == "Voicemail"
    assert page.messages == []
    desk = desk_of(switch, exchange, "1001")
    call = desk.call(ONE)
    page.click("decline")
    call.wait_established()
    call.play(CALLER_HZ)
    assert_speech(call, 1)
    # What is shorter than three seconds is no message.
    long = "find /var/lib/freeswitch/storage -name 'msg*' -size +64k | grep -q ."
    until_on(switch.operator, HOST, long)
    call.hangup()
    until(lambda: page.mailbox, "Voicemail: 1 new messages")
    until(lambda: page.messages, lambda shown: len(shown) == 1)
    who, about = page.messages[0].split(": ", 1)
    (message,) = switch.messages(ONE)
    assert who == message["number"] == "1001"
    assert about.endswith(f" · 0:{message['seconds']:02} · New")

    page.press_on_message("play")
    until(lambda: page.played, lambda seconds: seconds is not None)
    assert page.played == pytest.approx(message["seconds"], abs=1)
    page.pictures("web-phone-messages")
    (file,) = switch.operator.ssh(HOST, FILES).split()
    path = f"/voicemail/{message['id']}"
    status, headers, sound = switch.ask("GET", path, switch.session(ONE))
    assert (status, headers["content-type"]) == (200, "audio/wav")
    assert headers["cache-control"] == "no-store"
    digest = switch.operator.ssh(HOST, f"sha256sum <{file}").split()[0]
    assert hashlib.sha256(sound).hexdigest() == digest

    # Nobody else's, and nothing without a session.
    for by, wanted in ((switch.session(OTHER), 404), ("", 401), ("Bearer " + "a" * 43, 401)):
        for method, more in (("GET", ""), ("POST", "/heard"), ("DELETE", "")):
            assert switch.ask(method, f"{path}{more}", by)[0] == wanted, (method, by)
    assert page.mailbox == "Voicemail: 1 new messages"

    page.press_on_message("mark")
    until(lambda: page.mailbox, "Voicemail")
    until(lambda: page.messages, lambda shown: shown[0].endswith("Heard"))
    page.press_on_message("erase")
    until(lambda: page.messages, [])
    assert switch.operator.ssh(HOST, FILES) == ""
    assert switch.messages(ONE) == []


def leave_message(switch: Served, number: str, name: str) -> None:
    """Put a message of a caller into a mailbox."""
    sound = "/var/lib/freeswitch/storage/said.wav"
    silence = (
        f"import wave; w = wave.open('{sound}', 'wb'); w.setparams((1, 2, 8000, 0, 'NONE', '')); "
        "w.writeframes(bytes(64000))"
    )
    order = f"vm_inject {ONE}@{DOMAIN} {sound} {number} '{name}'"
    made = f'python3 -c "{silence}" && fs_cli -x "{order}" && rm {sound}'
    said = switch.operator.ssh(HOST, made)
    assert said.startswith("+OK"), said


def test_a_light_is_for_phones_and_browsers(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    """Both have the same extension, and the browser's goes out when the phone has left"""
    page, desk = pages[ONE], desk_of(switch, exchange, ONE)
    leave_message(switch, "1002", "x")
    desk.wait_message(lambda one: one.method == "NOTIFY" and "Voice-Message: 1/0" in one.text)
    until(lambda: page.mailbox, "Voicemail: 1 new messages")
    until(lambda: page.messages, lambda shown: len(shown) == 1)
    desk.unregister()
    page.press_on_message("erase")
    until(lambda: page.mailbox, "Voicemail")
    until(lambda: page.messages, [])


def test_what_callers_call_themselves_is_text(switch: Served, pages: dict[str, Page]) -> None:
    page = pages[ONE]
    evil = "<script>document.title=1</script>"
    for number, name in (("1002", evil), ("'1 2'", "\N{RIGHT-TO-LEFT OVERRIDE}x")):
        leave_message(switch, number, name)
    until(lambda: page.messages, lambda shown: len(shown) == 2)
    assert sorted(line.partition(": ")[0] for line in page.messages) == [f"{evil} (1002)", "x"]
    assert page.driver.title == DOMAIN
    assert [one["number"] for one in switch.messages(ONE)] in (["1002", ""], ["", "1002"])
    for left in (1, 0):
        page.press_on_message("erase")
        until(lambda: page.messages, lambda shown, left=left: len(shown) == left)


@contextmanager
def address(switch: Served, one: str) -> Iterator[str]:
    """Give this machine an address more, by which the switch is asked."""
    change = [f"{one}/32", "dev", network.BRIDGE]
    subprocess.run(["ip", "address", "replace", *change], check=True)
    yield one
    subprocess.run(["ip", "address", "delete", *change], check=True)


def test_who_guesses_waits(switch: Served) -> None:
    """A wrong password and an extension that there is not are answered the same, five times."""
    near = str(ipaddress.ip_address(switch.operator.lab.gateway) + 200)
    with address(switch, near) as source:
        answers = [
            switch.proves(number, "not-the-password", source, X_Source=f"192.0.2.{n}")
            for n, number in enumerate([OTHER, "1999", OTHER, "x", ONE])
        ]
        for status, headers, body in answers:
            assert (status, body) == (403, b"")
            assert headers.keys() == answers[0][1].keys()
        assert switch.proves(OTHER, switch.password(OTHER), source)[0] == 429
    # Others do not wait with it.
    switch.session(OTHER)

    # Of nobody's network: the packet filter shuts it out.
    with address(switch, "203.0.113.77") as source:
        for _ in range(5):
            assert switch.proves(OTHER, "not-the-password", source)[0] == 403
        listed = f"python3 -I {paths.BANS_TOOL} list"
        until(lambda: switch.operator.ssh(HOST, listed), lambda said: source in said)


def test_slow_readers_keep_nobody_out(switch: Served) -> None:
    """Whoever has logged in and takes nothing of what it has asked for keeps its share, no more"""
    sound = "/var/lib/freeswitch/storage/said.wav"
    silence = (
        f"import wave; w = wave.open('{sound}', 'wb'); w.setparams((1, 2, 8000, 0, 'NONE', '')); "
        "w.writeframes(bytes(16_000_000))"
    )
    order = f"vm_inject {OTHER}@{DOMAIN} {sound} 1002 long"
    switch.operator.ssh(HOST, f'python3 -c "{silence}"; fs_cli -x "{order}"; rm {sound}')
    (message,) = switch.messages(OTHER)
    by, other = switch.session(OTHER), switch.session(ONE)
    gateway = ipaddress.ip_address(switch.operator.lab.gateway)
    asked = (
        f"GET /voicemail/{message['id']} HTTP/1.1\r\nHost: {DOMAIN}\r\nAuthorization: {by}\r\n\r\n"
    )
    with ExitStack() as stack:
        readers = []
        # More than the program has threads, from as many addresses as one is let in by.
        for nth in range(80):
            if nth % 40 == 0:
                source = stack.enter_context(address(switch, str(gateway + 201 + nth // 40)))
            reader = stack.enter_context(switch.connection(443, source))
            reader.sendall(asked.encode())
            readers.append(reader)
        answers = [reader.recv(12) for reader in readers]
        assert answers.count(b"HTTP/1.1 200") == voicemail_page.SHARE
        assert answers.count(b"HTTP/1.1 429") == len(readers) - voicemail_page.SHARE
        assert switch.ask("GET", "/voicemail", other)[0] == 200
        assert switch.ask("GET", "/voicemail", by)[0] == 429
    until(lambda: switch.ask("GET", "/voicemail", by)[0], 200)
    path = f"/voicemail/{message['id']}"
    assert switch.ask("DELETE", path, by)[0] == 204


def test_a_session_ends(switch: Served) -> None:
    by = switch.session(OTHER)
    assert switch.ask("GET", "/voicemail", by)[0] == 200
    assert switch.ask("DELETE", "/voicemail/session", by)[0] == 204
    assert switch.ask("GET", "/voicemail", by)[0] == 401
    # Who has no mailbox is shown none.
    assert switch.ask("GET", "/voicemail", switch.session(TWO))[0] == 404


def test_messages_are_asked_for_in_one_way(switch: Served) -> None:
    by = switch.session(OTHER)
    one = "0b9f0b9f-0b9f-0b9f-0b9f-0b9f0b9f0b9f"
    for method, path, wanted in (
        ("GET", f"/voicemail/{one}", 404),
        ("GET", "/voicemail/", 404),
        ("GET", "/voicemail?a=b", 404),
        ("GET", f"/voicemail/{one}/heard", 404),
        ("GET", f"/voicemail/{one}/../{one}", 404),
        ("GET", f"/voicemail/../voicemail/{one}", 404),
        ("GET", f"/voicemail/{one.upper()}", 404),
        ("GET", "/voicemail/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 400),
        ("GET", f"/voicemail/{'-' * 36}", 404),
        ("POST", "/voicemail", 404),
        ("PUT", f"/voicemail/{one}", 404),
        ("OPTIONS", "/voicemail", 404),
        ("DELETE", "/voicemail/nonce", 404),
        ("GET", f"//voicemail/{one}", 404),
    ):
        assert switch.ask(method, path, by)[0] == wanted, (method, path)
    # Another page may not ask, since the browser would be told so first.
    headers = switch.ask("GET", "/voicemail", by, Origin="https://evil.example")[1]
    assert not [name for name in headers if name.startswith("access-control")]
    assert "set-cookie" not in headers


def test_keys_are_nobody_elses(switch: Served) -> None:
    """Nor has the program what it does not need."""
    for user in ("nobody", users.WEB, users.FREESWITCH, users.KAMAILIO):
        by = f"setpriv --reuid {user} --regid $(id -g {user}) --init-groups"
        read = f"{by} cat {paths.VOICEMAIL_PAGE_CONFIG}"
        assert "Permission denied" in switch.operator.ssh(HOST, read), user
    unit = paths.VOICEMAIL_PAGE_UNIT.rpartition("/")[2]
    within = f"nsenter -t $(systemctl show -P MainPID {unit}) -m"
    assert switch.operator.ssh(HOST, f"{within} ls /var/lib/freeswitch").split() == ["storage"]


def test_who_is_not_let_in(switch: Served, pages: dict[str, Page], tmp_path: Path) -> None:
    """A wrong password, in a page that shows nothing without the right one."""
    url = f"https://{DOMAIN}/"
    with browser(tmp_path / "stranger", url, switch.address, switch.authority.file, 440) as page:
        page.log_in("1003", "not-the-password-of-anybody")
        page.says("wrong")
        assert not page.is_logged_in


def test_the_page_is_guarded(switch: Served) -> None:
    """Its own scripts run, nobody frames it, and nothing else is served."""
    status, headers, body = switch.ask("GET", "/")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert f"connect-src 'self' wss://{DOMAIN}:7443; media-src blob:;" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "nginx/" not in headers["server"]
    size = len(gzip.compress(body))
    for name in re.findall(r'(?:src|href)="([a-z.]+)"', body.decode()):
        status, headers, content = switch.ask("GET", f"/{name}")
        assert status == 200, name
        assert headers["x-content-type-options"] == "nosniff"
        size += len(gzip.compress(content))
    assert size < 150_000
    for method, path, wanted in (
        ("POST", "/", 403),
        ("GET", "/index.html", 404),
        ("GET", f"/{'a' * 32}", 404),
        ("GET", "/../etc/callcenter/web.key", 400),
        ("GET", "/%2e%2e/web.key", 400),
        ("GET", "/jssip.js/", 404),
    ):
        assert switch.ask(method, path)[0] == wanted, (method, path)


@pytest.mark.parametrize(
    ("port", "first", "more"),
    [
        (7443, "GET / HTTP/1.1", {"Origin": "https://evil.example"}),
        (7443, "GET / HTTP/1.1", {"Origin": f"https://{DOMAIN}.evil.example"}),
        (7443, "GET / HTTP/1.1", {"Origin": f"http://{DOMAIN}"}),
        (7443, "GET /other HTTP/1.1", {}),
        (7443, "POST / HTTP/1.1", {}),
        (7443, "GET / HTTP/1.1", {"Sec-WebSocket-Protocol": "msrp"}),
        (7443, "GET / HTTP/1.1", {"Upgrade": "h2c"}),
        (5061, "GET / HTTP/1.1", {}),
        (7443, f"OPTIONS sip:{DOMAIN} SIP/2.0", {}),
    ],
    ids=lambda one: str(one)[:40],
)
def test_what_opens_no_websocket(
    switch: Served, port: int, first: str, more: dict[str, str]
) -> None:
    """Nothing is answered; the same with the right words is."""
    asked = {
        "Host": f"{DOMAIN}:7443",
        "Origin": f"https://{DOMAIN}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "sip",
        "Sec-WebSocket-Version": "13",
    }
    assert b" 101 " in switch.hears(7443, "GET / HTTP/1.1", asked)
    if first.endswith("SIP/2.0"):
        asked = {
            "Via": "SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKone",
            "From": f"<sip:1001@{DOMAIN}>;tag=one",
            "To": f"<sip:{DOMAIN}>",
            "Call-ID": "one",
            "CSeq": "1 OPTIONS",
            "Content-Length": "0",
        }
    assert switch.hears(port, first, asked | more) == b""


@pytest.fixture(scope="module")
def home(switch: Served) -> str:
    """A network from which no UDP gets to the switch's own address, nor anything else but what its
    router forwards to it."""
    lab = switch.operator.lab.name
    nat.make(lab, switch.address)
    # Or a browser waits for this machine's name server, and asks it for what it was told.
    way = ("ip", "route", "add", f"{nat.SWITCH_OUTSIDE}/32", "via", nat.HOME_ROUTER)
    for words in (way, ("ip", "route", "delete", "default")):
        subprocess.run([*nat.within_place(lab, "home"), *words], check=True)
    return nat.place(lab, "home")


def test_a_browser_whose_network_lets_no_udp_out(
    switch: Served, exchange: Exchange, home: str, tmp_path: Path
) -> None:
    """Talk with a desk phone, so that both hear each other"""
    heard = threading.Event()

    def talk() -> None:
        url, folder = f"https://{DOMAIN}/", tmp_path / "home"
        with browser(folder, url, nat.SWITCH_OUTSIDE, switch.authority.file, HZ[ONE]) as page:
            page.log_in("1005", switch.password("1005"))
            page.ready()
            page.dial("1001")
            page.hears(CALLEE_HZ)
            assert heard.wait(PATIENCE)
            page.click("hangup")
            page.shows()

    desk = desk_of(switch, exchange, "1001")
    with ThreadPoolExecutor(1, initializer=network.join, initargs=(home,)) as at:
        talking = at.submit(talk)
        call = desk.incoming().answer()
        call.play(CALLEE_HZ)
        assert_heard(call, HZ[ONE], 0.5)
        heard.set()
        talking.result()


def turn_password(switch: Served, number: str, source: str = "") -> str:
    """Log an extension in as a page does, and return what it is told for TURN."""
    context = ssl.create_default_context(cafile=switch.authority.file)
    context.check_hostname = False  # it asks by the address
    places = (source or switch.operator.lab.gateway, (switch.address, WSS_PORT))
    with WebPeer(*places, DOMAIN, context) as peer:
        account = Account(number, DOMAIN, switch.password(number))
        answer = peer.login("REGISTER", f"sip:{DOMAIN}", account, timeout=PATIENCE)
    assert answer is not None
    return answer.header("X-Turn")


def test_turn_is_for_who_has_logged_in(switch: Served) -> None:
    """Not by the password of a phone, nor by another's, nor without TLS"""
    own = turn_password(switch, "1004")
    for user, password, code in (
        ("1004", own, 0),
        ("1004", "", 401),
        ("1004", switch.password("1004"), 401),
        ("1003", own, 401),
        ("9999", own, 401),
        ("1004' or '1'='1", own, 400),
    ):
        with switch.connection(TURN_PORT) as over:
            assert Client(over, user, password).allocate() == code, user
    with switch.connection(TURN_PORT) as over:
        assert Client(over, "1004", own).allocate(TCP) == 442
    # What strangers say pushes nothing out of the journal.
    with switch.connection(TURN_PORT) as over:
        stranger = Client(over, "a\nb", own)
        assert {stranger.allocate() for _ in range(4000)} == {400}
    lines = "journalctl --sync; journalctl -qu callcenter-turn -o cat | wc -l"
    assert int(switch.operator.ssh(HOST, lines)) < 2500
    with socket.create_connection((switch.address, TURN_PORT), PATIENCE) as plain:
        plain.settimeout(1)
        plain.sendall(bytes.fromhex("0003 0008 2112a442") + bytes(12) + b"\0\x19\0\4\x11\0\0\0")
        with pytest.raises((TimeoutError, ConnectionError)):
            plain.recv(4096)


@contextmanager
def answering(switch: Served, own: str, *ports: int) -> Iterator[None]:
    """Have somebody on the host who sends back what comes to these UDP ports of an address."""
    family = "AF_INET6" if ":" in own else "AF_INET"
    script = (
        "import select, socket; "
        f"made = [socket.socket(socket.{family}, socket.SOCK_DGRAM) for _ in {ports}]; "
        f"[one.bind(('{own}', port)) for one, port in zip(made, {ports})]\n"
        "while True:\n"
        "    for one in select.select(made, [], [])[0]: one.sendto(*one.recvfrom(99))"
    )
    unit = "systemd-run --quiet --collect --unit=answers /usr/bin/python3 -c"
    switch.operator.ssh(HOST, f"{unit} {shlex.quote(script)}")
    for port in ports:
        until_on(switch.operator, HOST, f"ss -Hlun 'sport = :{port}' | grep -q .")
    try:
        yield
    finally:
        switch.operator.ssh(HOST, "systemctl stop answers")


def test_turn_reaches_nothing_but_voice(switch: Served) -> None:
    """Whoever has logged in reaches the ports of the switch's voice, and no other of it, nor any of
    another host"""
    own, first = switch.address, VOICE
    password = turn_password(switch, "1004")
    with answering(switch, own, first, 4000), ExitStack() as stack:

        def let_in() -> Client:
            made = Client(stack.enter_context(switch.connection(TURN_PORT)), "1004", password)
            assert (made.allocate(), made.permit(own)) == (0, 0)
            return made

        one, other = let_in(), let_in()
        # Event Socket and FreeSWITCH's SIP; another host; whom all hear; whoever it is.
        for address in ("127.0.0.1", switch.operator.lab.gateway, "224.0.0.1", "0.0.0.0"):
            assert one.permit(address) == 403, address
        # coturn goes on with none that may not send what it is to.
        ports = (22, 53, 4000, 5060, 8021, TURN_PORT, other.port)
        tried = [(let_in(), port) for port in ports]
        for client, port in tried:
            client.send(own, port, b"no")
        one.send(own, first, b"yes")
        assert one.hears(PATIENCE) == b"yes"
        # What was sent before would be here.
        for client, port in (*tried, (other, other.port)):
            assert client.hears(0.1) is None, port


def test_idle_connections_do_not_end_turn(switch: Served) -> None:
    """So many at a time, of all addresses together: others are refused, what is carried goes on,
    and who comes when they have gone is served."""
    most, each = packet_filter.TURN_CONNECTIONS, 290
    first = ipaddress.ip_address("203.0.113.80")
    with switch.connection(TURN_PORT) as over:
        carried = Client(over, "1004", turn_password(switch, "1004"))
        assert carried.allocate() == 0
        with ExitStack() as stack:
            asked = select.poll()
            answers: dict[int, socket.socket] = {}
            codes: list[int] = []

            def come(milliseconds: float) -> bool:
                """Take the answers that have come, and tell whether there were some."""
                found = asked.poll(milliseconds)
                for number, _ in found:
                    asked.unregister(number)
                    answer = answers.pop(number).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    codes.append(answer)
                return bool(found)

            for nth in range(most + 20):
                if nth % each == 0:
                    source = stack.enter_context(address(switch, str(first + nth // each)))
                made = stack.enter_context(socket.socket())
                made.bind((source, 0))
                # Together: coturn gives nobody longer than a minute to log in.
                made.setblocking(False)
                made.connect_ex((switch.address, TURN_PORT))
                answers[made.fileno()] = made
                asked.register(made, select.POLLOUT)
                # At once: on a busy machine the first have gone when the last are asked for.
                come(0)
            while answers:
                assert come(PATIENCE * 1000), f"{len(answers)} have no answer"
            # The one that is carried counts, and one that has just gone may.
            assert most - 10 <= codes.count(0) < most
            assert codes.count(errno.ECONNREFUSED) == len(codes) - codes.count(0)
            assert carried.refresh() == 0

        def is_served() -> bool:
            try:
                with switch.connection(TURN_PORT) as made:
                    return Client(made, "1004", turn_password(switch, "1004")).allocate() == 0
            except OSError:
                return False

        until(is_served, True)
        assert carried.refresh() == 0


def test_a_new_certificate_costs_nobody_a_call(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    """Twenty calls by TLS go on, and so do twenty WebSockets, two of them browsers that talk, and
    what TURN carries"""
    one, other = pages[ONE], pages[TWO]
    numbers = [str(number) for number in range(1000, 1010)] * 2

    def shown() -> list[bytes]:
        out = []
        for port in (WSS_PORT, TURN_PORT):
            with switch.connection(port) as by:
                out.append(by.getpeercert(binary_form=True) or b"")
        return out

    def stay(peers: list[WebPeer], left: threading.Event) -> None:
        # As browsers do, they answer Kamailio, which ends a connection that is silent.
        while not left.is_set():
            for peer in peers:
                peer.receive(0.05)

    def registers(peer: WebPeer, number: str) -> bool:
        account = Account(number, DOMAIN, switch.password(number))
        answer = peer.login("REGISTER", f"sip:{DOMAIN}", account, timeout=PATIENCE)
        return answer is not None and answer.status == 200

    with ExitStack() as stack:
        context = ssl.create_default_context(cafile=switch.authority.file)
        context.check_hostname = False  # it asks by the address
        places = (switch.operator.lab.gateway, (switch.address, WSS_PORT))
        sockets = [stack.enter_context(WebPeer(*places, DOMAIN, context)) for _ in numbers[2:]]
        assert all(map(registers, sockets, numbers))
        left = threading.Event()
        staying = stack.enter_context(ThreadPoolExecutor(1)).submit(stay, sockets, left)
        stack.callback(left.set)
        calls: list[Call] = []
        for desk in [desk_of(switch, exchange, number) for number in numbers[:10]] * 2:
            call = desk.call(ECHO)
            call.wait_established()
            call.play(500 + 50 * len(calls))
            calls.append(call)
        one.dial(TWO)
        other.click("answer")
        one.shows(f"{TWO}: talking")

        over = stack.enter_context(switch.connection(TURN_PORT))
        carried = Client(over, ONE, turn_password(switch, ONE))
        assert carried.allocate() == 0

        before = shown()
        opened = switch.session(OTHER)
        secrets = json.loads(switch.operator.secrets.read_text())
        secrets[f"extension/{OTHER}"] += "-and-more"
        switch.operator.secrets.write_text(json.dumps(secrets))
        switch.describe()
        switch.operator.succeed()
        assert not {*shown()} & {*before}
        assert carried.refresh() == 0
        # Another password has ended what the old one had opened.
        assert switch.ask("GET", "/voicemail", opened)[0] == 401
        for nth, call in enumerate(calls):
            call.forget()
            assert_heard(call, 500 + 50 * nth, 0.2)
            call.hangup()
        one.hears(HZ[TWO])
        other.hears(HZ[ONE])
        one.click("hangup")
        other.shows()
        left.set()
        staying.result()
        # On the connections that there were.
        assert all(map(registers, sockets, numbers))


def test_a_second_run_changes_nothing(switch: Served) -> None:
    again = switch.operator.succeed(counted=True)
    assert again.changes == 0, again.output
    assert again.commands <= 12


def test_a_browser_calls_by_ipv6(switch: Served, tmp_path: Path) -> None:
    """Browser hears the switch, and TURN carries voice to the switch's address alone."""
    ours, theirs = "fd00:77::1", "fd00:77::11"
    link = [f"{ours}/64", "dev", network.BRIDGE, "nodad"]
    with ExitStack() as stack:
        subprocess.run(["ip", "address", "add", *link], check=True)
        stack.callback(subprocess.run, ["ip", "address", "del", *link[:3]], check=True)
        assert switch.operator.ssh(HOST, f"ip address add {theirs}/64 dev host0 nodad") == ""
        switch.describe(address=theirs)
        switch.operator.succeed()
        six = Served(switch.operator, switch.authority, theirs)
        folder, url = tmp_path / "six", f"https://{DOMAIN}/"
        with browser(folder, url, f"[{theirs}]", switch.authority.file, HZ[ONE]) as page:
            page.log_in(ONE, switch.password(ONE))
            page.ready()
            page.dial(ECHO)
            page.hears(HZ[ONE])
            page.click("hangup")
            page.shows()
        password = turn_password(six, "1004", ours)
        with answering(switch, theirs, VOICE), six.connection(TURN_PORT) as over:
            carried = Client(over, "1004", password)
            assert (carried.allocate(), carried.permit(theirs)) == (0, 0)
            for address in (ours, "::1", "ff02::1", f"::ffff:{switch.address}"):
                assert carried.permit(address) == 403, address
            carried.send(theirs, VOICE, b"yes")
            assert carried.hears(PATIENCE) == b"yes"


def test_a_browser_and_a_switch_behind_nat(switch: Served, home: str, tmp_path: Path) -> None:
    """Each behind a router of its own: the browser is told the switch's public address, which the
    switch itself does not reach. It talks by TURN alone, and without."""
    addresses = {"address": switch.address, "public_ip": nat.SWITCH_OUTSIDE}

    def talk(*, turn: bool) -> None:
        url, folder = f"https://{DOMAIN}/", tmp_path / f"home-{turn}"
        with browser(folder, url, nat.SWITCH_OUTSIDE, switch.authority.file, HZ[ONE]) as page:
            if turn:
                page.relays_only()
            page.log_in(ONE, switch.password(ONE))
            page.ready()
            page.dial(ECHO)
            page.hears(HZ[ONE])
            page.click("hangup")
            page.shows()

    with ThreadPoolExecutor(1, initializer=network.join, initargs=(home,)) as at:
        switch.describe(**addresses)
        switch.operator.succeed()
        at.submit(talk, turn=True).result()
        switch.describe(WITHOUT_TURN, **addresses)
        said = switch.operator.succeed().output
        # It is gone before what holds it to voice.
        assert said.index("TURN: retire | ") < said.index("Firewall: configure | ")
        assert switch.operator.ssh(HOST, NO_TURN) == ""
        at.submit(talk, turn=False).result()


NO_TURN = (
    f"ls -d {paths.TURN} {paths.TURN_UNIT} {paths.TURN_OURS} /etc/callcenter/turn* /var/lib/turn "
    f"2>/dev/null; ss -Hltnu | grep -E ':({TURN_PORT}|3478) '; "
    f"nft list ruleset | grep -E 'dport {TURN_PORT}|chain relay'; "
    f"grep -o turn- {paths.KAMAILIO}/secrets; "
    "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' coturn 2>/dev/null | grep ^ii; true"
)


def test_off_again(switch: Served) -> None:
    """Page, WebSocket, packages and ports are gone."""
    switch.describe("", "")
    switch.operator.succeed()
    left = switch.operator.ssh(
        HOST,
        f"ls {paths.WEB_PAGES} {paths.WEB_CONFIG} {paths.VOICEMAIL_PAGE_CONFIG} "
        f"{paths.VOICEMAIL_PAGE_TOOL} {paths.VOICEMAIL_PAGE_UNIT} {paths.VOICEMAIL_PAGE_SOCKET} "
        "2>/dev/null; systemctl list-units --all --plain --no-legend 'callcenter-voicemail-page*'; "
        f"grep -r {voicemail_page.LOGIN} {paths.CURRENT}/; ss -Hltn | grep -E ':(443|7443) '; "
        "nft list ruleset | grep -E 'dport (443|7443)'; "
        "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' nginx kamailio-websocket-modules "
        "2>/dev/null | grep ^ii; true",
    )
    assert left == ""
