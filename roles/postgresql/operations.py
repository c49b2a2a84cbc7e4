"""PostgreSQL's package and one database in it."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import StringCommand, operation

from callcenter.render import paths, shell
from roles.files import without
from roles.host.packages import with_lists
from roles.postgresql.facts import PostgresState

__all__ = ["database", "package", "stopped_without"]


def stopped_without(path: str) -> str:
    """Return the command that stops the service, for good, where a file of ours has gone."""
    return without(path, "systemctl", "disable", "--quiet", "--now", "postgresql")


@operation()
def package(wanted: str, installed: Mapping[str, str]) -> Generator[StringCommand, None, None]:
    """Install it where it is lacking; the package makes its cluster and starts it."""
    if wanted in installed:
        return
    yield StringCommand(with_lists(*shell.words(__file__, "install", wanted, paths.POSTGRES_OURS)))


@operation()
def database(database: str, owner: str) -> Generator[StringCommand, None, None]:
    """Make the service run and hold a database of a system user's, who needs no password."""
    if host.get_fact(PostgresState, database=database, owner=owner):
        return
    yield StringCommand(shell.command(__file__, "database", database, owner))
