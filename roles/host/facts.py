"""One look at a host: all that preflight and packages need to know, in one command."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from pyinfra.api import FactBase

from callcenter.onhost.stun import Known, recorded
from callcenter.render import paths, shell

__all__ = ["FreeSwitchProcess", "HostState", "Listener", "State"]


@dataclass(frozen=True)
class Listener:
    """A socket that a process of the host listens on."""

    protocol: str
    address: str
    port: int
    process: str


@dataclass(frozen=True)
class FreeSwitchProcess:
    """A FreeSWITCH that runs on the host, whoever put it there."""

    program: str
    """Path of its executable, as the process itself sees it."""
    unit: bool
    """Fact that it runs in the unit that Debian's packages bring."""
    described: bool
    """Fact that a deploy has put a configuration on the host."""


@dataclass(frozen=True)
class State:
    """What the host is."""

    os: str = ""
    """ID of os-release, such as debian."""
    codename: str = ""
    """Codename of the release, such as bookworm."""
    architecture: str = ""
    """Name of dpkg's for the host's processors, such as amd64."""
    freeswitch: tuple[FreeSwitchProcess, ...] = ()
    """Processes that are a FreeSWITCH."""
    filters: tuple[str, ...] = ()
    """Names of packet filters beside ours: ufw, firewalld."""
    edge: bool = False
    """Fact that a deploy has put Kamailio's configuration on the host."""
    root: bool = False
    systemd: bool = False
    realtime: bool = False
    """Fact that a process may be given a realtime priority."""
    addresses: frozenset[str] = frozenset()
    listeners: tuple[Listener, ...] = ()
    ssh_port: int | None = None
    """The port that this very connection came in by; sudo hides it."""
    free_megabytes: int = 0
    """Megabytes that are free in the file system of /var."""
    clock_offset: float = 0.0
    """Seconds that the host's clock is ahead of this machine's."""
    packages: dict[str, str] = field(default_factory=dict)
    """Version by name, of installed packages."""
    public: Known | None = None
    """Answer of a STUN server to the host about its public address."""


class HostState(FactBase[State]):
    """The host as it is now. Read-only; needs root for the owners of sockets."""

    def command(self) -> str:
        return shell.command(
            __file__,
            "state",
            *(paths.UNIT, paths.CURRENT, paths.KAMAILIO_CONFIG, paths.STUN_ANSWER),
        )

    @staticmethod
    def default() -> State:
        return State()

    def process(self, output: list[str]) -> State:
        now = time.time()
        values: dict[str, str] = {}
        addresses: set[str] = set()
        listeners: list[Listener] = []
        packages: dict[str, str] = {}
        processes: list[FreeSwitchProcess] = []
        filters: list[str] = []
        public = ""
        for line in output:
            kind, _, rest = line.partition(" ")
            if kind == "address":
                addresses.add(rest)
            elif kind == "listen":
                if (listener := _listener(rest)) is not None:
                    listeners.append(listener)
            elif kind == "freeswitch":
                unit, described, program = rest.split(" ", 2)
                processes.append(FreeSwitchProcess(program, unit == "yes", described == "yes"))
            elif kind == "filter":
                filters.append(rest)
            elif kind == "package":
                status, name, version = rest.split("|")
                if status.strip() == "ii":
                    packages[name] = version
            elif kind == "public":
                public += f"{rest}\n"
            else:
                values[kind] = rest
        os, _, codename = values.get("os", "").partition(" ")
        ssh = values.get("ssh", "").split()
        return State(
            os=os,
            codename=codename,
            architecture=values.get("architecture", ""),
            freeswitch=tuple(processes),
            filters=tuple(filters),
            edge="edge" in values,
            root=values.get("root") == "0",
            systemd="systemd" in values,
            realtime="realtime" in values,
            addresses=frozenset(addresses),
            listeners=tuple(listeners),
            ssh_port=int(ssh[3]) if len(ssh) == 4 else None,
            free_megabytes=int(values.get("free") or 0),
            clock_offset=float(values["time"]) - now if "time" in values else 0.0,
            packages=packages,
            public=recorded(public),
        )


_LISTEN = re.compile(
    r"(?P<protocol>tcp|udp)\s+\S+\s+\d+\s+\d+\s+(?P<address>\S+):(?P<port>\d+)\s+\S+\s*"
    r'(?:users:\(\("(?P<process>[^"]+)")?'
)


def _listener(line: str) -> Listener | None:
    match = _LISTEN.match(line)
    if match is None:
        return None
    address = match["address"].split("%")[0].strip("[]")
    return Listener(match["protocol"], address, int(match["port"]), match["process"] or "?")
