"""The host's packet filter, as a table of our own."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from callcenter import render
from callcenter.site import Site
from roles.firewall import operations
from roles.firewall.facts import FirewallState
from roles.host import State

__all__ = ["FirewallState", "activate", "operations"]


@deploy("Firewall")
def activate(site: Site, found: State, *, rtp: bool = True) -> None:
    """Let in what the Site opens, and ssh; or remove our table where the Site switches it off.

    + rtp: whether voice comes to this host
    """
    if not site.firewall.enabled:
        operations.absent(name="No packet filter")
        return
    sshd = {one.port for one in found.listeners if one.process == "sshd" and one.protocol == "tcp"}
    this = found.ssh_port or int(host.data.get("ssh_port") or 22)
    operations.rules(
        name="Packet filter", wanted=render.system.firewall(site, {this, *sshd}, rtp=rtp)
    )
