"""Mails that a limit of calls was hit, or that passwords are guessed: at most once an hour for each
limit and whose it is.

Calls of emergency numbers are mailed each, and at once.

This file alone travels to the host and runs there as ``limit-alarm FOLDER FROM TO MAILER…``: it
needs Python 3.11. FreeSWITCH writes a line for each hit into FOLDER and waits for nobody. How far
that has been read, and what of it is not mailed yet, is kept beside it, so that a restart of either
loses no hit.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from email.message import EmailMessage
from pathlib import Path

__all__ = ["LIMITS", "LOG", "Alarm", "Alarms", "helped", "hit", "letter", "main"]

LOG = "limits.log"
SETTLE_SECONDS = 5.0
"""Seconds from the first hit to its mail, which tells of those that came with it."""
PERIOD_SECONDS = 3600.0
RETRY_SECONDS = 300.0
MAILER_SECONDS = 60.0
CALLS = 10
"""Number of different calls that are told of, the last ones."""

LIMITS = {
    "country": "numbers that may be called (outbound_limits.countries and denied)",
    "calls": "calls outside at a time (outbound_limits.calls)",
    "hour": "calls outside within an hour (outbound_limits.calls_per_hour)",
    "rate": "numbers that have a price (billing.rates)",
    "cap": "a cap of calls, minutes or money (caps)",
    "caps": "the counts of caps, which cannot be read (see FreeSWITCH's log)",
    "trunk-calls": "the trunk's calls at a time (channels)",
    "trunk-hour": "the trunk's calls out within an hour (calls_per_hour)",
}
"""Descriptions of limits by the names that they have in FreeSWITCH's log."""
GUESSES = "guesses"
"""Name of what is told of addresses that guess, by a program of ours."""

_BY = " by a call "


def hit(limit: str, whose: str, call: str = "", side: str = "Outbound") -> str:
    """Return the words by which the log tells that a limit was hit."""
    return f"{side} limit ({limit}) of {whose} hit{_BY if call else ''}{call}"


def helped(extension: str, number: str) -> str:
    """Return the words by which the log tells of a call to an emergency number."""
    return f"Emergency call of {extension} to {number}"


def _reading(words: str, **parts: str) -> str:
    """Return an expression of a line of the log that has these words, in which names of ``parts``
    stand for expressions."""
    found = re.escape(words)
    for name, part in parts.items():
        found = found.replace(name, part)
    return rf"(?P<at>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d+ (?:\S+ )?\[WARNING\] \S+ {found}"


_LINE = re.compile(
    _reading(
        hit("LIMIT", "WHOSE", side="SIDE"),
        SIDE="(?:Out|In)bound",
        LIMIT=rf"(?P<limit>{'|'.join((*LIMITS, GUESSES))})",
        WHOSE=r"(?P<kind>(?:fax |trunk |cap )?)"
        r"(?P<name>[a-z0-9-]{1,32}(?: of (?:account|extension|fax) [a-z0-9-]{1,32})?)",
    )
    + f"(?:{_BY}(?P<call>.*))?"
)
_HELP = re.compile(
    _reading(helped("NAME", "CALL"), NAME=r"(?P<name>\d{2,15}|)", CALL=r"(?P<call>\d{2,6})") + r"\Z"
)
EMERGENCY = "emergency"
_FOREIGN = re.compile(r"[^a-z0-9+ -]")
"""Characters that a number that was dialled may not bring into a mail."""
_NO_ADDRESS = re.compile(r"[^0-9a-f.:]")


@dataclass
class Alarm:
    """A limit of an extension, a fax or a trunk, or an extension's calls of emergency numbers, and
    the hits that are not mailed yet."""

    limit: str
    whose: str
    hits: int = 0
    first: str = ""
    last: str = ""
    """Time of the last hit in the log: the Site's own time."""
    calls: list[str] = field(default_factory=list)
    since: float = 0.0
    """Moment at which the first of them was read."""
    mailed: float | None = None

    def is_due(self, now: float) -> bool:
        """Tell whether it is time for a mail."""
        # A clock that was put back holds nothing up.
        settles = self.limit != EMERGENCY and 0 <= now - self.since < SETTLE_SECONDS
        return self.hits > 0 and not settles and not self.is_recent(now)

    def is_recent(self, now: float) -> bool:
        """Tell whether the last mail is less than a period old."""
        if self.mailed is None or self.limit == EMERGENCY:
            return False
        return 0 <= now - self.mailed < PERIOD_SECONDS


