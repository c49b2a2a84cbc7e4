"""A Linux host as Testinfra sees it: commands go by the door that all others use, so that
verification logs in as deploys do."""

from __future__ import annotations

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from callcenter.client.ssh import Login

__all__ = ["linux_host"]


class _Linux(BaseBackend):  # type: ignore[misc]
    """Commands by the door that all commands use, as root where host data says how."""

    NAME = "callcenter"

    def __init__(self, entered: Login) -> None:
        super().__init__(entered.name)
        self._entered = entered

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a command with its arguments quoted."""
        line = self.get_command(command, *args)
        done = self._entered.run(line)
        return self.result(done.returncode, self.encode(line), done.stdout, done.stderr)


def linux_host(entered: Login) -> TestinfraHost:
    """Return a Linux host of an inventory as Testinfra sees it."""
    return TestinfraHost(_Linux(entered))
