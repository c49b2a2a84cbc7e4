"""``callcenter check``: refuse a description before any host is touched."""

from __future__ import annotations

from pathlib import Path

import click

from callcenter.cli.sites import YAML, argument, chosen, entered, site_of
from callcenter.client.inventory import load
from callcenter.render.known_holes import holes_of
from callcenter.site import Site, SiteError
from callcenter.site.named_secrets import ungiven
from callcenter.site.secrets import SecretUnavailable
from callcenter.site.warnings import warnings
from callcenter.site.where import unsaid

__all__ = ["check", "command", "warned"]


def check(path: Path, *, secrets: bool = True) -> list[str]:
    """Return every refusal of a description, or nothing. ``secrets``: whether those that others
    give must be set."""
    try:
        path = chosen(path)
        windows = False
        if path.suffix in YAML:
            site = Site.load(path)
        else:
            inventory = load(path)
            site = inventory.site
            windows = all(host.switch.is_windows for host in inventory.hosts)
        return unsaid(site, windows=windows) + (ungiven(site) if secrets else [])
    except SiteError as refused:
        return list(refused.problems)
    except SecretUnavailable as unavailable:
        return [str(unavailable)]


def warned(path: Path, *, secrets: bool = True) -> Site:
    """Return the Site at a path with its warnings printed, or refuse it."""
    path = entered(path)
    if refusals := check(path, secrets=secrets):
        raise SiteError(refusals)
    site = site_of(path)
    for line in warnings(site):
        click.echo(f"warning: {line}", err=True)
    return site


@click.command()
@argument
@click.option("--without-passwords", is_flag=True, help="For where those that others give are not.")
def command(path: Path, without_passwords: bool) -> None:
    """Check a site: an inventory with its group_data, or a description in YAML."""
    site = warned(path, secrets=not without_passwords)
    version = site.packages.version
    for hole in holes_of(version):
        click.echo(f"warning: FreeSWITCH {version} has {hole}", err=True)
    click.echo("ok")
