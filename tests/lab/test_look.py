"""One host to look at, by the command as typed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab import network
from tests.acceptance.support.waiting import PATIENCE
from tests.lab.conftest import Command

pytestmark = pytest.mark.lab

OPTIONS = (
    "OPTIONS sip:somebody@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKlook\r\n"
    "From: <sip:looker@{here}>;tag=1\r\nTo: <sip:somebody@{host}>\r\nCall-ID: look@{here}\r\n"
    "CSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
)


class Screen:
    """A program on a terminal of its own, and all that it has shown."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self._process, self._terminal = process, terminal
        self.shown = b""

    def wait(self, text: str, meanwhile: Callable[[], object] = bool) -> None:
        """Wait until it has shown a text; `meanwhile` is done twice a second."""
        deadline = time.monotonic() + 60
        while text.encode() not in self.shown:
            assert time.monotonic() < deadline, self.shown
            meanwhile()
            if select.select([self._terminal], [], [], 0.5)[0]:
                try:
                    self.shown += os.read(self._terminal, 65536)
                except OSError as ended:
                    raise AssertionError(self.shown, self._process.wait()) from ended


@contextmanager
def screen(*words: str) -> Iterator[Screen]:
    """Give the program on a terminal of 120 columns; it is ended with the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    process = subprocess.Popen(
        words,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Screen(process, ours)
    finally:
        os.close(ours)
        process.terminate()
        process.wait(PATIENCE)


def send_options(command: Command, address: str) -> None:
    """Send a SIP request to a host from the lab's gateway."""
    text = OPTIONS.format(host=address, here=network.GATEWAY)
    subprocess.run(
        [*command.words, "exec", "--", "socat", "-u", "-", f"UDP4-SENDTO:{address}:5060"],
        input=text,
        text=True,
        check=True,
    )


def test_sip_shows_what_goes_to_a_host_and_to_no_other(up: Command) -> None:
    cc1, cc2 = up.lab.hosts
    with screen(*up.words, "sip", "cc1") as shown:
        shown.wait("Current Mode")
        send_options(up, cc2.address)
        shown.wait("OPTIONS", meanwhile=lambda: send_options(up, cc1.address))
        assert cc1.address.encode() in shown.shown
        assert cc2.address.encode() not in shown.shown


def test_sip_without_a_terminal_says_so(up: Command) -> None:
    done = up.run("sip", "cc1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "lab: sip draws what goes by, and needs a terminal for it\n"


UNIT = "printf '[Service]\\nExecStart=/bin/echo Kamailio says %s\\n' >/etc/systemd/system/{unit}"


def test_logs_follow_the_journal_and_end_with_the_command(up: Command) -> None:
    unit = UNIT.format(unit="kamailio.service")
    restart = "systemctl daemon-reload; systemctl restart kamailio"
    up("ssh", "cc1", "--", f"{unit.replace('%s', 'before')}; {restart}")
    with screen(*up.words, "logs", "cc1") as shown:
        shown.wait("Kamailio says before")
        up("ssh", "cc1", "--", f"{unit.replace('%s', 'after')}; {restart}")
        shown.wait("Kamailio says after")
    # Nothing goes on there that nobody reads.
    gone = "while pgrep -x journalctl; do sleep 0.1; done"
    up("ssh", "cc1", "--", f"timeout 60 sh -c '{gone}'; rm /etc/systemd/system/kamailio.service")


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("logs", "cc2"), "lab: cc2 has neither FreeSWITCH nor Kamailio; deploy to it first, or"),
        (("fs_cli", "cc2"), "lab: cc2 has no FreeSWITCH; deploy to it first, or name another host"),
        (("fs_cli", "cc2", "--", "-x", "status"), "lab: cc2 has no FreeSWITCH; deploy to it first"),
        (("logs", "cc7"), "has no host 'cc7'; it has: cc1, cc2"),
        (("sip", "cc7"), "has no host 'cc7'; it has: cc1, cc2"),
    ],
)
def test_a_host_that_is_not_there_or_has_none_is_refused_in_a_line(
    up: Command, words: tuple[str, ...], refusal: str
) -> None:
    done = up.run(*words)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert refusal in said
    assert said.count("\n") == 1
