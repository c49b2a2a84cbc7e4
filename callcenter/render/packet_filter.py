"""A host's packet filter: matches for networks and for strangers, and rules for what goes out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from callcenter.render import paths, users
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.site import RemotePostgres, Site, Switch, Trunk
from callcenter.site.authorities import ACME_PORT
from callcenter.site.network import ANYWHERE, RELAY_PORTS, Turn
from callcenter.site.site_hosts import SiteHosts

__all__ = [
    "FAMILIES",
    "TURN_CONNECTIONS",
    "Family",
    "at",
    "configuration",
    "egress",
    "further",
    "matches",
    "own",
    "strangers",
]

SIP_LISTENERS = "5060-5069"
"""Ports at which phones on TCP take new connections, where phones may be in any network."""

TURN_CONNECTIONS = 3072
"""Connections to TURN at a time, of all addresses: a thousand more than it carries. Each takes 44
kB of coturn's memory, of which its unit has 256 MB."""


@dataclass(frozen=True)
class Family:
    """An address family, as sets of addresses are about it."""

    n: int
    """Version of IP, by which its sets are called."""
    type: str
    """Type of a set of its addresses."""
    source: str
    """Key of a sender in a set: one of IPv6 has a whole network of 64 bits."""
    destination: str
    """Key of whom something is sent to."""


FAMILIES = (
    Family(4, "ipv4_addr", "ip saddr", "ip daddr"),
    Family(
        6,
        "ipv6_addr",
        "ip6 saddr & ffff:ffff:ffff:ffff::",
        "ip6 daddr & ffff:ffff:ffff:ffff::",
    ),
)


def configuration(
    site: Site,
    ssh_ports: Iterable[int],
    *,
    rtp: bool = True,
    outgoing: Sequence[str] = (),
    inside: tuple[Switch, Switch] | None = None,
    hosts: SiteHosts | None = None,
) -> Tree:
    """Render the packet filter's rules and unit, or nothing where the Site switches it off.
    ``rtp``: whether voice comes to the host. ``outgoing``: rules that stay until the service has
    changed. ``inside``: this host and the other one, where Kamailio and FreeSWITCH are on two.
    ``hosts``: all of the Site's, where it has several, or TURN."""
    if not site.firewall.enabled:
        return Tree([])
    # Without rules coturn would be held to nothing.
    assert hosts is not None or site.network.turn is None
    relays = None if site.network.turn is None else hosts
    turn = site.network.turn if relays is not None and relays.is_served else None
    # Phones' SIP comes to the other host.
    far = inside[1].bind_address if inside is not None and rtp else None
    asked_here = site.acme is not None and site.acme.asks_at_host
    network = site.network
    phones = () if far is not None else network.listeners
    limited = [
        *(("udp" if one == "udp" else "tcp", port) for one, port in phones),
        *([("tcp", turn.port)] if turn else []),
    ]
    unknown = strangers(site)
    values = {
        "site": site,
        "paths": paths,
        "table": paths.FIREWALL_TABLE,
        "ssh_ports": sorted(set(ssh_ports)),
        "rtp": rtp,
        "users": users,
        "families": FAMILIES,
        "limited": limited,
        "connected": list(dict.fromkeys(port for protocol, port in limited if protocol == "tcp")),
        "strangers": unknown,
        "flooding": unknown if ("udp", network.sip_port) in phones else (),
        "apart": tuple(_apart(site, *inside, rtp=rtp)) if inside is not None else (),
        "beside": tuple(_beside(site)) if inside is None and rtp and network.edge else (),
        "from_edge": tuple(_from_edge(site, *inside)) if inside is not None and rtp else (),
        "accepted": [
            *_ssh(site, sorted(set(ssh_ports))),
            *(_from_switch(site, inside[1]) if inside is not None and not rtp else ()),
            *_from_phones(
                site, phones, rtp=rtp, web=site.web_server if far is None else None, turn=turn
            ),
            *(_by_turn(site, relays) if relays is not None else ()),
            *(_from_askers(site, hosts) if hosts is not None else ()),
            *(_from_others(site) if rtp else ()),
        ],
        "outgoing": outgoing,
        "further": further(site),
        "acme_port": ACME_PORT if asked_here and far is None else None,
        "egress": egress(site, far, hosts) if rtp and site.firewall.egress else {},
        "turn": turn,
        "turn_connections": TURN_CONNECTIONS,
        "relayed": _relayed(site, hosts),
        "unheard": tuple(_unheard(site, relays)) if relays is not None and turn else (),
        "unasked": tuple(_unasked(site, relays)) if relays is not None and turn else (),
        "turned": tuple(_turned(site, relays)) if relays is not None and turn else (),
    }
    return Tree(
        [
            File(paths.FIREWALL_RULES, plain("firewall/rules.nft.j2", **values), 0o644),
            File(
                f"/etc/systemd/system/{paths.FIREWALL_UNIT}",
                plain("firewall/unit.service.j2", **values),
            ),
        ]
    )


