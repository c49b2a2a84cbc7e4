"""One lab: its hosts, its network, and how to log in."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import network, nspawn, packages
from lab.image import image
from lab.system import LabError, end, ours, require, run, single

__all__ = ["DEFAULT_HOSTS", "Lab", "LabHost", "enter", "find"]

DEFAULT_HOSTS = ("cc1",)


@dataclass(frozen=True)
class LabHost:
    """A host and how to log in to it."""

    name: str
    address: str
    ssh_user: str
    ssh_port: int
    ssh_key: Path
    known_hosts: Path
    up: bool


@dataclass(frozen=True)
class Lab:
    """A named set of hosts in a network of their own."""

    name: str
    state: Path
    cache: Path

    @property
    def gateway(self) -> str:
        """This machine's address in the lab: where phones of the tests are."""
        return network.GATEWAY

    @property
    def hosts(self) -> tuple[LabHost, ...]:
        """All hosts, by address."""
        folder = self.state / "hosts"
        found = []
        for entry in folder.iterdir() if folder.is_dir() else ():
            known = entry / "known_host"
            if not known.exists():
                continue
            address = known.read_text().split()[0]
            found.append(
                LabHost(
                    name=entry.name,
                    address=address,
                    ssh_user="root",
                    ssh_port=22,
                    ssh_key=self.state / "key",
                    known_hosts=known,
                    up=nspawn.running(self.state, entry.name),
                )
            )
        return tuple(sorted(found, key=lambda host: int(host.address.rsplit(".", 1)[1])))

    def inventory(self) -> list[tuple[str, dict[str, Any]]]:
        """The hosts as a pyinfra inventory has them."""
        return [
            (
                host.name,
                {
                    "address": host.address,
                    "ssh_hostname": host.address,
                    "ssh_user": host.ssh_user,
                    "ssh_port": host.ssh_port,
                    "ssh_key": str(host.ssh_key),
                    "ssh_known_hosts_file": str(host.known_hosts),
                    "ssh_strict_host_key_checking": "yes",
                },
            )
            for host in self.hosts
        ]

    def up(self, hosts: tuple[str, ...] = DEFAULT_HOSTS, release: str = "bookworm") -> None:
        """Make the hosts be there and answer; those that are up are left alone."""
        for host in hosts:
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", host):
                raise LabError(f"{host!r} is no host name; use letters, digits and -, such as cc1")
        require()
        with single(self.state.parent / f"{self.name}.lock"):
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            root = image(self.cache, release)
            network.make(self.name)
            packages.serve(self.name, self.state, self.cache)
            key = self.state / "key"
            if not (key.exists() and key.with_suffix(".pub").exists()):
                key.unlink(missing_ok=True)
                run(
                    ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)],
                    say="could not make the lab's key",
                )
            taken = {host.name: host for host in self.hosts}
            for host in hosts:
                if host in taken and taken[host].up:
                    continue
                used = {other.address for other in self.hosts if other.name != host}
                address = next(
                    address
                    for index in range(200)
                    if (address := network.host_address(index)) not in used
                )
                nspawn.boot(self.name, self.state, host, address, root)

    def down(self) -> None:
        """Remove all of this lab, also what a killed ``up`` has begun. Images stay."""
        require()
        with single(self.state.parent / f"{self.name}.lock"):
            folder = self.state / "hosts"
            names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
            nspawn.halt(self.state, names)
            end(ours(f"{self.state}/"))
            network.remove(self.name)
            shutil.rmtree(self.state, ignore_errors=True)
            with single(self.cache / "apt.lock"):
                if not any(entry.is_dir() for entry in self.state.parent.iterdir()):
                    end(ours(packages.cache_marks(self.cache)))

    def ssh(self, host: str, command: list[str]) -> list[str]:
        """The command that logs in to a host from within the lab's network."""
        found = next((one for one in self.hosts if one.name == host), None)
        if found is None:
            names = ", ".join(one.name for one in self.hosts) or "none"
            raise LabError(f"lab {self.name!r} has no host {host!r}; it has: {names}")
        return [
            "ssh",
            "-q",
            "-i",
            str(found.ssh_key),
            "-o",
            f"UserKnownHostsFile={found.known_hosts}",
            "-o",
            "StrictHostKeyChecking=yes",
            f"{found.ssh_user}@{found.address}",
            *command,
        ]


def find(name: str | None = None) -> Lab:
    """The lab of this name (default: CALLCENTER_LAB, else ``lab``), whether up or not."""
    name = name or os.environ.get("CALLCENTER_LAB") or "lab"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", name):
        raise LabError(f"{name!r} is no name for a lab; use letters, digits and -, 21 at most")
    state = Path(os.environ.get("CALLCENTER_LAB_STATE", "/var/lib/callcenter-lab"))
    cache = Path(os.environ.get("CALLCENTER_LAB_CACHE", "/var/cache/callcenter-lab"))
    cache.mkdir(parents=True, exist_ok=True)
    return Lab(name, state / name, cache)


def enter(name: str | None = None) -> Lab:
    """Take this process into a lab's network, so that it can reach the hosts."""
    lab = find(name)
    network.enter(lab.name)
    return lab
