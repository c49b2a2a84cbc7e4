"""``@winrm`` and ``@winssh`` in a clone: those of ``packages/pyinfra-windows``.

pyinfra looks for connectors among the entry points of installed packages, and a clone is none. It
becomes one for the process whose inventory names a Windows host, and only then: pyinfra imports
every connector that it finds, in every run.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path

__all__ = ["PLUGIN", "WINDOWS", "find_plugin", "register"]

WINDOWS = ("@winrm/", "@winssh/")
"""Beginnings of the name of a Windows host."""

_CLONE = Path(__file__).parents[2]
_PROJECT = "pyinfra-callcenter"

PLUGIN = _CLONE / "packages/pyinfra-windows/src"
"""Folder of the clone that the connectors are imported from; the wheel brings them installed."""


def find_plugin() -> None:
    """Let this process import ``pyinfra_windows``: the clone's, where this is one."""
    if PLUGIN.is_dir() and str(PLUGIN) not in sys.path:
        sys.path.insert(0, str(PLUGIN))


class _Clone(Distribution):
    def read_text(self, filename: str) -> str | None:
        if filename == "METADATA":
            return f"Metadata-Version: 2.1\nName: {_PROJECT}\n"
        if filename != "entry_points.txt":
            return None
        project = tomllib.loads((_CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return "\n".join(
            line
            for group, points in project["entry-points"].items()
            for line in (f"[{group}]", *(f"{name} = {where}" for name, where in points.items()))
        )

    def locate_file(self, path: object) -> Path:
        return _CLONE / str(path)


class _Finder(DistributionFinder):
    def find_spec(self, *_: object) -> None:
        """Find no module: modules are found as ever."""

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterable[Distribution]:
        if context is None or context.name in (None, _PROJECT):
            yield _Clone()


def register() -> None:
    """Make this process find the clone's entry points. Installed with pip, there are others."""
    there = any(isinstance(one, _Finder) for one in sys.meta_path)
    if not there and (_CLONE / "pyproject.toml").is_file():
        find_plugin()
        sys.meta_path.append(_Finder())
