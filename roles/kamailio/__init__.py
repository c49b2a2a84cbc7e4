"""Kamailio, at which extensions register: before FreeSWITCH on the same host or on another one, or
alone, where they call each other without a switch."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter import render
from callcenter.render import Tree
from callcenter.site import Site, Switch
from callcenter.site.edges import before_switches
from callcenter.site.where import needs_switch
from roles import files
from roles.host import State
from roles.host.operations import passed, refuse
from roles.kamailio import operations
from roles.kamailio.facts import KamailioState

__all__ = ["KamailioState", "activate", "configure", "install", "operations", "preflight", "retire"]
__all__ += ["runs"]


@deploy("Kamailio: preflight")
def preflight(site: Site, edges: Sequence[Switch], switches: Sequence[Switch]) -> None:
    """Make sure that the Site asks for nothing that these edges cannot do."""
    wrong = before_switches(site, edges, switches) if switches else needs_switch(site)
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="Edges can do it", problems=wrong)
    passed(name="For every host")


def runs(found: State) -> bool:
    """Tell whether Kamailio listens on the host."""
    return any(one.process == "kamailio" for one in found.listeners)


@deploy("Kamailio: install")
def install(site: Site, found: State) -> None:
    """Install Debian's packages, not started before they are configured."""
    wanted = render.kamailio.packages(site)
    operations.packages(name="Packages", wanted=wanted, installed=found.packages)


@deploy("Kamailio: configure")
def configure(site: Site, edge: Switch, behind: Switch | None) -> None:
    """Put in place configuration, extensions and unit. ``behind`` is where FreeSWITCH is."""
    files.tree(
        name="Configuration",
        group="kamailio",
        wanted=render.kamailio.configuration(site, edge, behind),
    )


@deploy("Kamailio: retire")
def retire(found: State) -> None:
    """Remove an edge from a host that shall have none; FreeSWITCH has taken its port."""
    if found.edge:
        operations.absent(name="No edge", installed=found.packages)
        files.tree(name="No configuration", group="kamailio", wanted=Tree([]))


@deploy("Kamailio: activate")
def activate(site: Site, edge: Switch, behind: Switch | None, found: State) -> None:
    """Make the running Kamailio that of the configuration: a new extension costs a reload."""
    operations.running(
        name="Service",
        wanted=render.kamailio.configuration(site, edge, behind),
        watched=render.kamailio.watched(site),
    )
    wanted = render.kamailio.packages(site)
    operations.no_others(name="No other modules", wanted=wanted, installed=found.packages)
