"""Kamailio on an edge: extensions register with it and call each other, without a switch."""

from __future__ import annotations

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter import render
from callcenter.render import Tree, paths
from callcenter.site import Site, Switch
from callcenter.site.where import needs_switch
from roles import files
from roles.host import State
from roles.host.operations import passed, refuse
from roles.kamailio import operations
from roles.kamailio.facts import KamailioState

__all__ = ["KamailioState", "activate", "configure", "install", "operations", "preflight", "retire"]


@deploy("Kamailio: preflight")
def preflight(site: Site, switches: int) -> None:
    """Make sure that the Site asks for nothing that an edge alone cannot do."""
    if switches:
        wrong = ["edges in front of switches cannot be deployed yet; keep one of the two groups"]
    else:
        wrong = needs_switch(site)
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="The site needs no switch", problems=wrong)
    passed(name="For every host")


@deploy("Kamailio: install")
def install(site: Site, found: State) -> None:
    """Install Debian's packages, not started before they are configured."""
    wanted = render.kamailio.packages(site)
    operations.packages(name="Packages", wanted=wanted, installed=found.packages)


@deploy("Kamailio: configure")
def configure(site: Site, switch: Switch, *, alone: bool = False) -> None:
    """Put in place configuration, extensions and unit. ``alone`` is for a host without a switch."""
    files.tree(
        name="Configuration",
        group="kamailio",
        wanted=render.kamailio.configuration(site, switch, alone=alone),
    )


@deploy("Kamailio: retire")
def retire(found: State) -> None:
    """Remove an edge from a host that shall have none; FreeSWITCH takes its port afterwards."""
    if found.edge:
        operations.absent(name="No edge", installed=found.packages)
        files.tree(
            name="No configuration",
            group="kamailio",
            wanted=Tree([]),
            after={paths.KAMAILIO_DROP_IN: "systemctl daemon-reload"},
        )


@deploy("Kamailio: activate")
def activate(site: Site, switch: Switch, found: State, *, alone: bool = False) -> None:
    """Make the running Kamailio that of the configuration: a new extension costs a reload."""
    operations.running(
        name="Service",
        wanted=render.kamailio.configuration(site, switch, alone=alone),
        watched=render.kamailio.watched(site),
    )
    wanted = render.kamailio.packages(site)
    operations.no_others(name="No other modules", wanted=wanted, installed=found.packages)
