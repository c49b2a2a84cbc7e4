"""Mails the messages that are left in mailboxes.

FreeSWITCH could do so itself by a shell alone, and it starts none. So a program of another user's
reads what mod_voicemail has noted of a message, and what was recorded.

This file alone travels to the host and runs there as ``voicemail-mail CONFIGURATION``: it needs
Python 3.11. Which messages are mailed is kept, so that a restart of either mails none twice; a
message that cannot be mailed is tried again.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

__all__ = ["Message", "Messages", "Settings", "letter", "main"]

RETRY_SECONDS = 300.0
MAILER_SECONDS = 60.0
BUSY_SECONDS = 5.0
"""Seconds that FreeSWITCH may hold its database."""


@dataclass(frozen=True)
class Settings:
    """Settings that come from the Site."""

    database: str
    """mod_voicemail's."""
    folder: str
    """Folder outside of which nothing is ever attached."""
    state: str
    """A file that tells which messages are mailed."""
    domain: str
    sender: str
    attach: bool
    check: str | None
    """Number that is dialled to hear a message."""
    mailer: Sequence[str]
    """The program that is handed a mail, with its arguments but for the recipient."""
    mailboxes: Mapping[str, str]
    """Mail address by extension."""


@dataclass(frozen=True)
class Message:
    """A message as mod_voicemail has noted it."""

    uuid: str
    owner: str
    created: int
    caller_name: str
    caller_number: str
    file: str
    seconds: int
    unheard: int
    """Number of messages that the mailbox has and nobody has heard."""


_ROWS = """
SELECT uuid, username, created_epoch, cid_name, cid_number, file_path, message_len,
    (SELECT count(*) FROM voicemail_msgs AS other
        WHERE other.username = one.username AND other.domain = one.domain AND read_epoch = 0)
FROM voicemail_msgs AS one WHERE domain = ? ORDER BY created_epoch, rowid
"""


class Messages:
    """Those of the Site, and which of them are mailed already."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = Path(settings.state)
        self._mark: tuple[int, int, int] | None = None
        try:
            self._done = set(json.loads(self._file.read_text()))
        except FileNotFoundError:
            # Those that were there before mails were wanted are nobody's news.
            self._done = {one.uuid for one in self._rows()}
            self._keep()

    def has_changed(self) -> bool:
        """Tell whether FreeSWITCH has written since the last call."""
        try:
            found = os.stat(self._settings.database)
        except FileNotFoundError:
            return False
        before, self._mark = self._mark, (found.st_ino, found.st_size, found.st_mtime_ns)
        return self._mark != before

    def waiting(self) -> list[Message]:
        """List the messages that are to be mailed, the oldest first."""
        there = list(self._rows())
        if gone := self._done - {one.uuid for one in there}:
            self._done -= gone
            self._keep()
        mailboxes = self._settings.mailboxes
        return [one for one in there if one.uuid not in self._done and one.owner in mailboxes]

    def mailed(self, message: Message) -> None:
        """Note that its owner has it."""
        self._done.add(message.uuid)
        self._keep()

    def _rows(self) -> Iterator[Message]:
        name = f"file:{self._settings.database}?mode=ro"
        try:
            with closing(sqlite3.connect(name, timeout=BUSY_SECONDS, uri=True)) as database:
                for row in database.execute(_ROWS, [self._settings.domain]):
                    yield Message(*row)
        except sqlite3.OperationalError as wrong:
            # Before the first start of FreeSWITCH it is not there, or empty.
            if "unable to open" not in str(wrong) and "no such table" not in str(wrong):
                raise

    def _keep(self) -> None:
        new = self._file.with_suffix(".new")
        with new.open("w") as opened:
            json.dump(sorted(self._done), opened)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(self._file)


_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")


def letter(message: Message, settings: Settings) -> EmailMessage:
    """Write the mail about a message. What a caller calls itself stands in its text and in no
    header."""
    number = message.caller_number
    if not _NUMBER.fullmatch(number):
        number = "unknown"
    name = "".join(sign for sign in message.caller_name if sign.isprintable())[:80]
    made = EmailMessage()
    made["From"], made["To"] = settings.sender, settings.mailboxes[message.owner]
    made["Subject"] = f"Voicemail for {message.owner} from {number}"
    made["Auto-Submitted"] = "auto-generated"
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(message.created))
    minutes, seconds = divmod(message.seconds, 60)
    lines = [
        f"{name} ({number}) left a message for {message.owner}.",
        "",
        f"At:      {at}",
        f"Length:  {minutes // 60:02}:{minutes % 60:02}:{seconds:02}",
        f"Unheard: {message.unheard}",
    ]
    if settings.check:
        lines += ["", f"To hear it, dial {settings.check}."]
    made.set_content("\n".join(lines) + "\n")
    if settings.attach:
        file = Path(message.file).resolve()
        if not file.is_relative_to(Path(settings.folder).resolve()):
            raise ValueError(f"{message.file} is outside of {settings.folder}")
        made.add_attachment(
            file.read_bytes(), maintype="audio", subtype="x-wav", filename=f"{message.created}.wav"
        )
    return made


def _send(message: Message, settings: Settings) -> str | None:
    """Mail a message; why that did not work, or None."""
    try:
        text = letter(message, settings).as_bytes()
        done = subprocess.run(
            [*settings.mailer, "--", settings.mailboxes[message.owner]],
            input=text,
            capture_output=True,
            timeout=MAILER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{settings.mailer[0]} has not come back for {MAILER_SECONDS:.0f} s"
    except (OSError, ValueError) as wrong:
        return str(wrong)
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").split("\n")
    return "; ".join(filter(None, said)) or f"{settings.mailer[0]} ended with {done.returncode}"


def main(configuration: str) -> None:
    """Watch and mail until the service is stopped."""
    settings = Settings(**json.loads(Path(configuration).read_text()))
    messages = Messages(settings)
    silent_until = float("-inf")
    is_behind = False
    while True:
        if messages.has_changed() or (is_behind and time.monotonic() >= silent_until):
            is_behind = False
            for message in messages.waiting():
                about = f"message {message.uuid} for {message.owner}"
                if (why := _send(message, settings)) is not None:
                    print(
                        f"<3>{about}: cannot be mailed now: {why}; it is tried again",
                        file=sys.stderr,
                    )
                    silent_until, is_behind = time.monotonic() + RETRY_SECONDS, True
                    continue
                print(f"<5>{about}: mailed", file=sys.stderr)
                messages.mailed(message)
        time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
