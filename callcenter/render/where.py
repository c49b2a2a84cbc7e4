"""Where a Site's services cannot be."""

from __future__ import annotations

from callcenter.render.services import SERVICES
from callcenter.site import Site
from callcenter.site.network import ANYWHERE

__all__ = ["needs_linux"]


def needs_linux(site: Site, *, apart: bool = False) -> list[str]:
    """List what of the Site a Windows host cannot have, a line each. ``apart``: Kamailio is before
    it, on a Linux host."""
    out = []
    # Behind an edge it is that host's.
    if not apart and site.firewall.ssh_from not in ((), ANYWHERE):
        out.append(
            "Site.firewall.ssh_from: needs a Linux host, and this is a Windows one, whose own "
            "rules say who may administer it; leave it out, or give Windows hosts a site of "
            "their own"
        )
    if site.network.tls is not None and not apart:
        out.append("Site.network.tls: needs a Linux host, which has Kamailio; leave it out")
    if site.network.wss is not None and apart:
        out.append(
            "Site.network.tls.wss: needs a Linux host, since the keys of a browser's voice are "
            "FreeSWITCH's; leave it out"
        )
    out += [line for service in SERVICES for line in service.needs_linux(site)]
    return site.placed(out)
