"""A network namespace for one lab: a bridge, its address, and nothing of the outer network."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

from lab.system import LabError, run

__all__ = ["GATEWAY", "PREFIX", "enter", "exists", "host_address", "make", "namespace", "remove"]

# Alike in every lab: namespaces do not see each other.
PREFIX = 24
GATEWAY = "10.77.0.1"
BRIDGE = "lab0"
_FIRST_HOST = 11


def namespace(name: str) -> str:
    """The network namespace of a lab."""
    return f"callcenter-{name}"


def host_address(index: int) -> str:
    """The address of the lab's nth host, from 0."""
    return f"10.77.0.{_FIRST_HOST + index}"


def path(name: str) -> Path:
    """Where the kernel shows the namespace."""
    return Path("/run/netns") / namespace(name)


def exists(name: str) -> bool:
    """Whether the lab's network is there."""
    return path(name).exists()


def make(name: str) -> None:
    """Make the namespace and its bridge, or what is missing of them."""
    if not exists(name):
        run(["ip", "netns", "add", namespace(name)], say="could not make a network namespace")
    # Not "ip -n": it remounts /sys, which fails where the root is no mount of its own.
    inside = ["nsenter", f"--net={path(name)}", "ip"]
    bridged = subprocess.run([*inside, "link", "show", BRIDGE], capture_output=True, check=False)
    if bridged.returncode:
        run([*inside, "link", "add", BRIDGE, "type", "bridge"], say="could not make the bridge")
    run(
        [*inside, "address", "replace", f"{GATEWAY}/{PREFIX}", "dev", BRIDGE],
        say="could not give the bridge its address",
    )
    for link in ("lo", BRIDGE):
        run([*inside, "link", "set", link, "up"], say=f"could not set {link} up")


def remove(name: str) -> None:
    """Remove the namespace and all in it."""
    if exists(name):
        run(["ip", "netns", "delete", namespace(name)], say="could not remove the namespace")


def enter(name: str) -> None:
    """Take this process into the lab's network. Do it before it starts threads."""
    target = path(name)
    if not target.exists():
        raise LabError(f"lab {name!r} is not up; run bin/lab, or python -m lab up --name {name}")
    if os.stat(target).st_ino == os.stat("/proc/self/ns/net").st_ino:
        return
    handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        clone_newnet = 0x40000000
        if libc.setns(handle, clone_newnet) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise LabError(
                f"could not enter the network of lab {name!r} ({reason}); run it as root"
            )
    finally:
        os.close(handle)
