"""FreeSWITCH itself is attacked: by whoever has one phone's password, and by a carrier.

Each test says what an intruder would gain. All the while the process lives, and at the end of each
an ordinary call is still possible.
"""

from __future__ import annotations

import json
import re
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard, assert_speech
from tests.acceptance.support.phones import Call, CallFailed, Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.attack import vanilla
from tests.attack.sip import Account, Message, Peer, render, sdp
from tests.roles.conftest import Operator
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    phone_of,
    until,
)

HOST = "attacked1"
DOMAIN = "roles.callcenter.test"
CARRIER = 5066
"""The port of this machine at which the carrier is."""
OWNED = "/run/freeswitch/owned"
"""File that an intruder's shell would leave behind."""
SHELL = f"${{system(touch {OWNED})}}"
PIN, BOX_PIN = "739164", "482917"
CALLS = 5
"""Number of calls that one extension may make at a time."""

SITE = f"""
from callcenter.site import *
from callcenter.site.secrets import Secret

site = Site(
    domain="{DOMAIN}",
    extensions=[
        Extension(1000, name="Boss", ring_seconds=20, routes=["out"], caller_id="+4930123401"),
        Extension(1001, ring_seconds=20, routes=["out"], caller_id="+4930123402"),
        *Extension.range(1002, 1005, ring_seconds=20, emergency_caller_id="+4930123400"),
        Extension(1006, emergency_caller_id="+4930123400",
                  voicemail=Mailbox(pin=Secret(literal="{BOX_PIN}"))),
    ],
    network=Network(edge=False, sip_from=["10.0.0.0/8"]),
    firewall=Firewall(ssh_from="anywhere"),
    media=Media(max_calls=100, calls_per_extension={CALLS}),
    features=FeatureCodes(do_not_disturb="*78", do_not_disturb_off="*79"),
    conferences=[Conference("weekly", number=3000, pin=Secret(literal="{PIN}"))],
    trunks=[Trunk("carrier", host="GATEWAY", port={CARRIER}, channels=20, ping_seconds=None)],
    inbound=[Did("+4930123400", to=extension(1002))],
    outbound=[Route("out", pattern=r"^0[1-9]\\d{{5,10}}$", strip=1, prefix="+49",
                    trunks=["carrier"])],
    outbound_limits=OutboundLimits(countries=["+49"], calls=10, calls_per_hour=1000),
    emergency=[Emergency("112", trunks=["carrier"])],
    maintenance=Maintenance(live_calls="stop"),
    secret_file="{{secrets}}",
)
"""


@pytest.fixture(scope="module")
def operator(
    operator_of: Callable[..., Operator], lab: Lab, request: pytest.FixtureRequest
) -> Operator:
    made = operator_of(HOST)
    if request.config.getoption("--vanilla"):
        vanilla.configure(made, lab, HOST, DOMAIN, f"{lab.gateway}:{CARRIER}", PIN, BOX_PIN)
        return made
    made.describe(SITE.replace("GATEWAY", lab.gateway))
    made.succeed()
    return made


@pytest.fixture
def announcements(request: pytest.FixtureRequest) -> None:
    """Skip where the switch has no words, by which a test knows how far a call is."""
    if request.config.getoption("--vanilla"):
        pytest.skip("vanilla says nothing without its packages of sounds, which the lab has not")


@pytest.fixture
def switch(operator: Operator) -> str:
    """The address of the switch."""
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


@pytest.fixture(autouse=True)
def alive(operator: Operator) -> Iterator[None]:
    """The process is the same afterwards, no shell has run, and no call is left behind."""
    before = operator.ssh(HOST, f"rm -f {OWNED}; pgrep -x freeswitch")
    yield
    assert operator.ssh(HOST, "pgrep -x freeswitch") == before
    assert operator.ssh(HOST, f"ls {OWNED} 2>/dev/null") == "", "a shell has run"
    operator.ssh(HOST, "fs_cli -x 'hupall normal_clearing'")


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """Honest phones beside the host."""
    with Exchange(lab.gateway) as made:
        yield made


def account(operator: Operator, number: str) -> Account:
    """Return the account that a thief of one phone knows."""
    secrets = json.loads(operator.secrets.read_text())
    return Account(number, DOMAIN, secrets[f"extension/{number}"])


