"""Pool of connections between FreeSWITCH and the Site's database."""

from __future__ import annotations

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter import render
from callcenter.render import paths
from callcenter.site import Site
from callcenter.site.where import one_count, one_ledger
from roles import files
from roles.freeswitch.operations import service
from roles.host import State, packages
from roles.host.operations import passed, refuse

__all__ = ["install", "preflight", "retire"]

PACKAGE = "pgbouncer"


_RELOAD = files.where(paths.POOL_UNIT, "systemctl", "reload", paths.POOL_UNIT.rpartition("/")[2])


@deploy("Pool: preflight")
def preflight(site: Site, switches: int) -> None:
    """Make sure that all switches see the same balances, and the same counts."""
    wrong = [*one_ledger(site, switches), *one_count(site, switches)]
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="Each account and count is in one place", problems=wrong)
    passed(name="For every host")


@deploy("Pool: install")
def install(site: Site, found: State) -> None:
    """Run the pool before FreeSWITCH asks for it."""
    if not site.needs_pool:
        return
    packages.package(name="Package", wanted=PACKAGE, mark=paths.POOL_OURS, installed=found.packages)
    _tree(site)


@deploy("Pool: retire")
def retire(site: Site, found: State) -> None:
    """Take away what FreeSWITCH has let go of, where it asks for nothing any more. Accounts and
    counts stay in the database."""
    # It never comes without its package, and asking for its files would cost each run a command.
    if site.needs_pool or PACKAGE not in found.packages:
        return
    _tree(site)
    packages.no_package(
        name="No package", unwanted=PACKAGE, mark=paths.POOL_OURS, installed=found.packages
    )


def _tree(site: Site) -> None:
    files.tree(
        name="Pool",
        # The record's name on hosts that had prepaid accounts before caps asked a database.
        group="billing",
        wanted=render.pool.configuration(site),
        after={
            **service(paths.POOL_UNIT, ()),
            # A restart would cut FreeSWITCH's connections, and end the calls that are charged.
            **dict.fromkeys((paths.POOL_CONFIG, paths.POOL_CA), _RELOAD),
        },
    )
