"""Hosts to try it on."""

from __future__ import annotations

import argparse
import errno
import os
import sys

from lab import look, network
from lab.box import box
from lab.image import RELEASES
from lab.lab import DEFAULT_DRIVER, DEFAULT_HOSTS, DRIVERS, Lab, find
from lab.system import LabError, as_root


def main(arguments: list[str] | None = None) -> int:
    """Parse and do; a refusal is one message and exit code 1."""
    given = parser().parse_args(arguments)
    try:
        as_root()
        lab = find(given.name)
        if given.verb == "up":
            lab.up(tuple(given.hosts), given.release, given.driver)
            _status(lab)
        elif given.verb == "status":
            _status(lab)
        elif given.verb == "down":
            lab.down()
        elif given.verb == "box":
            print(box(lab.cache, given.release))
        else:
            command = _command(lab, given)
            os.execvp(command[0], command)
    except (LabError, OSError) as refused:
        print(f"lab: {refused}", file=sys.stderr)
        if os.strerror(errno.ENOSPC) in str(refused):
            said = (
                f"make room for {lab.state} or {lab.cache}, and run it again, or down to clean up"
            )
            print(f"lab: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; run it again to go on, or down to clean up", file=sys.stderr)
        return 130
    return 0


def _command(lab: Lab, given: argparse.Namespace) -> list[str]:
    """Return the program that this process becomes, in the network in which it is to run."""
    if given.verb == "sip":
        return look.sip(lab, given.host)
    words = given.command[given.command[:1] == ["--"] :] if "command" in given else []
    network.enter(lab.name)
    if given.verb == "ssh":
        return lab.ssh(given.host, words)
    if given.verb == "logs":
        return look.logs(lab, given.host)
    if given.verb == "fs_cli":
        return look.fs_cli(lab, given.host, words)
    if not words:
        raise LabError("exec needs a command, such as: python -m lab exec -- linphone")
    return words


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line. ``--name`` is understood before the verb and after
    it."""
    made = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = made.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="boot hosts; those that are up are left alone")
    up.add_argument("hosts", nargs="*", default=list(DEFAULT_HOSTS), metavar="HOST")
    up.add_argument("--release", choices=RELEASES, default="", help=f"default: {RELEASES[0]}")
    up.add_argument("--driver", choices=DRIVERS, default="", help=f"default: {DEFAULT_DRIVER}")
    status = verbs.add_parser("status", help="a line for each host")
    ssh = verbs.add_parser("ssh", help="log in to a host, or run a command on it")
    ssh.add_argument("host")
    ssh.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    logs = verbs.add_parser("logs", help="follow what FreeSWITCH and Kamailio log on a host")
    logs.add_argument("host")
    fs_cli = verbs.add_parser("fs_cli", help="open FreeSWITCH's console on a host")
    fs_cli.add_argument("host")
    fs_cli.add_argument("command", nargs=argparse.REMAINDER, metavar='-- -x "COMMAND"')
    sip = verbs.add_parser("sip", help="watch the SIP of a host go by")
    sip.add_argument("host")
    inside = verbs.add_parser("exec", help="run a program of this machine in the lab's network")
    inside.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    down = verbs.add_parser("down", help="remove the lab; images stay")
    boxed = verbs.add_parser("box", help="build a Vagrant box for libvirt (docs/vagrant.md)")
    boxed.add_argument("--release", choices=RELEASES, default=RELEASES[0])
    text = "the lab (default: CALLCENTER_LAB, else lab)"
    made.add_argument("--name", help=text)
    for verb in (up, status, ssh, logs, fs_cli, sip, inside, down):
        verb.add_argument("--name", help=text, default=argparse.SUPPRESS)
    return made


def _status(lab: Lab) -> None:
    hosts = lab.hosts
    if not hosts:
        print(f"lab {lab.name!r} has no hosts; run python -m lab up --name {lab.name}")
    for host in hosts:
        print(f"{host.name}\t{host.address}\t{'up' if host.up else 'down'}")


if __name__ == "__main__":
    sys.exit(main())
