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
from callcenter.site import Site, Switch
from callcenter.site.site_hosts import SiteHosts
from roles.firewall import operations
from roles.firewall.facts import Filter, FirewallState
from roles.host import State

__all__ = ["Filter", "FirewallState", "activate", "closing", "configure", "look", "operations"]

Inside = tuple[Switch, Switch] | None
"""Pair of this host and the other one, where Kamailio and FreeSWITCH are on two."""


def look(found: State) -> Filter:
    """Return what is there, asked once."""
    # Where preflight could not look at the host, it has said why.
    return host.get_fact(FirewallState) if found.root else Filter()


@deploy("Firewall: configure")
def configure(
    site: Site,
    found: State,
    present: Filter,
    *,
    rtp: bool = True,
    inside: Inside = None,
    hosts: SiteHosts | None = None,
) -> None:
    """Let in what the Site opens, ssh, and still whom the service has served.

    + rtp: whether voice comes to this host
    + inside: this host and the other one, where Kamailio and FreeSWITCH are on two
    + hosts: all of the Site's
    """
    # FreeSWITCH listens to an edge until Kamailio is here again; phones are let in after that.
    still = inside is None and any('comment "sip of the edge"' in one for one in present.services)
    if site.firewall.enabled and not still:
        outgoing = _still(site, found, present, rtp, inside, hosts)
        wanted = _rules(site, found, rtp, inside, hosts, outgoing)
        operations.rules(name="Packet filter", wanted=wanted, present=present)


def closing(
    site: Site, found: State, present: Filter, inside: Inside, hosts: SiteHosts | None
) -> bytes:
    """Return the rules of the moment in which FreeSWITCH takes the port of this host's Kamailio;
    nothing where the Site switches the packet filter off."""
    if not site.firewall.enabled:
        return b""
    still = _still(site, found, present, True, inside, hosts)
    return _rules(site, found, True, inside, hosts, still)[paths.FIREWALL_RULES].content


@deploy("Firewall: activate")
def activate(
    site: Site,
    found: State,
    present: Filter,
    *,
    rtp: bool = True,
    inside: Inside = None,
    hosts: SiteHosts | None = None,
) -> None:
    """Let in nothing else any more; or remove our table where the Site switches it off."""
    if not site.firewall.enabled:
        operations.absent(name="No packet filter", present=present)
    elif _outgoing(site, found, present, rtp, inside, hosts):
        wanted = _rules(site, found, rtp, inside, hosts)
        operations.rules(name="Nothing else", wanted=wanted, present=present)


def _rules(
    site: Site,
    found: State,
    rtp: bool,
    inside: Inside,
    hosts: SiteHosts | None,
    outgoing: Sequence[str] = (),
) -> Tree:
    sshd = {one.port for one in found.listeners if one.process == "sshd" and one.protocol == "tcp"}
    this = found.ssh_port or int(host.data.get("ssh_port") or 22)
    return render.packet_filter.configuration(
        site, {this, *sshd}, rtp=rtp, outgoing=outgoing, inside=inside, hosts=hosts
    )


def _still(
    site: Site, found: State, present: Filter, rtp: bool, inside: Inside, hosts: SiteHosts | None
) -> list[str]:
    """List those of the outgoing rules that hold until the service has changed."""
    outgoing = _outgoing(site, found, present, rtp, inside, hosts)
    if rtp and inside is not None:
        # FreeSWITCH listens where Kamailio did, and phones are not for it.
        outgoing = [rule for rule in outgoing if 'comment "sip ' not in rule]
    return outgoing


def _outgoing(
    site: Site, found: State, present: Filter, rtp: bool, inside: Inside, hosts: SiteHosts | None
) -> list[str]:
    """List rules of the host that the Site does not ask for any more."""
    wanted = _rules(site, found, rtp, inside, hosts)[paths.FIREWALL_RULES].content.decode()
    return [rule for rule in present.services if rule not in wanted]
