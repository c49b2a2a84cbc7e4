"""A pytest plugin: tests run at once that use nothing in common, each in a process of its own.

This process collects, and starts a child for each test by fork: what was imported and read by then
costs no child anything, phones need a process of their own (their library keeps global state), and
a crash of the library costs one test. The child's reports are told here as if the test had run
here. What a test uses is asked for by the hook `pytest_proof_uses`; tests of which nobody says that
run one after the other, in this process. A child is interrupted by SIGINT, and tears down.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import IO, Any, NoReturn

import pytest
from _pytest.runner import runtestprotocol

from tests.acceptance.support import waiting
from tests.acceptance.support.report import hidden, say
from tests.acceptance.support.uses import (
    Grant,
    Planned,
    Schedule,
    Uses,
    declared_by,
    longest_first,
    shuffled,
)

# A fork takes no threads along, and blocks of 50 ms gain nothing by them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

GRANTED = pytest.StashKey[Grant]()
"""Key in a test's stash: the resources that it may use."""

DURATIONS = "callcenter/seconds"
"""Key in pytest's cache: how long each test took."""

UNKNOWN_SECONDS = 5.0
INTERRUPTED_SECONDS = 60.0
"""Seconds in which an interrupted test must have torn down."""


class Hooks:
    """Hooks by which this plugin asks other plugins and tells them."""

    @pytest.hookspec(firstresult=True)
    def pytest_proof_uses(self, item: pytest.Item) -> Uses | None:
        """Say what a test uses; None for a test that needs the process for itself."""

    @pytest.hookspec
    def pytest_proof_waiting(self, nodeid: str, what: str) -> None:
        """Hear what a running test waits for."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("acceptance")
    group.addoption(
        "--calls-at-once",
        type=_positive,
        default=2,
        metavar="N",
        help="how many tests call at the same time (default: 2)",
    )
    group.addoption(
        "--order-seed",
        type=int,
        metavar="N",
        help="run the tests in the random order of this number (default: what takes longest first)",
    )


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def declarations(item: pytest.Item) -> Iterator[Any]:
    """Yield the declarations that the test and its fixtures make by ``uses``."""
    known = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009
    yield from declared_by(getattr(item, "function", None))
    for name in item.fixturenames:  # type: ignore[attr-defined]
        for fixture in known.get(name, ()):
            yield from declared_by(fixture.func)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run what declares its uses; what is left over is pytest's."""
    config = session.config
    if config.option.collectonly or hasattr(config, "workerinput"):
        return None
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return None
    planned: dict[int, Uses] = {}
    for index, item in enumerate(session.items):
        uses = item.ihook.pytest_proof_uses(item=item)
        if uses is not None:
            planned[index] = uses
    if not planned:
        return None
    _Run(session, planned).all()
    session.items[:] = [one for n, one in enumerate(session.items) if n not in planned]
    return None if session.items else True


@dataclass
class _Child:
    """A test that runs."""

    index: int
    item: pytest.Item
    pid: int
    pipe: Connection
    crash: IO[bytes]
    """File in which a crash of the child leaves its traceback."""
    began: float
    started_at: float
    phases: list[str]
    """Phases that were reported, of setup, call and teardown."""
    ended: bool = False
    """Flag that is set when the child reports that it has come to its end."""


