"""Real FreeSWITCH behind a wine host: Debian's build, run by the host's service, on the very files
that a deploy has put on drive C:.

python freeswitch.py JAIL UNPACKED: prints its port, then serves the host's programs (service.c and
fs_cli.c) until standard input ends. JAIL holds the drive as a folder named ``C:``.
"""

from __future__ import annotations

import os
import platform
import re
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

from callcenter.render import freeswitch
from callcenter.render import windows_paths as paths
from callcenter.render.debian import closure, index_of
from callcenter.site import CODECS, Extension, LocalPackages, Media, Site

__all__ = ["unpack"]


def unpack(folder: Path) -> str:
    """FreeSWITCH with every module that a Site may need, installed nowhere; why it cannot be, or
    nothing."""
    source = LocalPackages()
    if not source.index.is_file():
        return f"no FreeSWITCH packages in {source.path} (or where FREESWITCH_APT says)"
    site = Site("all.test", extensions=[Extension(1000)], media=Media(codecs=tuple(CODECS)))
    kind = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    wanted = freeswitch.packages(site)
    for package in closure(index_of(source.path), wanted, source.version, kind, release):
        deb = source.path / package.filename.removeprefix("./")
        subprocess.run(["dpkg", "-x", deb, folder], check=True)
    libraries = folder / "usr/lib"
    said = subprocess.run(
        ["ldd", folder / "usr/bin/freeswitch", *(libraries / "freeswitch/mod").glob("*.so")],
        env={**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{libraries}/x86_64-linux-gnu"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    missing = sorted(set(re.findall(r"(\S+) => not found", said)))
    return (
        f"FreeSWITCH's libraries are not on this machine: {', '.join(missing)}" if missing else ""
    )


class FreeSwitch:
    """One process, its paths those of the host."""

    def __init__(self, jail: Path, unpacked: Path) -> None:
        self.jail, self.unpacked = jail, unpacked
        self.process: subprocess.Popen[bytes] | None = None
        libraries = unpacked / "usr/lib"
        self.environment = {
            **os.environ,
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/x86_64-linux-gnu",
        }

    def _place(self, windows: str) -> Path:
        return self.jail / windows.replace("\\", "/")

    def start(self) -> str:
        """Return the service starts."""
        words: list[str | Path] = [self.unpacked / "usr/bin/freeswitch", "-nf", "-nc", "-nonat"]
        folders = {"conf": paths.CONFIG, "log": paths.LOGS, "run": paths.DATABASE}
        for option, folder in folders.items():
            self._place(folder).mkdir(exist_ok=True)
            words += [f"-{option}", self._place(folder)]
        # On Linux a database C:/… is one below this folder, and a sound below that: where the drive
        # is.
        words += ["-db", self.jail, "-sounds", self.jail]
        words += ["-mod", self.unpacked / "usr/lib/freeswitch/mod"]
        # As on Windows, it can keep the keys that it makes.
        words += ["-certs", self.unpacked / "certs"]
        self.process = subprocess.Popen(
            words,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return "ok"

    def stop(self) -> str:
        """Return the service stops."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                # Told to end while it starts, it may lock itself up; systemd would kill it, too.
                self.process.kill()
                self.process.wait()
            self.process = None
        return "ok"

    def cli(self, home: str, *words: str) -> str:
        """fs_cli's exit code and what it printed."""
        # As on Windows: what does not begin with a slash is no absolute path to it.
        place = f"{self.jail}/C:{home}" if home.startswith("/") else "/nowhere"
        done = subprocess.run(
            [self.unpacked / "usr/bin/fs_cli", *words],
            env={**self.environment, "HOME": place},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return f"{done.returncode}\n{done.stdout}"


class Handler(socketserver.StreamRequestHandler):
    """One question of the host's programs."""

    freeswitch: FreeSwitch

    def handle(self) -> None:
        word, *rest = self.rfile.read().decode().split("\n")
        if word == "cli":
            answer = self.freeswitch.cli(*rest)
        else:
            answer = self.freeswitch.start() if word == "start" else self.freeswitch.stop()
        self.wfile.write(answer.encode())


def main(jail: str, unpacked: str) -> None:
    """Serve until standard input ends."""
    Handler.freeswitch = FreeSwitch(Path(jail), Path(unpacked))
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    Handler.freeswitch.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