@dataclass
class Dialog:
    """An intruder's side of a call that was answered."""

    peer: Peer
    ours: str
    """URI and tag of its own, as From or To has them."""
    theirs: str
    call_id: str
    target: str
    """The other side's Contact."""
    cseq: int = 100
    answer: Message | None = field(default=None)

    def ask(self, method: str, *more: tuple[str, str], body: bytes = b"") -> Message | None:
        """Return a request within the call, and its final answer."""
        self.cseq += 1
        named = self.peer.headers(method)
        own = {"From": self.ours, "To": self.theirs, "Call-ID": self.call_id}
        named |= own | {"CSeq": f"{self.cseq} {method}"}
        return self.peer.ask(
            render(f"{method} {self.target} SIP/2.0", [*named.items(), *more], body)
        )

    def refer(self, to: str) -> Message | None:
        """Send the other side elsewhere."""
        return self.ask("REFER", ("Refer-To", f"<{to}>"))


def uri_of(header: str) -> str:
    found = re.search(r"<([^>]+)>", header)
    assert found, header
    return found[1]


@contextmanager
def registered(operator: Operator, lab: Lab, switch: str, number: str) -> Iterator[Peer]:
    """Give a phone that says what it likes."""
    with Peer(lab.gateway, (switch, 5060)) as peer:
        done = peer.login("REGISTER", f"sip:{DOMAIN}", account(operator, number), timeout=PATIENCE)
        assert done is not None
        assert done.status == 200
        try:
            yield peer
        finally:
            # Five have room; the next test's would be refused.
            gone = [("Expires", "0")]
            peer.login("REGISTER", f"sip:{DOMAIN}", account(operator, number), extra=gone)


def invited(peer: Peer, timeout: float = PATIENCE) -> Message:
    """Return the next INVITE to a phone, which is told that it rings."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        message = peer.receive(deadline - time.monotonic())
        if message is not None and message.status is None:
            if message.method == "INVITE":
                peer.reply(message, "180 Ringing", tag="stolen")
                return message
            peer.reply(message, "200 OK")
    raise AssertionError("no INVITE came")


def silence(peer: Peer, timeout: float = 3) -> None:
    """Make sure that nobody is called here."""
    for message in peer.messages(timeout):
        assert message.method != "INVITE", message.text


def answered(peer: Peer, invite: Message, port: int = 45000) -> Dialog:
    """Answer a call."""
    contact = ("Contact", f"<sip:phone@{peer.contact}>")
    kind = ("Content-Type", "application/sdp")
    peer.reply(
        invite, "200 OK", tag="stolen", headers=[contact, kind], body=sdp(peer.address, port)
    )
    while (message := peer.receive()) is not None and message.method != "ACK":
        pass
    assert message is not None
    return Dialog(
        peer,
        invite.header("to") + ";tag=stolen",
        invite.header("from"),
        invite.header("call-id"),
        uri_of(invite.header("contact")),
    )


def call(
    peer: Peer,
    who: Account,
    to: str,
    *extra: tuple[str, str],
    timeout: float = 10,
    challenge: float | None = None,
    body: bytes | None = None,
) -> Message | None:
    """Return the final answer to an extension's INVITE."""
    return peer.login(
        "INVITE",
        f"sip:{to}@{DOMAIN}",
        who,
        to=to,
        body=sdp(peer.address) if body is None else body,
        content_type="application/sdp",
        extra=extra,
        timeout=timeout,
        challenge=challenge,
    )


def refused(call: Call) -> int | None:
    with pytest.raises(CallFailed) as why:
        call.wait_established()
    return why.value.code


def talk(one: Call, other: Call) -> None:
    one.wait_established()
    one.play(CALLER_HZ)
    other.play(CALLEE_HZ)
    assert_heard(one, CALLEE_HZ, 1)
    assert_heard(other, CALLER_HZ, 1)


