"""Options of the proof. They are a plugin, since pytest takes options from what its command line
names, or from the topmost conftest alone."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("callcenter", "verification of a call centre")
    group.addoption(
        "--inventory",
        metavar="FILE",
        help="the hosts to verify, such as inventories/prod",
    )
    group.addoption(
        "--phones",
        metavar="NUMBERS",
        help="extensions that nobody works with, such as 1017,1018,1019, or all in a site that "
        "nobody works with (default: the last three)",
    )
