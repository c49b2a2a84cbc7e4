"""HTTP applications: a real HTTPS server steers real calls, and gets nothing besides."""

from __future__ import annotations

import ipaddress
import json
import queue
import shlex
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from callcenter.render import paths
from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.phones import Exchange, Phone
from tests.acceptance.support.waiting import PATIENCE
from tests.certificates import Authority
from tests.roles.conftest import SITE, Operator
from tests.roles.support import CALLEE_HZ, CALLER_HZ, phone_of, still_talking, until_on

HOST = "http1"
SERVER, OTHER_NAME, PORT, DEAF, DOWN = "calls.callcenter.test", "other.test", 8443, 8444, 8445
USER, PASSWORD = "switch", "of-the-back-end-4711"
PROMPT_HZ = 880
PROMPT = f"tone_stream://%(3000,0,{PROMPT_HZ})"

SERVED = """
    http_applications=[
        HttpApplication("survey", "https://{server}:{port}/start?of=survey", number=6500,
            leads_to={"desk": extension(1001), "second": http_application("second")},
            user="{user}", password=secret("back-end"), ca_file="{authority}",
            otherwise=extension(1002)),
        HttpApplication("second", "https://{server}:{port}/second", ca_file="{authority}"),
        HttpApplication("unknown-authority", "https://{server}:{port}/start", number=6501,
            ca_file="{other}", otherwise=extension(1002)),
        HttpApplication("other-name", "https://{other_name}:{port}/start", number=6502,
            ca_file="{authority}", otherwise=extension(1002)),
        HttpApplication("public-authorities", "https://{server}:{port}/start", number=6503,
            otherwise=extension(1002)),
        HttpApplication("deaf", "https://{server}:{deaf}/", number=6504, ca_file="{authority}",
            wait_seconds=1, otherwise=extension(1002)),
        HttpApplication("down", "https://{server}:{down}/", number=6505, ca_file="{authority}",
            otherwise=extension(1002)),
        HttpApplication("last", "https://{server}:{down}/", number=6506, ca_file="{authority}"),
    ],
    notices=[Notice("closed", say("We are closed."), number=6200)],
    trunks=[Trunk("carrier", host="192.0.2.9", ping_seconds=None)],
    outbound=[Route("abroad", pattern=r"^0[1-9]\\d{5,}$", strip=1, prefix="+49",
        trunks=["carrier"])],
    outbound_limits=OutboundLimits(countries=["+49"]),
    media="""


@dataclass
class BackEnd:
    """A web server that answers what a test tells it, and what it was asked."""

    authority: Path
    other: Path
    asked: queue.Queue[tuple[str, dict[str, list[str]], str]] = field(default_factory=queue.Queue)
    says: Callable[[str, dict[str, list[str]]], str] = lambda path, form: ""
    redirects: str = ""

    def next(self, part: str) -> dict[str, list[str]]:
        """Wait until it is asked for a path with this, and say with what form."""
        while True:
            path, form, _ = self.asked.get(timeout=PATIENCE)
            if part in path and "exiting" not in form:
                return form


@pytest.fixture(scope="module")
def back_end(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackEnd]:
    folder = tmp_path_factory.mktemp("back-end")
    authority = Authority.make(folder / "authority")
    certificate, key = authority.certificate(SERVER)
    made = BackEnd(authority.file, Authority.make(folder / "other").file)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            made.asked.put((self.path, form, self.headers.get("Authorization", "")))
            text = f'<document type="xml/freeswitch-httapi"><work>{made.says(self.path, form)}'
            content = f"{text}</work></document>".encode()
            if made.redirects:
                self.send_response(302)
                self.send_header("Location", made.redirects)
            else:
                self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    address = str(ipaddress.ip_address(lab.gateway))
    with ThreadingHTTPServer((address, PORT), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with socket.create_server((address, DEAF)):
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield made
            server.shutdown()


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab, back_end: BackEnd) -> Operator:
    made = operator_of(HOST)
    made.secrets.write_text(json.dumps({"back-end": PASSWORD}))
    made.secrets.chmod(0o600)
    served = SERVED
    for word, value in {
        "server": SERVER,
        "other_name": OTHER_NAME,
        "authority": back_end.authority,
        "other": back_end.other,
        "port": PORT,
        "deaf": DEAF,
        "down": DOWN,
        "user": USER,
    }.items():
        served = served.replace(f"{{{word}}}", str(value))
    site = SITE.replace("media=", served.strip())
    site = site.replace(
        "*Extension.range(1000, 1009, ring_seconds=5)",
        '*Extension.range(1000, 1009, ring_seconds=5, routes=["abroad"])',
    )
    made.describe(site)
    made.succeed()
    assert made.ssh(HOST, f"echo '{lab.gateway} {SERVER} {OTHER_NAME}' >>/etc/hosts") == ""
    return made


