"""The host's packet filter, as a table of our own.

What the Site opens is opened before the service changes, and what it closes is closed after: a
refused change leaves the service reachable as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import deploy

from callcenter import render
from callcenter.render import Tree, paths
from callcenter.site import Site
from roles.firewall import operations
from roles.firewall.facts import Filter, FirewallState
from roles.host import State

__all__ = ["Filter", "FirewallState", "activate", "configure", "look", "operations"]


def look(found: State) -> Filter:
    """Return what is there, asked once."""
    # Where preflight could not look at the host, it has said why.
    return host.get_fact(FirewallState) if found.root else Filter()


@deploy("Firewall: configure")
def configure(site: Site, found: State, present: Filter, *, rtp: bool = True) -> None:
    """Let in what the Site opens, ssh, and still whom the service has served.

    + rtp: whether voice comes to this host
    """
    if site.firewall.enabled:
        outgoing = _outgoing(site, found, present, rtp)
        operations.rules(
            name="Packet filter", wanted=_rules(site, found, rtp, outgoing), present=present
        )


@deploy("Firewall: activate")
def activate(site: Site, found: State, present: Filter, *, rtp: bool = True) -> None:
    """Let in nothing else any more; or remove our table where the Site switches it off."""
    if not site.firewall.enabled:
        operations.absent(name="No packet filter", present=present)
    elif _outgoing(site, found, present, rtp):
        operations.rules(name="Nothing else", wanted=_rules(site, found, rtp), present=present)


def _rules(site: Site, found: State, rtp: bool, outgoing: Sequence[str] = ()) -> Tree:
    sshd = {one.port for one in found.listeners if one.process == "sshd" and one.protocol == "tcp"}
    this = found.ssh_port or int(host.data.get("ssh_port") or 22)
    return render.packet_filter.configuration(site, {this, *sshd}, rtp=rtp, outgoing=outgoing)


def _outgoing(site: Site, found: State, present: Filter, rtp: bool) -> list[str]:
    """List rules of the host that the Site does not ask for any more."""
    wanted = _rules(site, found, rtp)[paths.FIREWALL_RULES].content.decode()
    return [rule for rule in present.services if rule not in wanted]
