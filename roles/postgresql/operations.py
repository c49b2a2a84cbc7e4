"""PostgreSQL's package and one database in it."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import StringCommand, operation

from callcenter.render import paths
from roles.postgresql.facts import PostgresState

__all__ = ["database", "package", "stopped_without"]


def stopped_without(path: str) -> str:
    """Return the command that stops the service, for good, where a file of ours has gone."""
    return f"[ -e {path} ] || systemctl disable --quiet --now postgresql"


@operation()
def package(wanted: str, installed: Mapping[str, str]) -> Generator[StringCommand, None, None]:
    """Install it where it is lacking; the package makes its cluster and starts it."""
    if wanted in installed:
        return
    yield StringCommand(
        "export DEBIAN_FRONTEND=noninteractive && "
        "apt-get -qq -o DPkg::Lock::Timeout=300 update && "
        "apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "
        f"--no-install-recommends {wanted} && touch {paths.POSTGRES_OURS}"
    )


@operation()
def database(database: str, owner: str) -> Generator[StringCommand, None, None]:
    """Make the service run and hold a database of a system user's, who needs no password.

    + database, owner: names that need no quotes
    """
    if host.get_fact(PostgresState, database=database, owner=owner):
        return
    ask = "runuser -u postgres -- psql -qAt"
    yield StringCommand(
        "systemctl enable --quiet --now postgresql && cd / && "
        # Its unit is a shell around the cluster's own, which may still be at it.
        "for n in $(seq 30); do runuser -u postgres -- pg_isready -q && break; sleep 1; done; "
        f'{{ [ "$({ask} -c "SELECT 1 FROM pg_roles WHERE rolname = \'{owner}\'")" = 1 ] || '
        f"{ask} -c 'CREATE ROLE {owner} LOGIN'; }} && "
        f'{{ [ "$({ask} -c "SELECT 1 FROM pg_database WHERE datname = \'{database}\'")" = 1 ] || '
        f"{ask} -c 'CREATE DATABASE {database} OWNER {owner}'; }}"
    )
