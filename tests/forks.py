"""Commands of Python's, as often as tests need them, without what their imports cost each time.

A process that has imported what every run of a command imports forks for each. The child is given
the run's arguments, environment, folder and output, and does from there on what the command does,
with the same code: a deploy reads the inventory, the Site and the deploy's files for itself. A run
whose environment is another than the first one's, since Python or a module may have read it at its
start, or that comes while another one goes on, is one of the command itself.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.times import spent

__all__ = ["COMMAND", "Forks", "Pyinfra"]

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("pyinfra")
_FORKED = Path(__file__).with_name("forked.py")

_OF_THE_TEST = "PYTEST_CURRENT_TEST"
"""Differs in each run, and nothing that is imported reads it."""

_DEPLOYS = (
    "pyinfra_cli.main",
    "pyinfra.connectors.ssh",
    "callcenter.render",
    "roles.pool",
    "roles.firewall",
    "roles.freeswitch",
    "roles.kamailio",
    "roles.postgresql",
    "roles.windows",
    "pyinfra_windows.connectors",
    "tests.built",
)
"""Modules that every deploy imports, and one that makes what each would make of them."""


class Forks:
    """Runs of pyinfra's command, or of modules by ``python -m``."""

    def __init__(
        self, imported: Sequence[str], *, unread: Collection[str] = (), forks: bool = True
    ) -> None:
        """Take the modules to import once, and variables that none of them reads when imported."""
        self._imported = imported
        self._unread = {_OF_THE_TEST, *unread}
        self._forks = forks
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._environment: dict[str, str] = {}
        self._spent = 0.0
        self._busy = threading.Lock()

    def run(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end."""
        words = [str(word) for word in command]
        if self._forks and self._busy.acquire(blocking=False):
            try:
                if self._answers(environment):
                    return self._forked(words, cwd, environment, timeout)
            finally:
                self._busy.release()
        return subprocess.run(
            words,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def close(self) -> None:
        """End the process that forks."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()
            # They are its own now, and so this process's.
            spent["processor"] -= self._spent
            self._spent = 0.0
        self._process = self._socket = None

    def _answers(self, environment: Mapping[str, str]) -> bool:
        """Tell whether the process that forks has this environment; the first one is its."""
        wanted = {name: value for name, value in environment.items() if name not in self._unread}
        if self._process is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, str(_FORKED), str(theirs.fileno()), *self._imported],
                    cwd=ROOT,
                    env=wanted,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            self._socket, self._environment = ours, wanted
        return wanted == self._environment

    def _forked(
        self, words: list[str], cwd: Path, environment: Mapping[str, str], timeout: float | None
    ) -> subprocess.CompletedProcess[str]:
        assert self._socket is not None
        with ExitStack() as files:
            asked, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            asked.write(json.dumps([words, str(cwd), dict(environment)]).encode())
            asked.flush()
            socket.send_fds(self._socket, [b"run"], [one.fileno() for one in (asked, out, err)])
            child = json.loads(self._socket.recv(64))
            self._socket.settimeout(timeout)
            try:
                status, seconds = json.loads(self._socket.recv(64))
            except BaseException:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                self.close()
                raise
            self._socket.settimeout(None)
            spent["processor"] += seconds
            self._spent += seconds
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read().decode())
        return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(status), *said)


class Pyinfra(Forks):
    """pyinfra's command, which has imported what every deploy imports."""

    def __init__(self, *, forks: bool = True) -> None:
        super().__init__(_DEPLOYS, forks=forks)
