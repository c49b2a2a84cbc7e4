"""A busy lamp: SIPp (Debian's sip-tester) subscribes to the dialogs of a number."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.support.proofs import not_tried
from tests.acceptance.support.waiting import eventually

__all__ = ["Lamp", "lamp"]

_SUBSCRIBE = """\
<send retrans="500"><![CDATA[
SUBSCRIBE sip:{watched}@{domain} SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=[branch]
Max-Forwards: 70
From: <sip:{user}@{domain}>;tag=[call_number]
To: <sip:{watched}@{domain}>
Call-ID: [call_id]
CSeq: {cseq} SUBSCRIBE
Contact: <sip:{user}@[local_ip]:[local_port]>
{credentials}Event: dialog
Accept: application/dialog-info+xml
Expires: 300
Content-Length: 0

]]></send>
"""

_SCENARIO = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="busy lamp">
{first}<recv response="407" auth="true"/>
{second}<!-- The first NOTIFY may overtake it (RFC 6665, 4.4.1), and it comes before our answer. -->
<recv response="202" optional="global"/>
<label id="1"/>
<recv request="NOTIFY"/>
<send next="1"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""

_BETWEEN = re.compile(r"^-{40,} .*$", re.MULTILINE)
_TOLD = re.compile(r"<dialog-info.*?</dialog-info>", re.DOTALL)
_STATE = re.compile(r"<state[^>]*>(\w+)</state>")


class Lamp:
    """What the subscriber was told so far."""

    def __init__(self, messages: Path, call: str) -> None:
        self._messages, self._call = messages, call

    @property
    def messages(self) -> str:
        """All SIP of the subscription so far, as SIPp wrote it down."""
        text = self._messages.read_text() if self._messages.exists() else ""
        # Whoever subscribed at this port before is still told of other numbers there.
        return "".join(one for one in _BETWEEN.split(text) if self._call in one)

    @property
    def states(self) -> list[str]:
        """The states in order, of which repeated ones are one; ``none`` while there is no call."""
        found: list[str] = []
        for told in _TOLD.findall(self.messages):
            match = _STATE.search(told)
            state = match[1] if match else "none"
            if found[-1:] != [state]:
                found.append(state)
        return found

    def wait(self, state: str) -> None:
        """Wait until this is the latest state."""
        # SIPp writes down what it is told, and tells nobody.
        eventually(lambda: self.states, lambda told: told[-1:] == [state], f"the lamp: {state}")


@contextmanager
def lamp(
    folder: Path,
    watched: str,
    *,
    user: str,
    password: str,
    domain: str,
    address: str,
    server: str,
    within: Sequence[str] = (),
) -> Iterator[Lamp]:
    """Watch a number as ``user`` from ``address``, an address of this machine. ``within`` is what
    takes a command into another network."""
    program = shutil.which("sipp")
    if program is None:
        not_tried("sipp is not installed (Debian's sip-tester)")
    common = {"watched": watched, "user": user, "domain": domain}
    login = f"[authentication username={user} password={password}]\n"
    scenario, messages = folder / "lamp.xml", folder / "lamp.log"
    call = uuid.uuid4().hex
    # The password is in no command line.
    scenario.touch(0o600)
    scenario.write_text(
        _SCENARIO.format(
            first=_SUBSCRIBE.format(cseq=1, credentials="", **common),
            second=_SUBSCRIBE.format(cseq=2, credentials=login, **common),
        )
    )
    process = subprocess.Popen(
        [
            *(*within, program, "-sf", str(scenario), "-m", "1", "-i", address, "-nostdin"),
            *("-cid_str", f"{call}-%u", "-trace_msg", "-auth_uri", f"{watched}@{domain}"),
            *("-message_file", str(messages), "-message_overwrite", "false"),
            server,
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Lamp(messages, call)
    finally:
        process.kill()
        process.wait()
        scenario.unlink()
