"""TURN: what carries the voice of browsers whose network lets no UDP out."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter.render import paths, shell, turn
from callcenter.site import Site, Switch
from callcenter.site.site_hosts import SiteHosts
from callcenter.site.where import not_relayed
from roles import files
from roles.freeswitch.operations import service
from roles.host import State, packages
from roles.host.operations import passed, refuse

__all__ = ["activate", "install", "preflight", "retire"]

_UNIT = paths.TURN_UNIT.rpartition("/")[2]
_RELOAD = files.where(paths.TURN_UNIT, "systemctl", "reload-or-restart", _UNIT)
# An authority's certificate may have been given before there was TURN; none is asked for here.
_PLACE = shell.command(
    __file__,
    "place",
    *(paths.TURN_UNIT, paths.ACME_CERTIFICATE, paths.ACME_TURN_KEY),
    paths.ACME_UNIT.rpartition("/")[2],
)


@deploy("TURN: preflight")
def preflight(site: Site, switches: Sequence[Switch]) -> None:
    """Make sure that each host of TURN reaches the voice of all switches."""
    wrong = not_relayed(site, switches)
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="It can relay", problems=wrong)
    passed(name="For every host")


@deploy("TURN: install")
def install(site: Site, hosts: SiteHosts, found: State) -> None:
    """Install coturn, not started by its own unit."""
    if site.network.turn is not None and hosts.is_served:
        packages.package(
            name="Package",
            wanted=turn.PACKAGE,
            mark=paths.TURN_OURS,
            installed=found.packages,
        )


@deploy("TURN: activate")
def activate(site: Site, hosts: SiteHosts) -> None:
    """Relay as the Site describes."""
    if site.network.turn is not None and hosts.is_served:
        _tree(site, hosts)


@deploy("TURN: retire")
def retire(site: Site, hosts: SiteHosts, found: State) -> None:
    """Take all of it away where the Site describes none, or none here."""
    # It never comes without its package, and asking for its files would cost each run a command.
    if (site.network.turn is not None and hosts.is_served) or turn.PACKAGE not in found.packages:
        return
    _tree(site, hosts)
    packages.no_package(
        name="No package",
        unwanted=turn.PACKAGE,
        mark=paths.TURN_OURS,
        installed=found.packages,
    )


def _tree(site: Site, hosts: SiteHosts) -> None:
    started = service(paths.TURN_UNIT, (paths.TURN_CONFIG,))
    files.tree(
        name="Configuration",
        group="turn",
        wanted=turn.configuration(site, hosts),
        after={
            **{path: [_PLACE, command] for path, command in started.items()},
            # Who talks goes on.
            **dict.fromkeys((paths.TURN_USERS, paths.TURN_CERTIFICATE, paths.TURN_KEY), _RELOAD),
        },
    )
