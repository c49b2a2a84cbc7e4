"""Stop the whole run before its first change."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from typing import NoReturn

from greenlet import GreenletExit  # type: ignore[import-untyped]
from pyinfra import host as this
from pyinfra import logger
from pyinfra import state as current
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

__all__ = ["leave", "passed", "refuse", "those_before"]


def leave() -> NoReturn:
    """Go on without this host, as one that has failed: a dry run runs no operation that could
    refuse it. Where it was the last one, the run ends."""
    # What it is imported as stands for any host.
    host = current.inventory.get_host(this.name)
    current.failed_hosts.add(host)
    current.active_hosts.discard(host)
    if not current.active_hosts:
        sys.exit(1)
    # Of a host's greenlet: it ends here, and the others go on.
    raise GreenletExit


@operation()
def refuse(problems: Sequence[str]) -> Generator[FunctionCommand, None, None]:
    """Fail this host if it has problems; do nothing otherwise."""
    if problems:
        yield FunctionCommand(_refuse, (), {})


@operation()
def passed() -> Generator[FunctionCommand, None, None]:
    """Fail this host, too, if any other was refused, failed or could not be reached: a site is
    changed as a whole or not at all."""
    if any(_lost(current)):
        yield FunctionCommand(_stop, (), {})


@operation()
def those_before() -> Generator[FunctionCommand, None, None]:
    """Leave this host as it is, if one whose changes come first has failed by now."""
    if any(_lost(current)):
        yield FunctionCommand(_wait, (), {})


def _refuse(state: State, host: Host) -> bool:
    return False


def _lost(state: State) -> tuple[list[str], list[str]]:
    """List the hosts that failed, and those that were never reached, unless the operator was asked
    about them and went on."""
    failed = {host.name for host in state.failed_hosts if host in state.activated_hosts}
    absent = {host.name for host in state.failed_hosts if host not in state.activated_hosts}
    asked = state.should_raise_failed_hosts is not None
    return sorted(failed), [] if asked else sorted(absent)


def _wait(state: State, host: Host) -> bool:
    lost = ", ".join(name for names in _lost(state) for name in names)
    logger.error(f"{host.print_prefix}Nothing was changed here, because {lost} is not ready")
    return False


def _stop(state: State, host: Host) -> bool:
    failed, absent = _lost(state)
    reasons = []
    if failed:
        reasons.append(f"preflight refused {', '.join(failed)}")
    if absent:
        leave = " ".join(f"--exclude {name}" for name in absent)
        reasons.append(f"{', '.join(absent)} could not be reached (to go on without: {leave})")
    logger.error(f"{host.print_prefix}Nothing was changed, because {' and '.join(reasons)}")
    return False
