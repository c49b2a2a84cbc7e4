"""The host under test as an operator reaches it: a pyinfra of its own, through one door."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyinfra.api import StringCommand
from pyinfra.api.config import Config
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from roles.windows.connectors import WinRM, WinSSH
from roles.windows.powershell import script
from tests.windows.support.wine import Wine

__all__ = ["Machine", "Real", "Run"]

ROOT = Path(__file__).resolve().parents[3]
PYINFRA = Path(sys.executable).with_name("pyinfra")


@dataclass(frozen=True)
class Run:
    """One run of pyinfra."""

    code: int
    output: str
    changed: int
    """Operations that changed something."""
    commands: list[str]
    """What came through the door."""


class Machine:
    """wine, through ``winrm`` or ``winssh``."""

    real = False
    others: tuple[str, ...] = ()
    """Hosts beside it, as they stand in an inventory."""

    def __init__(self, door: str, wine: Wine, folder: Path) -> None:
        self.door, self.wine, self.folder = door, wine, folder
        self._connected: WinRM | WinSSH | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The host's data in an inventory."""
        return dict((self.wine.ssh if self.door == "winssh" else self.wine.winrm).data)

    @property
    def name(self) -> str:
        """The host's name in an inventory."""
        return f"@{self.door}/127.0.0.1"

    @property
    def password_key(self) -> str:
        """The host data that holds the password."""
        return "ssh_password" if self.door == "winssh" else "winrm_password"

    def connector(self, **changes: Any) -> WinRM | WinSSH:
        """A connector that is not connected yet, with some of its data changed."""
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

    def line(self, line: str, **arguments: Any) -> tuple[bool, list[str]]:
        """Run a line through the door."""
        good, output = self.connected.run_shell_command(StringCommand(line), **arguments)
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
        """Whether a file or folder is there."""
        return self.line(f'if exist "{remote}" echo there')[1] == ["there"]

    def has_powershell(self) -> bool:
        """The guard: only a real PowerShell knows the digest of a word."""
        good, lines = self.line(
            script(
                [
                    "$h=[Security.Cryptography.SHA256]::Create()",
                    "$b=$h.ComputeHash([Text.Encoding]::ASCII.GetBytes('callcenter'))",
                    "-join ($b | ForEach-Object { $_.ToString('x2') })",
                ]
            )
        )
        return good and lines == [hashlib.sha256(b"callcenter").hexdigest()]

    def _commands(self) -> list[str]:
        return self.wine.commands()

    def deploy(self, text: str, *options: str, **changes: Any) -> Run:
        """Write a deploy and run it with pyinfra's real command; ``changes`` are host data."""
        data = self.data | changes
        data.setdefault("address", "10.0.0.5")
        switches = ", ".join([f"({self.name!r}, {data!r})", *self.others])
        (self.folder / "inventory.py").write_text(
            f"from callcenter.site import hosts\nswitches = hosts({switches})\n"
        )
        (self.folder / "deploy.py").write_text(textwrap.dedent(text))
        before = len(self._commands())
        done = subprocess.run(
            [PYINFRA, "-y", *options, self.folder / "inventory.py", self.folder / "deploy.py"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        total = re.search(r"Grand total\s+\d+\s+(\S+)", output)
        changed = int(total[1]) if total and total[1].isdigit() else 0
        return Run(done.returncode, output, changed, self._commands()[before:])


class Real(Machine):
    """A host that the environment names; both its doors must be open."""

    real = True

    def __init__(self, door: str, folder: Path) -> None:
        self.door, self.folder = door, folder
        self._connected = None

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
        prefix = "ssh_" if self.door == "winssh" else "winrm_"
        return own | {key: value for key, value in given.items() if key.startswith(prefix)}

    def _commands(self) -> list[str]:
        return []
