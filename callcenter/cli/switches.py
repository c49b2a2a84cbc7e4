"""A switch of a site, asked by ssh for what FreeSWITCH says of itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from callcenter.client.inventory import Host, Inventory
from callcenter.client.ssh import login, refusal
from callcenter.render import shell
from callcenter.site import SiteError

__all__ = ["MARK", "answers", "ask", "fs_cli", "linux_host", "printable", "switch_of"]


def switch_of(inventory: Inventory, name: str | None) -> Host:
    """Return the Linux switch of that name, or the first."""
    known = [host for host in inventory.hosts if not host.is_edge and not host.switch.is_windows]
    if not known:
        raise SiteError([f"{inventory.path}: has no Linux switch, and others are not asked by ssh"])
    if name is None:
        return known[0]
    for host in known:
        if host.name == name:
            return host
    names = ", ".join(host.name for host in known)
    raise SiteError([f"--host: {name} is no Linux switch of {inventory.path}; there are {names}"])


def linux_host(inventory: Inventory, name: str) -> Host:
    """Return the switch or edge of that name, which must be on Linux."""
    known = {
        host.name: host for host in inventory.hosts if host.is_edge or not host.switch.is_windows
    }
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        raise SiteError([f"{name} is no Linux host of {inventory.path}; {there}"])
    return known[name]


def fs_cli(command: str) -> str:
    """Return the shell command that gives FreeSWITCH a command."""
    return shlex.join(["fs_cli", "-x", command])


def ask(host: Host, commands: Sequence[str]) -> list[str]:
    """Return what shell commands answer on a host, over one login."""
    with login(host) as entered:
        done = entered.run(shell.command(__file__, "ask", MARK, *commands))
    if done.returncode:
        raise refusal(host, done.stderr or done.stdout)
    return answers(done.stdout.decode(errors="replace"))


def answers(said: str) -> list[str]:
    """Return what is said before each MARK that is a line. What peers say of themselves may hold
    its signs, and no line."""
    return [one.strip() for one in f"\n{said}".split(f"\n{MARK}\n")[:-1]]


def printable(text: str) -> str:
    """Return a text of which no sign moves a terminal's cursor. Names in it are of callers."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)


MARK = "-- 7c1f0a: what follows answers the next command --"
"""Line between two answers, which FreeSWITCH says nowhere."""
