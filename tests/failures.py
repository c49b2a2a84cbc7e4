"""A plugin of pytest: a failed test is named as soon as it has failed, also where pytest itself
prints letters until all tests have ended."""

from __future__ import annotations

import pytest

__all__: list[str] = []


class _Names:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # xdist's workers have no reporter: their reports come again, to whom they work for.
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        # With -v, pytest names each test itself; the plugin of acceptance does in any case.
        told = self._config.get_verbosity() > 0 or hasattr(report, "proof")
        if report.failed and reporter is not None and not told:
            word = "FAILED" if report.when == "call" else "ERROR"
            reporter.line("")  # below its letter
            reporter.write_line(f"{word} {report.nodeid}", red=True)
            reporter.flush()  # it may be a file


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Names(config))
