"""A Windows host as Testinfra sees it: our own connectors carry its commands, so that verification
logs in as deploys do, and the facts' own parsers read the answers."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from callcenter.client.inventory import Host
from pyinfra_windows.connectors import WinRM, WinSSH

__all__ = ["asked", "windows_host"]

T = TypeVar("T")


class _Windows(BaseBackend):  # type: ignore[misc]
    """Lines of cmd.exe."""

    NAME = "pyinfra"

    def __init__(self, node: Host) -> None:
        super().__init__(node.name)
        kind: type[WinRM | WinSSH] = WinRM if node.name.startswith("@winrm/") else WinSSH
        ((_, own, _),) = kind.make_names_data(node.name.partition("/")[2])
        inventory = Inventory(([(node.name.partition("/")[2], {**own, **node.data})], {}))
        state = State(inventory, Config())
        (only,) = inventory
        only.init(state)
        self._connector = kind(state, only)

    @cached_property
    def _connected(self) -> WinRM | WinSSH:
        # When it is first asked something: many a test is not about a Windows host.
        self._connector.connect()
        return self._connector

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a line as it is: POSIX quoting has no place in it."""
        assert not args, "quote by pyinfra_windows.powershell"
        code, out, err = self._connected.execute(command, b"", 60)
        return self.result(code, command.encode(), out, err)


def windows_host(node: Host) -> TestinfraHost:
    """Log in to a Windows host of an inventory."""
    return TestinfraHost(_Windows(node))


def asked(host: TestinfraHost, fact: FactBase[T], **words: Any) -> T:
    """Return what a fact says of the host."""
    command = fact.command(**words)
    line = command.get_raw_value() if isinstance(command, StringCommand) else str(command)
    lines = [one.rstrip("\r") for one in host.run(line).stdout.splitlines()]
    return fact.process(lines) if any(lines) else fact.default()
