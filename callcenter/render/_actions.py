"""Steps by which a running FreeSWITCH takes over a change, as its release tool reads them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["DISTRIBUTOR", "RELOADXML", "RESTART", "VOICEMAIL", "Action", "Severity"]


class Severity(enum.IntEnum):
    """How much of a running service an action touches."""

    RELOAD = 1
    """Action that takes effect at the next call; no call or registration notices."""
    MODULE = 2
    """One module starts or stops; calls that do not use it go on."""
    PROFILE = 3
    """A sofia profile restarts: its calls end."""
    SERVICE = 4
    """FreeSWITCH restarts: all calls end."""


@dataclass(frozen=True, order=True)
class Action:
    """One step, such as ``reloadxml`` or ``load mod_opus``."""

    severity: Severity
    command: str


RELOADXML = Action(Severity.RELOAD, "reloadxml")
DISTRIBUTOR = Action(Severity.RELOAD, "distributor_ctl reload")
VOICEMAIL = Action(Severity.RELOAD, "voicemail reload default")
"""The old profile goes when the last call in it ends."""
RESTART = Action(Severity.SERVICE, "restart")
