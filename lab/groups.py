"""The lab's processes, each group of them in a cgroup: the kernel keeps what belongs to whom, so
nothing is lost when ``up`` is killed, and nothing is ended that the lab did not start."""

from __future__ import annotations

import functools
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.system import RUN, LabError

__all__ = ["Group", "hierarchies"]


def hierarchies(mountinfo: str) -> list[Path]:
    """List where systemd's cgroups are mounted: cgroup2, or v1's name=systemd, or both."""
    found = []
    for line in mountinfo.splitlines():
        mount, _, kind = line.partition(" - ")
        folder = Path(mount.split()[4])
        name, _, options = kind.split()[:3]
        systemd = name == "cgroup2" or (name == "cgroup" and "name=systemd" in options.split(","))
        if systemd and folder.is_relative_to("/sys/fs/cgroup"):
            found.append(folder)
    return found


@functools.cache
def _mounted() -> list[Path]:
    """List this machine's, which are there from its boot on."""
    mounted = hierarchies(Path("/proc/self/mountinfo").read_text())
    if not mounted:
        raise LabError("no cgroup2 (or v1 name=systemd) is mounted below /sys/fs/cgroup")
    return mounted


@dataclass(frozen=True)
class Group:
    """A cgroup of the lab, with those below it."""

    path: str

    @property
    def folders(self) -> list[Path]:
        """The group in each hierarchy."""
        RUN.mkdir(exist_ok=True)
        # cgroups are one tree for all; a chroot with a /run of its own has labs of its own.
        top = f"callcenter-lab-{RUN.stat().st_dev}-{RUN.stat().st_ino}"
        return [folder / top / self.path for folder in _mounted()]

    @property
    def groups(self) -> list[str]:
        """Names of the groups in it."""
        return sorted({one.name for at in self.folders for one in at.glob("*/")})

    @property
    def pids(self) -> set[int]:
        """All processes in the group and below."""
        return set(self._pids())

    @property
    def is_empty(self) -> bool:
        """True where no process is in the group or below. It looks no further than the first."""
        return next(self._pids(), None) is None

    def start(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in the group that outlives this one."""
        try:
            for folder in self.folders:
                folder.mkdir(parents=True, exist_ok=True)
            entries = [os.open(at / "cgroup.procs", os.O_WRONLY) for at in self.folders]
        except OSError as refused:
            raise LabError(
                f"could not make a cgroup ({refused}); in a container, run it with --privileged"
            ) from None

        # While it forks, Python drops a KeyboardInterrupt. Blocked, it comes right after.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

        def join() -> None:
            for entry in entries:
                os.write(entry, b"0")
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

        try:
            with log.open("wb") as out:
                # Joined between fork and exec, while the copy of this process still holds the
                # lab's lock: a `down` after a kill cannot come too early to see the program.
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=join,
                    env={**os.environ, **(environment or {})},
                )
        finally:
            for entry in entries:
                os.close(entry)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def end(self, *, at_once: bool = False, seconds: float = 20) -> None:
        """End all in the group and wait until it is gone: by SIGTERM first unless ``at_once``,
        then by SIGKILL."""
        for number in (signal.SIGKILL,) if at_once else (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + seconds
            told: set[int] = set()
            while (pids := self.pids) and time.monotonic() < deadline:
                self._signal(pids - told, number)
                told |= pids
                self._one_ends(pids, deadline)
        self._remove(time.monotonic() + seconds)

    def wait(self, seconds: float) -> bool:
        """Wait until nothing runs in the group, and tell whether that came in time."""
        deadline = time.monotonic() + seconds
        while (pids := self.pids) and time.monotonic() < deadline:
            self._one_ends(pids, deadline)
        return not pids

    def _pids(self) -> Iterator[int]:
        for folder in self.folders:
            for at, _, _ in os.walk(folder):
                try:
                    yield from map(int, Path(at, "cgroup.procs").read_text().split())
                except OSError:
                    continue  # it went away while we looked

    def _signal(self, pids: set[int], number: signal.Signals) -> None:
        for pid in pids:
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                # The handle names one process for good; only now can its number not be another's.
                if pid in self.pids:
                    signal.pidfd_send_signal(handle, number)
            except ProcessLookupError:
                pass
            finally:
                os.close(handle)

    def _one_ends(self, pids: set[int], deadline: float) -> None:
        poll = select.poll()
        handles = []
        try:
            for pid in pids:
                try:
                    handles.append(os.pidfd_open(pid))
                except ProcessLookupError:
                    return
                poll.register(handles[-1], select.POLLIN)
            poll.poll(max(0, deadline - time.monotonic()) * 1000)
        finally:
            for handle in handles:
                os.close(handle)

    def _remove(self, deadline: float) -> None:
        for folder in self.folders:
            for at, _, _ in os.walk(folder, topdown=False):
                while Path(at).is_dir():
                    try:
                        os.rmdir(at)
                    except OSError:
                        if time.monotonic() > deadline:
                            raise LabError(
                                f"processes {sorted(self.pids)} do not end; look at them with ps, "
                                "then run down again"
                            ) from None
                        # v1 tells nobody when the last task has left a cgroup.
                        time.sleep(0.01)
