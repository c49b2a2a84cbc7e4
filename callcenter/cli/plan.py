"""``callcenter plan``: the cost of a change, from two descriptions."""

from __future__ import annotations

from pathlib import Path

import click

from callcenter.cli.rehearsal import configuration, rehearsed
from callcenter.cli.render import host_of
from callcenter.cli.sites import inventory_of
from callcenter.client.inventory import Host
from callcenter.render import Tree, costs
from callcenter.render.costs import Severity
from callcenter.site import Site, SiteError

__all__ = ["command", "planned"]

_COSTS = {
    Severity.RELOAD: "no call notices",
    Severity.MODULE: "calls that do not use the module go on",
    Severity.PROFILE: "the calls of that profile end",
    Severity.SERVICE: "all calls end, when Site.maintenance lets them",
}


def planned(before: Tree, after: Tree) -> list[str]:
    """Return a line a file that would differ, and a line a step that would apply it."""
    found = after.against({file.path: file.digest for file in before})
    marks = {"+": found.added, "~": found.changed, "-": found.removed}
    lines = [f"{mark} {path}" for mark, paths in marks.items() for path in paths]
    old, new = ({file.path: file.text for file in tree} for tree in (before, after))
    lines += [
        f"{step.command}: {_COSTS[step.severity]}" for step in costs.plan(found.paths, old, new)
    ]
    return lines or ["nothing would change"]


def _configured(site: Site, host: Host) -> Tree:
    if host.is_edge or host.switch.is_windows:
        raise SiteError([f"{host.name}: only what a change of a Linux switch costs is known here"])
    with rehearsed(site) as safe:
        return configuration(safe, host)


@click.command()
@click.argument("old", type=click.Path(path_type=Path, resolve_path=True))
@click.argument("new", type=click.Path(path_type=Path, resolve_path=True), default=Path())
@click.option("--host", metavar="NAME", help="One of the hosts (default: the first).")
def command(old: Path, new: Path, host: str | None) -> None:
    """Print what a change from one description to another costs FreeSWITCH.

    OLD and NEW are sites, such as a checkout of what was deployed and the folder one stands in.
    `callcenter deploy --dry --diff` asks the hosts themselves instead.
    """
    # One after the other, each from its own folder.
    now = inventory_of(new)
    one = host_of(now, host)
    after = _configured(now.site, one)
    then = inventory_of(old)
    for line in planned(_configured(then.site, host_of(then, one.name)), after):
        click.echo(line)
