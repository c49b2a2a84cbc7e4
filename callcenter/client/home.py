"""Home of what pyinfra and pytest are given: the clone's root, or the wheel's copy of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from callcenter.site.connectors import PLUGIN

__all__ = ["DEPLOY", "HOME", "INVENTORIES", "PROOF", "enter", "environment"]

_PACKAGE = Path(__file__).resolve().parents[1]
_SHIPPED = _PACKAGE / "shipped"

HOME = _SHIPPED if _SHIPPED.is_dir() else _PACKAGE.parent
"""Folder that holds roles, deploy, the examples and the acceptance tests."""
DEPLOY = HOME / "deploy/callcenter.py"
"""File that pyinfra runs for each host."""
PROOF = HOME / "tests/acceptance"
"""Tests that prove a site."""
INVENTORIES = HOME / "inventories"
"""Folder of the inventory that a new site begins as."""


def enter() -> None:
    """Let this process import the roles. No package of that name is installed: it is too common a
    word for everybody's environment."""
    if str(HOME) not in sys.path:
        sys.path.append(str(HOME))


def environment() -> dict[str, str]:
    """Return the environment of a process that imports the roles or the tests."""
    own = [str(HOME), *([str(PLUGIN)] if PLUGIN.is_dir() else [])]
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*own, *([others] if others else [])])}
