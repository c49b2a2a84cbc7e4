"""Debian's packages of a switch with all that a Site may have, as a new host gets them today.

    python -m tests.supply FOLDER

Writes FOLDER/status, as dpkg would have it on that host, for debsecan. Nothing is installed.
apt has to know this release's archive and its security archive.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from callcenter import render
from callcenter.render.services.faxes import PROGRAMS
from roles import pool, postgresql
from roles.freeswitch import CLOCKS, HOST_PACKAGES, MAIL_SERVERS

__all__ = ["status", "wanted"]


def wanted() -> list[str]:
    """Return the packages of Debian's own that our roles name."""
    named = [
        *render.kamailio.PACKAGES,
        *render.kamailio.FURTHER,
        *HOST_PACKAGES,
        *PROGRAMS,
        CLOCKS[-1],
        MAIL_SERVERS[-1],
    ]
    named += [
        render.services.mail.MAILER,
        render.services.event_socket.TLS,
        render.acme.PACKAGE,
        render.turn.PACKAGE,
        render.web.PACKAGE,
        "ca-certificates",
        "nftables",
    ]
    named += ["openssh-server", postgresql.PACKAGE, pool.PACKAGE, "python3", "python3-psycopg2"]
    return sorted(set(named))


def status() -> str:
    """Return what dpkg's list would hold on a host that had nothing before."""
    empty = ["-o", "Dir::State::status=/dev/null", "-o", "APT::Install-Recommends=false"]
    planned = subprocess.run(
        ["apt-get", "-s", *empty, "install", *wanted()], capture_output=True, text=True, check=True
    ).stdout
    chosen = re.findall(r"^Inst (\S+) \((\S+) ", planned, re.MULTILINE)
    shown = subprocess.run(
        ["apt-cache", "show", *(f"{name}={version}" for name, version in chosen)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return re.sub(r"^(Package: .*)$", r"\1\nStatus: install ok installed", shown, flags=re.M)


if __name__ == "__main__":
    (Path(sys.argv[1]) / "status").write_text(status())
