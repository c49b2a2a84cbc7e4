"""Users that no Site has."""

from __future__ import annotations

import secrets

__all__ = ["stranger"]


def stranger() -> str:
    """Return the name of one, another each time: who is refused ten times within ten minutes is
    shut out, and a Site may be proved more often than that."""
    return f"stranger-{secrets.token_hex(4)}"
