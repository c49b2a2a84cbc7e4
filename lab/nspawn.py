"""Lab hosts as systemd-nspawn containers: systemd, sshd, nftables and realtime units work in them.

They have no right to set the clock (no CAP_SYS_TIME) nor the outer kernel (only its net.*).
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

from lab import network, packages
from lab.groups import Group
from lab.system import RUN, LabError, run, tail

__all__ = ["boot", "disk", "halt", "running"]

BOOT_SECONDS = 90

# nspawn leaves it to its service manager to start a host that reboots again.
UNTIL_OFF = '"$@"; while [ $? = 133 ]; do "$@"; done'


def _group(name: str, host: str = "") -> Group:
    # A cgroup for each host, or all would share nspawn's default one, and the systemd of one
    # would see processes of its namesakes' services.
    return Group(f"hosts/{name}/{host}")


def _machine(name: str, host: str) -> str:
    return f"{host}.{network.namespace(name)}"


def disk(state: Path, host: str) -> Path | None:
    """The image below the disk of a host that has come up once, so that its disk is whole."""
    folder = state / "hosts" / host
    return (folder / "image").resolve() if (folder / "booted").exists() else None


def running(name: str, state: Path, host: str) -> bool:
    """Whether the host's container is there and came up."""
    return disk(state, host) is not None and bool(Group(f"{_group(name, host).path}/payload").pids)


def boot(name: str, state: Path, host: str, address: str, image: Path) -> None:
    """Boot a host and wait until its services are up. Its disk is a fresh layer over ``image``,
    unless it came up before."""
    folder = state / "hosts" / host
    fresh = disk(state, host) is None
    _end(name, host)
    if fresh:
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("upper", "work", "root"):
            (folder / part).mkdir(parents=True)
        (folder / "image").symlink_to(image)
    root = folder / "root"
    if not root.is_mount():
        parts = f"lowerdir={image},upperdir={folder}/upper,workdir={folder}/work"
        run(
            ["mount", "-t", "overlay", "overlay", "-o", parts, str(root)],
            say=f"could not mount the disk of {host} (CALLCENTER_LAB_STATE must be a folder of an "
            "ordinary file system, no overlay or network one)",
        )
    if fresh:
        _furnish(root, host, address, state)
    log = folder / "console.log"
    # Not in the state's folder: a socket's path may have 107 characters only.
    ready = RUN / f"{_machine(name, host)}.ready"
    ready.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(ready))
        process = _group(name, host).start(
            [
                *network.within(name),
                *("sh", "-c", UNTIL_OFF, "lab"),
                "systemd-nspawn",
                "--quiet",
                f"--directory={root}",
                f"--machine={_machine(name, host)}",
                "--register=no",
                # Else it asks for a system bus.
                "--keep-unit",
                f"--network-bridge={network.BRIDGE}",
                "--resolv-conf=off",
                "--timezone=off",
                "--link-journal=no",
                "--drop-capability=CAP_SYS_TIME",
                "--notify-ready=yes",
                "--boot",
                "--console=pipe",
            ],
            log,
            # cgroup2 in the host also where this machine has v1, which Debian 13 refuses.
            {"NOTIFY_SOCKET": str(ready), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        _until_ready(notices, process, log, host)
    ready.unlink()
    (folder / "booted").touch()


def _until_ready(
    notices: socket.socket, process: subprocess.Popen[bytes], log: Path, host: str
) -> None:
    ended = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(notices, select.POLLIN)
        poll.register(ended, select.POLLIN)
        deadline = time.monotonic() + BOOT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            ready = [handle for handle, _ in poll.poll(left * 1000)]
            if notices.fileno() in ready and b"READY=1" in notices.recv(4096).split(b"\n"):
                return
            if ended in ready:
                break
    finally:
        os.close(ended)
    state = "ended while booting" if process.poll() is not None else "did not boot in time"
    said = tail(log.read_text(errors="replace"))
    raise LabError(f"{host} {state}; its console says:\n{said}")


def _furnish(root: Path, host: str, address: str, state: Path) -> None:
    def write(path: str, text: str, mode: int = 0o644) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # A link of the image's would lead to this machine's own file.
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(mode)

    write("etc/hostname", f"{host}\n")
    write("etc/hosts", f"127.0.0.1 localhost\n{address} {host}\n")
    # There is no name server in the lab; with none named, a look-up fails at once.
    write("etc/resolv.conf", "")
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
    run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host, "-f", str(own)],
        say="could not make a host key",
    )
    kind, key, *_ = own.with_suffix(".pub").read_text().split()
    known = state / "hosts" / host / "known_host"
    # Others read the host's address here, and must not find half of it.
    known.with_suffix(".new").write_text(f"{address} {kind} {key}\n")
    known.with_suffix(".new").rename(known)


def _end(name: str, host: str) -> None:
    # The host itself first, for its disk is thrown away; nspawn then ends and tidies up. All
    # are ended thereafter, also those whose nspawn was killed.
    Group(f"{_group(name, host).path}/payload").end(at_once=True)
    _group(name, host).end()
    (RUN / f"{_machine(name, host)}.ready").unlink(missing_ok=True)
    # What an nspawn that was killed leaves.
    with suppress(FileNotFoundError):
        Path("/run/systemd/nspawn/propagate", _machine(name, host)).rmdir()


def halt(name: str, state: Path) -> None:
    """End all hosts of a lab, at once, and remove their disks."""
    for host in _group(name).groups:
        _end(name, host)
    _group(name).end()
    disks = state / "hosts"
    for folder in disks.iterdir() if disks.is_dir() else ():
        _unmount(folder)
        shutil.rmtree(folder)


def _unmount(folder: Path) -> None:
    root = folder / "root"
    while root.is_mount():
        run(
            ["umount", "--recursive", str(root)],
            say=f"could not unmount {root}; leave that folder, then run it again",
        )
