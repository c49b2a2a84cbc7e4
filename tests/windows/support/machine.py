"""The host under test as an operator reaches it: a pyinfra of its own, through one door."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramiko import RSAKey
from pyinfra.api import StringCommand
from pyinfra.api.config import Config
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from pyinfra_windows.connectors import WinRM, WinSSH
from pyinfra_windows.facts import PowerShell
from pyinfra_windows.operations import fields_of
from roles.windows.release import fs_cli
from tests.forks import COMMAND, Pyinfra
from tests.windows.support.wine import Wine

__all__ = ["Machine", "Real", "Run", "msi"]

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Run:
    """One run of pyinfra."""

    code: int
    output: str
    changed: int
    """Operations that changed something."""
    commands: list[str]
    """Lines that came through the door."""


class Machine:
    """wine, through ``winrm`` or ``winssh``."""

    real = False
    others: tuple[str, ...] = ()
    """Hosts beside it, as they stand in an inventory."""
    edges: tuple[str, ...] = ()
    """Hosts of edges before it, as they stand there."""

    address = "10.77.0.9"
    """Address that SIP binds to."""
    versions: tuple[str, ...] = ("1.10.11", "1.10.12")
    """Versions of MSIs, the oldest first."""
    beside = "10.77.0.1"
    """Address of this machine, as the host sees it."""
    repository = ROOT

    def __init__(self, door: str, wine: Wine, folder: Path, pyinfra: Pyinfra) -> None:
        self.door, self.wine, self.folder, self.pyinfra = door, wine, folder, pyinfra
        self._connected: WinRM | WinSSH | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The host's data in an inventory."""
        return dict((self.wine.ssh if self.door == "winssh" else self.wine.winrm).data)

    @property
    def name(self) -> str:
        """The host's name in an inventory."""
        return f"@{self.door}/127.0.0.1"

    def wrong_login(self) -> dict[str, Any]:
        """Host data with a password, or key, that the host does not know."""
        if self.door == "winrm":
            return {"winrm_password": "not-the-password"}
        if self.real:
            return {"ssh_password": "not-the-password"}
        # wine's sshd knows keys only.
        key = self.folder / "unknown"
        RSAKey.generate(2048).write_private_key_file(str(key))
        return {"ssh_key": str(key)}

    def connector(self, **changes: Any) -> WinRM | WinSSH:
        """Return a connector that is not connected yet, with some of its data changed."""
        plain = self.name.partition("/")[2]
        kind = WinSSH if self.door == "winssh" else WinRM
        key = "ssh_hostname" if self.door == "winssh" else "winrm_hostname"
        data = {key: plain, **self.data, **changes}
        inventory = Inventory(([(plain, data)], {}))
        config = Config(CONNECT_TIMEOUT=10)
        state = State(inventory, config)
        host: Host = inventory.get_host(plain)
        host.init(state)
        return kind(state, host)

    @property
    def connected(self) -> WinRM | WinSSH:
        """One connection that stays."""
        if self._connected is None:
            made = self.connector()
            made.connect()
            self._connected = made
        return self._connected

    def line(self, line: str | StringCommand, **arguments: Any) -> tuple[bool, list[str]]:
        """Run a line through the door."""
        command = StringCommand(line) if isinstance(line, str) else line
        good, output = self.connected.run_shell_command(command, **arguments)
        return good, output.output_lines

    def put(self, text: str, remote: str) -> None:
        """Write a file on the host."""
        (self.folder / "put").write_text(text)
        assert self.connected.put_file(str(self.folder / "put"), remote)

    def text(self, remote: str) -> str:
        """Read a file of the host."""
        target = self.folder / "got"
        assert self.connected.get_file(remote, str(target))
        return target.read_text()

    def exists(self, remote: str) -> bool:
        """Tell whether a file or folder is there."""
        return self.line(f'if exist "{remote}" echo there')[1] == ["there"]

    def has_powershell(self) -> bool:
        """Return the guard, as the deploy asks it."""
        fact = PowerShell()
        _, lines = self.line(fact.command())
        return fact.process(lines)

    def _commands(self) -> list[str]:
        return self.wine.commands()

    def deploy(self, text: str, *options: str, **changes: Any) -> Run:
        """Write a deploy and run it with pyinfra's real command; ``changes`` are host data."""
        (self.folder / "deploy.py").write_text(textwrap.dedent(text))
        return self._pyinfra(self.folder / "deploy.py", options, changes)

    def bring(self, site: str, *options: str, **changes: Any) -> Run:
        """Run deploy/callcenter.py with this Site, its arguments as Python."""
        data = self.folder / "group_data"
        data.mkdir(exist_ok=True)
        (data / "site.py").write_text(
            "from callcenter.site import *\n"
            f"site = Site({site.rstrip().rstrip(',')}, secret_file={str(self.secrets)!r})\n"
        )
        return self._pyinfra(self.repository / "deploy/callcenter.py", options, changes)

    @property
    def secrets(self) -> Path:
        """Where the Site's secrets are."""
        return self.folder / "secrets.json"

    def inventory(self, **changes: Any) -> Path:
        """Return an inventory of this host and those beside it."""
        data = self.data | {"address": self.address} | changes
        switches = ", ".join([f"({self.name!r}, {data!r})", *self.others])
        text = f"from callcenter.site import hosts\nswitches = hosts({switches})\n"
        if self.edges:
            text += f"edges = hosts({', '.join(self.edges)}, group='edges')\n"
        made = self.folder / "site"
        made.write_text(text)
        return made

    def _pyinfra(self, deploy: Path, options: tuple[str, ...], changes: dict[str, Any]) -> Run:
        before = len(self._commands())
        done = self.pyinfra.of(self.repository).run(
            [COMMAND, *(options or ("-y",)), self.inventory(**changes), deploy],
            cwd=self.folder,
            environment={**os.environ, "PYTHONPATH": str(self.repository), "NO_COLOR": "1"},
            timeout=240,
        )
        output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        total = re.search(r"Grand total\s+\d+\s+(\S+)", output)
        changed = int(total[1]) if total and total[1].isdigit() else 0
        return Run(done.returncode, output, changed, self._commands()[before:])

    def own_repository(self) -> Path:
        """Return a copy of the repository that a test may break."""
        self.repository = self.folder / "repository"
        for name in ("callcenter", "packages", "roles", "templates", "deploy"):
            shutil.copytree(
                ROOT / name,
                self.repository / name,
                ignore=shutil.ignore_patterns("__pycache__"),
                dirs_exist_ok=True,
            )
        shutil.copy(ROOT / "pyproject.toml", self.repository)
        return self.repository

    def ask(self, command: str) -> str:
        """FreeSWITCH's answer, by the host's own fs_cli."""
        line = fs_cli(command).get_raw_value()
        code, out, err = self.connected.execute(line, b"", 60)
        assert code == 0, (code, out, err)
        return out.decode().replace("\r\n", "\n").strip()


