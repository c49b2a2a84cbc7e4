"""Options and the report, here because pytest takes plugins from the topmost conftest only."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

ACCEPTANCE = Path(__file__).with_name("acceptance")

pytest_plugins = [
    "tests.acceptance.support.options",
    "tests.acceptance.support.report",
    "tests.acceptance.support.scheduler",
    # Before those that import it, or pytest would not rewrite it.
    "tests.times",
    "tests.labs",
    "tests.failures",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("callcenter", "verification of a call centre")
    group.addoption(
        "--vanilla",
        action="store_true",
        help="attack FreeSWITCH's vanilla configuration instead of ours (bin/attack --vanilla)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse in one line to verify nothing."""
    given = config.getoption("--inventory") or config.option.help or hasattr(config, "workerinput")
    asked = [config.invocation_params.dir / arg.partition("::")[0] for arg in config.args]
    if not given and all(path.resolve().is_relative_to(ACCEPTANCE) for path in asked):
        raise pytest.UsageError(
            "tests/acceptance needs the hosts to verify, such as: "
            "pytest tests/acceptance --inventory inventories/lab"
        )


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, and stays, out of each look for garbage."""
    gc.freeze()


class _Unasked(pytest.Directory):
    """The acceptance tests where the whole tree is tested and no hosts are given."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        pytest.skip("tests/acceptance: no --inventory was given")


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Skip the acceptance tests as one where no hosts are given."""
    if path == ACCEPTANCE and not parent.config.getoption("--inventory"):
        return _Unasked.from_parent(parent, path=path)
    return None
