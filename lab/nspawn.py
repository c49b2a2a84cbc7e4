"""Lab hosts as systemd-nspawn containers: systemd, sshd, nftables and realtime units work in them.

They have no right to set the clock (nspawn grants no CAP_SYS_TIME) nor the outer kernel.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

from lab import network, packages
from lab.system import LabError, end, ours, run, start

__all__ = ["boot", "halt", "running"]

BOOT_SECONDS = 60


def running(state: Path, host: str) -> bool:
    """Whether the host's container is there."""
    return bool(ours(f"{state}/hosts/{host}/"))


def boot(name: str, state: Path, host: str, address: str, image: Path) -> None:
    """Boot a host from a fresh overlay over the image and wait until its services are up."""
    folder = state / "hosts" / host
    _unmount(folder)
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "root"
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True)
    run(
        [
            *("mount", "-t", "overlay", "overlay", "-o"),
            f"lowerdir={image},upperdir={folder}/upper,workdir={folder}/work",
            str(root),
        ],
        say=f"could not mount the disk of {host}",
    )
    _furnish(root, host, address, state)
    ready = folder / "ready"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(ready))
        process = start(
            [
                "nsenter",
                f"--net={network.path(name)}",
                "systemd-nspawn",
                "--quiet",
                f"--directory={root}",
                f"--machine={network.namespace(name)}-{host}"[:64],
                "--register=no",
                "--keep-unit",
                f"--network-bridge={network.BRIDGE}",
                "--resolv-conf=off",
                "--timezone=off",
                "--link-journal=no",
                "--notify-ready=yes",
                "--boot",
                "--console=pipe",
            ],
            folder / "console.log",
            {"NOTIFY_SOCKET": str(ready)},
        )
        _until_ready(notices, process, folder / "console.log", host)


def _until_ready(
    notices: socket.socket, process: subprocess.Popen[bytes], log: Path, host: str
) -> None:
    ended = os.pidfd_open(process.pid)
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([notices, ended], [], [], left)
            if notices in ready and b"READY=1" in notices.recv(4096).split(b"\n"):
                return
            if ended in ready:
                break
    finally:
        os.close(ended)
    state = "ended while booting" if process.poll() is not None else "did not boot in time"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    raise LabError(f"{host} {state}; its console says:\n{tail}")


def _furnish(root: Path, host: str, address: str, state: Path) -> None:
    def write(path: str, text: str, mode: int = 0o644) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    write("etc/hostname", f"{host}\n")
    write("etc/hosts", f"127.0.0.1 localhost\n{address} {host}\n")
    write("etc/machine-id", f"{uuid.uuid4().hex}\n")
    write(
        "etc/systemd/network/10-lab.network",
        f"[Match]\nName=host0\n[Network]\nAddress={address}/{network.PREFIX}\n"
        f"Gateway={network.GATEWAY}\n",
    )
    write("etc/apt/apt.conf.d/01lab", f'Acquire::http::Proxy "{packages.PROXY}";\n')
    keys = root / "root" / ".ssh"
    keys.mkdir(mode=0o700, exist_ok=True)
    write("root/.ssh/authorized_keys", (state / "key.pub").read_text(), 0o600)
    own = root / "etc/ssh/ssh_host_ed25519_key"
    if not own.exists():
        run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host, "-f", str(own)],
            say="could not make a host key",
        )
    kind, key, *_ = own.with_suffix(".pub").read_text().split()
    (state / "hosts" / host / "known_host").write_text(f"{address} {kind} {key}\n")


def halt(state: Path, hosts: list[str]) -> None:
    """End hosts, at once, and remove their disks."""
    end([pid for host in hosts for pid in ours(f"{state}/hosts/{host}/")])
    for host in hosts:
        folder = state / "hosts" / host
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _unmount(folder: Path) -> None:
    root = folder / "root"
    while os.path.ismount(root):
        run(["umount", "--recursive", str(root)], say=f"could not unmount {root}")
