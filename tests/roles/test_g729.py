"""G.729 through the switch, which cannot speak it: what one side says the other has, unchanged."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.lab import Lab
from tests.roles.conftest import SITE, Operator
from tests.sipp import SIPP, wait_bound

HOST = "g729"
DOMAIN = "roles.callcenter.test"
CARRIER, PLAIN = 5066, 5067
CALLER, CALLEE = 5071, 5072
"""Ports of this machine."""
G729, PCMA, PCMU = 18, 8, 0
"""RFC 3551's payload types."""

DESCRIBED = (
    SITE.replace("max_calls=100", 'max_calls=100, codecs=["G729", "PCMU", "PCMA"]')
    .replace(
        "*Extension.range(1000, 1009, ring_seconds=5)",
        'Extension(1000, routes=["out", "plain"]), '
        "Extension(1001, no_answer=extension(1003)), "
        "Extension(1002, record=True), Extension(1003, record=True)",
    )
    .replace(
        "media=",
        f"""trunks=[
        Trunk("carrier", host="GATEWAY", port={CARRIER}, codecs=["PCMA", "G729"],
              ping_seconds=None, caller_id="+4930123400"),
        Trunk("plain", host="GATEWAY", port={PLAIN}, codecs=["PCMA"], ping_seconds=None,
              caller_id="+4930123400"),
    ],
    inbound=[Did("+4930123401", to=extension(1001), trunk="carrier")],
    outbound=[
        Route("out", pattern=r"^0[1-9]\\d{{5,10}}$", strip=1, prefix="+49", trunks=["carrier"]),
        Route("plain", pattern=r"^8\\d{{8}}$", strip=1, prefix="+49", trunks=["plain"]),
    ],
    outbound_limits=OutboundLimits(countries=["+49"]),
    media=""".replace("{{", "{").replace("}}", "}"),
        1,
    )
)

pytestmark = pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(DESCRIBED.replace("GATEWAY", lab.gateway))
    made.succeed()
    return made