@pytest.mark.parametrize("where", ["the request's URI", "To"])
def test_a_message_is_no_command(operator: Operator, lab: Lab, switch: str, where: str) -> None:
    """Gains a shell, and reads its output, with one phone's password."""
    user = f"api+system%20touch%20{OWNED}"
    in_uri = where != "To"
    with registered(operator, lab, switch, "1003") as peer:
        peer.login(
            "MESSAGE",
            f"sip:{user if in_uri else '1003'}@{DOMAIN}",
            account(operator, "1003"),
            to="1003" if in_uri else user,
            body=b"x",
            content_type="text/plain",
            timeout=2,
            challenge=PATIENCE,
        )
        for message in peer.messages(2):
            assert message.method != "MESSAGE", message.text


@pytest.mark.parametrize(
    "target", [f"sip:{SHELL}@{DOMAIN}", f"sip:0309999999@{DOMAIN}", "sip:x@ELSEWHERE"]
)
@pytest.mark.parametrize("who", ["a phone", "a carrier"])
def test_a_redirect_leads_nowhere(
    operator: Operator, lab: Lab, switch: str, exchange: Exchange, who: str, target: str
) -> None:
    """Gains a shell, or a call that nobody counts, to anybody, for whoever is called."""
    caller = phone_of(operator, HOST, exchange, "1000")
    carrier = Peer(lab.gateway, (switch, 5080), port=CARRIER)
    with (
        carrier,
        registered(operator, lab, switch, "1003") as phone,
        Peer(lab.gateway, (switch, 5060)) as elsewhere,
    ):
        peer, number = (carrier, "0301234567") if who == "a carrier" else (phone, "1003")
        outgoing = caller.call(number)
        to = target.replace("ELSEWHERE", elsewhere.contact)
        invite = invited(peer)
        peer.reply(invite, "302 Moved Temporarily", tag="stolen", headers=[("Contact", f"<{to}>")])
        # First, since a mailbox may answer where nobody else does.
        silence(elsewhere, 1)
        silence(carrier, 1)
        refused(outgoing)


@pytest.mark.parametrize(
    "target", [f"sip:{SHELL}@{DOMAIN}", f"sip:{SHELL}@{DOMAIN};x=${{y}}", f"sip:a@{DOMAIN}"]
)
def test_a_transfer_is_to_a_number(
    operator: Operator, lab: Lab, switch: str, exchange: Exchange, target: str
) -> None:
    """Gains a shell, for whoever is called."""
    caller = phone_of(operator, HOST, exchange, "1000")
    with registered(operator, lab, switch, "1003") as phone:
        outgoing = caller.call("1003")
        dialog = answered(phone, invited(phone))
        outgoing.wait_established()
        dialog.refer(target)
        assert outgoing.wait_ended().by == "them"


@pytest.mark.parametrize("more", ["", ";x=${y}"])
def test_who_is_called_spends_nothing_of_the_callers(
    operator: Operator, lab: Lab, switch: str, exchange: Exchange, more: str
) -> None:
    """Gains calls outside with the caller's permission, limits and money."""
    caller = phone_of(operator, HOST, exchange, "1000")
    carrier = Peer(lab.gateway, (switch, 5080), port=CARRIER)
    with carrier, registered(operator, lab, switch, "1003") as phone:
        outgoing = caller.call("1003")
        dialog = answered(phone, invited(phone))
        outgoing.wait_established()
        dialog.refer(f"sip:0301234567@{DOMAIN}{more}")
        silence(carrier)


@pytest.mark.parametrize(("caller", "by"), [("1003", "1001"), ("1001", "1003")])
def test_who_may_call_outside_may_send_calls_there(
    operator: Operator, lab: Lab, caller: str, by: str
) -> None:
    """An extension that may call outside transfers calls there, as the callee and as the caller."""
    # The carrier is one of the phones.
    with Exchange(lab.gateway, port=CARRIER) as exchange:
        far = exchange.phone("+49301234567")
        first = phone_of(operator, HOST, exchange, caller)
        second = phone_of(operator, HOST, exchange, by)
        out = first.call(by)
        back = second.incoming().answer()
        talk(out, back)
        sends, stays = (back, out) if by == "1001" else (out, back)
        stays.forget()
        sends.transfer("0301234567")
        taken = far.incoming().answer()
        assert "+4930123402" in taken.number
        talk(stays, taken)


