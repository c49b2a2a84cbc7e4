"""A network namespace for one lab: a bridge, its address, and nothing of the outer network."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

from lab.system import LabError, as_root, run

__all__ = [
    "BRIDGE",
    "GATEWAY",
    "INTERFACE",
    "PREFIX",
    "enter",
    "host_address",
    "join",
    "make",
    "namespace",
    "outside",
    "plug",
    "remove",
    "within",
]

# Alike in every lab: namespaces do not see each other.
PREFIX = 24
GATEWAY = "10.77.0.1"
BRIDGE = "lab0"
# What a host calls its side; systemd-nspawn's own choice.
INTERFACE = "host0"
_FIRST_HOST = 11
_MARK = "callcenter-"
_SPACES = Path("/run/netns")


def namespace(name: str) -> str:
    """Return the network namespace of a lab."""
    return f"{_MARK}{name}"


def host_address(index: int) -> str:
    """Return the address of the lab's nth host, from 0."""
    return f"10.77.0.{_FIRST_HOST + index}"


def within(name: str) -> list[str]:
    """Return what goes before a command that is to run in the lab's network."""
    return ["nsenter", f"--net={_SPACES / namespace(name)}"]


def make(name: str) -> None:
    """Make the namespace and its bridge, or what is missing of them."""
    space = namespace(name)
    path = _SPACES / space
    if not os.path.ismount(path):
        path.unlink(missing_ok=True)  # of an `ip netns add` that was killed
        run(["ip", "netns", "add", space], say="could not make a network namespace")
    # Not `ip -n`, nor `ip netns exec`: both mount /sys anew, and nspawn then misses the cgroups.
    ip = [*within(name), "ip"]
    bridged = subprocess.run([*ip, "link", "show", BRIDGE], capture_output=True, check=False)
    say = "could not make the lab's bridge; is the kernel's bridge module there?"
    if bridged.returncode:
        run([*ip, "link", "add", BRIDGE, "type", "bridge"], say=say)
    run([*ip, "address", "replace", f"{GATEWAY}/{PREFIX}", "dev", BRIDGE], say=say)
    for link in ("lo", BRIDGE):
        run([*ip, "link", "set", link, "up"], say=say)


def plug(name: str, pid: int, address: str) -> None:
    """Connect the network namespace of a process with the lab's bridge."""
    # An interface's name has 15 characters, a host's more.
    link = f"vb-{address.rsplit('.', 1)[1]}"
    ip = [*within(name), "ip"]
    # That of the host's last boot goes by itself, but not at once.
    subprocess.run([*ip, "link", "delete", link], capture_output=True, check=False)
    say = "could not connect the host with the lab's bridge"
    ends = ["type", "veth", "peer", "name", INTERFACE, "netns", str(pid)]
    run([*ip, "link", "add", link, *ends], say=say)
    run([*ip, "link", "set", link, "master", BRIDGE, "up"], say=say)


def remove(name: str) -> None:
    """Remove the namespace and all in it, and those of places behind its router."""
    for path in (*_SPACES.glob(f"{namespace(name)}.*"), _SPACES / namespace(name)):
        if os.path.ismount(path):
            run(["ip", "netns", "delete", path.name], say="could not remove the namespace")
        path.unlink(missing_ok=True)


def outside() -> None:
    """Refuse to go on from within a lab's network, whence the internet is out of reach."""
    here = os.stat("/proc/self/ns/net")
    for path in _SPACES.glob(f"{_MARK}*"):
        if os.path.samestat(path.stat(), here):
            raise LabError(f"this shell is in the network of {path.name}; run it from outside")


def enter(name: str) -> None:
    """Take this process into the lab's network. Do it before it starts threads."""
    as_root()
    if not os.path.ismount(_SPACES / namespace(name)):
        raise LabError(f"lab {name!r} is not up; run bin/lab, or python -m lab up --name {name}")
    join(namespace(name))


def join(space: str) -> None:
    """Take this thread, and those that it will start, into a network namespace, given by its name
    or by a path that begins with /."""
    target = _SPACES / space
    if os.path.samestat(target.stat(), os.stat("/proc/thread-self/ns/net")):
        return
    handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        clone_newnet = 0x40000000
        if libc.setns(handle, clone_newnet) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise LabError(
                f"could not enter the network {space} ({reason}); run it as root, and in a "
                "container with --privileged"
            )
    finally:
        os.close(handle)
