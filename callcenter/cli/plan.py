"""``callcenter plan``: the cost of a change, from two descriptions or against the host."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click

from callcenter.cli.rehearsal import (
    RELEASE,
    SSH_PORT,
    configuration,
    files,
    further,
    rehearsed,
    unmade,
)
from callcenter.cli.sites import inventory_of
from callcenter.cli.switches import linux_host, printable, switch_of
from callcenter.client.inventory import Host, Inventory
from callcenter.client.ssh import AM_ROOT, answer
from callcenter.render import Difference, Tree, costs, paths, shell
from callcenter.render.costs import Action, Severity
from callcenter.render.host_files import HostFiles, steps
from callcenter.render.host_files import question as question_of_files
from callcenter.render.release import Release, question
from callcenter.render.services._shape import NOTHING
from callcenter.site import Site

__all__ = ["against", "command", "planned"]

_COSTS = {
    Severity.RELOAD: NOTHING,
    Severity.MODULE: "calls that do not use the module go on",
    Severity.PROFILE: "the calls of that profile end",
    Severity.SERVICE: "all calls end, when Site.maintenance lets them",
}

UNCHANGED = "nothing would change"


def planned(before: Tree, after: Tree) -> list[str]:
    """Return a line a file that would differ, and a line a step that would apply it."""
    found = after.against({file.path: file.digest for file in before})
    own, others = _parts(found)
    old: Mapping[str, str] = {file.path: file.text for file in before}
    new = {file.path: file.text for file in after}
    actions = costs.plan(own.paths, old, new)
    if paths.UNIT_DROP_IN in others.changed:
        actions = costs.restarted(actions)
    return [*_files(own), *_files(others), *_steps(actions), *_host(others, after)] or [UNCHANGED]


def against(
    present: Release, wanted: Tree, host: HostFiles | None = None, others: Tree | None = None
) -> list[str]:
    """Return the same lines for what a host has, and what else a deploy would do to FreeSWITCH.
    ``others`` are the host's files beside FreeSWITCH's configuration."""
    if not present.digests:
        return ["nothing is there yet; a deploy installs and starts FreeSWITCH"]
    others = others or Tree([])
    found = wanted.against(present.digests)
    beside = (host or HostFiles()).difference(others)
    restarts = paths.UNIT_DROP_IN in beside.changed and present.running
    then = replace(present, restart_needed=present.restart_needed or restarts)
    out = [*_files(found), *_files(beside), *_steps(then.actions(wanted, found))]
    out += _host(beside, others)
    if present.restart_needed:
        out.append("packages or the unit have changed below FreeSWITCH since it started")
    if not present.running:
        out.append("FreeSWITCH does not run; a deploy starts it")
    elif not present.is_healthy:
        out.append("FreeSWITCH does not run as it was deployed; a deploy mends that")
    return out or [UNCHANGED]


def edge_against(host: HostFiles, wanted: Tree) -> list[str]:
    """Return the same lines for an edge, which has no FreeSWITCH."""
    if not host.digests:
        return ["nothing is there yet; a deploy installs and starts Kamailio"]
    found = host.difference(wanted)
    return [*_files(found), *_host(found, wanted)] or [UNCHANGED]


def _parts(found: Difference) -> tuple[Difference, Difference]:
    """Return what differs of FreeSWITCH's configuration, whose paths are below its folder, and of
    the host's other files."""

    def part(is_absolute: bool) -> Difference:
        kinds = (found.added, found.changed, found.removed)
        return Difference(
            *(tuple(path for path in kind if path.startswith("/") == is_absolute) for kind in kinds)
        )

    return part(False), part(True)


def _files(found: Difference) -> Iterator[str]:
    marks = {"+": found.added, "~": found.changed, "-": found.removed}
    return (f"{mark} {printable(path)}" for mark, paths in marks.items() for path in paths)


def _steps(actions: tuple[Action, ...]) -> Iterator[str]:
    return (f"{step.command}: {_COSTS[step.severity]}" for step in actions)


def _host(found: Difference, wanted: Tree) -> Iterator[str]:
    return (f"{step.command}: {step.cost}" for step in steps(found, wanted))


def _rehearsed(site: Site, host: Host) -> Tree:
    with rehearsed(site) as safe:
        return files(safe, host)


def _asked(site: Site, host: Host) -> list[str]:
    """Ask a host, and compare."""
    with unmade(site) as safe:
        own = configuration(safe, host)
        # What they hold depends on the host, but not which there are.
        names = [file.path for file in (*(own if host.is_edge else ()), *further(safe, host))]
        others_asked = question_of_files(names, is_edge=host.is_edge)
        mark = shlex.join(["echo", _HOST])
        said = answer(host, shell.in_turn(AM_ROOT, question(), mark, others_asked)).splitlines()
        place = said.index(_HOST)
        there = HostFiles.parse(said[place + 1 :])
        others = further(
            safe,
            host,
            release=there.codename or RELEASE,
            realtime=there.realtime,
            ssh_ports=there.ssh_ports or (int(host.data.get("ssh_port") or SSH_PORT),),
        )
        if there.postgres:
            # It is used as it is.
            others = Tree(file for file in others if file.path != paths.POSTGRES_CLUSTER)
        if host.is_edge:
            return edge_against(there, Tree([*own, *others]))
        return against(Release.parse(said[:place]), own, there, others)


_HOST = "-- other files of the host"
"""Line between the two answers."""


@click.command()
@click.argument("old", metavar="[OLD]", type=click.Path(path_type=Path), default=Path())
@click.argument("new", metavar="[NEW]", type=click.Path(path_type=Path), required=False)
@click.option("--host", metavar="NAME", help="One of the hosts (default: the first switch).")
def command(old: Path, new: Path | None, host: str | None) -> None:
    """Print what a change costs: the files of a host that would be written, and the steps that
    follow.

    With one site, of what its host has to what is described; the host is asked, and nothing is
    changed. With two, from OLD to NEW, such as a checkout of what was deployed and the folder one
    stands in. Which packages would come, callcenter drift tells.
    """
    if new is None:
        now = inventory_of(old)
        lines = _asked(now.site, _host_of(now, host))
    else:
        # One after the other, each from its own folder.
        old, new = old.resolve(), new.resolve()
        now = inventory_of(new)
        one = _host_of(now, host)
        after = _rehearsed(now.site, one)
        then = inventory_of(old)
        lines = planned(_rehearsed(then.site, _host_of(then, one.name)), after)
    for line in lines:
        click.echo(line)


def _host_of(inventory: Inventory, name: str | None) -> Host:
    """Return the Linux host of that name, or the first switch; an edge where there is none."""
    if name is not None:
        return linux_host(inventory, name)
    return inventory.linux_switch or next(iter(inventory.edges), None) or switch_of(inventory, None)
