"""Lines that the call centre's services have logged on a host, in order of time.

This file alone travels to the host, by standard input, and needs Python 3.11:
``logs TIMEZONE SINCE LOG past|follow UNIT…``. SINCE is a moment in seconds, or less than nothing:
seconds ago. Each line that it prints is a JSON object of its own, so that nothing that a peer has
had logged is taken for a line.
"""

from __future__ import annotations

import functools
import gzip
import heapq
import io
import itertools
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["Line", "from_file", "from_journal", "in_order", "main"]

Line = tuple[float, str, str]
"""Moment, program and text."""

_STAMP = re.compile(
    r"(?:[0-9a-f-]{36} )?([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}):([0-9]{2}\.[0-9]+) "
)
"""Beginning of a line of FreeSWITCH's: the call's UUID, and the moment."""
_JSON = ("--no-pager", "--quiet", "--output=json")


@functools.lru_cache(maxsize=8)
def _minute(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M"))


def from_file(lines: Iterable[str], at: float = 0.0) -> Iterator[Line]:
    """Read lines of FreeSWITCH's file. One without a moment goes on the line before, which came
    ``at`` a moment where it is not there."""
    for line in lines:
        text = line.rstrip("\r\n")
        if begin := _STAMP.match(text):
            at = _minute(begin[1]) + float(begin[2])
            yield at, "freeswitch", text[begin.end() :]
        elif text:
            yield at, "freeswitch", f"    {text}"


def from_journal(lines: Iterable[str]) -> Iterator[tuple[str, Line]]:
    """Read entries of the journal, each with the cursor that comes after it."""
    for line in lines:
        entry: dict[str, Any] = json.loads(line)
        said = entry.get("MESSAGE") or ""
        if isinstance(said, list):
            # What is no UTF-8 comes as numbers.
            said = bytes(said).decode(errors="replace")
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        by = str(entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "?").rpartition("/")[2]
        for number, text in enumerate(str(said).splitlines()):
            yield entry["__CURSOR"], (at, by, f"    {text}" if number else text)


def in_order(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield lines by their moments. What has several threads or processes writes some a little
    late, so each waits until one comes that is a second younger."""
    held: list[tuple[float, int, Line]] = []
    newest = 0.0
    for number, line in enumerate(lines):
        heapq.heappush(held, (line[0], number, line))
        newest = max(newest, line[0])
        while newest - held[0][0] > 1:
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]


def _old(log: Path, since: float) -> Iterator[str]:
    """Yield the lines of a log's older files that may be as young as that, the oldest first."""
    older = sorted(
        (one for one in log.parent.glob(f"{log.name}.*") if one.stat().st_mtime >= since),
        key=lambda one: one.stat().st_mtime,
    )
    for path in older:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", errors="replace") as stream:
            yield from stream


def _print(line: Line) -> None:
    print(json.dumps(line), flush=True)


def _young(lines: Iterable[str], log: Path, since: float) -> Iterator[Line]:
    """Read what a log's older files and then its lines say since a moment."""
    for line in from_file(itertools.chain(_old(log, since), lines)):
        if line[0] >= since:
            yield line


def main(words: list[str]) -> int:
    """Print what was logged, and what comes where that is asked for."""
    zone, since, file, wanted, *names = words
    if os.geteuid() != 0:
        # The journal would show its own lines alone, and say nothing.
        print("root alone reads all logs; set _sudo=True", file=sys.stderr)
        return 1
    os.environ["TZ"] = zone
    time.tzset()
    begun = time.time()
    moment = float(since) if float(since) >= 0 else begun + float(since)
    log, units = Path(file), [f"--unit={name}" for name in names]
    cursor = ""

    def entries() -> Iterator[Line]:
        nonlocal cursor
        asked = ["journalctl", *_JSON, f"--since=@{moment:.6f}", *units]
        with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as journal:
            for after, line in from_journal(journal.stdout or ()):
                cursor = after
                yield line

    # An edge has no such file.
    current = log.open("rb") if log.exists() else io.BytesIO()
    said = (line.decode(errors="replace") for line in current)
    for line in in_order(heapq.merge(_young(said, log, moment), entries())):
        _print(line)
    if wanted == "follow":
        size = current.tell()
        since = f"--after-cursor={cursor}" if cursor else f"--since=@{begun:.6f}"
        _follow(
            ["tail", f"--bytes=+{size + 1}", "--follow=name", "--retry", file],
            ["journalctl", *_JSON, "--follow", "--no-tail", since, *units],
        )
    return 0


def _follow(tail: list[str], journal: list[str]) -> None:
    """Print what two programs say, until one of them ends or nobody reads it."""
    with (
        subprocess.Popen(tail, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as file,
        subprocess.Popen(journal, stdout=subprocess.PIPE) as entries,
    ):
        assert file.stdout
        assert entries.stdout
        of_file, reader = file.stdout.fileno(), sys.stdout.fileno()
        rest = {of_file: b"", entries.stdout.fileno(): b""}
        ready = select.poll()
        # For no event: that its reader is gone is told anyway.
        ready.register(reader, 0)
        for one in rest:
            ready.register(one, select.POLLIN)
        try:
            while True:
                for one, _ in ready.poll():
                    if one == reader or not (got := os.read(one, 65536)):
                        return
                    *whole, rest[one] = (rest[one] + got).split(b"\n")
                    said = [line.decode(errors="replace") for line in whole]
                    if one == of_file:
                        for line in from_file(said, time.time()):
                            _print(line)
                    else:
                        for _, line in from_journal(said):
                            _print(line)
        finally:
            file.terminate()
            entries.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
