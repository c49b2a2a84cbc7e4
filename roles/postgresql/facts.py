"""What PostgreSQL runs with."""

from __future__ import annotations

from pyinfra.api import FactBase

from callcenter.render import paths, shell
from roles.files import where

__all__ = ["InstalledHere", "PostgresState"]


class InstalledHere(FactBase[bool]):
    """Whether a deploy has installed PostgreSQL: one that was there before is left alone."""

    def command(self) -> str:
        return where(paths.POSTGRES_OURS, "echo", "ours")

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return "ours" in output


class PostgresState(FactBase[bool]):
    """Whether the service runs, comes up at boot, and has a database that its owner can reach."""

    def command(self, database: str, owner: str) -> str:
        return shell.command(__file__, "state", database, owner)

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return "ready" in output
