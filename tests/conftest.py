"""Options and the report, here because pytest takes plugins from the topmost conftest only."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.labs import told

pytest_plugins = ["tests.acceptance.support.report"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("callcenter", "verification of a call centre")
    group.addoption(
        "--inventory",
        metavar="FILE",
        help="the hosts to verify, such as inventories/prod; without it nothing is verified",
    )
    group.addoption(
        "--phones",
        metavar="NUMBERS",
        help="extensions that nobody works with, such as 1017,1018,1019, or all in a site that "
        "nobody works with (default: the last three)",
    )
    labs = parser.getgroup("labs", "tests that boot lab hosts (tests/lab, tests/roles)")
    labs.addoption(
        "--keep",
        action="store_true",
        help="stop at the first failed test, leave its hosts up, and say how to enter them",
    )
    labs.addoption(
        "--shuffle",
        type=int,
        metavar="SEED",
        help="run the files of tests/roles in a random order that this number decides",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("keep"):
        config.option.maxfail = 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += told(item.config)
    return report
