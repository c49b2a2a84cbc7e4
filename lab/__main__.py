"""Hosts to try it on: ``python -m lab up``, ``status``, ``ssh``, ``exec``, ``down``."""

from __future__ import annotations

import argparse
import os
import sys

from lab import network
from lab.image import RELEASES
from lab.lab import DEFAULT_HOSTS, Lab, find
from lab.system import LabError


def main(arguments: list[str] | None = None) -> int:
    """Parse and do; a refusal is one message and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("--name", help="the lab (default: CALLCENTER_LAB, else lab)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="boot hosts; those that are up are left alone")
    up.add_argument("hosts", nargs="*", default=list(DEFAULT_HOSTS), metavar="HOST")
    up.add_argument("--release", choices=RELEASES, default=RELEASES[0])
    verbs.add_parser("status", help="a line for each host")
    ssh = verbs.add_parser("ssh", help="log in to a host, or run a command on it")
    ssh.add_argument("host")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    inside = verbs.add_parser("exec", help="run a program of this machine in the lab's network")
    inside.add_argument("command", nargs=argparse.REMAINDER)
    verbs.add_parser("down", help="remove the lab; images stay")
    given = parser.parse_args(arguments)
    try:
        lab = find(given.name)
        if given.verb == "up":
            lab.up(tuple(given.hosts), given.release)
            _status(lab)
        elif given.verb == "status":
            _status(lab)
        elif given.verb == "down":
            lab.down()
        else:
            network.enter(lab.name)
            command = [word for word in given.command if word != "--"]
            if given.verb == "ssh":
                command = lab.ssh(given.host, command)
            if not command:
                raise LabError("exec needs a command, such as: python -m lab exec -- linphone")
            os.execvp(command[0], command)
    except LabError as refused:
        print(f"lab: {refused}", file=sys.stderr)
        return 1
    except OSError as wrong:
        print(f"lab: {wrong}", file=sys.stderr)
        return 1
    return 0


def _status(lab: Lab) -> None:
    hosts = lab.hosts
    if not hosts:
        print(f"lab {lab.name!r} is down")
    for host in hosts:
        print(f"{host.name}\t{host.address}\t{'up' if host.up else 'down'}")


if __name__ == "__main__":
    sys.exit(main())
