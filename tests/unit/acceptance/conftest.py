"""pytest inside pytest, for the plugins of acceptance."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.forks import ROOT, Forks

IMPORTED = ("pytest", "_pytest.junitxml", "jinja2", "pydantic", "numpy")
"""Modules that are no plugins: pytest rewrites the asserts of one when it imports it."""

OF_A_TEST = ("HOME", "USERPROFILE", "PYTEST_DEBUG_TEMPROOT")
"""Variables that pytester sets for each test."""

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

Inside = Callable[..., pytest.RunResult]


@pytest.fixture(scope="session")
def inside() -> Iterator[Inside]:
    """Runs of pytest in a folder, in a process of its own, with the plugins that are named."""
    forks = Forks(IMPORTED, unread=OF_A_TEST)

    def run(folder: Path, *words: str) -> pytest.RunResult:
        begun = time.monotonic()
        command = [sys.executable, "-m", "pytest", *words]
        done = forks.run(command, cwd=folder, environment={**os.environ, **ENVIRONMENT})
        said = done.stdout.splitlines(), done.stderr.splitlines()
        return pytest.RunResult(done.returncode, *said, time.monotonic() - begun)

    yield run
    forks.close()
