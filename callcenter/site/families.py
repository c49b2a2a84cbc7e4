"""Address families: a switch binds one address for phones, so they speak IPv4 or IPv6, and never
both; so do carriers."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from callcenter.site.network import ANYWHERE

if TYPE_CHECKING:
    from callcenter.site.site import Site
    from callcenter.site.switch import Switch

__all__ = ["ONE", "family_of", "other_family", "out_of_reach"]

ONE = "a switch speaks one address family, and both at once is not built yet"
"""Words of refusals for a Site that would need both."""


def family_of(text: str) -> int | None:
    """Return 4 or 6 for an address or a network, or None for a name."""
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False).version
    except ValueError:
        return None


def other_family(site: Site, switch: Switch, login: str | None = None) -> list[str]:
    """List what of the Site a switch could not speak SIP or RTP with, a line each with its field.
    ``login`` is where ssh connects to, where that is known."""
    own = family_of(switch.bind_address)
    words = f"and the switch's address {switch.bind_address} is of IPv{own}"
    out = []
    if site.network.sip_from and not _any_of(site.network.sip_from, own):
        out.append(
            f"Site.network.sip_from: has no network of IPv{own}, {words}, so no phone could reach "
            f"it; name networks of IPv{own} ({ONE})"
        )
    if switch.trunk_address is not None:
        own = family_of(switch.trunk_address)
        words = f"and the switch's trunk_address {switch.trunk_address} is of IPv{own}"
    for index, trunk in enumerate(site.trunks):
        path = f"Site.trunks[{index}]"
        if not trunk.is_named and family_of(trunk.proxy) != own:
            out.append(
                f"{path}.{trunk.proxy_field}: {trunk.proxy} is of IPv{family_of(trunk.proxy)}, "
                f"{words}; give the carrier's address of IPv{own}, or its name ({ONE})"
            )
        elif not _any_of(trunk.sources, own):
            out.append(
                f"{path}.networks: has no network of IPv{own}, {words}, so the carrier could send "
                f"nothing; name its networks of IPv{own} ({ONE})"
            )
    family = family_of(login) if login is not None else None
    if family is not None and site.firewall.enabled and not switch.is_windows:
        given = site.firewall.ssh_from
        if given and not _any_of(given, family):
            out.append(
                f"Site.firewall.ssh_from: has no network of IPv{family}, and ssh connects to "
                f"{login}, so the deploy would lock itself out; name this machine's network of "
                f"IPv{family}"
            )
    return out


def out_of_reach(site: Site, addresses: Collection[str]) -> list[str]:
    """List the servers that a Site names by address and that a host with these addresses has no
    address for, a line each with its field. A host may have both families, whatever its switch
    binds, so only a look at it tells."""
    here = [ipaddress.ip_address(one) for one in addresses]
    outward = {one.version for one in here if not one.is_loopback and not one.is_link_local}
    loopback = {one.version for one in here if one.is_loopback}
    out = []
    for path, host in _servers(site):
        if (family := family_of(host)) is None:
            continue
        if ipaddress.ip_address(host).is_loopback:
            if loopback and family not in loopback:
                out.append(
                    f"{path}: {host} is on no interface, since the host has no IPv{family}; use "
                    f"{'127.0.0.1' if family == 6 else '::1'}"
                )
        elif outward and family not in outward:
            out.append(
                f"{path}: {host} is of IPv{family}, and the host has no such address; give the "
                f"server's name, or its address of IPv{min(outward)}"
            )
    if site.event_socket.tls is not None and outward and 4 not in outward:
        out.append(
            "Site.event_socket.tls: listens on IPv4, and the host has no such address; give the "
            "host one, or leave it out"
        )
    return out


def _servers(site: Site) -> Iterable[tuple[str, str]]:
    """Yield each server that the host itself connects to, after the path of its field."""
    if site.smtp is not None:
        yield "Site.smtp.host", site.smtp.host
    for index, one in enumerate(site.http_applications):
        yield f"Site.http_applications[{index}].url", urlsplit(one.url).hostname or ""
    if (url := getattr(site.packages, "url", None)) is not None:
        yield "Site.packages.url", urlsplit(url).hostname or ""


def _any_of(networks: Iterable[str], family: int | None) -> bool:
    given = tuple(networks)
    return given == ANYWHERE or any(family_of(one) == family for one in given)
