"""Display of the tests under way and of what they wait for: a bar on a terminal, elsewhere a line
now and then."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TextIO

from tests.acceptance.support.proofs import COLUMNS, columns, fitted

_BAR_COLUMNS = 24
_SHOWN = 6
_LINE_SECONDS = 15.0


def terminal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether lines that were written there can be drawn anew."""
    return stream.isatty() and environment.get("TERM", "dumb") != "dumb" and "CI" not in environment


class Progress:
    """The tests under way, by their names, and how many of all are done."""

    def __init__(self, say: Callable[[str], None], screen: TextIO | None) -> None:
        """Begin with nothing under way. `say` prints a whole line; `screen` is the terminal."""
        self.total = 0
        self._say, self._screen = say, screen
        self._names: dict[str, str] = {}
        self._waits: dict[str, str] = {}
        self._done, self._failed = 0, 0
        self._height = 0
        self._told = time.monotonic()

    def begin(self, test: str, name: str) -> None:
        """Take note that a test has begun."""
        self._names[test] = name
        self._tell()

    def wait(self, test: str, what: str) -> None:
        """Take note of what a test waits for, nothing if it goes on."""
        if test in self._names:
            self._waits[test] = what
            self._tell()

    def end(self, test: str) -> None:
        """Take note that a test is over."""
        if self._names.pop(test, None) is not None:
            self._waits.pop(test, None)
            self._done += 1
            self._tell()

    def fail(self, lines: Iterable[str]) -> None:
        """Say at once that a test has failed, and how."""
        self._failed += 1
        self.clear()
        for line in lines:
            self._say(line)

    def clear(self) -> None:
        """Take the bar away, before something else is printed."""
        self._draw([])

    def _tell(self) -> None:
        if self._screen:
            width = min(shutil.get_terminal_size().columns - 1, COLUMNS)
            full = _BAR_COLUMNS * self._done // max(self.total, 1)
            lines = [f"[{'#' * full}{'.' * (_BAR_COLUMNS - full)}] {self._count}"]
            lines += [f"  {self._about(test, width - 2)}" for test in list(self._names)[:_SHOWN]]
            if len(self._names) > _SHOWN:
                lines.append(f"  and {len(self._names) - _SHOWN} more")
            self._draw([fitted(line, width) for line in lines])
        elif self._names and time.monotonic() - self._told >= _LINE_SECONDS:
            self._told = time.monotonic()
            begins = f"{self._count}; under way: "
            first = self._about(next(iter(self._names)), COLUMNS - len(begins) - 14)
            more = f" and {len(self._names) - 1} more" if len(self._names) > 1 else ""
            self._say(f"{begins}{first}{more}")

    def _draw(self, lines: list[str]) -> None:
        if self._screen and (lines or self._height):
            # In one piece, or it would flicker.
            away = f"\r\x1b[{self._height}A\x1b[J" if self._height else ""
            self._screen.write(away + "".join(f"{line}\n" for line in lines))
            self._screen.flush()
            self._height = len(lines)

    @property
    def _count(self) -> str:
        return f"{self._done} of {max(self.total, self._done)} done, {self._failed} failed"

    def _about(self, test: str, width: int) -> str:
        what = self._waits.get(test)
        end = fitted(f": waits for {what}", width // 2) if what else ""
        return fitted(self._names[test], width - columns(end)) + end
