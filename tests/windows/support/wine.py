"""A Windows host made of wine: FreeSWITCH's MSI by wixl, a real service, with WinRM and OpenSSH.

What is not real there is never believed: see docs/windows.md for the list.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from lab.host import KEYS
from lab.lab import find
from lab.system import single
from tests.windows.support import freeswitch

__all__ = ["TAR", "Wine", "lacking"]

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "pyinfra-callcenter"
TAR = Path(os.environ.get("CALLCENTER_WINDOWS_TAR") or CACHE / "tar.exe").expanduser()
"""The tar.exe that Windows ships and wine lacks; built by the script build-tar beside this file,
which names the same place."""

USER, PASSWORD = "Administrator", "Sprechende-Uhr-17!"

PRIORITY = "-10"
"""Niceness of the sessions that wine runs in. Its programs wait for each other, and each would wait
for its turn among all that tests beside it compute."""

BOOTED_WITH = ("WINEDLLOVERRIDES", "LC_ALL")
"""Variables that a first boot goes by."""

# Also in the script line, which says why.
FIXED = ("setarch", "--addr-no-randomize")

NEEDED = {
    "wine": "wine wine64",
    "wixl": "wixl",
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",
    "/usr/sbin/sshd": "openssh-server",
    "unshare": "util-linux",
}


def lacking() -> str:
    """Return why there can be no such host on this machine, or nothing."""
    packages = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if packages:
        return f"wine hosts need: apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0:
        return "wine hosts need root (sshd, and SFTP's view of drive C:)"
    if not TAR.is_file():
        return "wine has no tar.exe: run tests/windows/support/build-tar (two minutes, once)"
    return ""


@dataclass(frozen=True)
class Door:
    """One way into the host, as pyinfra's inventory names it."""

    name: str
    data: dict[str, Any]


