"""One lab: its hosts, its network, and how to log in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab import docker, network, nspawn, packages
from lab.host import disk
from lab.image import RELEASES, image
from lab.system import PACKAGES, RUN, LabError, as_root, require, run, single, write

__all__ = ["DEFAULT_DRIVER", "DEFAULT_HOSTS", "DRIVERS", "Lab", "LabHost", "enter", "find"]

DEFAULT_HOSTS = ("cc1",)


class Driver(Protocol):
    """What a module does that boots hosts."""

    PACKAGES: Mapping[str, str]

    def check(self, state: Path) -> None: ...
    def running(self, name: str, state: Path, host: str) -> bool: ...
    def init(self, name: str, state: Path, host: str) -> int: ...
    def boot(self, name: str, state: Path, host: str, address: str, image: Path) -> None: ...
    def halt(self, name: str, state: Path) -> None: ...


DRIVERS: dict[str, Driver] = {"nspawn": nspawn, "docker": docker}
DEFAULT_DRIVER = "nspawn"


@dataclass(frozen=True)
class LabHost:
    """A host and how to log in to it."""

    name: str
    address: str
    ssh_user: str
    ssh_port: int
    ssh_key: Path
    known_hosts: Path
    driver: Driver = field(repr=False)
    lab: Lab = field(repr=False)

    @property
    def up(self) -> bool:
        """Tell whether it runs now. The kernel is asked, which takes longer than all else here."""
        return self.driver.running(self.lab.name, self.lab.state, self.name)


@dataclass(frozen=True)
class Lab:
    """A named set of hosts in a network of their own."""

    name: str
    state: Path
    cache: Path

    @property
    def namespace(self) -> str:
        """The lab's network namespace, as ``ip netns`` lists it."""
        return network.namespace(self.name)

    @property
    def gateway(self) -> str:
        """This machine's address in the lab: where phones of the tests are."""
        return network.GATEWAY

    @property
    def driver(self) -> str:
        """What its hosts are made with; nothing while it has none."""
        kept = self.state / "driver"
        return kept.read_text() if kept.exists() else ""

    @property
    def _driver(self) -> Driver:
        return DRIVERS[self.driver or DEFAULT_DRIVER]

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
                    driver=self._driver,
                    lab=self,
                )
            )
        return tuple(sorted(found, key=lambda host: int(host.address.rsplit(".", 1)[1])))

    def inventory(self) -> list[tuple[str, dict[str, Any]]]:
        """List the hosts as a pyinfra inventory has them."""
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

    def up(
        self,
        hosts: tuple[str, ...] = DEFAULT_HOSTS,
        release: str = "",
        driver: str = "",
        prepared: Path | None = None,
    ) -> None:
        """Make the hosts be there and answer; those that are up are left alone, those that were
        switched off are switched on again. New ones are made of the release's image, or of a
        prepared one (``lab.prepared``)."""
        for host in hosts:
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", host):
                raise LabError(f"{host!r} is no host name; use letters, digits and -, such as cc1")
        with self._single():
            there = self.driver
            if driver and there and driver != there:
                raise LabError(
                    f"lab {self.name!r} is there with the {there} driver; run down first, or give "
                    "the new one another name, by --name"
                )
            chosen = there or driver or DEFAULT_DRIVER
            if prepared and DRIVERS[chosen] is not nspawn:
                raise LabError("prepared images are for systemd-nspawn's hosts")
            DRIVERS[chosen].check(self.state)
            require({**PACKAGES, **DRIVERS[chosen].PACKAGES})
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            write(self.state / "driver", chosen)
            network.make(self.name)
            packages.serve(self.name, self.state, self.cache)
            self._make_key()
            for host in hosts:
                self._up(host, release, prepared)

    def _up(self, name: str, release: str, prepared: Path | None) -> None:
        known = next((host for host in self.hosts if host.name == name), None)
        base = disk(self.state, name)
        if base and not base.name.startswith(release):
            raise LabError(f"{name} is there as {base.name}; run down first, or name another host")
        if known is None or not known.up:
            address = known.address if known else self._free_address()
            base = base or prepared or image(self.cache, release or RELEASES[0])
            self._driver.boot(self.name, self.state, name, address, base)
        run(
            [*network.within(self.name), *self.ssh(name, ["true"])],
            say=f"{name} runs but does not let us in by ssh; mend it, or run down and up",
        )

    def _free_address(self) -> str:
        used = {host.address for host in self.hosts}
        for address in map(network.host_address, range(200)):
            if address not in used:
                return address
        raise LabError("a lab holds 200 hosts; use a second one, by --name")

    def _make_key(self) -> None:
        key = self.state / "key"
        if key.exists():
            return
        new = self.state / "key.new"
        new.unlink(missing_ok=True)
        run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(new)],
            say="could not make the lab's key",
        )
        # The private half last: where it is, the pair is whole.
        new.with_name("key.new.pub").rename(self.state / "key.pub")
        new.rename(key)

    def switch_off(self, host: str) -> None:
        """Switch a host off as its own administrator would, and wait until it is. Its disk stays,
        and ``up`` switches it on again. For systemd-nspawn's hosts."""
        with self._single():
            ask = [*network.within(self.name), *self.ssh(host, ["systemctl poweroff --no-block"])]
            # It may end before ssh has an answer.
            subprocess.run(ask, capture_output=True, check=False)
            nspawn.until_off(self.name, host)

    def halt(self) -> None:
        """Remove its hosts; its network stays, and whoever is in it."""
        as_root()
        with self._single():
            self._driver.halt(self.name, self.state)

    def down(self) -> None:
        """Remove all of this lab, also what a killed ``up`` has begun. Images stay."""
        as_root()
        with self._single():
            self._driver.halt(self.name, self.state)
            packages.cease(self.name)
            network.remove(self.name)
            if self.state.exists():
                shutil.rmtree(self.state)

    def _single(self) -> AbstractContextManager[None]:
        return single(RUN / "labs" / f"{self.name}.lock")

    def host(self, name: str) -> LabHost:
        """Return the host of that name, whether up or not."""
        found = next((one for one in self.hosts if one.name == name), None)
        if found is None:
            names = ", ".join(one.name for one in self.hosts) or "none"
            raise LabError(f"lab {self.name!r} has no host {name!r}; it has: {names}")
        return found

    def running(self, name: str) -> LabHost:
        """Return the host of that name, which must be up."""
        found = self.host(name)
        if not found.up:
            raise LabError(f"{name} is down; run python -m lab up --name {self.name} {name}")
        return found

    def enter(self, host: str) -> None:
        """Take this process into a host's own network. Do it before it starts threads."""
        as_root()
        network.join(f"/proc/{self._driver.init(self.name, self.state, host)}/ns/net")

    def ssh(self, host: str, command: list[str], *, terminal: bool = False) -> list[str]:
        """Return the command that logs in to a host from within the lab's network. With a terminal,
        what it runs there ends when it does."""
        found = self.host(host)
        return [
            "ssh",
            *(("-tt", "-o", "LogLevel=ERROR") if terminal else ()),
            *("-F", "none", "-i", str(found.ssh_key), "-p", str(found.ssh_port)),
            *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
            *("-o", f"UserKnownHostsFile={found.known_hosts}", "-o", "StrictHostKeyChecking=yes"),
            f"{found.ssh_user}@{found.address}",
            *command,
        ]


def find(name: str | None = None) -> Lab:
    """Find the lab of this name (default: CALLCENTER_LAB, else ``lab``), whether up or not."""
    name = name or os.environ.get("CALLCENTER_LAB") or "lab"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", name):
        raise LabError(f"{name!r} is no name for a lab; use letters, digits and -, 21 at most")
    state = Path(os.environ.get("CALLCENTER_LAB_STATE", "/var/lib/callcenter-lab"))
    cache = Path(os.environ.get("CALLCENTER_LAB_CACHE", "/var/cache/callcenter-lab"))
    return Lab(name, state / name, cache)


def enter(name: str | None = None) -> Lab:
    """Take this process into a lab's network, so that it can reach the hosts."""
    lab = find(name)
    network.enter(lab.name)
    return lab
