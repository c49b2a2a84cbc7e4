"""A pytest plugin: what was proved, tier by tier, and everything needed to see why not.

Register it with `pytest_plugins = ["tests.acceptance.support.report"]` in tests/conftest.py: in a
conftest further down pytest takes that for an error when all tests are run. A test belongs to the
tier of its marker `tier(n)`, or of its module's name (`test_t1_register.py`); other tests are left
alone. The first line of its docstring is what it proves. `--report PATH` writes the same as one
HTML file. The lines of a terminal are made by proofs.py, the bar by progress.py.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import ExceptionRepr, TerminalRepr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tests.acceptance.support.ladder import Ladder
from tests.acceptance.support.progress import Progress, terminal
from tests.acceptance.support.proofs import COLUMNS, NOT_TRIED, Proof, Proofs, fitted, tier_name

Source = str | Callable[[], str | Ladder]

_secrets: set[str] = set()


def hide(value: str) -> str:
    """Replace `value` by *** in all that is reported from now on; returns it unchanged."""
    if value:
        # A failed comparison shows a string as its repr, without which quotes would escape.
        _secrets.update({value, repr(value)[1:-1]})
    return value


def hidden(text: str) -> str:
    """Return the text with all secrets replaced."""
    # The longest first: one secret may be a part of another.
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


class Evidence:
    """What a test has to show when it fails, such as the SIP ladder and the host's journal."""

    def __init__(self) -> None:
        self._sources: list[tuple[str, Source]] = []
        self.hosts: list[str] = []

    def add(self, title: str, source: Source) -> None:
        """Attach a section; a callable is only asked for its text when the test failed."""
        self._sources.append((title, source))

    def on(self, *hosts: str) -> None:
        """Name the hosts that the test is about, where no `host` fixture tells."""
        self.hosts.extend(hosts)

    def sections(self) -> list[dict[str, Any]]:
        """Return all sections as plain data, read now, secrets hidden: title, text, ladder or None.

        One that cannot be read says why instead.
        """
        found = []
        for title, source in self._sources:
            read = _read(source)
            ladder = asdict(read) if isinstance(read, Ladder) else None
            found.append(_masked({"title": title, "text": str(read), "ladder": ladder}))
        return found


def _read(source: Source) -> str | Ladder:
    if isinstance(source, str):
        return source
    try:
        return source()
    except Exception as error:  # A host that is down must not hide the failure itself.
        return f"could not be read: {type(error).__name__}: {error}"


_PLUGIN = "acceptance-report"

INTERRUPTED = "the run was interrupted"
"""Reason of a test that was begun, and of whose outcome nothing is known."""

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
    """Add --report and --all."""
    group = parser.getgroup("acceptance")
    group.addoption("--report", type=Path, metavar="PATH", help="write an HTML report there")
    group.addoption("--all", action="store_true", help="list also what does not apply to the site")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and start a report for this run."""
    config.addinivalue_line("markers", "tier(n): the verification tier a test belongs to")
    config.pluginmanager.register(_Report(config), _PLUGIN)


def say(config: pytest.Config, line: str) -> None:
    """Print a line while tests run, in place of the bar until something happens."""
    config.pluginmanager.get_plugin(_PLUGIN).clear()  # type: ignore[union-attr]
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line(line)


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
        sections = evidence.sections() if evidence else []
        # Plain data as well: the page shows the failure and each section by itself.
        report.__dict__["reason"] = _reason(report)
        report.__dict__["failure"] = hidden(report.longreprtext)
        report.__dict__["evidence"] = sections
        for section in sections:
            _append(report, section["title"], section["text"])
    _hide_in(report)
    return report


def _hide_in(report: pytest.TestReport) -> None:
    report.sections = _masked(report.sections)
    report.longrepr = _masked(report.longrepr)


def _masked(value: Any) -> Any:
    """Return the same with secrets replaced: in place, so that pytest still colours and shortens
    it."""
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, list | tuple):
        return type(value)(_masked(part) for part in value)
    if isinstance(value, dict):
        return {name: _masked(part) for name, part in value.items()}
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
    """Return the inventory's host that the test is parametrised with."""
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


def _reason(report: pytest.TestReport) -> str:
    """Return the cause of a failure or skip, in one line."""
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        said = longrepr[2].removeprefix("Skipped: ")
    else:
        crash = getattr(longrepr, "reprcrash", None)
        said = crash.message if crash else report.longreprtext
    first = next(iter(said.strip().splitlines()), "")
    # An exception of a module's own is told with the module's name.
    return hidden(re.sub(r"^(\w+\.)+(?=\w+:)", "", first))


