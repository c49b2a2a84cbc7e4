"""Labs of tests, and a plugin of pytest: what a failed test tells of their hosts, how these are
kept, and options for both."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pytest

from lab import network
from lab.lab import Lab, find
from tests.forks import Callcenter, Pyinfra

__all__ = ["TELLING", "fresh", "kept", "watched"]

TELLING: list[Callable[[], tuple[str, str]]] = []
"""Questions to whatever else tells of itself where a test fails: a title and a text."""

_WATCHED = pytest.StashKey[list[Lab]]()
_LINES = 60
_ASK = (
    "uptime; systemctl --failed --no-legend; journalctl --no-pager -o short-precise -b | "
    # What comes of our own looking is left out.
    f"grep -vE ' (sshd|systemd-logind)[[]| session-' | tail -n {_LINES}; "
    f"tail -v -n {_LINES} /var/log/freeswitch/freeswitch.log 2>/dev/null"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("labs", "tests that boot lab hosts (tests/lab, tests/roles)")
    group.addoption(
        "--keep",
        action="store_true",
        help="stop at the first failed test, leave its hosts up, and say how to enter them",
    )
    group.addoption(
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
        report.sections += [*_told(item.config), *(tell() for tell in TELLING)]
    return report


@pytest.fixture(scope="session")
def pyinfra() -> Iterator[Pyinfra]:
    """pyinfra's command, for as long as the tests run."""
    made = Pyinfra()
    yield made
    made.close()


@pytest.fixture(scope="session")
def callcenter() -> Iterator[Callcenter]:
    """Commands of ours, for as long as the tests run."""
    made = Callcenter()
    yield made
    made.close()


_numbers = itertools.count()


def fresh(prefix: str) -> Lab:
    """Return a lab of this process that does not exist yet."""
    labs = (find(f"{prefix}{os.getpid()}-{number}") for number in _numbers)
    # One of an earlier process of this number may be kept.
    return next(lab for lab in labs if not lab.state.exists())


@contextmanager
def watched(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Take a lab down afterwards, unless it is kept; what fails meanwhile tells of its hosts."""
    labs = request.config.stash.setdefault(_WATCHED, [])
    labs.append(lab)
    try:
        yield lab
    finally:
        labs.remove(lab)
        if not kept(request.session):
            lab.down()


def kept(session: pytest.Session) -> bool:
    """Tell whether hosts are left as they are: a test failed, and ``--keep`` was given."""
    return bool(session.config.getoption("keep") and session.testsfailed)


def _told(config: pytest.Config) -> Iterator[tuple[str, str]]:
    """Yield what hosts that are up were doing; with ``--keep``, how to enter and remove them."""
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    for lab in config.stash.get(_WATCHED, []):
        hosts = [host.name for host in lab.hosts if host.up]
        for host in hosts:
            yield f"host {host}, of a machine with load {load}", _asked(lab, host)
        if hosts and config.getoption("keep"):
            command = f"python -m lab --name {lab.name}"
            enter = "\n".join(f"{command} ssh {host}" for host in hosts)
            yield "the hosts are left up", f"{enter}\n{command} down    # when you have done"


def _asked(lab: Lab, host: str) -> str:
    ask = [*network.within(lab.name), *lab.ssh(host, [_ASK])]
    try:
        done = subprocess.run(
            ask, capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return "it does not answer within 30 s"
    return done.stdout + done.stderr
