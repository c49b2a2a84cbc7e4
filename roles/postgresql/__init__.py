"""PostgreSQL on a switch, by Debian's package."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from callcenter import render
from callcenter.render import Tree, paths
from callcenter.site import LocalPostgres, Site
from roles import files
from roles.host import State
from roles.postgresql import operations
from roles.postgresql.facts import InstalledHere, PostgresState

__all__ = ["InstalledHere", "PostgresState", "activate", "install", "operations", "retire"]

PACKAGE = "postgresql"


@deploy("PostgreSQL: install")
def install(site: Site, found: State) -> None:
    """Install Debian's package, with a cluster that listens on its socket alone. One that was there
    before is used as it is."""
    wanted = render.postgresql.configuration(site)
    if PACKAGE in found.packages and not host.get_fact(InstalledHere):
        wanted = Tree([])
    _tree(wanted)
    operations.package(name="Package", wanted=PACKAGE, installed=found.packages)


@deploy("PostgreSQL: activate")
def activate(site: Site) -> None:
    """Make sure that it runs, and has the Site's database."""
    if isinstance(site.database, LocalPostgres):
        operations.database(name="Database", database=site.database.name, owner="freeswitch")


@deploy("PostgreSQL: retire")
def retire(found: State) -> None:
    """Stop ours, where nothing asks it any more. Its data stays."""
    if PACKAGE in found.packages:
        _tree(Tree([]))


def _tree(wanted: Tree) -> None:
    files.tree(
        name="How its cluster is made",
        group=PACKAGE,
        wanted=wanted,
        after={paths.POSTGRES_CLUSTER: operations.stopped_without(paths.POSTGRES_CLUSTER)},
    )
