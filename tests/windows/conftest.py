"""A wine prefix for the run and the doors into it; or a real Windows host."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import network
from lab.lab import Lab, find
from tests.forks import Pyinfra
from tests.windows.support.machine import Machine, Real
from tests.windows.support.wine import Wine, lacking

DOORS = ("winrm", "winssh")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a door together where several processes run them: each has a host of its
    own (``-n 2 --dist loadgroup``)."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            given = getattr(getattr(item, "callspec", None), "params", {})
            item.add_marker(pytest.mark.xdist_group(given.get("machine", "either")))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab without hosts, with an address more for the Windows host; this process is in it."""
    made = find(f"windows-{os.getpid()}")
    try:
        # Its way to Debian's packages can be made from outside only.
        made.up(())
        network.enter(made.name)
        own = f"{Machine.address}/{network.PREFIX}"
        subprocess.run(["ip", "address", "add", own, "dev", network.BRIDGE], check=True)
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def wine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wine]:
    """A prefix that lives as long as the run."""
    if why := lacking():
        pytest.skip(why)
    request.getfixturevalue("lab")
    made = Wine(tmp_path_factory.mktemp("wine") / "host")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session", params=DOORS)
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pyinfra: Pyinfra
) -> Machine:
    """The host under test through one of its doors: wine's, unless a real one is given."""
    if os.environ.get("CALLCENTER_WINDOWS_HOST"):
        return Real(request.param, tmp_path_factory.mktemp("real"), pyinfra)
    wine: Wine = request.getfixturevalue("wine")
    return Machine(request.param, wine, tmp_path_factory.mktemp("pyinfra"), pyinfra)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this machine for what the tests make."""
    return tmp_path_factory.mktemp("made")
