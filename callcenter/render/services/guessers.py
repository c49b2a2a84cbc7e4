"""What shuts out addresses that guess passwords."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

from callcenter.onhost import alarm, bans
from callcenter.render import packet_filter, paths, users
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._shape import Unit
from callcenter.site import Site

__all__ = ["UNITS", "on_host", "packages"]

UNITS = (
    # What needs it restarts with it.
    Unit(paths.BANS_FILTER_UNIT, (paths.BANS_RULES, paths.BANS_TOOL, paths.BANS_CONFIG)),
    Unit(paths.BANS_UNIT, (paths.BANS_PASSWORD,), state=paths.BANS, table=bans.TABLE),
)


def on_host(site: Site) -> Iterator[File]:
    """Yield what shuts out addresses that guess."""
    if not site.shuts_out:
        return
    own = packet_filter.own(site)
    settings = {
        "never": own,
        "port": site.event_socket.port,
        "password": paths.BANS_PASSWORD,
        "socket": paths.BANS_FILTER,
        "state": f"{paths.BANS}/bans.json",
        "report": f"{paths.BANS_ALARM}/{alarm.LOG}" if site.guessers.alarm else None,
    }
    yield File(paths.BANS_CONFIG, (json.dumps(settings, indent=2) + "\n").encode())
    # The word keeps the value out of diffs.
    password = f"password {site.reveal(site.guessers.password)}\n".encode()
    yield File(paths.BANS_PASSWORD, password, 0o640, users.BANS)
    yield File(paths.BANS_TOOL, inspect.getsource(bans).encode(), 0o755)
    rules = plain(
        "firewall/bans.nft.j2",
        table=bans.TABLE,
        first=bans.FIRST,
        sip_port=site.network.sip_port,
        rtp=site.network.rtp_ports,
        families=packet_filter.FAMILIES,
        strangers=packet_filter.strangers(site),
        answered=packet_filter.strangers(site, "daddr"),
        # What a refusal by FreeSWITCH begins with, and where, behind each length of TCP's header.
        refusal=f"0x{b'SIP/2.0 403 '.hex()}",
        headers=[(words, words * 32) for words in range(5, 16)],
        # An edge counts failures of SIP itself, and FreeSWITCH's 403 is none.
        sip=not site.network.edge,
    )
    yield File(paths.BANS_RULES, rules)
    values = {
        "site": site,
        "paths": paths,
        "users": users,
        "folder": paths.BANS.removeprefix("/var/lib/"),
        "filter": paths.BANS_FILTER_UNIT.rpartition("/")[2],
    }
    yield File(paths.BANS_FILTER_UNIT, plain("system/bans-filter.service.j2", **values))
    yield File(paths.BANS_UNIT, plain("system/bans.service.j2", **values))


def packages(site: Site) -> tuple[str, ...]:
    """Name what the programs run by, and the packet filter's own."""
    return ("python3", "nftables") if site.shuts_out else ()
