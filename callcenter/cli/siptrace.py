"""``callcenter siptrace``: the SIP messages of a host as they go by, for a bounded time."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from textwrap import indent
from zoneinfo import ZoneInfo

import click

import callcenter.onhost.siptrace
from callcenter.cli.sites import inventory_of
from callcenter.cli.switches import linux_host, printable
from callcenter.client.inventory import Host
from callcenter.client.ssh import lines
from callcenter.site import Site

__all__ = ["command", "mask", "ports", "trace", "unseen"]

SIP = 5060
"""Port that SIP has where nobody says another."""
LONGEST = 3600

_MASKED = (
    # Nonces are no secret, and tell much.
    (r'\b(response|cnonce)[ \t]*=[ \t]*("[^"]*"|[^\s,]+)', r'\1="***"'),
    (r"^((?:Proxy-)?Authorization[ \t]*:[ \t]*(?!Digest\b)\S+)[ \t]+\S.*$", r"\1 ***"),
    # What wakes a phone: whoever has it can do that, too.
    (r"\b(pn-(?:prid|param|tok|purr))=[^;>\s?&]+", r"\1=***"),
    (r"\binline:[^\s|]+", "inline:***"),
    (r"^(a=(?:ice-pwd|key-mgmt):|k=).+$", r"\1***"),
    # Digits of a PIN.
    (r"^(Signal[ \t]*=)[ \t]*\S+", r"\1 *"),
)
_DIGITS = re.compile(r"(?is)(\bcontent-type[ \t]*:[ \t]*application/dtmf\b(?!-).*?\n\n).+")


def mask(text: str) -> str:
    """Return a message without what would let a reader log in, decrypt, or wake a phone."""
    for pattern, masked in _MASKED:
        text = re.sub(pattern, masked, text, flags=re.IGNORECASE | re.MULTILINE)
    return _DIGITS.sub(r"\1*", text)


def ports(site: Site) -> list[int]:
    """Return the ports by which a host of the site speaks SIP that can be read."""
    plain = [one for one in site.trunks if one.transport != "tls"]
    used = {site.network.sip_port, *(one.port or SIP for one in plain)}
    return sorted({*used, site.network.trunk_port} if plain else used)


def unseen(site: Site, host: Host) -> list[str]:
    """List what of a host's SIP is encrypted where it could be read, a line each."""
    out = []
    if site.network.tls is not None:
        alone = host.is_edge and not host.others
        to = "none is" if alone else "the messages between Kamailio and FreeSWITCH are"
        out.append(f"what phones send by TLS is not shown; {to}")
    if not host.is_edge:
        out += [
            f"trunk {one.name}: goes by TLS, and is not shown"
            for one in site.trunks
            if one.transport == "tls"
        ]
    return out


def trace(site: Site, host: Host, seconds: int) -> Iterator[tuple[bool, str]]:
    """Yield what goes by, and whether it is a message."""
    wanted = shlex.join(["python3", "-I", "-", *map(str, (seconds, *ports(site)))])
    program = inspect.getsource(callcenter.onhost.siptrace).encode()
    zone, count = ZoneInfo(site.timezone), 0
    for said in lines(host, wanted, program):
        match json.loads(said):
            case ["listening"]:
                yield False, f"listening at {host.name} for {seconds} s"
            case ["message", at, transport, source, target, text]:
                count += 1
                when = datetime.fromtimestamp(at, zone)
                ends = " -> ".join(
                    f"[{a}]:{p}" if ":" in a else f"{a}:{p}" for a, p in (source, target)
                )
                head = f"--- {when:%H:%M:%S}.{when.microsecond // 1000:03} {transport} {ends} "
                whole = mask(text.replace("\r\n", "\n")).rstrip()
                # A line that begins further left is ours, whatever a peer has written.
                yield True, f"{head.ljust(80, '-')}\n{indent(printable(whole), '  ')}\n"
            case ["lost", lost]:
                more = f"; {lost} packets came faster than they could be read" if lost else ""
                yield False, f"{count} messages{more}"


@click.command()
@click.argument("name", metavar="HOST")
@click.option("--site", type=click.Path(path_type=Path), default=Path(), help="Path of the site.")
@click.option(
    "--for",
    "seconds",
    metavar="SECONDS",
    type=click.IntRange(1, LONGEST),
    default=30,
    help=f"How long, {LONGEST} at most (default: 30).",
)
def command(name: str, site: Path, seconds: int) -> None:
    """Print the SIP messages that come to HOST and go from it, over UDP and TCP.

    Nothing on the host is switched on for it. Digests, keys, digits and what wakes a phone are
    masked.
    """
    inventory = inventory_of(site)
    host, described = linux_host(inventory, name), inventory.site
    for line in unseen(described, host):
        click.echo(line, err=True)
    for is_message, text in trace(described, host, seconds):
        click.echo(text, err=not is_message)
