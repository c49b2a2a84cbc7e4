"""What a host must be before anything is done to it."""

from pyinfra import host, logger, state
from pyinfra.api import deploy

from callcenter.site import Site, Switch
from callcenter.site.warnings import warnings
from roles.host.checks import problems
from roles.host.facts import HostState, State
from roles.host.operations import leave, passed, refuse
from roles.host.stack import name_executed_files

__all__ = ["HostState", "State", "preflight", "problems"]


@deploy("Preflight")
def preflight(
    site: Site,
    switch: Switch,
    found: State,
    service: str = "freeswitch",
    edge: Switch | None = None,
) -> None:
    """Refuse the host by name and reason, and with it every other. Changes nothing."""
    name_executed_files()
    # A host that could not even be looked at has its line already; every rule would add one.
    blind = found == State() and host in state.failed_hosts
    wrong = [] if blind else problems(site, switch, found, service, edge)
    for line in warnings(site):
        logger.warning(f"{host.print_prefix}{line}")
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    if wrong and not found.root:
        # Nothing that is asked of it from here on would be the whole answer.
        leave()
    refuse(name="This host can carry the site", problems=wrong)
    passed(name="So can every other")
