"""Whether hosts are still as their Site describes them: a dry run that fails where a deploy would
change anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from callcenter.cli.check import warned
from callcenter.cli.deploy import meant, own, reached
from callcenter.cli.sites import argument, entered, inventory_of
from callcenter.client import home

__all__ = ["command", "drift", "drifted"]


def drift(
    inventory: Path,
    deploy: Path | None = None,
    *,
    limit: Sequence[str] = (),
    data: Sequence[str] = (),
) -> int:
    """Return the exit code: 0 where no host would change, 1 where one would or could not be looked
    at.

    The differences themselves are in pyinfra's output, on standard error.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pyinfra", "--json", "--dry", "--diff"),
            # A host that does not answer ends it: its state is not known.
            *("--fail-percent", "0"),
            *(f"--limit={one}" for one in limit),
            *(f"--data={one}" for one in data),
            *(str(inventory), str(deploy or own(Path()))),
        ],
        # With --yes pyinfra looks for no changes, and every plan is empty.
        env={name: value for name, value in home.environment().items() if name != "PYINFRA_YES"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{inventory}: could not be looked at; pyinfra says why above", file=sys.stderr)
        return 1
    plan = json.loads(done.stdout)["plan"]
    if not plan:
        print(f"{inventory}: no host was looked at", file=sys.stderr)
        return 1
    lines = drifted(plan)
    for line in lines:
        print(line, file=sys.stderr)
    if not lines:
        print("no drift")
    return 1 if lines else 0


def drifted(plan: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each host and operation of a plan that would change something."""
    return [
        f"{host}: would be changed by: {operation['name']}"
        for operation in plan
        for host in (
            *operation["hosts_with_change"],
            *operation["hosts_with_conditional_change"],
        )
    ]


@click.command()
@argument
@click.option(
    "--deploy",
    type=click.Path(path_type=Path),
    help="File that pyinfra runs (default: a deploy's).",
)
# Not just any of pyinfra's: with its --yes nothing would ever drift.
@click.option("--limit", multiple=True, help="A host or group, as for pyinfra.")
@click.option("--data", multiple=True, metavar="KEY=VALUE", help="As for pyinfra.")
def command(path: Path, deploy: Path | None, limit: tuple[str, ...], data: tuple[str, ...]) -> int:
    """Fail where a deploy would change a host."""
    path = entered(path)
    warned(path)
    hosts = meant(inventory_of(path), limit)
    # It may say another login.
    if not data:
        reached(hosts, otherwise="No host was looked at.")
    return drift(path, deploy, limit=limit, data=data)
