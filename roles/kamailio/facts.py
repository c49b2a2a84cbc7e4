"""What Kamailio runs with."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import FactBase

from callcenter.render import paths, shell

__all__ = ["Edge", "KamailioState"]


@dataclass(frozen=True)
class Edge:
    """The service, and the files that it was started with or has read since."""

    applied: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path."""
    running: bool = False
    enabled: bool = False


class KamailioState(FactBase[Edge]):
    """Service and applied files, in one command."""

    def command(self) -> str:
        return shell.command(__file__, "state", paths.KAMAILIO_UNIT, paths.KAMAILIO_APPLIED)

    @staticmethod
    def default() -> Edge:
        return Edge()

    def process(self, output: list[str]) -> Edge:
        applied = {}
        for line in output:
            if line.startswith("file "):
                digest, path = line.removeprefix("file ").split("  ", 1)
                applied[path] = digest
        return Edge(applied, "running" in output, "enabled" in output)
