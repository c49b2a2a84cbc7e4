"""What PostgreSQL runs with."""

from __future__ import annotations

import shlex

from pyinfra.api import FactBase

__all__ = ["PostgresState"]


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
