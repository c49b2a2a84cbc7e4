"""A pytest plugin: one line an attack, with what an intruder would gain, and the count.

``bin/attack`` loads it in place of pytest's own report.
"""

from __future__ import annotations

import re
import sys

import pytest

__all__ = ["Lines"]


class Lines:
    """Outcomes of the attacks, a line each."""

    def __init__(self) -> None:
        self.counts = {"closed": 0, "OPEN": 0, "skipped": 0, "works": 0, "FAILS": 0}
        self._gains: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._untried: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note what each attack would gain, by its docstring."""
        for item in items:
            said = (getattr(item, "function", None).__doc__ or "").strip()
            self._gains[item.nodeid] = " ".join(said.split("\n\n")[0].split())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the line of an attack when it is over."""
        if report.failed and report.nodeid not in self._failed:
            text = str(getattr(report.longrepr, "reprcrash", report.longrepr))
            self._failed[report.nodeid] = f"{report.when}: {text.splitlines()[0][:200]}"
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self._line("skipped", report.nodeid, reason.removeprefix("Skipped: "))
        elif report.when == "teardown":
            if report.nodeid in self._untried:
                return
            gain = self._gains.get(report.nodeid, "")
            is_attack = gain.startswith(("Gain: ", "Gains "))
            words = ("closed", "OPEN") if is_attack else ("works", "FAILS")
            failed = self._failed.get(report.nodeid)
            self._line(words[failed is not None], report.nodeid, gain)
            if failed is not None:
                print(f"{'':9}{failed}", flush=True)
        elif report.failed and report.when == "setup":
            self._untried.add(report.nodeid)
            self._line("FAILS", report.nodeid, f"could not be tried: {self._failed[report.nodeid]}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the count."""
        counts = self.counts
        attacks = counts["closed"] + counts["OPEN"]
        rest = "".join(
            f", {counts[word]} {text}"
            for word, text in (
                ("works", "that must work, work"),
                ("FAILS", "that must work, fail"),
                ("skipped", "skipped"),
            )
            if counts[word]
        )
        print(f"{attacks} attacks: {counts['closed']} closed, {counts['OPEN']} OPEN{rest}")

    def _line(self, word: str, nodeid: str, gain: str) -> None:
        self.counts[word] += 1
        name = re.sub(r"^.*::(test_)?", "", nodeid)
        function, bracket, case = name.partition("[")
        words = function.replace("_", " ") + bracket + case
        what = gain.removeprefix("Gain: ").removeprefix("Gains ")
        print(f"{word:8} {words}: {what}", flush=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the place of pytest's report."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and "--collect-only" not in sys.argv:
        config.pluginmanager.unregister(reporter)
    config.pluginmanager.register(Lines())
