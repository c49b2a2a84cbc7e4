"""``callcenter authority``: the certificate that phones have to know."""

from __future__ import annotations

from pathlib import Path

import click

from callcenter.cli.sites import argument, site_of
from callcenter.site import SiteError
from callcenter.site.served import phones_authority

__all__ = ["authority", "command"]


def authority(path: Path) -> str:
    """Return the root (PEM) of the authority that phones of a site have to be given."""
    if (found := phones_authority(site_of(path))) is None:
        raise SiteError(
            [
                "Site.network.tls.certificate: is of an authority that phones know, or that is "
                "known elsewhere; OwnAuthority() has one to give, and so has provisioning.authority"
            ]
        )
    return found.decode()


@click.command()
@argument
def command(path: Path) -> None:
    """Print the root certificate (PEM) of the site's own authority, which phones are given."""
    click.echo(authority(path), nl=False)
