"""``callcenter plan``: the cost of a change, from two descriptions or against the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from callcenter.cli.rehearsal import configuration, rehearsed, unmade
from callcenter.cli.sites import inventory_of
from callcenter.cli.switches import printable, switch_of
from callcenter.client.inventory import Host
from callcenter.client.ssh import AM_ROOT, answer
from callcenter.render import Difference, Tree, costs
from callcenter.render.costs import Action, Severity
from callcenter.render.release import Release, question
from callcenter.site import Site

__all__ = ["against", "command", "planned"]

_COSTS = {
    Severity.RELOAD: "no call notices",
    Severity.MODULE: "calls that do not use the module go on",
    Severity.PROFILE: "the calls of that profile end",
    Severity.SERVICE: "all calls end, when Site.maintenance lets them",
}

UNCHANGED = "nothing would change"


def planned(before: Tree, after: Tree) -> list[str]:
    """Return a line a file that would differ, and a line a step that would apply it."""
    found = after.against({file.path: file.digest for file in before})
    old: Mapping[str, str] = {file.path: file.text for file in before}
    new = {file.path: file.text for file in after}
    return [*_files(found), *_steps(costs.plan(found.paths, old, new))] or [UNCHANGED]


def against(present: Release, wanted: Tree) -> list[str]:
    """Return the same lines for what a host has, and what else a deploy would do to FreeSWITCH."""
    if not present.digests:
        return ["nothing is there yet; a deploy installs and starts FreeSWITCH"]
    found = wanted.against(present.digests)
    out = [*_files(found), *_steps(present.actions(wanted, found))]
    if present.restart_needed:
        out.append("packages or the unit have changed below FreeSWITCH since it started")
    if not present.running:
        out.append("FreeSWITCH does not run; a deploy starts it")
    elif not present.is_healthy:
        out.append("FreeSWITCH does not run as it was deployed; a deploy mends that")
    return out or [UNCHANGED]


def _files(found: Difference) -> Iterator[str]:
    marks = {"+": found.added, "~": found.changed, "-": found.removed}
    return (f"{mark} {printable(path)}" for mark, paths in marks.items() for path in paths)


def _steps(actions: tuple[Action, ...]) -> Iterator[str]:
    return (f"{step.command}: {_COSTS[step.severity]}" for step in actions)


def _configured(site: Site, host: Host) -> Tree:
    with rehearsed(site) as safe:
        return configuration(safe, host)


@click.command()
@click.argument("old", metavar="[OLD]", type=click.Path(path_type=Path), default=Path())
@click.argument("new", metavar="[NEW]", type=click.Path(path_type=Path), required=False)
@click.option("--host", metavar="NAME", help="One of the switches (default: the first).")
def command(old: Path, new: Path | None, host: str | None) -> None:
    """Print what a change costs FreeSWITCH.

    With one site, of what its host has to what is described; the host is asked, and nothing is
    changed. With two, from OLD to NEW, such as a checkout of what was deployed and the folder one
    stands in. What else of a host would change, callcenter drift tells.
    """
    if new is None:
        now = inventory_of(old)
        one = switch_of(now, host)
        with unmade(now.site) as site:
            wanted = configuration(site, one)
        present = Release.parse(answer(one, f"{AM_ROOT}; {question()}").splitlines())
        lines = against(present, wanted)
    else:
        # One after the other, each from its own folder.
        old, new = old.resolve(), new.resolve()
        now = inventory_of(new)
        one = switch_of(now, host)
        after = _configured(now.site, one)
        then = inventory_of(old)
        lines = planned(_configured(then.site, switch_of(then, one.name)), after)
    for line in lines:
        click.echo(line)