@pytest.mark.parametrize(
    "dialled", ["0301234567%0A", "0301234567%0Ax", f"0301234567{SHELL}", "%0A1002", "0301234567,1"]
)
def test_what_is_dialled_is_a_number(
    operator: Operator, lab: Lab, switch: str, dialled: str
) -> None:
    """Gains a call that is not paid, or not counted."""
    carrier = Peer(lab.gateway, (switch, 5080), port=CARRIER)
    with carrier, Peer(lab.gateway, (switch, 5060)) as peer:
        done = call(peer, account(operator, "1000"), dialled)
        assert done is None or (done.status or 0) >= 400
        silence(carrier, 1)


@pytest.mark.parametrize("suite", ["AES_CM_128_NULL_AUTH", "AES_CM_128_HMAC_SHA1_32"])
def test_no_voice_is_taken_with_less_authentication(
    operator: Operator, lab: Lab, switch: str, suite: str
) -> None:
    """Gains words of its own in others' encrypted voice."""
    with Peer(lab.gateway, (switch, 5060)) as peer:
        offer = sdp(peer.address).replace(b"RTP/AVP", b"RTP/SAVP")
        key = b64encode(bytes(range(30))).decode()

        def voice(suite: str) -> bytes:
            body = offer + f"a=crypto:1 {suite} inline:{key}\r\n".encode()
            done = call(peer, account(operator, "1000"), "9196", body=body)
            assert done is not None
            return done.body.partition(b"m=audio ")[2]

        # A port of 0: none.
        assert voice(suite).startswith(b"0 ")
        assert b"a=crypto:1 AES_CM_128_HMAC_SHA1_80" in voice("AES_CM_128_HMAC_SHA1_80")


@pytest.mark.parametrize(
    ("method", "event"), [("PUBLISH", "presence"), ("SUBSCRIBE", "dialog"), ("REGISTER", "")]
)
def test_a_carrier_ends_nothing(lab: Lab, switch: str, method: str, event: str) -> None:
    """Gains silence, for whoever writes a carrier's address on its packets: elements within
    elements are not parsed, and nobody watches or registers there."""
    carrier = Peer(lab.gateway, (switch, 5080), port=CARRIER)
    with carrier:
        done = carrier.ask(
            carrier.request(
                *(method, f"sip:1000@{DOMAIN}"),
                body=b"<a>" * 3000 + b"</a>" * 3000,
                content_type="application/pidf+xml",
                extra=[("Event", event), ("Expires", "60")] if event else [("Expires", "60")],
            )
        )
    assert done is not None
    assert done.status in (403, 405, 501), done.text


def test_headers_stay_where_they_were_written(operator: Operator, lab: Lab, switch: str) -> None:
    """Gains a false identity at the carrier, or at a phone inside."""
    forged = [
        ("X-Evil", "1"),
        ("P-Evil", "1"),
        ("P-Charging-Vector", "icid-value=1"),
        ("Diversion", "<sip:+4930999@evil>"),
        ("User-to-User", "00"),
        ("History-Info", "<sip:+4930999@evil>;index=1"),
        ("Identity", "evil"),
    ]
    carrier = Peer(lab.gateway, (switch, 5080), port=CARRIER)
    with (
        carrier,
        registered(operator, lab, switch, "1003") as phone,
        Peer(lab.gateway, (switch, 5060)) as peer,
    ):
        for called, number in ((carrier, "0301234567"), (phone, "1003")):
            call(peer, account(operator, "1000"), number, *forged, timeout=0.5, challenge=PATIENCE)
            invite = invited(called)
            seen = {name for name, _ in invite.headers} & {name.lower() for name, _ in forged}
            assert not seen, invite.text
            called.reply(invite, "486 Busy Here", tag="stolen")


