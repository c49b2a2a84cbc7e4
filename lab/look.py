"""One host to look at: what its services log, FreeSWITCH's console, the SIP that goes by."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from callcenter.render import paths, shell
from lab import network
from lab.lab import Lab
from lab.system import LabError, require

__all__ = ["fs_cli", "logs", "sip"]

LINES = 20
"""Lines of the past with which logs begin."""


def logs(lab: Lab, host: str) -> list[str]:
    """Follow the logs of FreeSWITCH and Kamailio, whichever the host has."""
    lab.running(host)
    refusal = _refusal(host, "neither FreeSWITCH nor Kamailio")
    given = (refusal, str(LINES), paths.LOG, paths.UNIT, paths.KAMAILIO_UNIT)
    plain = () if sys.stdout.isatty() else ("env", "SYSTEMD_COLORS=0")
    script = shlex.join([*plain, *shell.words(__file__, "logs", *given)])
    return lab.ssh(host, [script], terminal=True)


def fs_cli(lab: Lab, host: str, arguments: Sequence[str]) -> list[str]:
    """Open FreeSWITCH's console on the host, or run one command of it (``-x "sofia status"``)."""
    lab.running(host)
    script = shell.command(__file__, "fs_cli", _refusal(host, "no FreeSWITCH"), *arguments)
    return lab.ssh(host, [script], terminal=sys.stdin.isatty())


def sip(lab: Lab, host: str) -> list[str]:
    """Watch the SIP of a host, that between its own services too, by sngrep on this machine."""
    lab.running(host)
    if not sys.stdout.isatty():
        raise LabError("sip draws what goes by, and needs a terminal for it")
    require({"bin/sngrep": "sngrep"})
    lab.enter(host)
    return ["sngrep", "-d", f"{network.INTERFACE},lo"]


def _refusal(host: str, lacking: str) -> str:
    return f"lab: {host} has {lacking}; deploy to it first, or name another host"
