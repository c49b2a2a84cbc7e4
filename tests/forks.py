"""Commands of Python's, as often as tests need them, without what their imports cost each time.

A process that has imported what every run of a command imports forks for each. The child is given
the run's arguments, environment, folder and output, and does from there on what the command does,
with the same code: a deploy reads the inventory, the Site and the deploy's files for itself. A run
whose environment is another than the first one's is one of the command itself, since Python or a
module may have read it at its start.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias

from callcenter import render
from callcenter.cli import COMMANDS
from tests.times import spent

__all__ = ["COMMAND", "Callcenter", "Forked", "Forks", "Pyinfra", "Started"]

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("pyinfra")
_FORKED = Path(__file__).with_name("forked.py")

_UNREAD = re.compile("PYTEST_CURRENT_TEST|DOCKER_HOST|CALLCENTER_SECRET_.*")
"""Variables that differ from run to run, and that nothing reads when it is imported."""

_RENDER = tuple(f"callcenter.render.{name}" for name in render.__all__ if name.islower())

_PYINFRA = (
    "pyinfra_cli.main",
    # Each run loads all of them.
    *(f"pyinfra.connectors.{one}" for one in ("chroot", "docker", "dockerssh", "local", "ssh")),
    *("pyinfra.connectors.terraform", "pyinfra.connectors.vagrant"),
    *("gevent.resolver.thread", "gevent.threadpool"),
)

_LIBRARIES = ("cryptography.x509", "phonenumbers", "pydantic.dataclasses", "pydantic.json_schema")
"""Modules that deploys import besides, none of which is ours."""

_DEPLOYS = (
    *_PYINFRA,
    "callcenter.client.named",
    *_RENDER,
    *("roles.certificates", "roles.firewall", "roles.freeswitch", "roles.kamailio", "roles.pool"),
    *("roles.postgresql", "roles.turn", "roles.web", "roles.windows"),
    "pyinfra_windows.connectors",
    "tests.built",
)
"""Modules that every deploy imports, and one that makes what each would make of them."""

_COMMANDS = (
    *(f"callcenter.cli.{name}" for name in COMMANDS),
    "callcenter.client.ssh",
    *_RENDER,
    "pytest",
    "_pytest.junitxml",
    "numpy",
    "tests.built",
)
"""Modules that commands of ours and acceptance's tests import, and the same one."""


class Forked:
    """Run of a process that forks, with those parts of ``subprocess.Popen`` that tests use."""

    def __init__(self, told: int, read: Sequence[int]) -> None:
        """Take where its number, status and seconds are told, and where what it prints is read."""
        self._told = os.fdopen(told)
        self.pid: int = json.loads(self._told.readline())
        streams = [os.fdopen(one) for one in read]
        self.stdout = streams[0] if streams else None
        self.stderr = streams[1] if len(streams) > 1 else None
        self.returncode: int | None = None
        self.seconds = 0.0
        """Seconds of a processor, once it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            status, self.seconds = json.loads(self._told.readline())
            spent["processor"] += self.seconds
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def poll(self) -> int | None:
        """Return its exit code, or None while it goes on."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]:
        """Read what it prints, and wait for its end."""
        with self, ThreadPoolExecutor(2) as pool:
            streams = (self.stdout, self.stderr)
            reading = [pool.submit(stream.read if stream else str) for stream in streams]
            try:
                self.wait(timeout)
            except BaseException:
                self.kill()
                raise
            out, err = (one.result() for one in reading)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()
        self.wait()
        self._told.close()


Started: TypeAlias = Forked | subprocess.Popen[str]
"""Run that goes on."""


class Forks:
    """Runs of pyinfra's command, or of modules by ``python -m``."""

    def __init__(
        self, imported: Sequence[str], *, unread: Collection[str] = (), forks: bool = True
    ) -> None:
        """Take the modules to import once, and variables that none of them reads when imported."""
        self._imported = imported
        self._unread = unread
        self._forks = forks
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._environment: dict[str, str] = {}
        self._made: list[Forked] = []
        self._begins = threading.Lock()

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
        # No pipes: what it leaves behind may go on with what it prints to.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            ran: Started = (
                self._forked(words, cwd, environment, out.fileno(), err.fileno())
                if self._answers(environment)
                else subprocess.Popen(
                    words,
                    cwd=cwd,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    text=True,
                )
            )
            with ran:
                try:
                    status = ran.wait(timeout)
                except BaseException:
                    ran.kill()
                    raise
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read().decode())
        return subprocess.CompletedProcess(words, status, *said)

    def start(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        together: bool = False,
    ) -> Started:
        """Return a run of a command line that goes on, and whose output is read meanwhile:
        ``together`` with what it complains of, or apart."""
        words = [str(word) for word in command]
        if not self._answers(environment):
            return subprocess.Popen(
                words,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if together else subprocess.PIPE,
                text=True,
            )
        pipes = [os.pipe() for _ in range(1 if together else 2)]
        ends = [written for _, written in pipes]
        try:
            return self._forked(
                words, cwd, environment, ends[0], ends[-1], read=[read for read, _ in pipes]
            )
        finally:
            for end in ends:
                os.close(end)

    def close(self) -> None:
        """End the process that forks."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()
            # They are its own now, and so this process's.
            spent["processor"] -= sum(run.seconds for run in self._made)
        self._made.clear()
        self._process = self._socket = None

    def _answers(self, environment: Mapping[str, str]) -> bool:
        """Tell whether the process that forks has this environment; the first one is its."""
        if not self._forks:
            return False
        wanted = {
            name: value
            for name, value in environment.items()
            if name not in self._unread and not _UNREAD.fullmatch(name)
        }
        with self._begins:
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
        self,
        words: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        out: int,
        err: int,
        *,
        read: Sequence[int] = (),
    ) -> Forked:
        """Return a run that prints to two descriptors; what is read of them, elsewhere."""
        assert self._socket is not None
        told, telling = os.pipe()
        try:
            with tempfile.TemporaryFile() as asked:
                asked.write(json.dumps([words, str(cwd), dict(environment)]).encode())
                asked.flush()
                socket.send_fds(self._socket, [b"run"], [asked.fileno(), out, err, telling])
        finally:
            os.close(telling)
        self._made.append(run := Forked(told, read))
        return run


class Pyinfra(Forks):
    """pyinfra's command, which has imported what every deploy imports."""

    def __init__(self, *, forks: bool = True) -> None:
        super().__init__(_DEPLOYS, forks=forks)
        self._elsewhere = Forks((*_PYINFRA, *_LIBRARIES), unread=["PYTHONPATH"], forks=forks)

    def of(self, repository: Path) -> Forks:
        """Return the runs of a repository: this one, or a copy of which nothing is imported yet."""
        return self if repository == ROOT else self._elsewhere

    def close(self) -> None:
        """End the processes that fork."""
        super().close()
        self._elsewhere.close()


class Callcenter(Forks):
    """Commands of ours in a clone, which have imported what each of them imports."""

    def __init__(self) -> None:
        super().__init__(_COMMANDS)

    def typed(self, *words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run ``python -m callcenter`` to its end."""
        return self.run(self._line(words), cwd=cwd, environment=self._given())

    def begun(self, *words: str | Path, cwd: Path = ROOT, together: bool = False) -> Started:
        """Return ``python -m callcenter`` as it goes on."""
        line = self._line(words)
        return self.start(line, cwd=cwd, environment=self._given(), together=together)

    @staticmethod
    def _line(words: Sequence[str | Path]) -> list[str | Path]:
        return [sys.executable, "-m", "callcenter", *words]

    @staticmethod
    def _given() -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}
