"""``callcenter route``: the way of a call, explained without a host."""

from __future__ import annotations

from pathlib import Path

import click

from callcenter.cli.sites import argument, site_of
from callcenter.render.routing import explain, moment
from callcenter.site import SiteError

__all__ = ["command"]


@click.command()
@click.argument("when")
@click.argument("number")
@argument
@click.option("--from", "caller", metavar="EXTENSION", help="Who calls (default: the first).")
@click.option("--trunk", help="The call comes from outside, by this trunk.")
@click.option(
    "--caller",
    "outsider",
    metavar="NUMBER",
    help="With --trunk: who calls, as it is sent.",
)
@click.option("--night", multiple=True, metavar="HOURS", help="Its night switch is on.")
def command(
    when: str,
    number: str,
    path: Path,
    caller: str | None,
    trunk: str | None,
    outsider: str | None,
    night: tuple[str, ...],
) -> None:
    """Print the way that a call to NUMBER takes at a moment, and why.

    WHEN is a moment such as 2026-12-25T10:00, of the Site's clock, or now.
    """
    if caller is not None and trunk is not None:
        raise click.UsageError("--from and --trunk exclude each other: a call has one beginning")
    site = site_of(path)
    for name in night:
        if name not in (known := [hours.name for hours in site.hours]):
            raise SiteError([f"--night: {name!r} is none of the hours {', '.join(known)}"])
    if caller is not None and caller not in site.extension_by_number:
        raise SiteError([f"--from: {caller} is no extension of {site.domain}; see extensions"])
    if outsider is not None and trunk is None:
        raise SiteError(["--caller: is who calls from outside; give --trunk, too"])
    who = {"caller": caller, "trunk": trunk, "outsider": outsider}
    click.echo("\n".join(explain(site, number, moment(when, site), list(night), **who)))
