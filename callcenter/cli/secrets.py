"""``callcenter secrets``: what a site keeps secret, where, and another in its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from callcenter.cli.sites import argument, site_of
from callcenter.site import SiteError

__all__ = ["command", "renew", "secrets"]

KINDS = {
    "password": "a password",
    "pin": "a PIN",
    "key": "a private key",
    "given": "given by others",
    "certificate": "a certificate",
}


def secrets(path: Path) -> Iterator[str]:
    """List name, kind and place of each secret of a site, a line each, and no value."""
    site = site_of(path)
    known = {one.name or where: one for where, one in site.secrets()}
    width = max((len(name) for name in known), default=0)
    for name, one in sorted(known.items()):
        place = site.vault.place(one)
        if place is None:
            place = "NOT SET" if one.kind in ("key", "given") else "made by the next deploy"
        yield f"{name:{width}}  {KINDS[one.kind]:15}  {place}"


def renew(path: Path, name: str) -> str:
    """Make another value of a secret, and say what makes it true."""
    site = site_of(path)
    for _, one in site.secrets():
        if one.name == name and one.literal is None:
            site.vault.renew(one)
            return (
                f"{name} has another value; deploy to make it that of the hosts, and give it to "
                "whoever used the old one"
            )
    raise SiteError(
        [f"--renew: {name!r} is no secret of {site.domain}; callcenter secrets lists them"]
    )


@click.command()
@argument
@click.option("--renew", "name", metavar="NAME", help="Make another value of it.")
def command(path: Path, name: str | None) -> None:
    """List the secrets of a site and where they are kept, or make another value of one.

    No value is shown.
    """
    if name is not None:
        click.echo(renew(path, name))
        return
    for line in secrets(path):
        click.echo(line)