@pytest.fixture
def at(operator: Operator, exchange: Exchange) -> Callable[[str], Phone]:
    return lambda number: phone_of(operator, HOST, exchange, number)


def leads_otherwise(at: Callable[[str], Phone], number: str) -> None:
    """Let the call go on to 1002."""
    other = at("1002")
    call = at("1000").call(number)
    other.incoming().reject()
    call.wait_ended()


def is_refused(operator: Operator, why: str) -> None:
    """Wait until the journal tells why an answer was not used."""
    said = "journalctl --no-pager -o cat -u callcenter-http | grep http_applications"
    until_on(operator, HOST, f"{said} | grep -qF {shlex.quote(why)}")


def test_it_plays_takes_keys_and_sends_on(at: Callable[[str], Phone], back_end: BackEnd) -> None:
    def says(path: str, form: dict[str, list[str]]) -> str:
        if path.startswith("/next"):
            return "<dial>desk</dial>" if form.get("dialed_digits") == ["42"] else "<hangup/>"
        return (
            f'<playback file="{PROMPT}" action="next?step=2" digit-timeout="10000" '
            'input-timeout="60000"><bind strip="#">~\\d{2}#</bind></playback>'
        )

    back_end.says = says
    caller, callee = at("1000"), at("1001")
    call = caller.call("6500")
    call.wait_established()
    assert back_end.next("/start?of=survey")["Caller-Caller-ID-Number"] == ["1000"]
    assert_heard(call, PROMPT_HZ, 1)
    call.send_dtmf("42#")
    assert back_end.next("/next?step=2")["dialed_digits"] == ["42"]
    answered = callee.incoming().answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    still_talking(call, answered)
    call.hangup()


def test_a_notice_is_played_and_the_back_end_ends_the_call(
    at: Callable[[str], Phone], back_end: BackEnd
) -> None:
    back_end.says = lambda path, form: (
        f'<playback file="notice:closed"/><playback file="{PROMPT}"/>'
        '<hangup cause="CALL_REJECTED"/>'
    )
    call = at("1000").call("6500")
    call.wait_established()
    assert_heard(call, PROMPT_HZ, 1)
    assert call.wait_ended().by == "them"


def test_one_application_leads_to_another(at: Callable[[str], Phone], back_end: BackEnd) -> None:
    back_end.says = lambda path, form: (
        f'<playback file="{PROMPT}"/><hangup/>' if path == "/second" else "<dial>second</dial>"
    )
    call = at("1000").call("6500")
    back_end.next("/second")
    assert_heard(call, PROMPT_HZ, 1)
    call.wait_ended()


def test_login(at: Callable[[str], Phone], operator: Operator, back_end: BackEnd) -> None:
    back_end.says = lambda path, form: "<hangup/>"
    while not back_end.asked.empty():
        back_end.asked.get()
    at("1000").call("6500").wait_ended()
    _, _, login = back_end.asked.get(timeout=PATIENCE)
    assert login == "Basic c3dpdGNoOm9mLXRoZS1iYWNrLWVuZC00NzEx"
    seen = operator.ssh(HOST, f"ps axww; find {paths.RELEASES} -name '*.password' -printf '%m'")
    assert PASSWORD not in seen
    assert "640" in seen


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("6501", "certificate verify failed"),
        ("6502", "certificate verify failed: Hostname mismatch"),
        ("6503", "certificate verify failed"),
        ("6504", "timed out"),
        ("6505", "Connection refused"),
    ],
)
def test_who_does_not_prove_to_be_it_or_is_not_there(
    at: Callable[[str], Phone], operator: Operator, back_end: BackEnd, number: str, why: str
) -> None:
    back_end.says = lambda path, form: "<hangup/>"
    leads_otherwise(at, number)
    is_refused(operator, why)