class Wine:
    """One Windows host. Everything of it is below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drive = folder / "jail" / "C:"
        self.log = folder / "commands"
        self._running: list[subprocess.Popen[bytes]] = []
        self._linux: Door | None = None
        self.environment = {
            **os.environ,
            "CALLCENTER_WINE": str(folder),
            "WINEPREFIX": str(folder / "prefix"),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "LC_ALL": "C.UTF-8",
            "DISPLAY": "",
        }

    def start(self) -> None:
        """Build the programs, boot wine, open both doors."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._compile("launcher.c", self.folder / "launcher.exe")
        self._compile("service.c", self.folder / "service.exe", "-lws2_32")
        self._compile("fs_cli.c", self.folder / "fs_cli.exe", "-lws2_32")
        self._boot(self.folder / "prefix")
        system = self.folder / "prefix" / "drive_c"
        self.drive.parent.mkdir()
        system.rename(self.drive)
        # wine finds the drive by this link; SFTP finds it by its name in a root of its own.
        system.symlink_to(self.drive)
        (self.drive / "lines").mkdir()
        shutil.copy(TAR, self.drive / "windows/system32/tar.exe")
        self._hold()
        self._hasten()
        own = f"echo {PRIORITY} 2>/dev/null >/proc/self/autogroup"
        run = self._script("run", f'{own}\nexec "{HERE}/line" "$@"')
        self._script(
            "sftp-on-wine",
            "exec unshare --mount sh -c '"
            'cd "$0" && for one in usr lib lib64 etc dev; do '
            "[ -d /$one ] || continue; mkdir -p $one && mount --rbind /$one $one; done; "
            "exec chroot . /usr/lib/openssh/sftp-server' "
            f'"{self.folder}/jail"',
        )
        self.log.touch()
        # LocalService's part, which Windows has and lets administrators read.
        self.as_windows_does(r"reg add HKU\S-1-5-19\Environment /f")
        self.no_freeswitch = freeswitch.unpack(self.folder / "unpacked")
        if not self.no_freeswitch:
            self._open_freeswitch()
        self.ssh = self._open_ssh("ssh", f"ForceCommand {run}")
        self._open_winrm(run)

    def stop(self) -> None:
        """End what was started, and only that."""
        subprocess.run(["wineserver", "--kill"], env=self.environment, check=False)
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text("0")
        for process in reversed(self._running):
            # Those that serve until then end by themselves, and end what they have started.
            if process.stdin is not None:
                process.stdin.close()
            else:
                process.terminate()
            process.wait()

    # The tests' own eyes and hands on the host.

    def path(self, windows: str) -> Path:
        """Return where a file of the host is on this machine."""
        return self.drive / windows[3:].replace("\\", "/")

    def line(self, line: str) -> subprocess.CompletedProcess[bytes]:
        """Run a line past both doors."""
        before = self.log.read_bytes()
        done = subprocess.run(
            [self.folder / "run", line], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        self.log.write_bytes(before)
        return done

    def argv(self, word: str) -> str:
        """Return what a program gets as its argument when ``word`` stands in a line."""
        program = self.drive / "argv.exe"
        if not program.exists():
            self._compile("argv.c", program, "-municode")
        return self.line(f"C:\\argv.exe {word}").stdout.decode()

    def commands(self) -> list[str]:
        """Every command and transfer that came through a door."""
        return self.log.read_text().splitlines()

    def msi(self, version: str, installs: bool = True) -> Path:
        """Return an MSI with FreeSWITCH's codes, or one whose installation fails."""
        place = self.folder / ("good" if installs else "broken")
        place.mkdir(exist_ok=True)
        made = place / f"FreeSWITCH-{version}-Release-x64.msi"
        if not made.exists():
            (self.folder / "vanilla.xml").write_text("<!-- vanilla -->\n")
            words = ["-D", f"VERSION={version}", "-D", f"INSTALLS={int(installs)}"]
            subprocess.run(
                ["wixl", "-a", "x64", *words, "-o", made, HERE / "freeswitch.wxs"],
                cwd=self.folder,
                check=True,
                capture_output=True,
            )
        return made

    def as_windows_does(self, *lines: str) -> None:
        """Put into the registry what Windows' own programs would, and wine's do not."""
        for line in lines:
            assert self.line(line).returncode == 0, line

    @contextlib.contextmanager
    def busy(self, times: int) -> Iterator[Callable[[], int]]:
        """Give the installer answers so many times that another installation is running; how many
        are left is told."""
        installer = self.drive / "windows/system32/msiexec.exe"
        counter, kept = self.drive / "busy", self.drive / "real/msiexec.exe"
        self._compile("busy.c", self.folder / "busy.exe", "-municode")
        kept.parent.mkdir(exist_ok=True)
        installer.rename(kept)
        shutil.copy(self.folder / "busy.exe", installer)
        counter.write_text(str(times))
        # Without it, wine takes its own for every program of that name.
        override = r"HKCU\Software\Wine\DllOverrides /v msiexec.exe"
        self.as_windows_does(f"reg add {override} /d native,builtin /f")
        try:
            yield lambda: int(counter.read_text())
        finally:
            self.line(f"reg delete {override} /f")
            kept.rename(installer)
            counter.unlink()

    # How it is made.

    def _compile(self, source: str, target: Path, *options: str) -> None:
        compiler = "x86_64-w64-mingw32-gcc"
        subprocess.run([compiler, "-O1", "-o", target, HERE / source, *options], check=True)

    def _boot(self, prefix: Path) -> None:
        """Copy a prefix that this machine's wine has booted once: that takes less than half of what
        a first boot does."""
        version = subprocess.check_output(["wine", "--version"], env=self.environment)
        # There are links to the user's folders in it.
        of = [version, Path.home(), *(self.environment[name] for name in BOOTED_WITH)]
        digest = hashlib.sha256(repr(of).encode()).hexdigest()[:12]
        cache = find().cache
        kept = cache / "wine" / digest
        with single(cache / "wine.lock"):  # whoever comes second waits, and has it
            if not kept.is_dir():
                # Those of other versions, and what a killed run has left.
                shutil.rmtree(kept.parent, ignore_errors=True)
                kept.parent.mkdir()
                making = kept.with_suffix(".making")
                self._run("wineboot", "--init", WINEPREFIX=str(making))
                self._run("wineserver", "--kill", WINEPREFIX=str(making))
                self._run("wineserver", "--wait", WINEPREFIX=str(making))
                making.rename(kept)
            subprocess.run(["cp", "--archive", "--reflink=auto", kept, prefix], check=True)

    def _run(self, *words: str, **more: str) -> None:
        with (self.folder / "wine.log").open("ab") as log:
            subprocess.run(
                [*FIXED, *words],
                env={**self.environment, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )

    def _script(self, name: str, text: str) -> Path:
        file = self.folder / name
        names = ("CALLCENTER_WINE", "WINEPREFIX", "WINEDEBUG", "WINEDLLOVERRIDES", "LC_ALL")
        exports = "".join(f"export {key}='{self.environment[key]}'\n" for key in names)
        file.write_text(f"#!/bin/sh\nunset DISPLAY\n{exports}{text}\n")
        file.chmod(0o755)
        return file

    def _hold(self) -> None:
        """wine stops its services with its last program: keep one."""
        holder = subprocess.Popen(
            [*FIXED, "wine", "cmd", "/c", "pause"],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._running.append(holder)
        assert holder.stdout is not None
        holder.stdout.read(1)

    def _hasten(self) -> None:
        """Have all that runs go before other programs, and this process, which started it. Linux
        divides its time among sessions, where it can."""
        mine = f"WINEPREFIX={self.environment['WINEPREFIX']}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended, or there are no such groups
                if mine in (process / "environ").read_bytes().split(b"\0"):
                    (process / "autogroup").write_text(PRIORITY)

    def linux(self) -> Door:
        """sshd again, without wine behind it: what a wrong inventory reaches."""
        if self._linux is None:
            self._linux = self._open_ssh("linux", "")
        return self._linux

    def _open_ssh(self, name: str, command: str) -> Door:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        keys = self.folder / name
        keys.mkdir(mode=0o700)
        for key in ("host", "login"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / key], check=True
            )
        shutil.copy(keys / "login.pub", keys / "authorized")
        port = _free_port()
        config = keys / "config"
        # By SHLVL bash takes itself for no first shell, which would read this machine's .bashrc at
        # each connection: it may run a hundred programs.
        config.write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {keys}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {keys}/authorized\nStrictModes no\nPermitRootLogin yes\n"
            f"SetEnv SHLVL=1\n{KEYS}\n"
            f"Subsystem sftp {self.folder}/sftp-on-wine\n{command}\nMaxSessions 20\n"
        )
        sshd = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=(keys / "log").open("ab")
        )
        self._running.append(sshd)
        _wait_for(port)
        known = keys / "known_hosts"
        public = (keys / "host.pub").read_text().split()
        known.write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
        return Door(
            "@winssh/127.0.0.1",
            {
                "ssh_port": port,
                "ssh_user": "root",
                "ssh_key": str(keys / "login"),
                "ssh_known_hosts_file": str(known),
                "ssh_allow_agent": False,
                "ssh_look_for_keys": False,
            },
        )

    def _open_freeswitch(self) -> None:
        bridge = subprocess.Popen(
            [
                sys.executable,
                *("-m", "tests.windows.support.freeswitch"),
                *(self.folder / "jail", self.folder / "unpacked"),
            ],
            cwd=HERE.parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._running.append(bridge)
        assert bridge.stdout is not None
        (self.drive / "freeswitch-port").write_bytes(bridge.stdout.readline())

    def _open_winrm(self, run: Path) -> None:
        place = self.folder / "winrm"
        place.mkdir(mode=0o700)
        certificate(place)
        (place / "users").write_text(f":{USER}:{PASSWORD}\n")
        endpoint = subprocess.Popen(
            [sys.executable, HERE / "wsman.py", place, run],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(place / "log").open("ab"),
        )
        self._running.append(endpoint)
        assert endpoint.stdout is not None
        port = int(endpoint.stdout.readline())
        self.winrm = Door(
            "@winrm/127.0.0.1",
            {
                "winrm_port": port,
                "winrm_user": USER,
                "winrm_password": PASSWORD,
                "winrm_ca_file": str(place / "certificate.pem"),
            },
        )


def certificate(folder: Path) -> None:
    """Make a self-signed certificate for 127.0.0.1, as WinRM hosts have them."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    import socket
    import time

    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