class Real(Machine):
    """A host that the environment names; both its doors must be open."""

    real = True

    def __init__(self, door: str, folder: Path, pyinfra: Pyinfra) -> None:
        self.door, self.folder, self.pyinfra = door, folder, pyinfra
        self._connected = None
        self.versions = tuple(
            sorted(json.loads(os.environ["CALLCENTER_WINDOWS_MSI"]), key=fields_of)
        )
        host = os.environ["CALLCENTER_WINDOWS_HOST"]
        self.address = os.environ.get("CALLCENTER_WINDOWS_ADDRESS") or socket.gethostbyname(host)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((self.address, 9))
            self.beside = str(probe.getsockname()[0])

    @property
    def name(self) -> str:
        """The host's name in an inventory."""
        return f"@{self.door}/{os.environ['CALLCENTER_WINDOWS_HOST']}"

    @property
    def data(self) -> dict[str, Any]:
        """The host's data in an inventory."""
        given = json.loads(os.environ.get("CALLCENTER_WINDOWS_DATA", "{}"))
        user = os.environ.get("CALLCENTER_WINDOWS_USER", "Administrator")
        password = os.environ["CALLCENTER_WINDOWS_PASSWORD"]
        if self.door == "winssh":
            own = {"ssh_user": user, "ssh_password": password, "ssh_allow_agent": False}
            own["ssh_look_for_keys"] = False
        else:
            own = {"winrm_user": user, "winrm_password": password}
            own["winrm_ca_file"] = os.environ.get("CALLCENTER_WINDOWS_CA", "")
        prefix = "ssh_" if self.door == "winssh" else "winrm_"
        return own | {key: value for key, value in given.items() if key.startswith(prefix)}

    def _commands(self) -> list[str]:
        return []


def msi(machine: Machine, version: str) -> str:
    """Return an MSI of a version: wixl's, or the given ones of a real host's run."""
    if machine.real:
        return str(json.loads(os.environ["CALLCENTER_WINDOWS_MSI"])[version])
    return str(machine.wine.msi(version))