def from_outside(lab: Lab, switch: str, caller: str, *extra: tuple[str, str]) -> None:
    """Make a carrier's call to the DID of 1002, which nobody waits for."""
    with Peer(lab.gateway, (switch, 5080), port=CARRIER) as carrier:
        asked = carrier.request(
            "INVITE",
            f"sip:+4930123400@{switch}:5080",
            body=sdp(lab.gateway),
            content_type="application/sdp",
            changed={"From": f"{caller};tag=outside"},
            extra=extra,
        )
        carrier.ask(asked, timeout=1)


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        ('"Boss" <sip:1000@evil>', "anonymous"),
        ('"Boss" <sip:+431234567@evil>', "+431234567"),
        ("<sip:+431234567%0AX-Evil:1@evil>", "anonymous"),
        (f"<sip:{SHELL}@evil>", "anonymous"),
    ],
)
@pytest.mark.parametrize("by", ["From", "P-Asserted-Identity", "Remote-Party-ID"])
def test_nobody_outside_looks_like_somebody_inside(
    operator: Operator, lab: Lab, switch: str, caller: str, shown: str, by: str
) -> None:
    """Gains the trust of whoever reads a name on a phone."""
    with registered(operator, lab, switch, "1002") as phone:
        extra = () if by == "From" else ((by, caller),)
        from_outside(lab, switch, caller if by == "From" else "<sip:+4312@evil>", *extra)
        invite = invited(phone)
        told = " ".join(
            invite.header(name) for name in ("from", "p-asserted-identity", "remote-party-id")
        )
        assert "Boss" not in told
        assert "1000" not in told
        assert re.search(rf"[\":]{re.escape(shown)}[\"@]", told), told
        assert "x-evil" not in invite.text.lower()
        phone.reply(invite, "486 Busy Here", tag="stolen")


def test_a_phone_is_who_has_proved_to_be_it(operator: Operator, lab: Lab, switch: str) -> None:
    """Gains the trust of whoever reads a number on a phone."""
    with (
        registered(operator, lab, switch, "1002") as phone,
        Peer(lab.gateway, (switch, 5060)) as peer,
    ):
        forged = {"From": f'"Boss" <sip:1000@{DOMAIN}>;tag=forged'}
        peer.login(
            "INVITE",
            f"sip:1002@{DOMAIN}",
            account(operator, "1003"),
            body=sdp(lab.gateway),
            content_type="application/sdp",
            changed=forged,
            extra=[("P-Asserted-Identity", f'"Boss" <sip:1000@{DOMAIN}>')],
            timeout=1,
            challenge=PATIENCE,
        )
        invite = invited(phone)
        assert "1003" in invite.header("from")
        assert "Boss" not in invite.text
        phone.reply(invite, "486 Busy Here", tag="stolen")


def test_one_phone_does_not_take_all_lines(
    operator: Operator, lab: Lab, switch: str, exchange: Exchange
) -> None:
    """Gains the silence of everybody else's phones."""
    thief = account(operator, "1003")
    peers = [Peer(lab.gateway, (switch, 5060)) for _ in range(3 * CALLS)]
    with registered(operator, lab, switch, "1004"):
        try:
            for peer in peers[:CALLS]:
                assert call(peer, thief, "1004", timeout=0.6, challenge=PATIENCE) is None
            for peer in peers[CALLS:]:
                refusal = call(peer, thief, "1004", timeout=PATIENCE)
                assert refusal is not None
                assert refusal.status == 403
            # A refused call is a channel for a moment more.
            until(
                lambda: operator.ssh(HOST, "fs_cli -x 'show channels count'"),
                lambda said: int(re.findall(r"(\d+) total", said)[0]) <= 2 * CALLS,
            )
            # The others call, and who is in need calls from that phone, too.
            caller, callee = (phone_of(operator, HOST, exchange, n) for n in ("1000", "1001"))
            out = caller.call("1001")
            talk(out, callee.incoming().answer())
            with Peer(lab.gateway, (switch, 5080), port=CARRIER) as carrier:
                call(peers[-1], thief, "112", timeout=0.5, challenge=PATIENCE)
                carrier.reply(invited(carrier), "486 Busy Here", tag="help")
        finally:
            for peer in peers:
                peer.close()


