"""A wine prefix for the run and the doors into it; or a real Windows host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.windows.support.machine import Machine, Real
from tests.windows.support.wine import Wine, lacking

DOORS = ("winrm", "winssh")


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """A prefix that lives as long as the run."""
    if why := lacking():
        pytest.skip(why)
    made = Wine(tmp_path_factory.mktemp("wine") / "host")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session", params=DOORS)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The host under test through one of its doors: wine's, unless a real one is given."""
    if os.environ.get("CALLCENTER_WINDOWS_HOST"):
        return Real(request.param, tmp_path_factory.mktemp("real"))
    wine: Wine = request.getfixturevalue("wine")
    return Machine(request.param, wine, tmp_path_factory.mktemp("pyinfra"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this machine for what the tests make."""
    return tmp_path_factory.mktemp("made")
