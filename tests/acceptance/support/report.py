"""A pytest plugin: what was proved, tier by tier, and everything needed to see why not.

Register it with `pytest_plugins = ["tests.acceptance.support.report"]` in tests/conftest.py: in a
conftest further down pytest takes that for an error when all tests are run. A test belongs to the
tier of its marker `tier(n)`, or of its module's name (`test_t1_register.py`); other tests are left
alone. The first line of its docstring is what it proves. `--report PATH` writes the same as one
HTML file.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import ExceptionRepr, TerminalRepr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TIERS = {0: "host", 1: "register", 2: "call", 3: "service", 4: "failure"}

_secrets: set[str] = set()


def hide(value: str) -> str:
    """Replace `value` by *** in all that is reported from now on; returns it unchanged."""
    if value:
        # A failed comparison shows a string as its repr, without which quotes would escape.
        _secrets.update({value, repr(value)[1:-1]})
    return value


def hidden(text: str) -> str:
    """The text with all secrets replaced."""
    # The longest first: one secret may be a part of another.
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


class Evidence:
    """What a test has to show when it fails, such as the SIP ladder and the host's journal."""

    def __init__(self) -> None:
        self._sources: list[tuple[str, str | Callable[[], str]]] = []
        self.hosts: list[str] = []

    def add(self, title: str, source: str | Callable[[], str]) -> None:
        """Attach a text section; a callable is only asked for its text when the test failed."""
        self._sources.append((title, source))

    def on(self, *hosts: str) -> None:
        """Name the hosts that the test is about, where no `host` fixture tells."""
        self.hosts.extend(hosts)

    def sections(self) -> list[tuple[str, str]]:
        """All sections, read now. One that cannot be read says why instead."""
        return [(title, _read(source)) for title, source in self._sources]


def _read(source: str | Callable[[], str]) -> str:
    if isinstance(source, str):
        return source
    try:
        return source()
    except Exception as error:  # A host that is down must not hide the failure itself.
        return f"could not be read: {type(error).__name__}: {error}"


@dataclass
class Row:
    """One test in the report."""

    tier: int
    proved: str
    hosts: list[str]
    result: str = "passed"
    reason: str = ""
    seconds: float = 0.0
    details: str = ""
    evidence: list[tuple[str, str]] = field(default_factory=list)

    @property
    def tier_name(self) -> str:
        """The tier as people say it."""
        return f"T{self.tier} {TIERS.get(self.tier, '')}".rstrip()


_EVIDENCE = pytest.StashKey[Evidence]()


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Evidence:
    """Text sections for the case that this test fails."""
    node: pytest.Item = request.node
    return node.stash.setdefault(_EVIDENCE, Evidence())


