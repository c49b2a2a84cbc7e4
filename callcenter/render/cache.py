"""Folders of this machine for what can be made again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["folder"]


def folder(name: str) -> Path:
    """Return a folder of the user's own cache, made if there is none."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    made = Path(home, "callcenter", name)
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made