class Alarms:
    """All of them, kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "state.json"
        self._inode, self._offset = 0, 0
        self._alarms: dict[tuple[str, str], Alarm] = {}
        self._is_kept = True
        if not self._file.exists():
            return
        try:
            given = json.loads(self._file.read_text())
            alarms = [Alarm(**one) for one in given["alarms"]]
            self._inode, self._offset = int(given["inode"]), int(given["offset"])
        except (OSError, ValueError, TypeError, KeyError) as wrong:
            print(f"<3>{self._file} is not used: {wrong}; the log is read anew", file=sys.stderr)
        else:
            self._alarms = {(one.limit, one.whose): one for one in alarms}

    def read(self, now: float) -> None:
        """Take on what FreeSWITCH has written since."""
        before = self._inode, self._offset
        for line in self._lines():
            if (found := _LINE.match(line)) is not None:
                limit, whose = found["limit"], f"{found['kind'] or 'extension '}{found['name']}"
            elif (found := _HELP.match(line)) is not None:
                limit, whose = EMERGENCY, f"extension {found['name'] or 'unknown'}"
            else:
                continue
            alarm = self._alarms.setdefault((limit, whose), Alarm(limit=limit, whose=whose))
            if alarm.hits == 0:
                alarm.first, alarm.since = found["at"], now
            alarm.hits += 1
            alarm.last = found["at"]
            if found["call"]:
                foreign = _NO_ADDRESS if limit == GUESSES else _FOREIGN
                call = foreign.sub("?", found["call"])[:80]
                others = [one for one in alarm.calls if one != call]
                alarm.calls = [*others[1 - CALLS :], call]
        if (self._inode, self._offset) != before:
            self._keep()

    def due(self, now: float) -> list[Alarm]:
        """List the alarms that are to be mailed now."""
        return [one for one in self._alarms.values() if one.is_due(now)]

    def mailed(self, alarm: Alarm, now: float) -> None:
        """Note that its hits were told."""
        alarm.hits, alarm.calls, alarm.mailed = 0, [], now
        self._alarms = {
            key: one for key, one in self._alarms.items() if one.hits or one.is_recent(now)
        }
        self._keep()

    def _lines(self) -> Iterator[str]:
        if _mark(self._folder / LOG) in (None, (self._inode, self._offset)):
            return
        # The newest first: FreeSWITCH may give it the older's name in between.
        newest, inode = _content(self._folder / LOG)
        if inode == 0:
            return
        older, older_inode = b"", 0
        if inode != self._inode:
            older, older_inode = _content(self._folder / f"{LOG}.1")
        if older_inode not in (0, inode):
            read = self._offset if older_inode == self._inode else 0
            yield from older[read:].decode(errors="replace").split("\n")
        if inode != self._inode or self._offset > len(newest):
            self._inode, self._offset = inode, 0
        whole = newest[self._offset : newest.rfind(b"\n") + 1]
        self._offset += len(whole)
        yield from whole.decode(errors="replace").split("\n")

    def _keep(self) -> None:
        given = {
            "inode": self._inode,
            "offset": self._offset,
            "alarms": [asdict(one) for one in self._alarms.values()],
        }
        new = self._file.with_suffix(".new")
        try:
            with new.open("w") as opened:
                json.dump(given, opened)
                opened.flush()
                os.fsync(opened.fileno())
            new.replace(self._file)
            self._is_kept = True
        except OSError as wrong:
            # A full disk must neither silence it nor make it say all again and again.
            if self._is_kept:
                print(f"<3>{self._file} cannot be written: {wrong}", file=sys.stderr)
            self._is_kept = False


def _mark(path: Path) -> tuple[int, int] | None:
    """Return a file's inode and size, or None."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size