@pytest.fixture(scope="session", name="hide")
def hide_fixture() -> Callable[[str], str]:
    """The function that keeps a string out of all reports."""
    return hide


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --report."""
    group = parser.getgroup("acceptance")
    group.addoption("--report", type=Path, metavar="PATH", help="write an HTML report there")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and start a report for this run."""
    config.addinivalue_line("markers", "tier(n): the verification tier a test belongs to")
    config.pluginmanager.register(_Report(config.getoption("--report")), "acceptance-report")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in each report what was proved where, add the evidence to a failure, hide secrets."""
    report = yield
    tier = _tier_of(item)
    if tier is not None:
        # Plain data, so that it survives the way between processes.
        report.__dict__["proof"] = {
            "tier": tier,
            "proved": hidden(_proved_by(item)),
            "hosts": [hidden(host) for host in _hosts_of(item)],
        }
    evidence = item.stash.get(_EVIDENCE, None)
    if report.failed:
        sections = [(t, hidden(text)) for t, text in evidence.sections()] if evidence else []
        # Plain data as well: the page shows the failure and each section by itself.
        report.__dict__["failure"] = hidden(report.longreprtext)
        report.__dict__["evidence"] = sections
        for title, text in sections:
            _append(report, title, text)
    _hide_in(report)
    return report


def _hide_in(report: pytest.TestReport) -> None:
    report.sections = _masked(report.sections)
    report.longrepr = _masked(report.longrepr)


def _masked(value: Any) -> Any:
    """The same with secrets replaced: in place, so that pytest still colours and shortens it."""
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, list | tuple):
        return type(value)(_masked(part) for part in value)
    if isinstance(value, TerminalRepr):
        for name, part in vars(value).items():
            object.__setattr__(value, name, _masked(part))
    return value


def _append(report: pytest.TestReport, title: str, text: str) -> None:
    # Not report.sections: JUnit XML takes only captured output from there.
    if isinstance(report.longrepr, ExceptionRepr):
        report.longrepr.addsection(title, text)
    else:
        report.longrepr = f"{report.longreprtext}\n{f' {title} '.center(80, '-')}\n{text}"


def _tier_of(item: pytest.Item) -> int | None:
    marker = item.get_closest_marker("tier")
    if marker:
        return int(marker.args[0])
    named = re.match(r"test_t(\d)_", item.path.name)
    return int(named[1]) if named else None


def _proved_by(item: pytest.Item) -> str:
    doc = (getattr(getattr(item, "obj", None), "__doc__", None) or "").strip()
    name = getattr(item, "originalname", None) or item.name
    proved = doc.splitlines()[0] if doc else name.removeprefix("test_").replace("_", " ")
    case = getattr(item, "callspec", None)
    # The host has a column of its own.
    label = f"{case.id}-".removeprefix(f"{_node(item)}-").removesuffix("-") if case else ""
    return f"{proved.rstrip('.')} [{label}]" if label else proved.rstrip(".")


def _node(item: pytest.Item) -> str | None:
    """The inventory's host that the test is parametrised with."""
    case = getattr(item, "callspec", None)
    return getattr(case.params.get("node"), "name", None) if case else None


def _hosts_of(item: pytest.Item) -> list[str]:
    evidence = item.stash.get(_EVIDENCE, None)
    hosts = list(evidence.hosts) if evidence else []
    # testinfra's host, whatever its connection.
    backend = getattr(getattr(item, "funcargs", {}).get("host"), "backend", None)
    if backend is not None:
        hosts.append(str(getattr(backend, "hostname", None) or backend.get_pytest_id()))
    if (node := _node(item)) is not None:
        hosts.append(node)
    return list(dict.fromkeys(hosts))


class _Report:
    """The rows of one run."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        proof: dict[str, Any] | None = getattr(report, "proof", None)
        if proof is None:
            return
        row = self._rows.setdefault(report.nodeid, Row(**proof))
        row.hosts = proof["hosts"] or row.hosts
        row.seconds += report.duration
        if report.skipped:
            expected = getattr(report, "wasxfail", None)
            longrepr = report.longrepr
            reason = longrepr[2] if isinstance(longrepr, tuple) else report.longreprtext
            row.result = "skipped" if expected is None else "xfailed"
            row.reason = hidden(expected or reason).removeprefix("Skipped: ")
        elif report.failed:
            row.result = "FAILED" if report.when == "call" else "ERROR"
            row.details += getattr(report, "failure", "")
            row.evidence += getattr(report, "evidence", [])

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._rows:
            return
        rows = self._sorted()
        lines = [("Tier", "Proved", "Host", "Result", "Seconds")]
        lines += [
            (row.tier_name, row.proved, ", ".join(row.hosts), row.result, f"{row.seconds:.1f}")
            for row in rows
        ]
        widths = [max(len(line[column]) for line in lines) for column in range(5)]
        terminalreporter.section("what was proved")
        for line, row in zip(lines, [None, *rows], strict=True):
            cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            text = "  ".join([*cells[:4], cells[4].strip().rjust(widths[4])])
            if row and row.reason:
                text += f"  ({row.reason})"
            bad = row is not None and row.result in ("FAILED", "ERROR")
            terminalreporter.write_line(text, red=bad)
        if self._path:
            terminalreporter.write_line(f"report: {self._path}")

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(self._html(), encoding="utf-8")

    def _sorted(self) -> list[Row]:
        return sorted(self._rows.values(), key=lambda row: row.tier)

    def _html(self) -> str:
        loader = FileSystemLoader(Path(__file__).parent)
        environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
        rows = self._sorted()
        counts = Counter(row.result for row in rows)
        return environment.get_template("report.html.j2").render(
            rows=rows, counts=counts, finished=time.strftime("%Y-%m-%d %H:%M:%S %Z")
        )
