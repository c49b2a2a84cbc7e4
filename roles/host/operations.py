"""Stop the whole run before its first change."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import logger
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

__all__ = ["passed", "refuse"]

_refused: set[str] = set()


@operation()
def refuse(problems: Sequence[str]) -> Generator[FunctionCommand, None, None]:
    """Fail this host if it has problems; do nothing otherwise."""
    if problems:
        yield FunctionCommand(_refuse, (), {})


@operation()
def passed() -> Generator[FunctionCommand, None, None]:
    """Fail this host, too, if any other was refused: a site is changed as a whole or not at all."""
    if _refused:
        yield FunctionCommand(_stop, (), {})


def _refuse(state: State, host: Host) -> bool:
    _refused.add(host.name)
    return False


def _stop(state: State, host: Host) -> bool:
    names = ", ".join(sorted(_refused))
    logger.error(f"{host.print_prefix}Nothing was changed, because preflight refused {names}")
    return False
