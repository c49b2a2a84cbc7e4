"""Kamailio's package and service."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from callcenter.render import Tree, paths, shell
from callcenter.render.kamailio import FURTHER, PACKAGES, RESTARTED_FOR, TABLES, TLS_FILES
from roles.host.packages import with_lists
from roles.kamailio.facts import KamailioState

__all__ = ["absent", "no_others", "packages", "running"]


@operation()
def packages(
    wanted: Sequence[str], installed: Mapping[str, str]
) -> Generator[StringCommand, None, None]:
    """Install what is lacking. Masked meanwhile: Debian's package would start with its example."""
    lacking = [name for name in wanted if name not in installed]
    if not lacking:
        return
    # Tables and key were written before the group was there, where a run was cut short.
    grouped = (*(f"{paths.KAMAILIO}/{name}" for name in TABLES.values()), paths.KAMAILIO_TLS_KEY)
    yield StringCommand(
        shell.in_turn(
            with_lists(*shell.words(__file__, "install", paths.KAMAILIO_UNIT, *lacking)),
            shell.command(__file__, "group", *grouped),
        )
    )


def _purge(names: Sequence[str]) -> str:
    apt = ("apt-get", "-y", "-qq", "-o", "DPkg::Lock::Timeout=300")
    return shlex.join(["env", "DEBIAN_FRONTEND=noninteractive", *apt, "purge", *names])


@operation()
def no_others(
    wanted: Sequence[str], installed: Mapping[str, str]
) -> Generator[StringCommand, None, None]:
    """Remove the packages of ways by which phones do not come any more."""
    if own := [name for name in FURTHER if name in installed and name not in wanted]:
        yield StringCommand(_purge(own))


@operation()
def absent(installed: Mapping[str, str]) -> Generator[StringCommand, None, None]:
    """Stop Kamailio, and remove its packages and where phones are."""
    known = (*PACKAGES, *FURTHER)
    own = [name for name in known if name.startswith("kamailio") and name in installed]
    files = (paths.KAMAILIO_LOCATION, paths.KAMAILIO_CALLS, paths.KAMAILIO_ADVERTISED)
    yield StringCommand(
        shell.in_turn(
            shell.command(__file__, "stop", paths.KAMAILIO_UNIT),
            *([_purge(own)] if own else []),
            shlex.join(["rm", "-f", *files]),
        )
    )


@operation()
def running(wanted: Tree, watched: Sequence[str]) -> Generator[StringCommand, None, None]:
    """Start Kamailio with ``wanted``; reload where only extensions differ, restart where more does.

    Calls that are up go on either way, since phones send their voice to each other.
    """
    present = host.get_fact(KamailioState)
    stale = {path for path in watched if present.applied.get(path) != wanted[path].digest}
    if present.running and present.enabled and not stale:
        return
    if present.running and present.enabled and not stale & {*RESTARTED_FOR}:
        asked = [f"htable.reload {name}" for name in TABLES.values()]
        asked += ["tls.reload"] if stale & {*TLS_FILES} else []
        yield StringCommand(
            shell.in_turn(
                shell.command(__file__, "reload", *asked),
                shell.command(__file__, "record", paths.KAMAILIO_APPLIED, *watched),
            )
        )
        return
    start = shell.command(__file__, "start", paths.KAMAILIO_UNIT, paths.KAMAILIO_CONFIG)
    yield StringCommand(start)
