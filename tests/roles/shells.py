"""Logins to lab hosts that stay: each runs one command after the other, as tests ask for them.

A command by ssh takes this machine a program and its libraries, which is more than what most
commands of tests do.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["Shell"]

_SERVES = Path(__file__).with_name("shell.sh")


class Shell:
    """A login that runs commands."""

    def __init__(self, login: Sequence[str]) -> None:
        """Log in by the command line of ssh that starts a shell there."""
        self._mark = secrets.token_hex(16)
        self._read = b""
        # What ssh itself complains of is read where it has ended.
        self._process = subprocess.Popen(
            login, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        # What is said before it, nobody has asked for.
        self._send(f"set -- {self._mark}\n{_SERVES.read_text()}")
        self._until_mark()

    @property
    def has_ended(self) -> bool:
        """Tell whether it is over, with its host or with ssh there."""
        return self._process.poll() is not None

    def run(self, command: str) -> str:
        """Run a command to its end, and return what it printed, then what it complained of."""
        self._send(f"{command}\0")
        return self._until_mark() + self._until_mark()

    def close(self) -> None:
        """End it, whatever its host does."""
        self._process.kill()
        self._process.communicate()

    def _send(self, text: str) -> None:
        assert self._process.stdin
        # Why it has gone is said by who reads.
        with suppress(BrokenPipeError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def _until_mark(self) -> str:
        assert self._process.stdout
        mark = self._mark.encode()
        while mark not in self._read:
            some = os.read(self._process.stdout.fileno(), 65536)
            if not some:
                # ssh's own failures, which nobody should take for the command's words.
                raise AssertionError(f"the login has ended: {self._read.decode()}")
            self._read += some
        said, _, self._read = self._read.partition(mark)
        return said.decode().replace("\r\n", "\n")
