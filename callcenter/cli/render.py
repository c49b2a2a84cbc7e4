"""``callcenter render``: the files that a host would be given."""

from __future__ import annotations

from pathlib import Path

import click

from callcenter.cli.rehearsal import files, masked, rehearsed
from callcenter.cli.sites import argument, inventory_of
from callcenter.client.inventory import Host, Inventory
from callcenter.site import SiteError

__all__ = ["command", "host_of"]


def host_of(inventory: Inventory, name: str | None) -> Host:
    """Return the host of that name, or the first."""
    for host in inventory.hosts:
        if name in (None, host.name):
            return host
    names = ", ".join(host.name for host in inventory.hosts)
    raise SiteError([f"--host: {name} is no host of {inventory.path}; there are {names}"])


@click.command()
@argument
@click.option("--host", metavar="NAME", help="One of the hosts (default: the first).")
@click.option("--file", "wanted", metavar="FILE", help="Print it, such as dialplan/default.xml.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, resolve_path=True),
    help="Folder to write all of them to.",
)
def command(path: Path, host: str | None, wanted: str | None, out: Path | None) -> None:
    """List the files that a host would be given, or print one of them.

    Secrets are stand-ins: nothing real is shown, and none is made.
    """
    inventory = inventory_of(path)
    with rehearsed(inventory.site) as site:
        tree = masked(files(site, host_of(inventory, host)))
    if wanted is not None:
        if wanted not in tree:
            raise SiteError([f"--file: {wanted} is none of its files; leave --file out for a list"])
        click.echo(tree[wanted].load(), nl=False)
    elif out is not None:
        for file in tree:
            there = out / file.path.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(file.load())
        click.echo(f"{len(tree)} files in {out}")
    else:
        for file in tree:
            click.echo(f"{len(file.load()):8}  {file.path}")
