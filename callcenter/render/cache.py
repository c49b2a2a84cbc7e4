"""Folders of this machine for what can be made again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["folder", "keep"]


def folder(name: str) -> Path:
    """Return a folder of the user's own cache, made if there is none."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    made = Path(home, "callcenter", name)
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made


def keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it meanwhile."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
