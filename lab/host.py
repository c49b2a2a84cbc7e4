"""What a lab host is made of and when it is up, whichever driver boots it."""

from __future__ import annotations

import os
import select
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import network, packages
from lab.system import RUN, LabError, run, write

__all__ = ["KEYS", "Ready", "disk", "files", "listen", "machine", "notices"]

BOOT_SECONDS = 90

KEYS = "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org"
"""Line of sshd's by which logins agree on keys, with both names of the way. One that is safe from
quantum computers takes each login's client a tenth of a second more."""


def machine(name: str, host: str) -> str:
    """Return a host's name among those of all labs."""
    return f"{host}.{network.namespace(name)}"


def notices(name: str, host: str) -> Path:
    """Return the socket of a host that boots."""
    # Not in the state's folder: a socket's path may have 107 characters only.
    return RUN / f"{machine(name, host)}.ready"


def disk(state: Path, host: str) -> Path | None:
    """Return the image below the disk of a host that has come up once, so that its disk is
    whole."""
    folder = state / "hosts" / host
    return (folder / "image").resolve() if (folder / "booted").exists() else None


def files(state: Path, host: str, address: str) -> dict[str, tuple[str, int]]:
    """Return the files that make a host of an image: text and mode by path. Its ssh key is made
    here, and what is to be known of it is written to the lab's state."""
    folder = state / "hosts" / host
    own = folder / "ssh_host_ed25519_key"
    own.unlink(missing_ok=True)
    run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host, "-f", str(own)],
        say="could not make a host key",
    )
    public = own.with_suffix(".pub").read_text()
    kind, key, *_ = public.split()
    write(folder / "known_host", f"{address} {kind} {key}\n")
    made = {
        "etc/hostname": (f"{host}\n", 0o644),
        "etc/hosts": (f"127.0.0.1 localhost\n{address} {host}\n", 0o644),
        # There is no name server in the lab; with none named, a look-up fails at once.
        "etc/resolv.conf": ("", 0o644),
        "etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o644),
        "etc/systemd/network/10-lab.network": (
            f"[Match]\nName={network.INTERFACE}\n[Network]\nAddress={address}/{network.PREFIX}\n"
            # None of IPv6 answers here, and until it was asked in vain the network is not up.
            f"Gateway={network.GATEWAY}\nIPv6AcceptRA=no\n",
            0o644,
        ),
        "etc/apt/apt.conf.d/01lab": (f'Acquire::http::Proxy "{packages.PROXY}";\n', 0o644),
        "root/.ssh/authorized_keys": ((state / "key.pub").read_text(), 0o600),
        "etc/ssh/sshd_config.d/lab.conf": (f"{KEYS}\n", 0o644),
        "etc/ssh/ssh_host_ed25519_key": (own.read_text(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (public, 0o644),
    }
    own.unlink()
    own.with_suffix(".pub").unlink()
    return made


class Ready:
    """Where the systemd of a host tells that its services are up."""

    def __init__(self, path: Path, notices: socket.socket) -> None:
        self.path = path
        self._notices = notices

    def wait(self, host: str, pid: int, console: Callable[[], str]) -> None:
        """Wait for it, or for the end of process ``pid``, without which the host is not."""
        state = "ended while booting"
        try:
            ended = os.pidfd_open(pid)
        except ProcessLookupError:
            pass
        else:
            try:
                if self._told(ended):
                    return
                if not select.select([ended], [], [], 0)[0]:
                    state = "did not boot in time"
            finally:
                os.close(ended)
        raise LabError(f"{host} {state}; its console says:\n{console()}")

    def _told(self, ended: int) -> bool:
        poll = select.poll()
        poll.register(self._notices, select.POLLIN)
        poll.register(ended, select.POLLIN)
        deadline = time.monotonic() + BOOT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            ready = [handle for handle, _ in poll.poll(left * 1000)]
            if self._notices.fileno() in ready:
                if b"READY=1" in self._notices.recv(4096).split(b"\n"):
                    return True
            elif ended in ready:
                break
        return False


@contextmanager
def listen(name: str, host: str) -> Iterator[Ready]:
    """Open a socket for a host that is about to boot."""
    path = notices(name, host)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(path))
        try:
            yield Ready(path, bound)
        finally:
            path.unlink()