def _content(path: Path) -> tuple[bytes, int]:
    """Return a file's content and inode, or nothing and 0."""
    try:
        with path.open("rb") as opened:
            return opened.read(), os.fstat(opened.fileno()).st_ino
    except FileNotFoundError:
        return b"", 0


def letter(alarm: Alarm, switch: str, sender: str, to: str, zone: str) -> EmailMessage:
    """Write the mail about an alarm's hits."""
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    if alarm.limit == GUESSES:
        return _guesses(message, alarm, switch, zone)
    if alarm.limit == EMERGENCY:
        message["Subject"] = f"Emergency call on {switch}: {alarm.whose}"
        message["Auto-Submitted"] = "auto-generated"
        lines = [f"On {switch} {alarm.whose} has called {', '.join(alarm.calls)}."]
        lines.append(f"At {alarm.last} ({zone})")
        message.set_content("\n".join(lines) + "\n")
        return message
    message["Subject"] = f"Limit hit on {switch}: {alarm.limit} of {alarm.whose}"
    message["Auto-Submitted"] = "auto-generated"
    times = "once" if alarm.hits == 1 else f"{alarm.hits} times"
    since = "" if alarm.mailed is None else " since the last mail"
    lines = [
        f"On {switch} a limit of {alarm.whose} was hit {times}{since}.",
        "",
        f"Limit: {LIMITS[alarm.limit]}",
        f"First: {alarm.first} ({zone})",
        f"Last:  {alarm.last} ({zone})",
        *(f"Call:  {call}" for call in alarm.calls),
        "",
        "A call out that a trunk's limit refused was tried over the route's next trunk, if any."
        if alarm.whose.startswith("trunk ")
        else "The calls were refused, and one that was up was ended."
        if alarm.limit == "cap"
        else "The calls were refused.",
        f"The next mail about this limit of {alarm.whose} comes in an hour, if it is hit again.",
    ]
    message.set_content("\n".join(lines) + "\n")
    return message


def _guesses(message: EmailMessage, alarm: Alarm, switch: str, zone: str) -> EmailMessage:
    """Complete the mail about addresses that guess a user's password, or everybody's."""
    name = alarm.whose.removeprefix("extension ")
    whose = "all users" if name == "all" else name
    message["Subject"] = f"Passwords of {whose} are guessed on {switch}"
    message["Auto-Submitted"] = "auto-generated"
    lines = [
        f"On {switch} many addresses have failed to log in within a day as {whose},",
        f"each too slowly to be shut out for long. New since the last mail: {alarm.hits}, such as",
        "",
        *(f"  {address}" for address in alarm.calls),
        "",
        f"First: {alarm.first} ({zone})",
        f"Last:  {alarm.last} ({zone})",
        "",
        "Who knows the networks of all phones can name them in network.sip_from.",
    ]
    message.set_content("\n".join(lines) + "\n")
    return message


def _send(message: EmailMessage, mailer: Sequence[str]) -> str | None:
    """Hand a mail over; why that did not work, or None."""
    try:
        done = subprocess.run(
            mailer,
            input=message.as_bytes(),
            capture_output=True,
            timeout=MAILER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{mailer[0]} has not come back for {MAILER_SECONDS:.0f} s"
    except OSError as wrong:
        return str(wrong)
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").split("\n")
    return "; ".join(filter(None, said)) or f"{mailer[0]} ended with {done.returncode}"


def main(folder: str, sender: str, to: str, *mailer: str) -> None:
    """Watch and mail until the service is stopped."""
    alarms, switch, zone = Alarms(Path(folder)), socket.gethostname(), os.environ.get("TZ", "UTC")
    silent_until = float("-inf")
    while True:
        alarms.read(time.time())
        for alarm in alarms.due(time.time()) if time.monotonic() >= silent_until else ():
            about = f"limit {alarm.limit} of {alarm.whose}, hits: {alarm.hits}"
            why = _send(letter(alarm, switch, sender, to, zone), mailer)
            if why is not None:
                print(
                    f"<3>{about}: cannot be mailed now: {why}; it is kept and tried again",
                    file=sys.stderr,
                )
                silent_until = time.monotonic() + RETRY_SECONDS
                break
            print(f"<5>{about}: mailed", file=sys.stderr)
            alarms.mailed(alarm, time.time())
        time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
