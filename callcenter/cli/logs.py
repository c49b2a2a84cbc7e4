"""``callcenter logs``: what the services of a host have logged, or log."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

import callcenter.onhost.logs
from callcenter.cli.sites import inventory_of
from callcenter.cli.switches import linux_host, printable
from callcenter.client.inventory import Host
from callcenter.client.ssh import lines
from callcenter.render import paths
from callcenter.render.routing import moment
from callcenter.site import Site, SiteError

__all__ = ["command", "hidden", "logs", "since"]

UNITS = (paths.UNIT, paths.KAMAILIO_UNIT, "callcenter-*")
"""Units of a call centre, as journalctl takes them."""

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NOW = 0.000001


def since(text: str, site: Site) -> float:
    """Return a moment in seconds; less than nothing for so many ago, by the host's clock."""
    if ago := _AGO.fullmatch(text):
        # None at all is now, and no moment of 1970.
        return -(int(ago[1]) * _SECONDS[ago[2]] or _NOW)
    try:
        return max(0.0, moment(text, site).timestamp())
    except (SiteError, OverflowError):
        raise SiteError(
            [f"--since: {text!r} is no time; use one such as 30m, 2h, 1d or 2026-12-25T10:00"]
        ) from None


def hidden(site: Site) -> Callable[[str], str]:
    """Return what puts a secret's name in the place of its value. None is made."""
    names = {}
    for where, one in site.secrets():
        # A key has several lines, and a log shows one at a time.
        for value in (site.vault.known(one) or "").splitlines():
            names[value.strip()] = one.name or where
    known = sorted(filter(None, names), key=len, reverse=True)
    # A short one is no part of a longer word or number.
    found = re.compile(rf"(?<![0-9A-Za-z])(?:{'|'.join(map(re.escape, known))})(?![0-9A-Za-z])")
    return lambda text: found.sub(lambda one: f"(secret {names[one[0]]})", text) if known else text


def logs(site: Site, host: Host, begin: float, *, follow: bool) -> Iterator[str]:
    """Yield lines of a host's services with the Site's time, the program, and no secret."""
    words = [site.timezone, str(begin), paths.LOG, "follow" if follow else "past", *UNITS]
    program = inspect.getsource(callcenter.onhost.logs).encode()
    without, zone = hidden(site), ZoneInfo(site.timezone)
    for said in lines(host, shlex.join(["python3", "-I", "-", *words]), program):
        at, by, text = json.loads(said)
        when = datetime.fromtimestamp(at, zone)
        yield f"{when:%Y-%m-%d %H:%M:%S}.{when.microsecond // 1000:03} {printable(by)}: " + (
            printable(without(text))
        )


@click.command()
@click.argument("name", metavar="HOST")
@click.option("--site", type=click.Path(path_type=Path), default=Path(), help="Path of the site.")
@click.option(
    "--since",
    "begin",
    metavar="TIME",
    default="1h",
    help="So long ago (30m, 2h, 1d), or a moment of the Site's clock (default: 1h).",
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
def command(name: str, site: Path, begin: str, follow: bool) -> None:
    """Print what FreeSWITCH, Kamailio and the programs beside them have logged on HOST.

    The time is the Site's. A secret of the Site is shown by its name alone.
    """
    inventory = inventory_of(site)
    host = linux_host(inventory, name)
    described = inventory.site
    for line in logs(described, host, since(begin, described), follow=follow):
        click.echo(line)