class _Report:
    """The proofs of one run: told as they come, summed up, and written as a page."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._path: Path | None = config.getoption("--report")
        self._names: dict[str, str] = {}
        self._proofs: dict[str, Proof] = {}
        self._progress: Progress | None = None
        self._reporter: Any = None
        self._over = False

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            tier = _tier_of(item)
            if tier is not None:
                self._names[item.nodeid] = hidden(f"{tier_name(tier)}: {_proved_by(item)}")
        self._reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        # With -v, pytest has a line for each test.
        if self._names and self._reporter and self._config.get_verbosity() <= 0:
            screen = None
            if terminal(sys.stdout):
                # Of its own: while a test runs, pytest takes what is written to standard output.
                screen = os.fdopen(os.dup(sys.stdout.fileno()), "w", errors="replace")
            self._progress = Progress(self._reporter.write_line, screen)
            self._progress.total = len(self._names)
            self._shows_files = self._reporter.showfspath

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self._progress:
            proof = nodeid in self._names
            self._reporter.showfspath = self._shows_files and not proof
            if proof:
                self._progress.begin(nodeid, self._names[nodeid])
            else:
                self._progress.clear()

    @pytest.hookimpl(optionalhook=True)
    def pytest_proof_waiting(self, nodeid: str, what: str) -> None:
        """Take note of what a test waits for; the scheduler of tests declares this hook."""
        if self._progress:
            self._progress.wait(nodeid, hidden(what))

    @pytest.hookimpl
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self._progress:
            self._progress.end(nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> tuple[str, str, str] | None:
        if not hasattr(report, "proof"):
            return None
        # While tests run, no letter and no word of pytest's: the bar tells.
        tells = self._progress is None or self._over
        expected = hasattr(report, "wasxfail")
        if report.skipped and not expected:
            # No category: pytest would list it a second time.
            return ("", "s", "SKIPPED") if tells else ("", "", "")
        if tells:
            return None
        if report.skipped:
            return "xfailed", "", ""
        if report.failed:
            return "failed" if report.when == "call" else "error", "", ""
        return ("xpassed" if expected else "passed") if report.when == "call" else "", "", ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data: dict[str, Any] | None = getattr(report, "proof", None)
        if data is None:
            return
        proof = self._proofs.setdefault(
            report.nodeid, Proof(report.nodeid, result="not tried", reason=INTERRUPTED, **data)
        )
        proof.hosts = data["hosts"] or proof.hosts
        proof.seconds += report.duration
        if report.passed:
            if report.when == "call":
                proof.result, proof.reason = "proved", ""
        elif report.skipped:
            reason = getattr(report, "wasxfail", None)
            proof.reason = hidden(f"{NOT_TRIED}{reason}" if reason else _reason(report))
            proof.result = "does not apply"
            if proof.reason.startswith(NOT_TRIED):
                proof.result = "not tried"
                proof.reason = proof.reason.removeprefix(NOT_TRIED)
        elif report.failed:
            if self._progress and proof.result != "failed":
                name = f"FAILED {tier_name(proof.tier)}: {proof.proved}"
                reason = f"       {getattr(report, 'reason', '')}"
                self._progress.fail([fitted(line, COLUMNS) for line in (name, reason)])
            if proof.result != "failed":
                proof.reason = getattr(report, "reason", "")
            proof.result = "failed"
            proof.details += getattr(report, "failure", "")
            proof.evidence += getattr(report, "evidence", [])

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._proofs:
            return
        terminalreporter.section("what was proved")
        for line, bad in self._summary.lines(self._config.getoption("--all")):
            terminalreporter.write_line(line, red=bad)
        if self._path:
            terminalreporter.write_line(f"report: {self._path}")

    def clear(self) -> None:
        """Take the bar away."""
        if self._progress:
            self._progress.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._over = True
        self.clear()
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(self._html(), encoding="utf-8")

    @property
    def _summary(self) -> Proofs:
        # Tests that run side by side end in any order.
        order = {nodeid: place for place, nodeid in enumerate(self._names)}
        last = len(order)
        return Proofs(
            sorted(
                self._proofs.values(),
                key=lambda proof: (proof.tier, order.get(proof.nodeid, last)),
            )
        )

    def _html(self) -> str:
        loader = FileSystemLoader(Path(__file__).parent)
        environment = Environment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template("report.html.j2").render(
            run=self._summary,
            site=str(self._config.getoption("--inventory", None) or ""),
            finished=time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        )
