"""Counts of caps, as they are on a switch or in the database of all of them.

This file alone travels to a host and runs there as ``counts KIND WHERE CAPS``, with an answer as
JSON on its standard output: it needs Python 3.11, and psycopg2 where KIND is ``pool`` and WHERE
what libpq connects by. Else KIND is ``file``. CAPS is JSON: the seconds that each cap looks back
on, by its name.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["TABLE", "TABLE_OF_FILE", "main", "of_file", "of_pool"]

TABLE = "caps_counted"
"""Table in a database of all switches, which has others, too."""
TABLE_OF_FILE = "counted"
"""Table of a switch that counts by itself."""

_USED = """
SELECT whose, COUNT(DISTINCT attempt), SUM(reserved), SUM(reserved * price) FROM {table}
WHERE cap = {mark} AND {now} - {mark} < seen GROUP BY whose ORDER BY whose
"""

Rows = list[dict[str, Any]]
"""Use of each cap, for each whose calls it counts: calls, seconds, and money in
ten-thousandths times 60."""


def of_file(where: str, caps: Mapping[str, int]) -> Rows:
    """Return what a switch has counted by itself: nothing, where there was no call."""
    if not Path(where).exists():
        return []
    connection = sqlite3.connect(f"{Path(where).as_uri()}?mode=rw", uri=True, timeout=9)
    there = f"SELECT MAX(name) FROM sqlite_master WHERE name = '{TABLE_OF_FILE}'"
    now = "CAST(strftime('%s', 'now') AS INTEGER)"
    asked = _USED.format(table=TABLE_OF_FILE, mark="?", now=now)
    return _rows(connection.cursor(), there, asked, caps)


def of_pool(connection: Any, caps: Mapping[str, int]) -> Rows:
    """Return what all switches have counted."""
    there = f"SELECT to_regclass('{TABLE}')"
    now = "CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)"
    asked = _USED.format(table=TABLE, mark="%s", now=now)
    return _rows(connection.cursor(), there, asked, caps)


def _rows(cursor: Any, there: str, asked: str, caps: Mapping[str, int]) -> Rows:
    cursor.execute(there)
    if cursor.fetchone()[0] is None:
        return []
    rows = []
    for cap, seconds in caps.items():
        cursor.execute(asked, (cap, seconds))
        rows += [
            {"cap": cap, "whose": whose, "calls": int(calls), "seconds": int(talk), "money": int(m)}
            for whose, calls, talk, m in cursor.fetchall()
        ]
    return rows


def main(words: list[str]) -> int:
    """Print what is used, or why nobody knows; the exit code is 1 then."""
    kind, where, text = words
    caps = json.loads(text)
    if kind == "file":
        try:
            rows = of_file(where, caps)
        except sqlite3.Error as wrong:
            return _failed(wrong)
    else:
        # Where nothing is shared, there is none.
        import psycopg2  # type: ignore[import-untyped]

        try:
            rows = of_pool(psycopg2.connect(where), caps)
        except psycopg2.Error as wrong:
            return _failed(wrong)
    print(json.dumps(rows))
    return 0


def _failed(wrong: Exception) -> int:
    print(" ".join(str(wrong).split()) or type(wrong).__name__, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
