"""apt for hosts that have no internet: a cache on this machine, reached over a unix socket."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from lab import network
from lab.groups import Group
from lab.system import RUN, LabError, run, single, tail

__all__ = ["PROXY", "cease", "mirrors", "serve", "upstream_proxy"]

PORT = 3142
PROXY = f"http://{network.GATEWAY}:{PORT}"

_SERVER = Group("packages/server")
# A socket in the file system is what crosses from one network namespace to another.
_SOCKET = RUN / "packages.socket"
_LOCK = RUN / "packages-server.lock"


def _way(name: str) -> Group:
    return Group(f"packages/ways/{name}")


def serve(name: str, state: Path, cache: Path) -> None:
    """Start what is not running of the cache (one for all labs) and of this lab's way to it."""
    with single(_LOCK):
        if not _answers():
            _SERVER.end(at_once=True)
            _start(cache / "packages")
        if _way(name).is_empty:
            listen = f"TCP-LISTEN:{PORT},bind={network.GATEWAY},reuseaddr,fork"
            _way(name).start(
                [*network.within(name), "socat", listen, f"UNIX-CONNECT:{_SOCKET}"],
                state / "packages.log",
            )


def cease(name: str) -> None:
    """End this lab's way to the cache, and the cache when no lab is left to use it."""
    with single(_LOCK):
        _way(name).end()
        if Group("packages/ways").is_empty:
            _SERVER.end()


def mirrors(targets: str) -> dict[str, str]:
    """Return this machine's own mirrors by their label, of ``apt-get indextargets``' lines."""
    own = {"Debian": "http://deb.debian.org/debian"}
    own["Debian-Security"] = "http://deb.debian.org/debian-security"
    for line in targets.splitlines():
        label, _, address = line.partition(" ")
        # Hosts come over a cache, which can hold only what it can read.
        if label in own and address.startswith("http://"):
            own[label] = address.rstrip("/")
    return own


def upstream_proxy() -> str:
    """Return the proxy by which this machine's own apt reaches its mirrors, or nothing."""
    configured = run(
        ["apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy"],
        say="could not read apt's configuration",
    ).strip()
    return configured or os.environ.get("http_proxy", "")


def _start(folder: Path) -> None:
    network.outside()
    _SOCKET.unlink(missing_ok=True)
    for part in ("conf", "cache", "log"):
        (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
    port = _free_port()
    proxy = upstream_proxy()
    (folder / "conf" / "acng.conf").write_text(
        f"CacheDir: {folder}/cache\nLogDir: {folder}/log\n"
        "SupportDir: /usr/lib/apt-cacher-ng\n"
        f"BindAddress: 127.0.0.1\nPort: {port}\nForeGround: 1\nExThreshold: 30\n"
        # Repositories that are https only cannot be cached, but reached.
        "PassThroughPattern: ^[^:]+:443$\n" + (f"Proxy: {proxy}\n" if proxy else "")
    )
    log = folder / "log" / "start.log"
    server = _SERVER.start(["/usr/sbin/apt-cacher-ng", "-c", str(folder / "conf")], log)
    # apt-cacher-ng's own unix socket closes every connection unanswered (3.7.4).
    _SERVER.start(
        ["socat", f"UNIX-LISTEN:{_SOCKET},fork", f"TCP:127.0.0.1:{port}"],
        folder / "log" / "socat.log",
    )
    _until_answering(server, log)


def _answers() -> bool:
    # Asked, not only connected to: socat listens also where the cache behind it has ended.
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(20)
            asked.connect(str(_SOCKET))
            asked.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return asked.recv(5) == b"HTTP/"
    except OSError:
        return False


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


def _until_answering(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and server.poll() is None:
        if _answers():
            return
        # apt-cacher-ng has no ready signal; its answer is the sign.
        time.sleep(0.05)
    said = tail(log.read_text(errors="replace"))
    raise LabError(f"apt-cacher-ng does not start; see {log.parent}:\n{said}")
