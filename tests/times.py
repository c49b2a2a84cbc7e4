"""A plugin of pytest: what each file of tests costs (``--times``)."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from typing import Any

import pytest

__all__ = ["spent"]

COLUMNS = ("seconds", "processor", "hosts", "deploys")

spent = dict.fromkeys(COLUMNS, 0.0)
"""Costs so far that a test or fixture tells of: hosts booted, deploys, and the seconds of a
processor that these have used in a process that has not ended. What hosts have used is among this
process's own, which has started and ended them."""

_COSTS = pytest.StashKey[dict[str, dict[str, float]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--times",
        action="store_true",
        help="end with what each file cost: seconds, those of a processor, hosts booted, deploys",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    before = _now()
    try:
        return (yield)
    finally:
        cost = {name: now - before[name] for name, now in _now().items()}
        _add(item.config, item.nodeid.partition("::")[0], cost)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["times"] = session.config.stash.get(_COSTS, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for file, cost in getattr(node, "workeroutput", {}).get("times", {}).items():
        _add(node.config, file, cost)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    costs = config.stash.get(_COSTS, {})
    if not config.getoption("times") or not costs:
        return
    rows = sorted(costs.items(), key=lambda row: -row[1]["seconds"])
    rows.append(("all", {name: sum(cost[name] for cost in costs.values()) for name in COLUMNS}))
    terminalreporter.write_sep("=", "what each file cost")
    terminalreporter.write_line(f"{'':44}" + "".join(f"{name:>11}" for name in COLUMNS))
    for file, cost in rows:
        line = "".join(f"{cost[name]:11.0f}" for name in COLUMNS)
        terminalreporter.write_line(f"{file:44}{line}")


def _now() -> dict[str, float]:
    used = os.times()
    own = used.user + used.system + used.children_user + used.children_system
    now = {"seconds": time.monotonic(), "processor": own}
    return {name: so_far + now.get(name, 0) for name, so_far in spent.items()}


def _add(config: pytest.Config, file: str, cost: dict[str, float]) -> None:
    costs = config.stash.setdefault(_COSTS, {})
    before = costs.get(file, dict.fromkeys(COLUMNS, 0.0))
    costs[file] = {name: before[name] + cost[name] for name in COLUMNS}
