"""What PostgreSQL runs with."""

from __future__ import annotations

import shlex

from pyinfra.api import FactBase

from callcenter.render import paths

__all__ = ["InstalledHere", "PostgresState"]


class InstalledHere(FactBase[bool]):
    """Whether a deploy has installed PostgreSQL: one that was there before is left alone."""

    def command(self) -> str:
        return f"[ ! -e {paths.POSTGRES_OURS} ] || echo ours"

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return "ours" in output


class PostgresState(FactBase[bool]):
    """Whether the service runs, comes up at boot, and has a database that its owner can reach."""

    def command(self, database: str, owner: str) -> str:
        asked = shlex.quote(f"runuser -u {owner} -- psql -qAtc 'SELECT 1' {database}")
        return (
            "systemctl is-enabled --quiet postgresql 2>/dev/null && "
            f'[ "$(sh -c {asked} 2>/dev/null)" = 1 ] && echo ready; true'
        )

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return "ready" in output
