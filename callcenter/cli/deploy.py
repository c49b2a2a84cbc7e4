"""``callcenter deploy``: pyinfra, after the description was checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from callcenter.cli.check import warned
from callcenter.cli.sites import apart, entered, inventory_of
from callcenter.client import home
from callcenter.client.ssh import answer
from callcenter.site import SiteError

__all__ = ["command", "own"]


def own(folder: Path) -> Path:
    """Return the file that pyinfra runs: that of the operator's folder where there is one."""
    there = folder / "deploy/callcenter.py"
    return there if there.is_file() else home.DEPLOY


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--limit", multiple=True, metavar="HOST", help="A host or group; all without it.")
@click.argument("words", metavar="[PATH] [OPTIONS]...", nargs=-1, type=click.UNPROCESSED)
def command(limit: tuple[str, ...], words: tuple[str, ...]) -> int:
    """Bring the hosts to what their site describes.

    OPTIONS are pyinfra's own, such as --dry, --diff or -y. Without -y pyinfra asks before it
    changes a host.
    """
    named, options = apart(words)
    path = entered(named)
    warned(path)
    inventory = inventory_of(path)
    for one in limit:
        known = sorted({name for host in inventory.hosts for name in (host.name, *host.groups)})
        if one not in known:
            raise SiteError([f"--limit: {one} is no host or group; there are {', '.join(known)}"])
    if not sys.stdin.isatty():
        for host in inventory.hosts:
            wanted = not limit or {host.name, *host.groups} & {*limit}
            if wanted and host.data.get("_sudo") and "_sudo_password" not in host.data:
                # pyinfra would ask for sudo's password, and end with a traceback where nobody is.
                answer(host, "true")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pyinfra", *options),
            *(f"--limit={one}" for one in limit),
            *(str(inventory.path), str(own(Path()))),
        ],
        env=home.environment(),
        check=False,
    )
    return done.returncode
