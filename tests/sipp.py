"""SIPp as what no phone is: a carrier that refuses, an intruder, many callers in one moment."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.support.waiting import PATIENCE

__all__ = ["SIPP", "Sipp", "answered_calls", "complete_calls", "counted", "sipp", "wait_bound"]

SIPP = shutil.which("sipp")

AT_MOST = 600
"""Seconds for all calls of a SIPp: a hundred that follow each other take a busy machine minutes."""

_ANSWER = """<?xml version="1.0" encoding="us-ascii"?>
<scenario name="answers">
  <recv request="INVITE"/>
  <send><![CDATA[
{status}
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <recv request="ACK"/>
</scenario>
"""

_INVITE = """<send retrans="500"><![CDATA[
INVITE sip:{to}@{domain} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{user}@{domain}>;tag=[call_number]
To: <sip:{to}@{domain}>
Call-ID: [call_id]
CSeq: {cseq} INVITE
Contact: <sip:{user}@[local_ip]:[local_port]>
{credentials}Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 45000 RTP/AVP 0
]]></send>
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

_WAIT = """<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="183" optional="true"/>
<recv response="403" optional="true" next="over"/>
<recv response="404" optional="true" next="over"/>
<recv response="486" optional="true" next="over"/>
<recv response="603" optional="true" next="over"/>
<recv response="503" optional="true" next="over"/>
<recv response="480" timeout="25000" ontimeout="end"/>
<label id="over"/>
"""


_REQUEST = """<send{retrans}><![CDATA[
{method} {uri} SIP/2.0
{via}
{routes}From: <sip:{user}@{domain}>;tag=[call_number]
{whom}
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <sip:{user}@[local_ip]:[local_port]>
{login}Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

{body}]]></send>
"""
_SDP = """v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 45000 RTP/AVP 0
"""


def complete_calls(user: str, password: str, to: str, domain: str, seconds: float) -> str:
    """SIPp's scenario of a call that is answered, lasts for a time, and is ended by who called."""
    common = {
        "user": user,
        "domain": domain,
        "via": "Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=[branch]",
    }
    first = {**common, "uri": f"sip:{to}@{domain}", "routes": "", "retrans": ' retrans="500"'}
    later = {**common, "uri": "[next_url]", "routes": "[routes]\n", "whom": "[last_To:]"}
    login = f"[authentication username={user} password={password}]\n"
    invite = {"method": "INVITE", "body": _SDP, "whom": f"To: <sip:{to}@{domain}>"}
    ending = {"method": "ACK", "login": "", "body": ""}
    # Of the INVITE that it ends.
    same = {"via": "[last_Via:]", "whom": "[last_To:]"}
    provisional = "".join(
        f'<recv response="{status}" optional="true"/>\n' for status in (100, 180, 183)
    )
    return "".join(
        [
            '<?xml version="1.0" encoding="us-ascii"?>\n<scenario name="calls">\n',
            _REQUEST.format(cseq=1, login="", **first, **invite),
            '<recv response="100" optional="true"/>\n<recv response="407" auth="true"/>\n',
            _REQUEST.format(cseq=1, **{**first, **ending, "retrans": "", **same}),
            _REQUEST.format(cseq=2, login=login, **first, **invite),
            f'{provisional}<recv response="200" rrs="true"/>\n',
            _REQUEST.format(cseq=2, retrans="", **later, **ending),
            f'<pause milliseconds="{seconds * 1000:.0f}"/>\n',
            _REQUEST.format(
                cseq=3, retrans=' retrans="500"', **later, **{**ending, "method": "BYE"}
            ),
            '<recv response="200"/>\n</scenario>\n',
        ]
    )


_RESPONSE = """<send{retrans}><![CDATA[
SIP/2.0 {status}
[last_Via:]
{record}[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:{user}@[local_ip]:[local_port]>
{body}]]></send>
"""


def answered_calls(user: str) -> str:
    """SIPp's scenario of a phone that rings, answers at once, and is hung up on."""
    of_invite = {"user": user, "record": "[last_Record-Route:]\n", "tag": ";tag=[call_number]"}
    nothing = "Content-Length: 0\n\n"
    answer = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{_SDP}"
    ringing = _RESPONSE.format(retrans="", status="180 Ringing", body=nothing, **of_invite)
    taken = _RESPONSE.format(retrans=' retrans="500"', status="200 OK", body=answer, **of_invite)
    over = _RESPONSE.format(retrans="", status="200 OK", body=nothing, user=user, record="", tag="")
    return (
        '<?xml version="1.0" encoding="us-ascii"?>\n<scenario name="answers">\n'
        f'<recv request="INVITE"/>\n{ringing}{taken}<recv request="ACK"/>\n'
        f'<recv request="BYE"/>\n{over}</scenario>\n'
    )


def counted(statistics: Path) -> dict[str, int]:
    """Numbers that are not 0 in the last line of SIPp's statistics: calls that were complete, and
    what became of others."""
    head, *rest = statistics.read_text().splitlines()
    last = zip(head.split(";"), rest[-1].split(";"), strict=False)
    counts = {name[:-3]: text for name, text in last if name.endswith("(C)")}
    return {name: int(text) for name, text in counts.items() if text.isdecimal() and int(text)}


class Sipp:
    """What a caller was told."""

    def __init__(self, process: subprocess.Popen[bytes], messages: Path) -> None:
        self._process, self._messages = process, messages

    @property
    def called(self) -> list[str]:
        """The numbers that were called here, in order."""
        return self._received(r"INVITE sip:([^@]+)@")

    def statuses(self) -> list[str]:
        """Return the final status of each request, once all are over."""
        self._process.wait(AT_MOST + PATIENCE)
        # The port may have been that of an earlier SIPp, to which somebody still answers.
        return self._received(r"SIP/2\.0 ([3-6]\d\d) ", f"-{self._process.pid}@")

    def _received(self, begin: str, call: str = "") -> list[str]:
        """Return the group of ``begin`` in each received message that matches, once a request.
        On a busy machine either side repeats what is not confirmed within half a second."""
        text = self._messages.read_text() if self._messages.exists() else ""
        found: dict[tuple[str, str], str] = {}
        for entry in re.split(r"^-{20,} ", text.replace("\r", ""), flags=re.MULTILINE):
            head, _, message = entry.partition("\n\n")
            if " message received " in head and (told := re.match(begin, message)):
                headers = dict(
                    re.findall(r"^([\w-]+): (.*)$", message.split("\n\n")[0], re.MULTILINE)
                )
                if call in headers["Call-ID"]:
                    found.setdefault((headers["Call-ID"], headers["CSeq"]), told[1])
        return list(found.values())


def wait_bound(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until SIPp has its UDP port: it says nothing when it is ready."""
    asked = ["ss", "-Hlnu", "sport", "=", f":{port}"]
    while str(port) not in subprocess.run(asked, capture_output=True, text=True, check=True).stdout:
        assert process.poll() is None
        time.sleep(0.05)


@contextmanager
def sipp(
    folder: Path,
    address: str,
    port: int,
    *,
    answers: str = "",
    calls: str = "",
    to: str = "",
    user: str = "intruder",
    password: str = "",
    domain: str = "callcenter.test",
    count: int = 1,
    numbers: Sequence[str] = (),
) -> Iterator[Sipp]:
    """Play a carrier at an address and port of this machine: answer every call with a status line,
    or call a number ``count`` times at once, or ``numbers`` one after the other and without a
    password, and take what comes."""
    assert SIPP
    scenario, messages = folder / "scenario.xml", folder / "messages.log"
    # The password is in no command line.
    scenario.touch(0o600)
    if answers:
        text = _ANSWER.format(status=answers)
        ends = ["-aa"]
    else:
        common = {"to": "[field0]" if numbers else to, "user": user, "domain": domain}
        text = '<?xml version="1.0" encoding="us-ascii"?>\n<scenario name="calls">\n'
        text += _INVITE.format(cseq=1, credentials="", **common)
        text += '<recv response="100" optional="true"/>\n'
        if password:
            login = f"[authentication username={user} password={password}]\n"
            text += '<recv response="407" auth="true"/>\n' + _ACK.format(cseq=1, **common)
            text += _INVITE.format(cseq=2, credentials=login, **common) + _WAIT
            text += _ACK.format(cseq=2, **common)
        elif numbers:
            text += _WAIT + _ACK.format(cseq=1, **common)
        else:
            text += '<recv response="407" timeout="10000" ontimeout="end"/>\n'
            text += _ACK.format(cseq=1, **common)
        text += '<label id="end"/>\n</scenario>\n'
        ends = [
            "-m",
            str(count),
            "-r",
            str(count),
            "-l",
            str(count),
            "-timeout",
            f"{AT_MOST}",
            # Else the digest is that of an address, and an edge wants that of the request.
            *("-auth_uri", f"{to}@{domain}"),
            calls,
        ]
        if numbers:
            given = folder / "numbers.csv"
            given.write_text("SEQUENTIAL\n" + "".join(f"{number};\n" for number in numbers))
            ends = ["-inf", str(given), "-m", str(len(numbers)), "-r", "50", "-l", "1", calls]
    scenario.write_text(text)
    process = subprocess.Popen(
        [
            *(SIPP, "-sf", str(scenario), "-i", address, "-p", str(port), "-nostdin"),
            *("-trace_msg", "-message_file", str(messages), "-message_overwrite", "false", *ends),
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if answers:
        wait_bound(process, port)
    try:
        yield Sipp(process, messages)
    finally:
        process.kill()
        process.wait()
        scenario.unlink()
