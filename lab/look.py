"""One host to look at: what its services log, FreeSWITCH's console, the SIP that goes by."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from callcenter.render import paths
from lab import network
from lab.lab import Lab
from lab.system import LabError, require

__all__ = ["fs_cli", "logs", "sip"]

LINES = 20
"""Lines of the past with which logs begin."""


def logs(lab: Lab, host: str) -> list[str]:
    """Follow the logs of FreeSWITCH and Kamailio, whichever the host has."""
    lab.running(host)
    units = f"{paths.UNIT} {paths.KAMAILIO_UNIT}"
    nothing = _refusal(host, "neither FreeSWITCH nor Kamailio")
    plain = "" if sys.stdout.isatty() else "SYSTEMD_COLORS=0 "
    follow = f"{plain}journalctl --no-pager --follow --lines={LINES} --output=short-precise"
    script = (
        # The terminal is there so that all ends with it; its line ends are for terminals.
        f"stty -onlcr; systemctl list-unit-files -q {units} >/dev/null || {nothing}; "
        f"[ ! -e {paths.LOG} ] || tail --lines={LINES} --follow=name --retry "
        f"{paths.LOG} & {follow} --unit={units.replace(' ', ' --unit=')}"
    )
    return lab.ssh(host, [script], terminal=True)


def fs_cli(lab: Lab, host: str, arguments: Sequence[str]) -> list[str]:
    """Open FreeSWITCH's console on the host, or run one command of it (``-x "sofia status"``)."""
    lab.running(host)
    script = f"command -v fs_cli >/dev/null || {_refusal(host, 'no FreeSWITCH')}; exec fs_cli"
    return lab.ssh(host, [f"{script} {shlex.join(arguments)}"], terminal=sys.stdin.isatty())


def sip(lab: Lab, host: str) -> list[str]:
    """Watch the SIP of a host, that between its own services too, by sngrep on this machine."""
    lab.running(host)
    if not sys.stdout.isatty():
        raise LabError("sip draws what goes by, and needs a terminal for it")
    require({"bin/sngrep": "sngrep"})
    lab.enter(host)
    return ["sngrep", "-d", f"{network.INTERFACE},lo"]


def _refusal(host: str, lacking: str) -> str:
    said = f"lab: {host} has {lacking}; deploy to it first, or name another host"
    return f"{{ echo {shlex.quote(said)} >&2; exit 1; }}"
