"""Labs of this run's own, driven by the command as typed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from lab.lab import Lab
from tests.labs import fresh, watched


@dataclass(frozen=True)
class Command:
    """``python -m lab --name NAME``."""

    lab: Lab

    @property
    def words(self) -> list[str]:
        """What is typed before the verb."""
        return [sys.executable, "-m", "lab", "--name", self.lab.name]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end, whatever it is."""
        return subprocess.run(
            [*self.words, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )

    def __call__(self, *words: str) -> str:
        """Run a verb, which must succeed, and return what it printed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _lacking() -> str:
    if os.geteuid() != 0:
        return "lab hosts need root"
    if shutil.which("apt-get") is None:
        return "lab hosts are built with apt-get, which is not here"
    mayhap = subprocess.run(
        ["unshare", "--mount", "--net", "true"], capture_output=True, check=False
    )
    if mayhap.returncode:
        return "lab hosts need the right to make namespaces (a privileged container)"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = _lacking()
    for item in items:
        if item.get_closest_marker("lab") and reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Command]]:
    """Labs that do not exist yet; they are down after the test."""
    with ExitStack() as labs:
        yield lambda: Command(labs.enter_context(watched(fresh("t"), request)))


@pytest.fixture(scope="module")
def up(request: pytest.FixtureRequest) -> Iterator[Command]:
    """A lab with cc1 and cc2 for tests that leave them as they are."""
    with watched(fresh("t"), request) as lab:
        command = Command(lab)
        command("up", "cc1", "cc2")
        yield command
