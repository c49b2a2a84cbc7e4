"""apt for hosts that have no internet: a cache on this machine, reached over a unix socket."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

from lab import network
from lab.system import LabError, ours, single, start

__all__ = ["PROXY", "cache_marks", "serve"]

PORT = 3142
PROXY = f"http://{network.GATEWAY}:{PORT}"


def cache_marks(cache: Path) -> str:
    """What the arguments of the cache's own process hold."""
    return str(cache / "apt")


def serve(name: str, state: Path, cache: Path) -> None:
    """Start what is not running of the cache (one for all labs) and of this lab's way to it."""
    folder = cache / "apt"
    listening = folder / "socket"
    with single(cache / "apt.lock"):
        if not ours(cache_marks(cache)):
            listening.unlink(missing_ok=True)
            for part in ("conf", "cache", "log"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            port = _free_port()
            (folder / "conf" / "acng.conf").write_text(
                f"CacheDir: {folder}/cache\nLogDir: {folder}/log\n"
                "SupportDir: /usr/lib/apt-cacher-ng\n"
                f"BindAddress: 127.0.0.1\nPort: {port}\nForeGround: 1\nExThreshold: 30\n"
            )
            program = shutil.which("apt-cacher-ng", path="/usr/sbin:/usr/bin") or "apt-cacher-ng"
            start([program, "-c", str(folder / "conf")], folder / "start.log")
            # A socket in the file system is what crosses from one network namespace to another;
            # the one that apt-cacher-ng offers closes every connection unanswered (3.7.4).
            start(
                ["socat", f"UNIX-LISTEN:{listening},fork", f"TCP:127.0.0.1:{port}"],
                folder / "socat.log",
            )
            _until_listening(port, folder)
    if not ours(f"UNIX-CONNECT:{state}/"):
        way = state / "apt"
        way.unlink(missing_ok=True)
        way.symlink_to(listening)
        start(
            [
                "nsenter",
                f"--net={network.path(name)}",
                "socat",
                f"TCP-LISTEN:{PORT},bind={network.GATEWAY},reuseaddr,fork",
                f"UNIX-CONNECT:{way}",
            ],
            state / "apt.log",
        )


def _free_port() -> int:
    # apt-cacher-ng 3.7.4 cannot bind to ports above 32767, which the kernel would hand out.
    for port in range(23142, 24142):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LabError("no port between 23142 and 24141 is free on loopback for the apt cache")


def _until_listening(port: int, folder: Path) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port)):
                return
        except OSError:
            # apt-cacher-ng has no ready signal; its open port is the sign.
            time.sleep(0.05)
    raise LabError(f"apt-cacher-ng does not start; see {folder}/start.log and {folder}/log")