def answers_bye(call: str, message: Message) -> bool:
    return message.sent and message.method == "BYE" and message.call_id == call


def test_without_otherwise_the_call_ends(at: Callable[[str], Phone]) -> None:
    """FreeSWITCH ends it right after its answer, and no phone hears of the end first."""
    phone = at("1000")
    begun: set[str] = set()
    for _ in range(100):
        phone.call("6506")
        call = phone.wait_message(lambda m: m.method == "INVITE" and m.call_id not in begun).call_id
        begun.add(call)
        assert phone.wait_message(partial(answers_bye, call)).status == 200


OWNED = "/var/lib/freeswitch/owned"
COMMAND = f"${{system(id>{OWNED})}}"
STOLEN = "<params><put_file>/etc/hostname</put_file></params>"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("<dial>1003</dial>", "<dial> to '1003', which is not in leads_to"),
        ('<dial context="default" dialplan="XML">0301234567</dial>', "context='default'"),
        ("<dial>sofia/gateway/carrier/0301234567</dial>", "which is not in leads_to"),
        (f'<execute application="system" data="touch {OWNED}"/>', "<execute> is not allowed"),
        ('<execute application="transfer" data="1003 XML default"/>', "<execute>"),
        (f'<playback file="{PROMPT}"><bind>~(a+)+</bind></playback>', "<bind> of '~(a+)+'"),
        (f'<playback file="{PROMPT}" action="http://192.0.2.1/"/>', "is on another server"),
        ('<playback file="/etc/freeswitch/x.wav"/>', "is no tone and no notice"),
        ('<playback file="https://other.test/x.wav"/>', "is no tone and no notice"),
        ('<playback file="notice:secret"/>', "is no tone and no notice"),
        ("<getVariable name='sip_auth_username'/>", "<getVariable> is not allowed"),
        ("<voicemail check='true' auth-only='false' id='1000'/>", "<voicemail> is not allowed"),
        ("<record file='a.wav'/>", "<record> is not allowed"),
        (f"</work>{STOLEN}<work>", "with <work> alone"),
        ("<!-- a -->", "declaration"),
        ("", "nothing in <work>"),
    ],
)
def test_what_it_may_not_do(
    at: Callable[[str], Phone], operator: Operator, back_end: BackEnd, answer: str, why: str
) -> None:
    back_end.says = lambda path, form: answer
    leads_otherwise(at, "6500")
    is_refused(operator, why)
    assert "No such file" in operator.ssh(HOST, f"ls {OWNED}")


def test_an_address_runs_nothing(
    at: Callable[[str], Phone], operator: Operator, back_end: BackEnd
) -> None:
    """mod_httapi expands addresses: what looks like a command must come back as it was."""
    back_end.says = lambda path, form: (
        f'<pause milliseconds="100" action="https://{SERVER}:{PORT}/{COMMAND}"/>'
        if path.startswith("/start")
        else "<hangup/>"
    )
    at("1000").call("6500").wait_ended()
    assert "No such file" in operator.ssh(HOST, f"ls {OWNED}")
    back_end.next(COMMAND)


def test_it_is_not_followed_elsewhere(
    at: Callable[[str], Phone], operator: Operator, back_end: BackEnd
) -> None:
    back_end.says = lambda path, form: "<hangup/>"
    back_end.redirects = f"https://{SERVER}:{PORT}/elsewhere"
    leads_otherwise(at, "6500")
    back_end.redirects = ""
    is_refused(operator, "302")


def test_a_change_costs_no_call(
    at: Callable[[str], Phone], operator: Operator, back_end: BackEnd
) -> None:
    back_end.says = lambda path, form: "<dial>desk</dial>"
    callee = at("1001")
    call = at("1000").call("6500")
    answered = callee.incoming().answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    site = operator.folder / "group_data" / "site.py"
    before = site.read_text()
    site.write_text(before.replace('"desk": extension(1001)', '"desk": extension(1003)'))
    operator.succeed()
    still_talking(call, answered)
    other = at("1003")
    second = at("1004").call("6500")
    other.incoming().reject()
    second.wait_ended()
    call.hangup()
    site.write_text(before)
    operator.succeed()


def test_a_redeploy_changes_nothing(operator: Operator) -> None:
    assert operator.succeed().changes == 0
