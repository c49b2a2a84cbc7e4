"""What Kamailio runs with."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import FactBase

from callcenter.render import paths

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
        unit = paths.KAMAILIO_UNIT
        return (
            f"systemctl is-active --quiet {unit} && echo running; "
            f"systemctl is-enabled --quiet {unit} 2>/dev/null && echo enabled; "
            f"sed 's/^/file /' {paths.KAMAILIO_APPLIED} 2>/dev/null; true"
        )

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
