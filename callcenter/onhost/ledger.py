"""Prepaid accounts on a switch: the tables that mod_nibblebill charges, and what an operator asks.

This file alone travels to the host and runs there as ``ledger prepare``, or as ``ledger`` with one
request as JSON on its standard input and an answer as JSON on its standard output: it needs Python
3.11 and psycopg2.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

__all__ = ["TABLES", "answer", "main"]

SOCKET, PORT = "/run/callcenter-billing", 6432
"""Folder of the pool's socket, and the port by which the socket is named there."""

TABLES = """
CREATE TABLE billing_accounts (
    name text PRIMARY KEY,
    balance numeric(18, 6) NOT NULL
);
CREATE TABLE billing_entries (
    number_in_order bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL REFERENCES billing_accounts,
    amount numeric(18, 6) NOT NULL,
    began timestamptz NOT NULL DEFAULT now(),
    ended timestamptz NOT NULL DEFAULT now(),
    top_up uuid UNIQUE,
    call uuid UNIQUE,
    extension text,
    number text,
    minute numeric(18, 6),
    CHECK ((top_up IS NULL) <> (call IS NULL))
);
CREATE INDEX billing_entries_account ON billing_entries (account, number_in_order);
"""

_LASTING = "CREATE INDEX billing_entries_ended ON billing_entries (account, ended)"
"""Index by which each beat of a call finds the calls that last; younger than the tables."""

_LACKS_IT = """
SELECT to_regclass('billing_entries_ended') IS NULL AND pg_get_userbyid(relowner) = current_user
FROM pg_class WHERE oid = 'billing_entries'::regclass
"""

_BOOK = """
WITH booked AS (
    INSERT INTO billing_entries (account, amount, top_up)
    VALUES (%(account)s, %(amount)s, %(id)s)
    ON CONFLICT (top_up) DO NOTHING RETURNING amount
)
UPDATE billing_accounts SET balance = balance + booked.amount FROM booked
WHERE name = %(account)s
"""

_STATEMENT = """
SELECT began, LEAST(ended, now()), amount, extension, number, minute FROM billing_entries
WHERE account = %s ORDER BY number_in_order DESC LIMIT %s
"""


def prepare(cursor: Any) -> None:
    """Make the tables where they are not there, and their index where it may be made."""
    cursor.execute("SELECT to_regclass('billing_entries')")
    if cursor.fetchone()[0] is None:
        cursor.execute("SELECT pg_advisory_xact_lock(5544871)")
        cursor.execute("SELECT to_regclass('billing_entries')")
        if cursor.fetchone()[0] is None:
            cursor.execute(TABLES)
    cursor.execute(_LACKS_IT)
    if cursor.fetchone()[0]:
        cursor.execute(_LASTING)


def answer(cursor: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked, in the transaction of the cursor."""
    account = asked["account"]
    if asked["do"] == "book":
        cursor.execute(
            "INSERT INTO billing_accounts VALUES (%s, 0) ON CONFLICT DO NOTHING", (account,)
        )
        cursor.execute(_BOOK, asked)
        booked = cursor.rowcount == 1
        if not booked:
            cursor.execute(
                "SELECT account = %(account)s AND amount = %(amount)s FROM billing_entries "
                "WHERE top_up = %(id)s",
                asked,
            )
            if not cursor.fetchone()[0]:
                raise ValueError("that id is of another booking; leave it out for a new one")
        return {"booked": booked, "balance": _balance(cursor, account)}
    if asked["do"] == "balance":
        return {"balance": _balance(cursor, account)}
    cursor.execute(_STATEMENT, (account, asked["lines"]))
    entries = [
        {
            "began": began.astimezone(UTC).isoformat(timespec="seconds"),
            "seconds": round((ended - began).total_seconds()),
            "amount": str(amount),
            "extension": extension,
            "number": number,
            "minute": None if minute is None else str(minute),
        }
        for began, ended, amount, extension, number, minute in reversed(cursor.fetchall())
    ]
    return {"entries": entries, "balance": _balance(cursor, account)}


def _balance(cursor: Any, account: str) -> str:
    cursor.execute("SELECT balance FROM billing_accounts WHERE name = %s", (account,))
    row = cursor.fetchone()
    return str(row[0] if row else Decimal(0))


def main(words: list[str]) -> int:
    """Serve one request; the exit code is 1 where nothing came of it."""
    # Where nothing is billed, there is none.
    import psycopg2  # type: ignore[import-untyped]

    asked = None if words else json.loads(sys.stdin.read())
    try:
        # The pool on this host: it knows the way to the database, and says at once if there is
        # none.
        connection = psycopg2.connect(host=SOCKET, port=PORT, dbname="billing", user="freeswitch")
        # Not as a context, which would hide what was lost behind a rollback that cannot be.
        cursor = connection.cursor()
        prepare(cursor)
        said = answer(cursor, asked) if asked is not None else {}
        connection.commit()
    except (psycopg2.Error, ValueError) as wrong:
        print(" ".join(str(wrong).split()) or type(wrong).__name__, file=sys.stderr)
        return 1
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
