"""Have an authority asked for a certificate."""

from __future__ import annotations

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from callcenter.render import paths, shell, users
from roles.certificates.facts import AcmeState

__all__ = ["GONE", "obtained"]

_UNIT = paths.ACME_UNIT.rpartition("/")[2]

GONE = shell.command(__file__, "gone", _UNIT, users.ACME, paths.ACME, paths.ACME_STATE)
"""Shell command that removes what was given, and who asked for it."""


@operation()
def obtained(wanted: str) -> Generator[StringCommand, None, None]:
    """Get a certificate where there is none, or one of another authority or name, and have a timer
    renew it.

    + wanted: a digest of who is asked for what
    """
    present = host.get_fact(AcmeState)
    is_there = present.name.startswith(f"{wanted}-") and not present.is_over
    if is_there and present.timer:
        return
    renew = shlex.join(["systemctl", "enable", "--no-reload", "--quiet", "--now", f"{_UNIT}.timer"])
    # A certificate that is there is not asked for again: the timer does that.
    ask = [] if is_there else [shell.command(__file__, "obtain", _UNIT)]
    yield StringCommand(shell.in_turn(*ask, renew))
