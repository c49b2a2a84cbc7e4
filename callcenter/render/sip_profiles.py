"""FreeSWITCH's sofia profiles: where phones are served, and where carriers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from callcenter.render import paths
from callcenter.render._addresses import bracketed
from callcenter.render._files import File
from callcenter.render.services import trunks
from callcenter.render.services._dialplan import config
from callcenter.site import Site, Switch

__all__ = ["CARRIERS", "carriers", "heard_at", "phones"]

CARRIERS = "carriers"
"""The access list of all that trunks come from."""

_ANSWERED = Markup("$${public_address}")
"""Words for the address that a STUN server has said last."""


def heard_at(switch: Switch, edge: Switch) -> str:
    """Return the address at which FreeSWITCH hears Kamailio: loopback, where both are on one
    host."""
    return switch.loopback if edge == switch else switch.bind_address


def phones(site: Site, switch: Switch, edge: Switch, profile: str) -> File:
    """Render the profile of phones, or of Kamailio before them."""
    advertised: Markup | str | None = None
    if switch.is_behind_nat and not site.network.edge:
        advertised = _ANSWERED if switch.stun else switch.advertised_address
    return config(
        f"sip_profiles/{profile}.xml",
        site,
        switch=switch,
        edge=edge,
        profile=profile,
        heard_at=heard_at(switch, edge),
        proxy=f"{bracketed(edge.bind_address)}:{site.network.sip_port}",
        advertised=advertised,
        transport=None if site.network.edge else _only(site.network.transports),
    )


def carriers(site: Site, switch: Switch) -> Iterator[File]:
    """Yield the profiles of trunks."""
    plain = dict.fromkeys(one.transport for one in site.trunks if one.transport != "tls")
    for name, trunk in trunks.profiles(site).items():
        made = config(
            f"sip_profiles/{trunks.PROFILE}.xml",
            site,
            switch=switch,
            name=name,
            trunk=trunk,
            advertised=_shown_to_carriers(switch, trunks.advertised_scope(site, name)),
            transport=_only(tuple(plain)) if trunk is None else None,
            acl=trunk.name if trunk else CARRIERS,
            certificates=f"{paths.CURRENT}/certificates",
        )
        yield File(f"sip_profiles/{name}.xml", made.content, made.mode)


def _shown_to_carriers(switch: Switch, scope: trunks.Scope) -> Markup | str | None:
    """Return the address that carriers are told, where it is not that of the interface alone."""
    if scope == "own" or not switch.is_trunk_behind_nat:
        return None
    known = switch.trunk_public_ip
    address = known or (_ANSWERED if switch.stun else switch.advertised_address)
    # FreeSWITCH then tells those in local networks its own.
    return Markup("autonat:{}").format(address) if scope == "each" else address


def _only(transports: Sequence[str]) -> str | None:
    """Return the transport, where there is one alone."""
    return transports[0] if len(transports) == 1 else None
