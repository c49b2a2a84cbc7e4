"""Waiting for what a test expects: long enough that only a fault can keep it from coming."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

__all__ = ["PATIENCE", "announce", "eventually", "hurry", "stand_apart", "tell"]

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a busy machine does not take to do what it does at once when idle. SIP gives up a
silent peer after 32."""

_PAUSE_SECONDS = 0.1
_PRIORITY = -15

_tell: Callable[[str], None] | None = None


def hurry() -> None:
    """Have this thread, and those that it will start, go before other programs, where that is
    permitted: a phone on a desk has a processor of its own."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def stand_apart() -> None:
    """Have this process, and all that it will start, be in a session of its own, which goes before
    others where that is permitted. Linux divides its time among sessions first."""
    os.setsid()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
        Path("/proc/self/autogroup").write_text(str(_PRIORITY))


def tell(listener: Callable[[str], None] | None) -> None:
    """Have somebody told what this process waits for."""
    global _tell
    _tell = listener


def announce(what: str) -> None:
    """Tell whoever wants to know that this is waited for from now on."""
    if _tell is not None:
        _tell(what)


def eventually(
    ask: Callable[[], T], good: Callable[[T], bool], what: str, seconds: float = PATIENCE
) -> T:
    """Ask until the answer is good, and return it. For what tells nobody when it changes."""
    __tracebackhide__ = True
    announce(what)
    deadline = time.monotonic() + seconds
    while not good(seen := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s; last seen: {seen!r}")
        time.sleep(_PAUSE_SECONDS)
    return seen
