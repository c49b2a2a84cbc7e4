"""``callcenter verify``: the acceptance tests against a site."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from callcenter.cli.check import warned
from callcenter.cli.sites import apart, entered, inventory_of
from callcenter.client import home

__all__ = ["command"]

PLUGINS = ("options", "report", "scheduler")
"""Modules of the acceptance tests that pytest takes from its command line only."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", metavar="[PATH] [OPTIONS]...", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> int:
    """Prove a site: its phones register, its calls carry sound.

    OPTIONS are pytest's own and the proof's: --phones 1017,1018,1019 (extensions that nobody works
    with), --report FILE.html, -k NAME.
    """
    named, options = apart(words)
    path = entered(named)
    warned(path)
    inventory = inventory_of(path)
    plugins = (f"tests.acceptance.support.{name}" for name in PLUGINS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(home.PROOF)),
            *(word for name in plugins for word in ("-p", name)),
            # Nothing is written into the folder of the installed package.
            *("-p", "no:cacheprovider", f"--rootdir={home.HOME}", "-c", os.devnull),
            *("-o", "addopts=--import-mode=importlib -ra"),
            *("--inventory", str(inventory.path.resolve()), *options),
        ],
        env=home.environment(),
        check=False,
    )
    return done.returncode
