"""Addresses that are shut out of an inventory's hosts: list them, and let one in again."""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from callcenter import paths
from callcenter.bans import source_of
from callcenter.inventory import Host, Inventory, load
from callcenter.site import SiteError
from callcenter.ssh import ssh_config

__all__ = ["bans"]


def bans(path: Path, host: str | None, lift: str | None) -> Iterator[str]:
    """List who is shut out, a line each, of one host or of all; or let an address in again."""
    inventory = load(path)
    if not inventory.site.shuts_out:
        raise SiteError(["Site.guessers: is switched off, so nobody is shut out"])
    if lift is not None and source_of(lift) is None:
        raise SiteError([f"--lift: {lift!r} is no address; give one such as 203.0.113.7"])
    hosts = [one for one in inventory.hosts if not one.is_edge and not one.switch.is_windows]
    if host is not None:
        hosts = [one for one in hosts if one.name == host]
    if not hosts:
        named = host or "none of its hosts"
        raise SiteError([f"{path}: {named} is no Linux switch of it, which has a list of bans"])
    lifted = False
    refusals: list[str] = []
    for one in hosts:
        if lift is None:
            found = json.loads(_run(inventory, one, "list"))
            yield from (f"{one.name}  {a}  for {s} s more" for a, s in found.items())
            continue
        try:
            _run(inventory, one, f"lift {shlex.quote(lift)}")
        except SiteError as refused:
            refusals += refused.problems
        else:
            lifted = True
            yield f"{one.name}  {lift}  is let in again"
    if refusals and not lifted:
        raise SiteError(refusals)


def _run(inventory: Inventory, host: Host, what: str) -> str:
    sudo = "" if host.data.get("ssh_user", "root") == "root" else "sudo -n "
    with tempfile.NamedTemporaryFile("w", suffix=".ssh") as config:
        config.write(ssh_config(inventory))
        config.flush()
        done = subprocess.run(
            ["ssh", "-F", config.name, host.name, f"{sudo}python3 -I {paths.BANS_TOOL} {what}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SiteError([f"{host.name}: {done.stderr.strip() or 'ssh failed'}"])
    return done.stdout
