"""``callcenter deploy``: pyinfra, after the description was checked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import click

from callcenter.cli.check import warned
from callcenter.cli.sites import apart, entered, inventory_of
from callcenter.client import home
from callcenter.client.inventory import Host, Inventory
from callcenter.client.ssh import AM_ROOT, answer
from callcenter.site import SiteError

__all__ = ["command", "meant", "own", "reached"]


def own(folder: Path) -> Path:
    """Return the file that pyinfra runs: that of the operator's folder where there is one."""
    there = folder / "deploy/callcenter.py"
    return there if there.is_file() else home.DEPLOY


_LOGIN = (
    "--data",
    "--group-data",
    "--config",
    "--exclude",
    "--s",
    "--use-",
    "--user",
    "--port",
    "--key",
    "--password",
    "--dzdo",
)
"""Beginnings of pyinfra's options that say who logs in where, or that not all hosts are meant."""

_SUDO = re.compile(r"^[ \t]*config[.](SUDO|SU_USER|DOAS)\b", re.MULTILINE)
"""Line of pyinfra's config.py that says how a login becomes root on all hosts."""

_AT_ONCE = 10
"""Hosts that are logged in to at a time."""


def meant(inventory: Inventory, limit: Sequence[str]) -> list[Host]:
    """Return the hosts that are meant: all, or those that ``limit`` names. As for pyinfra, each of
    it is a group or a host, or a pattern of hosts such as ``cc*``."""

    def holds(one: str, host: Host) -> bool:
        return one in host.groups or fnmatchcase(host.name, one)

    for one in limit:
        if not any(holds(one, host) for host in inventory.hosts):
            known = sorted({name for host in inventory.hosts for name in (host.name, *host.groups)})
            raise SiteError([f"--limit: {one} is no host or group; there are {', '.join(known)}"])
    return [host for host in inventory.hosts if not limit or any(holds(one, host) for one in limit)]


def reached(hosts: Iterable[Host], *, otherwise: str) -> None:
    """Log in to each host before pyinfra does, or say what to do: pyinfra has its own words for a
    host that is not there, and a traceback for sudo's password. ``otherwise`` is the last line."""

    config = Path("config.py")
    by_config = config.is_file() and bool(_SUDO.search(config.read_text(encoding="utf-8")))

    def wrong(host: Host) -> Sequence[str]:
        asks = host.data.get("_sudo") and "_sudo_password" not in host.data and sys.stdin.isatty()
        try:
            if asks or by_config:
                # pyinfra does, for sudo's password, or knows how it becomes root.
                answer(replace(host, data=dict(host.data, _sudo=False)), "true")
            else:
                answer(host, AM_ROOT)
        except SiteError as refused:
            return refused.problems
        return ()

    # Of other connectors and without OpenSSH, pyinfra tells.
    asked = [one for one in hosts if one.name[0] != "@" or one.name.startswith("@ssh/")]
    if shutil.which("ssh") is None or not asked:
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        problems = [line for lines in pool.map(wrong, asked) for line in lines]
    if problems:
        raise SiteError([*problems, otherwise])


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
    hosts = meant(inventory, limit)
    if not any(one.startswith(_LOGIN) for one in options):
        reached(hosts, otherwise="No host was changed.")
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
