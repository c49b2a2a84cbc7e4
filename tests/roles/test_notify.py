"""``python -m callcenter notify``: people are called with a notice, and each answer is told."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.support.audio import assert_speech
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.forks import Started
from tests.roles.conftest import EDGE, SITE, Operator
from tests.roles.support import phone_of

HOST = "notify1"
NOTICE = 'notices=[Notice("storm", say("A storm is coming. Stay at home."), number=6200)],\n    '


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.describe(SITE.replace("media=", NOTICE + "media="))
    made.succeed()
    return made


def start(operator: Operator, numbers: Path, *options: str) -> Started:
    """Return the command, as an operator types it."""
    return operator.callcenter.begun("notify", operator.inventory, "storm", numbers, *options)


def test_each_number_is_told(operator: Operator, exchange: Exchange, tmp_path: Path) -> None:
    phones = {n: phone_of(operator, HOST, exchange, n) for n in ("1001", "1002", "1003")}
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("1001,Ms Listener\n1002,Mr Impatient\n1003,Dr Busy\n1004,Nobody\n")
    # One at a time, so that the rate is seen and each phone answers in its turn.
    options = ["--rate", "2", "--attempts", "2", "--retry-after", "1", "--at-a-time", "1"]
    command = start(operator, numbers, *options)
    began = time.monotonic()
    # The command begins with all its imports.
    listening = phones["1001"].incoming(PATIENCE).answer()
    assert_speech(listening, seconds=1)
    assert listening.wait_ended().by == "them"
    impatient = phones["1002"].incoming().answer()
    impatient.hangup()
    for _ in range(2):
        phones["1003"].incoming().reject()
    out, err = command.communicate(timeout=PATIENCE)
    assert command.returncode == 0, err
    assert [tuple(row.values()) for row in csv.DictReader(io.StringIO(out))] == [
        ("1001", "heard", "1"),
        ("1002", "hung up", "1"),
        ("1003", "USER_BUSY", "2"),
        ("1004", "SUBSCRIBER_ABSENT" if EDGE else "USER_NOT_REGISTERED", "2"),
    ]
    # Six attempts at two a second.
    assert time.monotonic() - began > 2.5


@pytest.mark.parametrize(
    ("text", "options", "line"),
    [
        ("1001\n77\n", (), "line 2: '77' is no extension of the Site"),
        ("1001\n1001\n", (), "1001 is listed twice"),
        ("", (), "the list is empty"),
        ("1001\n", ("--rate", "1000"), "--rate: must be above 0 and at most 30"),
        ("1001\n", ("--attempts", "0"), "--attempts: must be 1 to 10"),
    ],
)
def test_refused(
    operator: Operator, tmp_path: Path, text: str, options: tuple[str, ...], line: str
) -> None:
    numbers = tmp_path / "numbers"
    numbers.write_text(text)
    _, err = (command := start(operator, numbers, *options)).communicate(timeout=PATIENCE)
    assert command.returncode == 1
    assert err.startswith(line)