def _apart(site: Site, here: Switch, other: Switch, *, rtp: bool) -> Iterator[str]:
    """Yield what of a host speaks with the other's Kamailio or FreeSWITCH, and voice messages."""
    user, sip = users.FREESWITCH if rtp else users.KAMAILIO, f"udp dport {site.network.sip_port}"
    own, towards = at(here.bind_address, "daddr"), at(other.bind_address, "daddr")
    yield from (f'{match}{sip} meta skuid != "{user}" counter drop' for match in towards)
    if rtp:
        yield from (f"{match}{sip} counter drop" for match in own)
    if (port := _messages_port(site)) is not None:
        messages = f"tcp dport {port}"
        if rtp:
            yield from (f"{match}{messages} counter drop" for match in own)
        else:
            web = f'{messages} meta skuid != "{users.WEB}" counter drop'
            yield from (f"{match}{web}" for match in towards)


def _messages_port(site: Site) -> int | None:
    """Return the port at which an edge's web server asks another host for voice messages."""
    if site.web_phone is None or not site.shows_messages:
        return None
    return site.web_phone.messages_port


def _beside(site: Site) -> Iterator[str]:
    """Yield what of a host speaks with its Kamailio and its FreeSWITCH, by loopback."""
    port = site.network.sip_port
    for name, address in (("ip", "127.0.0.1"), ("ip6", "::1")):
        for side, user in (("d", users.KAMAILIO), ("s", users.FREESWITCH)):
            match = f"{name} {side}addr {address} udp {side}port {port}"
            yield f'{match} meta skuid != "{user}" counter drop'


def _from_edge(site: Site, here: Switch, edge: Switch) -> Iterator[str]:
    """Yield who speaks with the FreeSWITCH of a host, and who does not."""
    sip, messages = f"udp dport {site.network.sip_port}", _messages_port(site)
    for match in at(edge.bind_address, "saddr"):
        yield f'{match}{sip} accept comment "sip of the edge"'
        if messages is not None:
            yield f'{match}tcp dport {messages} accept comment "voice messages"'
    for match in at(here.bind_address, "daddr"):
        yield f"{match}{sip} counter drop"


def _from_switch(site: Site, switch: Switch) -> Iterator[str]:
    """Yield what comes from the FreeSWITCH of another host."""
    for match in at(switch.bind_address, "saddr"):
        yield f'{match}udp dport {site.network.sip_port} accept comment "sip of the switch"'


def _ssh(site: Site, ports: Iterable[int]) -> Iterator[str]:
    numbers = ", ".join(map(str, ports))
    for match in matches(site.firewall.ssh_from):
        yield f'{match}tcp dport {{ {numbers} }} accept comment "ssh"'


def _from_phones(
    site: Site,
    listeners: Iterable[tuple[str, int]],
    *,
    rtp: bool,
    web: tuple[object, int] | None,
    turn: Turn | None,
) -> Iterator[str]:
    """Yield what comes from phones, and from those who look at pages."""
    network = site.network
    first, last = network.rtp_ports
    # Without TLS some networks may come alone.
    is_narrower = network.plain_from != network.sip_from
    plain = [one for one in listeners if one[0] not in ("tls", "wss")]
    known = [one for one in listeners if one not in plain] if is_narrower else [*listeners]
    for match in matches(network.plain_from) if is_narrower else ():
        yield from (f"{match}{_sip(*one)}" for one in plain)
    for match in matches(network.sip_from):
        yield from (f"{match}{_sip(*one)}" for one in known)
        if rtp:
            yield f'{match}udp dport {first}-{last} accept comment "rtp"'
        if web is not None:
            yield f'{match}tcp dport {web[1]} accept comment "web"'
        if turn is not None:
            yield f"{match}tcp dport {turn.port} goto turn"


def _sip(transport: str, port: int) -> str:
    protocol = "udp" if transport == "udp" else "tcp"
    return f'{protocol} dport {port} accept comment "sip {transport}"'


def _from_others(site: Site) -> Iterator[str]:
    """Yield what comes to a switch from programs elsewhere, and from carriers."""
    first, last = site.network.rtp_ports
    if (tls := site.event_socket.tls) is not None:
        for match in matches(tls.networks):
            yield f'{match}tcp dport {tls.port} accept comment "event socket by TLS"'
    for trunk in site.trunks:
        listens = trunk.listens(site.network)
        for match in matches(trunk.sources):
            if listens is not None:
                protocol, port = listens
                yield f'{match}{protocol} dport {port} accept comment "trunk {trunk.name}"'
            yield f'{match}udp dport {first}-{last} accept comment "rtp of {trunk.name}"'


