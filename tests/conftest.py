"""Options and the report, here because pytest takes plugins from the topmost conftest only."""

from __future__ import annotations

import pytest

pytest_plugins = [
    "tests.acceptance.support.report",
    "tests.acceptance.support.scheduler",
    "tests.labs",
    "tests.times",
]


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