_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio {port} RTP/AVP {codecs}
]]></send>
"""

_HEAD = """<send retrans="500"><![CDATA[
{method} sip:{to}@{domain} SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:{user}@{domain}>;tag=[call_number]
To: <sip:{to}@{domain}>
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <sip:{user}@[local_ip]:[local_port]>
{login}Max-Forwards: 70
"""

_ACK = """<send><![CDATA[
ACK sip:{to}@{domain} SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: {cseq} ACK
Content-Length: 0

]]></send>
"""

_REPLY = """<send{more}><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
"""

_EMPTY = "Content-Length: 0\n\n]]></send>\n"

_ENDS = '<recv request="BYE"/>\n<send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n'
_ENDS += "[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n" + _EMPTY


class Side:
    """One side of a call: what SIPp says for it, and the voice that a socket sends and takes."""

    def __init__(self, folder: Path, address: str, port: int) -> None:
        folder.mkdir()
        self.messages, self._scenario = folder / "messages.log", folder / "scenario.xml"
        self._address, self.port = address, port
        self.voice = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.voice.bind((address, 0))
        self.voice.settimeout(10)

    def sdp(self, *codecs: int) -> str:
        names = " ".join(map(str, codecs))
        return _SDP.format(port=self.voice.getsockname()[1], codecs=names)

    def start(self, scenario: str, *to: str) -> subprocess.Popen[bytes]:
        """Say it; a password is in no command line."""
        assert SIPP
        self._scenario.touch(0o600)
        self._scenario.write_text(
            '<?xml version="1.0" encoding="us-ascii"?>\n<scenario name="side">\n'
            f"{scenario}</scenario>\n"
        )
        return subprocess.Popen(
            [
                *(SIPP, "-sf", str(self._scenario), "-i", self._address, "-p", str(self.port)),
                *("-m", "1", "-timeout", "40", "-timeout_error", "-nostdin", "-trace_msg"),
                *("-message_file", str(self.messages), "-message_overwrite", "false", *to),
            ],
            cwd=self._scenario.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _heard(self) -> list[tuple[str, tuple[str, int], list[int]]]:
        """All that came with SDP: how it begins, where voice is wanted, the codecs."""
        text = self.messages.read_text().replace("\r", "") if self.messages.exists() else ""
        found = []
        for block in re.split(r"\n-{20,} ", text):
            head, _, message = block.partition("\n\n")
            sdp = re.search(r"c=IN IP4 (\S+)\n.*m=audio (\d+) RTP/AVP ([\d ]+)", message, re.DOTALL)
            if "message received" in head and sdp:
                codecs = [int(one) for one in sdp[3].split()]
                found.append((message, (sdp[1], int(sdp[2])), codecs))
        return found

    def told(self, begin: str) -> tuple[tuple[str, int], list[int]]:
        """Where the voice is wanted, and the codecs, once a message with SDP has come."""
        deadline = time.monotonic() + 20
        while not (found := [one for one in self._heard() if one[0].startswith(begin)]):
            assert time.monotonic() < deadline, self.messages.read_text()
            # SIPp writes down what it is told, and tells nobody.
            time.sleep(0.05)
        return found[-1][1:]

    def speaks(self, to: tuple[str, int], codec: int, data: bytes, count: int = 40) -> None:
        """Twenty milliseconds a packet."""
        for number in range(count):
            head = bytes([0x80, codec]) + number.to_bytes(2, "big")
            head += (number * 160).to_bytes(4, "big") + b"side"
            self.voice.sendto(head + data, to)
            time.sleep(0.02)

    def hears(self, codec: int) -> bytes:
        """The next voice of this codec."""
        while True:
            packet = self.voice.recv(2048)
            if packet[1] & 0x7F == codec:
                return packet[12:]


def side(port: int) -> Any:
    """A fixture: somebody at a port of this machine."""

    @pytest.fixture
    def made(lab: Lab, tmp_path: Path) -> Iterator[Side]:
        one = Side(tmp_path / str(port), lab.gateway, port)
        with one.voice:
            yield one

    return made


caller, callee, carrier, plain = map(side, (CALLER, CALLEE, CARRIER, PLAIN))


@contextmanager
def answering(side: Side, codec: int, *, early: bool = False) -> Iterator[None]:
    """Whoever is called answers with one codec, and says so before if wanted."""
    text = '<recv request="INVITE"/>\n'
    if early:
        text += _REPLY.format(status="183 Session Progress", more="") + side.sdp(codec)
    else:
        text += _REPLY.format(status="180 Ringing", more="") + _EMPTY
    text += _REPLY.format(status="200 OK", more=' retrans="500"') + side.sdp(codec)
    process = side.start(text + '<recv request="ACK"/>\n' + _ENDS)
    wait_bound(process, side.port)
    try:
        yield
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


@contextmanager
def calling(
    operator: Operator, side: Side, to: str, *codecs: int, user: str = ""
) -> Iterator[None]:
    """Somebody calls a number, offers these codecs, and has an answer: an extension, or a carrier
    whom the switch knows by its address. The switch ends the call."""
    switch = next(one.address for one in operator.lab.hosts if one.name == HOST)
    common = {"to": to, "domain": DOMAIN, "user": user or "+49405550000"}
    text = _HEAD.format(method="INVITE", cseq=1, login="", **common) + side.sdp(*codecs)
    text += '<recv response="100" optional="true"/>\n'
    if user:
        password = json.loads(operator.secrets.read_text())[f"extension/{user}"]
        login = f"[authentication username={user} password={password}]\n"
        text += '<recv response="407" auth="true"/>\n' + _ACK.format(cseq=1, **common)
        text += _HEAD.format(method="INVITE", cseq=2, login=login, **common) + side.sdp(*codecs)
        text += '<recv response="100" optional="true"/>\n'
    text += '<recv response="180" optional="true"/>\n<recv response="183" optional="true"/>\n'
    text += '<recv response="200"/>\n' + _ACK.format(cseq=2 if user else 1, **common) + _ENDS
    process = side.start(text, f"{switch}:{5060 if user else 5080}")
    try:
        try:
            yield
        finally:
            operator.ssh(HOST, "fs_cli -x 'hupall normal_clearing'")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def registered(operator: Operator, side: Side, user: str) -> None:
    """An extension's phone registers, and will be called at the side's port."""
    switch = next(one.address for one in operator.lab.hosts if one.name == HOST)
    password = json.loads(operator.secrets.read_text())[f"extension/{user}"]
    common = {"to": user, "domain": DOMAIN, "user": user, "method": "REGISTER"}
    login = f"[authentication username={user} password={password}]\n"
    text = _HEAD.format(cseq=1, login="Expires: 300\n", **common) + _EMPTY
    text += '<recv response="401" auth="true"/>\n'
    text += _HEAD.format(cseq=2, login=login + "Expires: 300\n", **common) + _EMPTY
    text += '<recv response="200"/>\n'
    assert side.start(text, f"{switch}:5060").wait(20) == 0


def offered(side: Side) -> list[int]:
    """The codecs of a call to this side; telephone events and silence are none."""
    return [one for one in side.told("INVITE")[1] if one in (G729, PCMA, PCMU)]


def spoken(side: Side) -> list[int]:
    """What a caller has in the answer."""
    return [one for one in side.told("SIP/2.0 200")[1] if one in (G729, PCMA, PCMU)]


def pass_through(one: Side, other: Side) -> None:
    """What each says the other hears, byte by byte."""
    voices = {one: bytes(range(20)), other: bytes(range(100, 120))}
    to_one, _ = one.told("SIP/2.0 200")
    to_other, _ = other.told("INVITE")
    for side, to, hearer in ((one, to_one, other), (other, to_other, one)):
        # The switch sends where voice comes from, so both have spoken before one is listened to.
        one.speaks(to_one, G729, voices[one], 5)
        other.speaks(to_other, G729, voices[other], 5)
        side.speaks(to, G729, voices[side])
        assert hearer.hears(G729) == voices[side]


@pytest.mark.parametrize("early", [False, True], ids=["answered", "early-media"])
def test_a_carriers_codec_is_the_phones(
    operator: Operator, caller: Side, carrier: Side, early: bool
) -> None:
    with (
        answering(carrier, G729, early=early),
        calling(operator, caller, "0405551234", PCMA, G729, user="1000"),
    ):
        assert spoken(caller) == [G729]
        # In the trunk's order.
        assert offered(carrier) == [PCMA, G729]
        pass_through(caller, carrier)


def test_a_phone_without_it_is_no_reason_to_offer_it(
    operator: Operator, caller: Side, carrier: Side
) -> None:
    with answering(carrier, PCMA), calling(operator, caller, "0405551234", PCMU, user="1000"):
        assert spoken(caller) == [PCMU]
        assert offered(carrier) == [PCMA]


def test_a_carrier_that_answers_in_another(operator: Operator, caller: Side, carrier: Side) -> None:
    with (
        answering(carrier, PCMA),
        calling(operator, caller, "0405551234", G729, PCMU, user="1000"),
    ):
        assert offered(carrier) == [PCMA, G729]
        # What the switch makes of it, since it cannot make the other.
        assert spoken(caller) == [PCMU]


def test_a_trunk_that_does_not_name_it(operator: Operator, caller: Side, plain: Side) -> None:
    with (
        answering(plain, PCMA),
        calling(operator, caller, "840555123", G729, PCMU, user="1000"),
    ):
        assert offered(plain) == [PCMA]
        assert spoken(caller) == [PCMU]


def test_two_phones(operator: Operator, caller: Side, callee: Side) -> None:
    registered(operator, callee, "1001")
    with answering(callee, G729), calling(operator, caller, "1001", PCMA, G729, user="1000"):
        assert offered(callee) == [G729, PCMU, PCMA]
        assert spoken(caller) == [G729]
        pass_through(caller, callee)


def test_a_call_from_the_carrier(operator: Operator, carrier: Side, callee: Side) -> None:
    registered(operator, callee, "1001")
    with answering(callee, G729), calling(operator, carrier, "+4930123401", G729, PCMA):
        assert spoken(carrier) == [G729]
        pass_through(carrier, callee)


def test_who_is_recorded_is_understood(operator: Operator, caller: Side, callee: Side) -> None:
    registered(operator, callee, "1002")
    with answering(callee, PCMA), calling(operator, caller, "1002", G729, PCMA, user="1000"):
        assert G729 not in offered(callee)
        assert spoken(caller) == [PCMA]


def test_a_call_that_leads_on_to_who_is_recorded(
    operator: Operator, caller: Side, callee: Side
) -> None:
    registered(operator, callee, "1003")
    # 1001's phone is not there any more.
    operator.ssh(HOST, f"fs_cli -x 'sofia profile internal flush_inbound_reg 1001@{DOMAIN}'")
    with answering(callee, PCMA), calling(operator, caller, "1001", G729, PCMA, user="1000"):
        assert G729 not in offered(callee)
        assert spoken(caller) == [PCMA]


def test_the_switch_answers_in_what_it_speaks(operator: Operator, caller: Side) -> None:
    with calling(operator, caller, "9196", G729, PCMA, user="1000"):
        assert spoken(caller) == [PCMA]
