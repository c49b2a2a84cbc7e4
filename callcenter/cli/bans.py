"""Addresses that are shut out of an inventory's hosts: list them, and let one in again."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

import callcenter.onhost.bans
from callcenter.cli.sites import argument, inventory_of
from callcenter.client.inventory import Host
from callcenter.client.ssh import answer
from callcenter.onhost.bans import source_of
from callcenter.render import paths
from callcenter.site import SiteError

__all__ = ["bans", "command"]


def bans(path: Path, host: str | None, lift: str | None) -> Iterator[str]:
    """List who is shut out, a line each, of one host or of all; or let an address in again."""
    inventory = inventory_of(path)
    if not inventory.site.shuts_out:
        raise SiteError(["Site.guessers: is switched off, so nobody is shut out"])
    if lift is not None and source_of(lift) is None:
        raise SiteError([f"--lift: {lift!r} is no address; give one such as 203.0.113.7"])
    kept = [one for one in inventory.hosts if one.is_edge or not one.switch.is_windows]
    if not kept:
        raise SiteError([f"{inventory.path}: has no Linux host, and no other has a list of bans"])
    hosts = [one for one in kept if host in (None, one.name)]
    if not hosts:
        names = ", ".join(one.name for one in kept)
        raise SiteError([f"{inventory.path}: {host} is no Linux host of it; use one of {names}"])
    lifted = False
    refusals: list[str] = []
    for one in hosts:
        if lift is None:
            found = json.loads(_run(one, "list"))
            yield from (f"{one.name}  {a}  for {s} s more" for a, s in found.items())
            continue
        try:
            _run(one, "lift", lift)
        except SiteError as refused:
            refusals += refused.problems
        else:
            lifted = True
            yield f"{one.name}  {lift}  is let in again"
    if refusals and not lifted:
        raise SiteError(refusals)


def _run(host: Host, *what: str) -> str:
    # An edge has no program of ours: it is given.
    given = inspect.getsource(callcenter.onhost.bans).encode() if host.is_edge else b""
    tool = "-" if host.is_edge else paths.BANS_TOOL
    return answer(host, shlex.join(["python3", "-I", tool, *what]), given)


@click.command()
@argument
@click.argument("host", required=False)
@click.option("--lift", metavar="ADDRESS", help="Let it in again.")
def command(path: Path, host: str | None, lift: str | None) -> None:
    """List the addresses that are shut out for guessing, or let one in again.

    HOST is one of the inventory's hosts (default: all).
    """
    for line in bans(path, host, lift):
        click.echo(line)
