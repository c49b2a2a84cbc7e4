"""What stands between FreeSWITCH and the database of prepaid accounts: a pool of connections."""

from __future__ import annotations

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter import render
from callcenter.render import paths
from callcenter.site import Site
from callcenter.site.where import one_ledger
from roles import files
from roles.freeswitch.operations import service
from roles.host import State, packages
from roles.host.operations import passed, refuse

__all__ = ["install", "preflight", "retire"]

PACKAGE = "pgbouncer"


_RELOAD = files.where(
    paths.BILLING_UNIT, "systemctl", "reload", paths.BILLING_UNIT.rpartition("/")[2]
)


@deploy("Billing: preflight")
def preflight(site: Site, switches: int) -> None:
    """Make sure that all switches see the same balances."""
    wrong = one_ledger(site, switches)
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="Each account is in one place", problems=wrong)
    passed(name="For every host")


@deploy("Billing: install")
def install(site: Site, found: State) -> None:
    """Run the pool before FreeSWITCH asks for it."""
    if site.prepaid is None:
        return
    packages.package(name="Package", wanted=PACKAGE, mark=paths.POOL_OURS, installed=found.packages)
    _tree(site)


@deploy("Billing: retire")
def retire(site: Site, found: State) -> None:
    """Take away what FreeSWITCH has let go of, where nothing is billed any more. The accounts stay
    in the database."""
    # It never comes without its package, and asking for its files would cost each run a command.
    if site.prepaid is not None or PACKAGE not in found.packages:
        return
    _tree(site)
    packages.no_package(
        name="No package", unwanted=PACKAGE, mark=paths.POOL_OURS, installed=found.packages
    )


def _tree(site: Site) -> None:
    files.tree(
        name="Pool",
        group="billing",
        wanted=render.services.billing.pool(site),
        after={
            **service(paths.BILLING_UNIT, ()),
            # A restart would cut FreeSWITCH's connections, and end the calls that are charged.
            **dict.fromkeys((paths.BILLING_POOL, paths.BILLING_CA), _RELOAD),
        },
    )
