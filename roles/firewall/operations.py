"""Load the packet filter so that a mistake in it cannot lock anybody out."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import logger
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from callcenter.render import File, Tree, paths, shell
from roles.files import payload_command, show_difference
from roles.firewall.facts import OURS, Filter

__all__ = ["UNDO_SECONDS", "absent", "rules"]

UNDO_SECONDS = 45
"""Seconds after which the host takes the new rules back, unless a new connection has confirmed
them."""

_WORK = "/run/callcenter-firewall"
_UNDO = "callcenter-firewall-undo"


@operation()
def rules(wanted: Tree, present: Filter) -> Generator[StringCommand | FunctionCommand, None, None]:
    """Make our table that of ``wanted``; other tables are left alone.

    The rules are loaded with a timer beside them that loads the former ones again. Only when a new
    login has come through are they written to disk and the timer stopped.

    + present: what was there before the deploy
    """
    difference = wanted.against(present.digests)
    if not difference and present.loaded and present.enabled:
        return
    show_difference(wanted, difference)
    names = [file.path for file in wanted]
    script = File("apply", shell.text(__file__, "load").encode())
    yield payload_command(
        wanted.archive(names, [script]),
        *(_WORK, _UNDO, str(UNDO_SECONDS), paths.FIREWALL_RULES, paths.FIREWALL_TABLE),
    )
    yield FunctionCommand(_log_in_again, (), {})
    yield StringCommand(shell.command(__file__, "keep", _WORK, _UNDO, *OURS))


@operation()
def absent(present: Filter) -> Generator[StringCommand, None, None]:
    """Remove our table, its files and its unit, and nothing else."""
    if not (present.present or present.digests or present.enabled):
        return
    yield StringCommand(shell.command(__file__, "absent", *OURS))


def _log_in_again(state: State, host: Host) -> bool:
    """Log in once more. A connection that is up proves nothing: its packets are established
    already."""
    fresh = type(host.connector)(state, host)
    try:
        fresh.connect()
    except ConnectError as refused:
        logger.error(
            f"{host.print_prefix}No new login after the firewall's change ({refused}); the host "
            f"takes the former rules back within {UNDO_SECONDS} s"
        )
        return False
    fresh.disconnect()
    return True