@pytest.mark.usefixtures("announcements")
def test_pins_of_a_conference_are_not_guessed(operator: Operator, exchange: Exchange) -> None:
    """Gains a seat in a meeting: today's three attempts a call are as many as one likes."""
    phone = phone_of(operator, HOST, exchange, "1003")
    for _ in range(4):
        guess = phone.call("3000")
        guess.wait_established()
        for _ in range(3):
            guess.forget()
            assert_speech(guess, seconds=0.3)
            guess.send_dtmf("000000#")
        assert guess.wait_ended().by == "them"
    late = phone.call("3000")
    late.wait_established()
    late.send_dtmf(f"{PIN}#")
    assert late.wait_ended().by == "them"
    assert "total. 0" in operator.ssh(HOST, "fs_cli -x 'conference list'") or "No active" in (
        operator.ssh(HOST, "fs_cli -x 'conference list'")
    )


@pytest.mark.usefixtures("announcements")
def test_pins_of_a_mailbox_are_not_guessed(operator: Operator, exchange: Exchange) -> None:
    """Gains other people's messages; the owner is not kept out by it."""
    phone = phone_of(operator, HOST, exchange, "1003")
    for _ in range(4):
        guess = phone.call("*98")
        guess.wait_established()
        guess.send_dtmf("1006#")
        guess.send_dtmf("000000#")
        guess.hangup()
    late = phone.call("*98")
    late.wait_established()
    late.send_dtmf("1006#")
    assert late.wait_ended().by == "them"
    owner = phone_of(operator, HOST, exchange, "1006")
    own = owner.call("*97")
    own.wait_established()
    own.send_dtmf(f"{BOX_PIN}#")
    own.forget()
    assert_speech(own, seconds=1)
    assert not own.ended


def test_a_call_is_not_taken_over(
    operator: Operator, lab: Lab, switch: str, exchange: Exchange
) -> None:
    """Gains a call of two others, by what a lamp is told of it."""
    caller, callee = (phone_of(operator, HOST, exchange, n) for n in ("1000", "1001"))
    out = caller.call("1001")
    answer = callee.incoming().answer()
    talk(out, answer)
    listed = operator.ssh(HOST, "fs_cli -x 'show channels'").splitlines()
    for uuid in [line.split(",")[0] for line in listed if "sofia/internal" in line]:
        with Peer(lab.gateway, (switch, 5060)) as peer:
            replaces = ("Replaces", f"{uuid};to-tag=a;from-tag=b")
            call(peer, account(operator, "1003"), "1001", replaces, timeout=2)
    for side, tone in ((out, CALLEE_HZ), (answer, CALLER_HZ)):
        assert not side.ended
        side.forget()
        assert_heard(side, tone, 1)


def test_a_strangers_voice_is_not_believed(operator: Operator, lab: Lab, switch: str) -> None:
    """Gains the ear and the voice of a call, by sending RTP before the phone does."""
    packet = b"\x80\x00" + bytes(10) + b"\x11" * 160

    def speaks(voice: socket.socket, to: tuple[str, int], count: int) -> bool:
        """Tell whether the echo of what was sent comes back."""
        voice.settimeout(0.02)
        for number in range(count):
            head = b"\x80\x00" + number.to_bytes(2, "big") + (number * 160).to_bytes(4, "big")
            voice.sendto(head + b"side" + packet[12:], to)
            try:
                voice.recv(2048)
            except TimeoutError:
                continue
            return True
        return False

    with (
        Peer(lab.gateway, (switch, 5060)) as peer,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        own.bind((lab.gateway, 0))
        stranger.bind((lab.gateway, 0))
        done = peer.login(
            "INVITE",
            f"sip:9196@{DOMAIN}",
            account(operator, "1003"),
            to="9196",
            body=sdp(lab.gateway, own.getsockname()[1]),
            content_type="application/sdp",
            timeout=PATIENCE,
        )
        assert done is not None
        assert done.status == 200
        peer.acknowledge(done, uri_of(done.header("contact")), branch=False)
        port = re.search(rb"m=audio (\d+)", done.body)
        assert port
        to = (switch, int(port[1]))
        assert not speaks(stranger, to, 60), "a stranger hears the call"
        assert speaks(own, to, 100), "the phone hears nothing"


def test_an_ordinary_call_is_still_possible(operator: Operator, exchange: Exchange) -> None:
    caller, callee = (phone_of(operator, HOST, exchange, n) for n in ("1000", "1001"))
    out = caller.call("1001")
    talk(out, callee.incoming().answer())