class _Run:
    """One run of all tests that declare their uses."""

    def __init__(self, session: pytest.Session, planned: dict[int, Uses]) -> None:
        self._session, self._config = session, session.config
        self._cache = getattr(self._config, "cache", None)
        known = self._cache.get(DURATIONS, {}) if self._cache else {}
        self._seconds: dict[str, float] = known
        tests = [
            Planned(index, uses, self._seconds.get(session.items[index].nodeid, UNKNOWN_SECONDS))
            for index, uses in planned.items()
        ]
        seed = self._config.getoption("--order-seed")
        tests = longest_first(tests) if seed is None else shuffled(tests, seed)
        self._schedule = Schedule(tests, self._config.getoption("--calls-at-once"))
        self._children: dict[Connection, _Child] = {}

    def all(self) -> None:
        """Run them."""
        if why := self._why_here():
            self._say(f"one test after the other, in this process: {why}")
            self._one_by_one()
            return
        # Made now: children that have to make it would get in each other's way.
        self._session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        try:
            while self._begin() or self._children:
                for pipe in wait(list(self._children)):
                    self._hear(self._children[pipe])  # type: ignore[index]
        except BaseException:
            self._end_children()
            raise
        if self._cache:
            self._cache.set(DURATIONS, self._seconds)
        self._stop_if_asked()

    def _why_here(self) -> str:
        if self._config.getoption("usepdb", False) or self._config.getoption("trace", False):
            return "a debugger is asked for"
        if threading.active_count() > 1:
            return f"it has threads ({', '.join(one.name for one in threading.enumerate())})"
        return ""

    def _say(self, line: str) -> None:
        say(self._config, line)

    def _stop_if_asked(self) -> None:
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _one_by_one(self) -> None:
        while started := self._schedule.start():
            index, grant = started
            item = self._session.items[index]
            item.stash[GRANTED] = grant
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self._schedule.done(index)
            self._stop_if_asked()

    def _begin(self) -> bool:
        """Start what can run now; True if anything runs."""
        while not (self._session.shouldfail or self._session.shouldstop):
            started = self._schedule.start()
            if started is None:
                break
            self._fork(*started)
        return bool(self._children)

    def _fork(self, index: int, grant: Grant) -> None:
        item = self._session.items[index]
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        item.stash[GRANTED] = grant
        ours, theirs = Pipe(duplex=False)
        crash = tempfile.TemporaryFile()  # noqa: SIM115
        with _uninterrupted():
            pid = os.fork()
            if pid == 0:
                ours.close()
                _be_child(item, theirs, crash)
            theirs.close()
            self._children[ours] = _Child(
                index, item, pid, ours, crash, time.monotonic(), time.time(), phases=[]
            )

    def _hear(self, child: _Child) -> None:
        """Take the next message of a child, or its end."""
        try:
            kind, said = child.pipe.recv()
        except (EOFError, OSError):
            self._bury(child)
            return
        hook = child.item.ihook
        if kind == "report":
            report = self._config.hook.pytest_report_from_serializable(
                config=self._config, data=said
            )
            child.phases.append(report.when)
            hook.pytest_runtest_logreport(report=report)
        elif kind == "waiting":
            self._config.hook.pytest_proof_waiting(nodeid=child.item.nodeid, what=said)
        elif kind == "warning":
            message, category, filename, line, when, nodeid, location = said
            self._config.hook.pytest_warning_recorded.call_historic(
                kwargs={
                    "warning_message": warnings.WarningMessage(message, category, filename, line),
                    "when": when,
                    "nodeid": nodeid,
                    "location": location,
                }
            )
        elif kind == "exit":
            pytest.exit(*said)
        else:
            child.ended = True

    def _bury(self, child: _Child) -> None:
        del self._children[child.pipe]
        child.pipe.close()
        _, status = os.waitpid(child.pid, 0)
        if not child.ended:
            self._report_death(child, status)
        child.crash.close()
        self._seconds[child.item.nodeid] = round(time.monotonic() - child.began, 1)
        self._schedule.done(child.index)
        item = child.item
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _report_death(self, child: _Child, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        child.crash.seek(0)
        last_words = child.crash.read().decode(errors="replace").strip()
        text = f"the test's process ended {how}, before the test did\n{last_words}".strip()

        def die() -> NoReturn:
            pytest.fail(text, pytrace=False)

        when: Any = "teardown" if "call" in child.phases else "call"
        call = pytest.CallInfo.from_call(die, when=when)
        call.start, call.duration = child.started_at, time.monotonic() - child.began
        hook = child.item.ihook
        report = hook.pytest_runtest_makereport(item=child.item, call=call)
        hook.pytest_runtest_logreport(report=report)

    def _end_children(self) -> None:
        """Have all that runs torn down; a second interrupt ends it at once."""
        children = list(self._children.values())
        try:
            if children:
                self._say(f"\n{len(children)} tests leave their hosts as they found them …")
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGINT)
            deadline = time.monotonic() + INTERRUPTED_SECONDS
            while self._children and (left := deadline - time.monotonic()) > 0:
                for pipe in wait(list(self._children), left):
                    child = self._children[pipe]  # type: ignore[index]
                    try:
                        child.pipe.recv()
                    except (EOFError, OSError):
                        del self._children[child.pipe]
        finally:
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
                    os.killpg(child.pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(child.pid, 0)
            self._children.clear()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _be_child(item: pytest.Item, pipe: Connection, crash: IO[bytes]) -> NoReturn:
    """Run one test, tell what comes of it, and end without a word of our parent's."""
    code = 1
    try:
        # Who interrupts us from a terminal, interrupts the parent alone.
        waiting.stand_apart()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        faulthandler.enable(crash)
        told = _Told(pipe)
        item.config.pluginmanager.register(told, "acceptance-child")
        told.begun = True
        waiting.tell(lambda what: told.send("waiting", what))
        with _own_capture(item.config):
            try:
                # The hook, for what others wrap around it.
                item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
            except pytest.exit.Exception as error:
                told.send("exit", (error.msg, error.returncode))
            finally:
                # Interrupted in the middle, it is not torn down yet.
                item.session._setupstate.teardown_exact(None)
        told.send("end", None)
        code = 0
    except BaseException:
        crash.write(hidden(traceback.format_exc()).encode())
        crash.flush()
    finally:
        os._exit(code)


@contextmanager
def _own_capture(config: pytest.Config) -> Iterator[None]:
    # Captured output goes to files that were opened before the fork, and are everybody's.
    manager = config.pluginmanager.get_plugin("capturemanager")
    if manager is not None:
        manager.stop_global_capturing()
        manager.start_global_capturing()
        manager.suspend_global_capture()
    yield


class _Told:
    """In the child: tells the parent what the hooks say."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()
        self.begun = False
        """A plugin is told at first of all warnings before its time."""

    def send(self, kind: str, what: Any) -> None:
        """Tell the parent; where it is gone, the test goes on to its end all the same."""
        with self._lock, suppress(BrokenPipeError):
            self._pipe.send((kind, what))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        runtestprotocol(item, log=False, nextitem=None)
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report = yield
        data = item.config.hook.pytest_report_to_serializable(config=item.config, report=report)
        self.send("report", data)
        return report

    @pytest.hookimpl
    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        if not self.begun:
            return
        message, category = str(warning_message.message), warning_message.category
        if not category.__module__.startswith(("builtins", "pytest", "_pytest")):
            category = UserWarning
        where = warning_message.filename, warning_message.lineno
        self.send("warning", (message, category, *where, when, nodeid, location))
