"""Lab hosts as systemd-nspawn containers: systemd, sshd, nftables and realtime units work in them.

They have no right to set the clock (no CAP_SYS_TIME) nor the outer kernel (only its net.*).
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from callcenter.render import shell
from lab import network
from lab.groups import Group
from lab.host import disk, files, listen, machine, notices
from lab.image import layers
from lab.system import RUN, LabError, run, single, tail

__all__ = ["PACKAGES", "boot", "check", "halt", "init", "running", "until_off"]

PACKAGES: Mapping[str, str] = {"bin/systemd-nspawn": "systemd-container"}

INSTANCES = 10
"""inotify instances that a host may have of root's: systemd's, those of its logins and of a unit
that waits for a file, logind's."""
ROOM_SECONDS = 900
HOST_GROUP = re.compile(r"callcenter-lab-\d+-\d+/hosts/[^/\n]+/[^/\n]+")
"""The cgroup of a host, whichever lab's it is."""

OFF_SECONDS = 90
"""systemd kills what does not end in that time."""


def _group(name: str, host: str = "") -> Group:
    # A cgroup for each host, or all would share nspawn's default one, and the systemd of one
    # would see processes of its namesakes' services.
    return Group(f"hosts/{name}/{host}")


def check(state: Path) -> None:
    """Do nothing: nothing is asked of this machine but packages."""


def running(name: str, state: Path, host: str) -> bool:
    """Tell whether the host's container is there and came up."""
    group = Group(f"{_group(name, host).path}/payload")
    return disk(state, host) is not None and not group.is_empty


def init(name: str, state: Path, host: str) -> int:
    """Return the process that is the first in a running host."""
    return min(Group(f"{_group(name, host).path}/payload/init.scope").pids)


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
        lower = ":".join(map(str, layers(image)))
        parts = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
        run(
            ["mount", "-t", "overlay", "overlay", "-o", parts, str(root)],
            say=f"could not mount the disk of {host} (CALLCENTER_LAB_STATE must be a folder of an "
            "ordinary file system, no overlay or network one)",
        )
    if fresh:
        _furnish(root, files(state, host, address))
    log = folder / "console.log"
    with single(RUN / "boot.lock"), listen(name, host) as ready:
        _until_room(host)
        process = _group(name, host).start(
            [
                *network.within(name),
                *shell.words(__file__, "until_off"),
                "systemd-nspawn",
                "--quiet",
                f"--directory={root}",
                f"--machine={machine(name, host)}",
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
            {"NOTIFY_SOCKET": str(ready.path), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        ready.wait(host, process.pid, lambda: tail(log.read_text(errors="replace")))
    (folder / "booted").touch()


def _until_room(host: str) -> None:
    # Without an inotify instance a host's systemd ends, and its console does not say why.
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    deadline = time.monotonic() + ROOM_SECONDS
    while (used := _instances()) > limit - INSTANCES:
        if time.monotonic() > deadline:
            raise LabError(
                f"{host} cannot boot: root has {used} of the {limit} inotify instances that this "
                "kernel gives it (fs.inotify.max_user_instances), and no other host has gone for "
                f"{ROOM_SECONDS} s; run down where a lab is not needed"
            )
        # Nobody tells when an instance is free.
        time.sleep(1)


def _instances() -> int:
    # Those that root has, and those that its hosts will have: one that boots has few.
    held: Counter[str] = Counter()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            inside = HOST_GROUP.search((process / "cgroup").read_text())
            host = inside[0] if inside else ""
            held[host] += 0
            if process.stat().st_uid == 0:
                for handle in (process / "fd").iterdir():
                    with suppress(OSError):
                        held[host] += os.readlink(handle) == "anon_inode:inotify"
    return sum(max(count, INSTANCES) if host else count for host, count in held.items())


def _furnish(root: Path, texts: dict[str, tuple[str, int]]) -> None:
    for path, (text, mode) in texts.items():
        target = root / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A link of the image's would lead to this machine's own file.
        target.unlink(missing_ok=True)
        target.touch(mode)
        target.chmod(mode)
        target.write_text(text)


def _end(name: str, host: str) -> None:
    # The host itself first, for its disk is thrown away; nspawn then ends and tidies up. All
    # are ended thereafter, also those whose nspawn was killed.
    Group(f"{_group(name, host).path}/payload").end(at_once=True)
    _group(name, host).end()
    notices(name, host).unlink(missing_ok=True)
    # What an nspawn that was killed leaves.
    with suppress(FileNotFoundError):
        Path("/run/systemd/nspawn/propagate", machine(name, host)).rmdir()


def until_off(name: str, host: str) -> None:
    """Wait for the end of a host that switches itself off."""
    if not _group(name, host).wait(OFF_SECONDS):
        raise LabError(f"{host} does not switch itself off within {OFF_SECONDS} s")
    _end(name, host)


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
