"""Running programs, finding our own, and ending no other."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["LabError", "end", "ours", "require", "run", "single", "start"]


class LabError(RuntimeError):
    """The lab cannot do what was asked; the message says what to do."""


def run(command: Sequence[str], *, say: str) -> str:
    """Run a program to its end and return what it printed. ``say`` begins the message if it
    fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError(f"{say}: {command[0]} is not installed") from None
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise LabError(f"{say}:\n{tail}")
    return done.stdout


def start(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that outlives this one."""
    with log.open("wb") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )


def ours(mark: str) -> list[int]:
    """Processes that were started with ``mark``, a path of one lab, in their arguments.

    Nothing is written down when a process starts, so nothing is lost when ``up`` is killed.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        program = Path(os.fsdecode(arguments[0])).name
        if program in ("systemd-nspawn", "socat", "apt-cacher-ng") and any(
            os.fsencode(mark) in argument for argument in arguments
        ):
            found.append(int(entry.name))
    return found


def end(pids: Sequence[int], seconds: float = 20) -> None:
    """End processes and wait until they are gone; the stubborn are killed after ``seconds``."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        handles: dict[int, int] = {}
        poll = select.poll()
        for pid in pids:
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            handles[handle] = pid
            poll.register(handle, select.POLLIN)
            signal.pidfd_send_signal(handle, number)
        while handles and (ready := poll.poll(seconds * 1000)):
            for handle, _ in ready:
                poll.unregister(handle)
                os.close(handle)
                del handles[handle]
        pids = list(handles.values())
        for handle in handles:
            os.close(handle)
        if not pids:
            return
    raise LabError(f"processes {pids} do not end; look at them with ps, then run down again")


@contextmanager
def single(path: Path) -> Iterator[None]:
    """Hold a lock file; whoever comes second waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "socat": "socat",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "apt-cacher-ng": "apt-cacher-ng",
}


def require() -> None:
    """Install the Debian packages that the lab itself lacks."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes network namespaces; run it with sudo")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    lacking = [
        package
        for program, package in PACKAGES.items()
        if not any((Path(folder) / program).exists() for folder in path.split(":"))
    ]
    if not lacking:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A package's daemon is not wanted on this machine: the lab starts its own.
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
        done = subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
    finally:
        if made:
            policy.unlink()
    if done.returncode:
        tail = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise LabError(
            f"could not install {', '.join(lacking)}; run apt-get update and install them:\n{tail}"
        )