def _forth(site: Site) -> str:
    """Return the match of what TURN sends to FreeSWITCH."""
    (first, last), (low, high) = site.network.rtp_ports, RELAY_PORTS
    return f"udp sport {low}-{high} udp dport {first}-{last}"


def _back(site: Site) -> str:
    """Return the match of what FreeSWITCH sends to TURN."""
    (first, last), (low, high) = site.network.rtp_ports, RELAY_PORTS
    return f"udp sport {first}-{last} udp dport {low}-{high}"


def _relayed(site: Site, hosts: SiteHosts | None) -> tuple[str, ...]:
    """Return what TURN of a host sends to switches. What goes to a router's address has been turned
    to the switch's own, but is still on the way out."""
    if site.network.turn is None or hosts is None or not hosts.is_served:
        return ()
    return tuple(
        f"{match}{_forth(site)} accept"
        for voice in hosts.voices
        for match in at(voice.bind_address, "daddr")
    )


def _turned(site: Site, hosts: SiteHosts) -> Iterator[str]:
    """Yield what TURN sends to a router's address, and where it goes instead."""
    for voice in hosts.voices:
        family = "ip6" if ":" in voice.bind_address else "ip"
        for match in at(voice.advertised_address, "daddr") if voice.is_behind_nat else ():
            sent = f'meta skuid "{users.TURN}" {match}{_forth(site)}'
            yield f"{sent} dnat {family} to {voice.bind_address}"


def _unheard(site: Site, hosts: SiteHosts) -> Iterator[str]:
    """Yield what FreeSWITCH of a host behind a router sends to its TURN before that has: it would
    be known by the host's own address, and what follows by the router's."""
    if hosts.here in hosts.voices and hosts.here.is_behind_nat:
        # TURN is at the same address. What is sent elsewhere is no answer to it, whatever its port.
        own = "".join(at(hosts.here.bind_address, side)[0] for side in ("saddr", "daddr"))
        yield f"{own}{_back(site)} ct state new counter drop"


def _unasked(site: Site, hosts: SiteHosts) -> Iterator[str]:
    """Yield what FreeSWITCH of another host sends before TURN has. It is no stranger for that."""
    for voice in hosts.further_voices:
        yield from (f"{one}{_back(site)} counter drop" for one in at(voice.bind_address, "saddr"))


def _by_turn(site: Site, hosts: SiteHosts) -> Iterator[str]:
    """Yield what TURN of other hosts sends to FreeSWITCH of this one."""
    for server in hosts.further_servers:
        for match in at(server.bind_address, "saddr"):
            yield f'{match}{_forth(site)} accept comment "rtp by TURN"'


def _from_askers(site: Site, hosts: SiteHosts) -> Iterator[str]:
    """Yield what hosts ask that pass links on."""
    if site.provisioning is None:
        return
    for asker in hosts.askers:
        for match in at(asker.bind_address, "saddr"):
            yield f'{match}tcp dport {site.provisioning.port} accept comment "links"'


def matches(networks: Iterable[str], side: str = "saddr") -> list[str]:
    """Return nftables' match for each address family; one empty match where it may be anybody.

    ``side``: ``saddr`` for who sends, ``daddr`` for whom something is sent to.
    """
    four, six = _families(networks)
    if four == ["0.0.0.0/0"] and six in ([], ["::/0"]):
        return [""]
    out = []
    for name, family, members in (("ip", "ipv4", four), ("ip6", "ipv6", six)):
        if members in (["0.0.0.0/0"], ["::/0"]):
            out.append(f"meta nfproto {family} ")
        elif members:
            out.append(f"{name} {side} {{ {', '.join(members)} }} ")
    return out


def at(address: str, side: str) -> list[str]:
    """Return nftables' match for one address, as :func:`matches` does for networks."""
    return matches([str(ipaddress.ip_network(address))], side)


def own(site: Site) -> list[str]:
    """List the networks of the Site's own and of its carriers."""
    known = [*site.network.local_networks]
    for networks in (site.network.sip_from, site.firewall.ssh_from):
        known += networks if networks != ANYWHERE else ()
    for trunk in site.trunks:
        known += trunk.sources
    for port in (*site.firewall.further("tcp_ports"), *site.firewall.further("udp_ports")):
        known += port.sources if port.sources != ANYWHERE else ()
    four, six = _families(known)
    return [*four, *six]


def strangers(site: Site, side: str = "saddr") -> list[str]:
    """Return nftables' match of each address family for whoever is neither in the Site's own
    networks nor one of its carriers. ``side``: as of :func:`matches`."""
    four, six = _families(own(site))
    return [
        match
        for match in (
            _others("ip", "ipv4", four, side),
            _others("ip6", "ipv6", six, side),
        )
        if match is not None
    ]


