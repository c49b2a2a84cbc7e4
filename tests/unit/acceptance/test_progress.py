"""The bar, on a terminal that keeps what is written to it."""

from __future__ import annotations

import io
import re

import pytest

from tests.acceptance.support import progress
from tests.acceptance.support.progress import Progress, terminal
from tests.acceptance.support.proofs import COLUMNS, columns, fitted, padded


class Terminal(io.StringIO):
    """Lines of a terminal; of its movements it knows those that the bar uses."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        away, up, rest = re.fullmatch(r"(\r\x1b\[(\d+)A\x1b\[J)?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
        if away:
            del self.lines[-int(up) :]
        self.lines += rest.splitlines()
        return len(text)


@pytest.fixture
def screen() -> Terminal:
    return Terminal()


@pytest.fixture
def bar(screen: Terminal) -> Progress:
    made = Progress(screen.lines.append, screen)
    made.total = 4
    return made


def test_the_bar_tells_what_is_under_way_and_waited_for(bar: Progress, screen: Terminal) -> None:
    bar.begin("a", "T2 call: It rings")
    bar.begin("b", "T3 service: It parks")
    bar.wait("b", "the end of the music")
    assert screen.lines == [
        "[........................] 0 of 4 done, 0 failed",
        "  T2 call: It rings",
        "  T3 service: It parks: waits for the end of the music",
    ]
    bar.wait("b", "")
    bar.end("a")
    assert screen.lines == [
        "[######..................] 1 of 4 done, 0 failed",
        "  T3 service: It parks",
    ]
    bar.clear()
    assert screen.lines == []


def test_a_failure_stays_above_the_bar(bar: Progress, screen: Terminal) -> None:
    bar.begin("a", "It rings")
    bar.fail(["FAILED It rings", "       it did not"])
    bar.end("a")
    assert screen.lines == [
        "FAILED It rings",
        "       it did not",
        "[######..................] 1 of 4 done, 1 failed",
    ]


def test_many_tests_and_long_names_keep_the_bar_small(
    bar: Progress, screen: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for number in range(20):
        bar.begin(str(number), "It goes on and on " * 9)
        bar.wait(str(number), "what never comes, " * 9)
    assert len(screen.lines) == 8
    assert screen.lines[-1] == "  and 14 more"
    assert max(map(columns, screen.lines)) == 79
    assert all("…: waits for what never comes" in line for line in screen.lines[1:7])


def test_elsewhere_a_line_is_printed_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    plain = Progress(said.append, None)
    plain.begin("a", "It goes on and on " * 9)
    plain.begin("b", "It rings")
    assert said == []
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0)
    plain.wait("a", "what never comes, " * 9)
    (line,) = said
    assert line.startswith("0 of 0 done, 0 failed; under way: It goes on")
    assert ": waits for what never co…" in line
    assert line.endswith(" and 1 more")
    assert columns(line) <= COLUMNS


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"TERM": "xterm"}, True), ({}, False), ({"TERM": "dumb"}, False),
     ({"TERM": "xterm", "CI": "true"}, False)],
)  # fmt: skip
def test_a_bar_is_for_terminals_that_somebody_looks_at(
    screen: Terminal, environment: dict[str, str], expected: bool
) -> None:
    monkeypatched = type("Tty", (Terminal,), {"isatty": lambda self: True})()
    assert terminal(monkeypatched, environment) is expected
    assert not terminal(screen, environment)


def test_texts_are_fitted_by_columns() -> None:
    assert fitted("It rings [udp]", 14) == "It rings [udp]"
    assert fitted("It rings [udp]", 13) == "It rin… [udp]"
    assert fitted("It rings", 5) == "It r…"
    assert fitted("转接转接", 8) == "转接转接"
    assert fitted("转接转接", 7) == "转接转…"
    assert padded("转接", 6) == "转接  "
