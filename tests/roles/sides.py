"""Both sides of a call as SIPp says them, and voice that is sent and heard byte by byte."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.lab import Lab
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.attack.sip import Account, Peer, sdp
from tests.roles.conftest import EDGE, Operator
from tests.sipp import AT_MOST, SIPP, wait_bound

__all__ = [
    "DOMAIN",
    "Side",
    "answering",
    "calling",
    "in_turn",
    "pass_through",
    "refusing",
    "registered",
    "side",
]

DOMAIN = "roles.callcenter.test"

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
{method} sip:{uri} SIP/2.0
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
[last_Record-Route:]
Contact: <sip:[local_ip]:[local_port]>
"""

_ESTABLISHED = """<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
[routes]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: {cseq} ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
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
        self.voice.settimeout(PATIENCE)

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
                *(
                    "-m",
                    "1",
                    "-timeout",
                    f"{AT_MOST}",
                    "-timeout_error",
                    "-nostdin",
                    "-trace_msg",
                ),
                *("-message_file", str(self.messages), "-message_overwrite", "false", *to),
            ],
            cwd=self._scenario.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _heard(self) -> list[tuple[str, tuple[str, int], list[int]]]:
        """Return all that came with SDP: how it begins, where voice is wanted, the codecs."""
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
        """Return where the voice is wanted, and the codecs, once a message with SDP has come."""
        # SIPp writes down what it is told, and tells nobody.
        eventually(
            self._heard,
            lambda heard: any(one[0].startswith(begin) for one in heard),
            f"{begin} with SDP at port {self.port}",
        )
        return [one for one in self._heard() if one[0].startswith(begin)][-1][1:]

    def speaks(self, to: tuple[str, int], codec: int, data: bytes, count: int = 40) -> None:
        """Twenty milliseconds a packet."""
        for number in range(count):
            head = bytes([0x80, codec]) + number.to_bytes(2, "big")
            head += (number * 160).to_bytes(4, "big") + b"side"
            self.voice.sendto(head + data, to)
            time.sleep(0.02)

    def hears(self, codec: int) -> bytes:
        """Return the next voice of this codec."""
        while True:
            packet = self.voice.recv(2048)
            if packet[1] & 0x7F == codec:
                return packet[12:]


def side(port: int) -> Any:
    """Return a fixture: somebody at a port of this machine."""

    @pytest.fixture
    def made(lab: Lab, tmp_path: Path) -> Iterator[Side]:
        one = Side(tmp_path / str(port), lab.gateway, port)
        with one.voice:
            yield one

    return made


@contextmanager
def answering(side: Side, codec: int, *, early: bool = False, announces: int = 0) -> Iterator[None]:
    """Answer as whoever is called, with one codec, and says so before if wanted, by so many
    milliseconds."""
    text = '<recv request="INVITE"/>\n'
    if early:
        text += _REPLY.format(status="183 Session Progress", more="") + side.sdp(codec)
        text += f'<pause milliseconds="{announces}"/>\n' if announces else ""
    else:
        text += _REPLY.format(status="180 Ringing", more="") + _EMPTY
    text += _REPLY.format(status="200 OK", more=' retrans="500"') + side.sdp(codec)
    process = side.start(text + '<recv request="ACK"/>\n' + _ENDS)
    wait_bound(process, side.port)
    try:
        yield
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


@contextmanager
def refusing(side: Side, codec: int) -> Iterator[None]:
    """Say something for half a second as whoever is called, and be busy."""
    text = '<recv request="INVITE"/>\n'
    text += _REPLY.format(status="183 Session Progress", more="") + side.sdp(codec)
    text += '<pause milliseconds="500"/>\n'
    text += _REPLY.format(status="486 Busy Here", more=' retrans="500"') + _EMPTY
    process = side.start(text + '<recv request="ACK"/>\n')
    wait_bound(process, side.port)
    try:
        yield
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


@contextmanager
def calling(
    operator: Operator,
    side: Side,
    to: str,
    *codecs: int,
    user: str = "",
    caller: str = "+49405550000",
    headers: str = "",
) -> Iterator[None]:
    """Give somebody calls a number, offers these codecs, and has an answer: an extension, or a
    carrier
    whom the switch knows by its address, with headers of its own. The switch ends the call."""
    switch = next(one.address for one in operator.lab.hosts if one.name == operator.hosts[0])
    common = {"to": to, "domain": DOMAIN, "user": user or caller, "uri": f"{to}@{DOMAIN}"}
    text = _HEAD.format(method="INVITE", cseq=1, login=headers, **common) + side.sdp(*codecs)
    text += '<recv response="100" optional="true"/>\n'
    if user:
        password = json.loads(operator.secrets.read_text())[f"extension/{user}"]
        login = f"[authentication username={user} password={password}]\n"
        text += '<recv response="407" auth="true"/>\n' + _ACK.format(cseq=1, **common)
        text += _HEAD.format(method="INVITE", cseq=2, login=login, **common) + side.sdp(*codecs)
        text += '<recv response="100" optional="true"/>\n'
    text += '<recv response="180" optional="true"/>\n<recv response="183" optional="true"/>\n'
    if user and EDGE:
        # What follows goes by the way that Kamailio has recorded.
        text += '<recv response="200" rrs="true"/>\n' + _ESTABLISHED.format(cseq=2)
    else:
        text += '<recv response="200"/>\n' + _ACK.format(cseq=2 if user else 1, **common)
    text += _ENDS
    digest = ["-auth_uri", f"{to}@{DOMAIN}"] if user else []
    process = side.start(text, *digest, f"{switch}:{5060 if user else 5080}")
    try:
        try:
            yield
        finally:
            operator.ssh(operator.hosts[0], "fs_cli -x 'hupall normal_clearing'")
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def registered(operator: Operator, side: Side, user: str) -> None:
    """Register an extension's phone, which will be called at the side's port."""
    switch = next(one.address for one in operator.lab.hosts if one.name == operator.hosts[0])
    password = json.loads(operator.secrets.read_text())[f"extension/{user}"]
    common = {"to": user, "domain": DOMAIN, "user": user, "method": "REGISTER", "uri": DOMAIN}
    login = f"[authentication username={user} password={password}]\n"
    text = _HEAD.format(cseq=1, login="Expires: 300\n", **common) + _EMPTY
    text += '<recv response="401" auth="true"/>\n'
    text += _HEAD.format(cseq=2, login=login + "Expires: 300\n", **common) + _EMPTY
    text += '<recv response="200"/>\n'
    assert side.start(text, "-auth_uri", DOMAIN, f"{switch}:5060").wait(PATIENCE) == 0


def in_turn(operator: Operator, user: str, numbers: Iterable[str]) -> list[str]:
    """Call numbers one after the other, and return the final status of each."""
    switch = next(one.address for one in operator.lab.hosts if one.name == operator.hosts[0])
    password = json.loads(operator.secrets.read_text())[f"extension/{user}"]
    account, out = Account(user, DOMAIN, password), []
    with Peer(operator.lab.gateway, (switch, 5060)) as peer:
        for number in numbers:
            uri = f"sip:{number}@{DOMAIN}"
            answer = peer.login(
                *("INVITE", uri, account),
                to=number,
                body=sdp(peer.address),
                timeout=PATIENCE,
                challenge=PATIENCE,
            )
            # On a busy machine a challenge is repeated that has been answered.
            while answer is not None and (answer.status or 0) in (*range(200), 407):
                answer = peer.receive()
            assert answer is not None, number
            peer.acknowledge(answer, uri)
            out.append(str(answer.status))
            # FreeSWITCH takes thirty new sessions a second, and a call may try three carriers.
            time.sleep(0.1)
    return out


def pass_through(one: Side, other: Side, codec: int) -> None:
    """Make sure that each hears what the other says, byte by byte."""
    voices = {one: bytes(range(20)), other: bytes(range(100, 120))}
    to_one, _ = one.told("SIP/2.0 200")
    to_other, _ = other.told("INVITE")
    for side, to, hearer in ((one, to_one, other), (other, to_other, one)):
        # The switch sends where voice comes from, so both have spoken before one is listened to.
        one.speaks(to_one, codec, voices[one], 5)
        other.speaks(to_other, codec, voices[other], 5)
        side.speaks(to, codec, voices[side])
        assert hearer.hears(codec) == voices[side]