def further(site: Site) -> list[str]:
    """List rules for the host's further ports, those of one protocol and of the same sources in
    one."""
    out = []
    for protocol in ("tcp", "udp"):
        ports = site.firewall.further(f"{protocol}_ports")
        for sources in dict.fromkeys(one.sources for one in ports):
            numbers = ", ".join(str(one.port) for one in ports if one.sources == sources)
            rule = f'{protocol} dport {{ {numbers} }} accept comment "further services"'
            out += [f"{match}{rule}" for match in matches(sources)]
    return out


def egress(
    site: Site, edge: str | None = None, hosts: SiteHosts | None = None
) -> Mapping[str, list[str]]:
    """Return rules by user of what each may reach, apart from loopback and answers. ``edge``: the
    address of Kamailio's host, where that is another one. ``hosts``: all of the Site's."""
    names = ["udp dport 53 accept", "tcp dport 53 accept"]
    further = [f"{match}accept" for match in matches(site.firewall.egress_to, "daddr")]
    first, last = site.network.rtp_ports
    phones = matches(site.network.sip_from, "daddr")
    # Not by address: a call that is up goes on and can be ended when the Site names fewer networks,
    # and what follows goes anywhere as well.
    out = [] if site.network.edge else [f"udp sport {site.network.sip_port} accept"]
    if "tcp" in site.network.transports and not site.network.edge:
        # Most keep the connection that they have made; some listen themselves.
        listens = SIP_LISTENERS if site.network.sip_from == ANYWHERE else "1024-65535"
        out += [f"{match}tcp dport {listens} accept" for match in phones]
    if edge is not None:
        out += [f"{one}udp dport {site.network.sip_port} accept" for one in at(edge, "daddr")]
    # Who calls says in SDP where voice goes to, so it may be anywhere.
    out.append(f"udp sport {first}-{last} accept")
    for trunk in site.trunks:
        out += _carrier(trunk, site.network.trunk_port)
    if isinstance(site.database, RemotePostgres):
        out.append(f"tcp dport {site.database.port} accept")
    rules = {users.FREESWITCH: [*names, *out, *further]}
    local = (users.FAX, users.BANS, users.FILTER, users.WEB, users.PHONES, users.VOICEMAIL)
    rules |= {user: [] for user in local}
    rules[users.TURN] = [*_relayed(site, hosts)]
    if site.provisioning is not None and hosts is not None and hosts.giver is not None:
        asked = f"tcp dport {site.provisioning.port} accept"
        rules[users.WEB] = [f"{match}{asked}" for match in at(hosts.giver.bind_address, "daddr")]
    mail = [f"tcp dport {site.smtp.port} accept"] if site.smtp is not None else []
    rules[users.MAIL] = [*names, *mail, *further] if mail else []
    urls = [urlsplit(one.url) for one in site.http_applications]
    ports = sorted({url.port or 443 for url in urls if url.scheme == "https"})
    web = [f"tcp dport {port} accept" for port in ports]
    rules[users.HTTP] = [*names, *web, *further] if web else []
    if site.acme is not None and edge is None:
        # Its answers name further addresses of the authority, on the directory's port or on HTTPS'.
        ports = sorted({443, urlsplit(site.acme.directory).port or 443})
        web = [f"tcp dport {port} accept" for port in ports]
        rules[users.ACME] = [*names, *web, *further]
    return {user: list(dict.fromkeys(given)) for user, given in rules.items()}


def _carrier(trunk: Trunk, port: int) -> list[str]:
    """Return the rules by which a carrier is reached. Over UDP they match the source port. Over TCP
    a carrier that is given by name is matched by its port alone: its addresses may change."""
    if trunk.transport == "udp":
        return [f"udp sport {port} accept"]
    towards = [""] if trunk.is_named else matches(trunk.reached_at, "daddr")
    out = [f"{match}tcp dport {trunk.proxy_port} accept" for match in towards]
    if trunk.is_looked_up:
        # DNS may name any port.
        out += [f"{match}tcp dport 1024-65535 accept" for match in matches(trunk.sources, "daddr")]
    if trunk.registrar is not None:
        out.append("tcp dport 5060 accept")
    return out


def _others(name: str, family: str, known: list[str], side: str) -> str | None:
    if known in (["0.0.0.0/0"], ["::/0"]):
        return None
    return f"{name} {side} != {{ {', '.join(known)} }} " if known else f"meta nfproto {family} "


def _families(networks: Iterable[str]) -> tuple[list[str], list[str]]:
    given = [ipaddress.ip_network(network) for network in networks]
    # An interval set holds no network twice, nor one inside another.
    four = ipaddress.collapse_addresses(n for n in given if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in given if isinstance(n, ipaddress.IPv6Network))
    return [str(one) for one in four], [str(one) for one in six]
