"""Delivers call detail records on a switch: from FreeSWITCH's spool to a database or files.

This file alone travels to the host and runs there as ``deliver-calls CONFIGURATION``: it needs
Python 3.11 and, for a database, psycopg2. A record leaves the spool when it is safe where it
belongs, and one that comes again, after a crash in between, is not kept twice.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

__all__ = [
    "ASKED",
    "EMERGENCY",
    "LEG",
    "NOTIFIED",
    "ROUTE",
    "TABLE",
    "Database",
    "Files",
    "Record",
    "Unreachable",
    "deliver",
    "main",
    "record_of",
]

BATCH = 500
HALF_WRITTEN_SECONDS = 60
"""A file that is no JSON after so long will never be: FreeSWITCH or the host died over it."""
RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Record:
    """One call: what one caller did, from its first number to the end. docs/cdr.md."""

    id: str
    switch: str
    direction: str
    caller: str
    dialled: str
    answered_by: str | None
    trunk: str | None
    queue: str | None
    agent: str | None
    started: datetime
    answered: datetime | None
    joined: datetime | None
    ended: datetime
    seconds: int
    talk_seconds: int
    cause: str
    recording: str | None
    forwarded_by: str | None


NAMES = tuple(field.name for field in fields(Record))

TABLE = """
CREATE TABLE calls (
    id uuid PRIMARY KEY,
    switch text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('internal', 'in', 'out')),
    caller text NOT NULL,
    dialled text NOT NULL,
    answered_by text,
    trunk text,
    queue text,
    agent text,
    started timestamptz NOT NULL,
    answered timestamptz,
    joined timestamptz,
    ended timestamptz NOT NULL,
    seconds integer NOT NULL,
    talk_seconds integer NOT NULL,
    cause text NOT NULL,
    recording text,
    forwarded_by text
);
CREATE INDEX calls_started ON calls (started);
CREATE INDEX calls_ended ON calls (ended);
"""

COLUMN = "ALTER TABLE calls ADD COLUMN IF NOT EXISTS forwarded_by text"
"""A column that tables of an earlier release lack."""

LEG = "{^^;trunk="
"""Beginning of a call to a carrier in the dialplan, before the trunk's name."""
_TRUNK = re.compile(f"{re.escape(LEG)}([a-z0-9-]+);")
ROUTE = "route-"
"""Beginning of the name by which the dialplan leads a call to a route, before the route's name."""
EMERGENCY = "emergency-"
"""Beginning of the name by which it leads one to an emergency number, before that number."""
NOTIFIED = f"{EMERGENCY}told"
"""Name of what a phone runs that tells of somebody's emergency call."""
ASKED = "asked-"
"""Beginning of the name of a number outside that rings among others: for whom, and where."""
_ASKED = re.compile(rf"{ASKED}([0-9]{{2,15}})-(\+?[0-9]{{2,20}})")


def record_of(leg: Mapping[str, Any]) -> Record | None:
    """Return the call of one of FreeSWITCH's legs, or None where the leg is a part of another's
    call.

    FreeSWITCH's own words for it are no help: after a transfer or a pick-up a caller's leg counts
    as a called one, and a called one that is sent on makes a call of its own. So a call is what
    went through the dialplan, or was begun by the switch to tell somebody something.
    """
    said: Mapping[str, str] = leg["variables"]
    flow: Sequence[Mapping[str, Any]] = leg["callflow"]
    if "paged" in said:
        # The conference that pages it counts as its dialplan.
        return None
    # The newest is first.
    routed = [step["caller_profile"] for step in flow if "extension" in step]
    if not routed and "notification" not in said:
        return None
    first = routed[-1] if routed else flow[-1]["caller_profile"]
    caller = said.get("sip_auth_username") or first.get("caller_id_number") or ""
    dialled = first["destination_number"]
    if dialled == NOTIFIED:
        # Its phone has only rung for another's call.
        return None
    if asked := _ASKED.fullmatch(dialled):
        # One of those that rang for somebody's call: it is a call of its own.
        caller, dialled = asked.groups()
    direction, trunk = "internal", said.get("trunk")
    if trunk is not None:
        direction = "in"
    elif any(one["destination_number"].startswith((ROUTE, EMERGENCY)) for one in routed):
        direction = "out"
        ran = leg.get("app_log", {}).get("applications", [])
        tried = [found[1] for one in ran if (found := _TRUNK.match(one["app_data"]))]
        trunk = tried[-1] if tried else None
    return Record(
        id=said["uuid"],
        switch=leg["switchname"],
        direction=direction,
        caller=caller,
        dialled=dialled,
        answered_by=_answered_by(said, flow),
        trunk=trunk,
        queue=said.get("cc_queue"),
        agent=said.get("cc_agent"),
        started=_moment(said["start_uepoch"]) or datetime.fromtimestamp(0, UTC),
        answered=_moment(said.get("answer_uepoch")),
        joined=_joined(flow),
        ended=_moment(said["end_uepoch"]) or datetime.fromtimestamp(0, UTC),
        seconds=int(said["duration"]),
        talk_seconds=int(said["billsec"]),
        cause=said["hangup_cause"],
        recording=said.get("recording") or said.get("cc_record_filename"),
        forwarded_by=_number(said.get("forwarded_by", "")),
    )


def _answered_by(said: Mapping[str, str], flow: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the number of whoever the caller was joined with last."""
    if "last_bridge_to" not in said:
        return None
    for step in flow:
        for one in step["caller_profile"].get("originatee", {}).get(_ORIGINATEES, [])[-1:]:
            called = str(one["destination_number"])
            # One that was picked up was calling itself.
            return called if _NUMBER.fullmatch(called) else str(one["caller_id_number"])
    # A pick-up: each side is told the other's number.
    return str(flow[0]["caller_profile"]["caller_id_number"])


def _number(encoded: str) -> str | None:
    """Return the number that mod_json_cdr has written, a plus as %2B."""
    number = unquote(encoded)
    return number if _NUMBER.fullmatch(number) else None


_ORIGINATEES = "originatee_caller_profiles"
_NUMBER = re.compile(r"\+?[0-9*#]+")


def _joined(flow: Sequence[Mapping[str, Any]]) -> datetime | None:
    """Return the moment of the first join: a transfer begins a step of its own, with times of its
    own."""
    moments = [step.get("times", {}).get("bridged_time", "0") for step in flow]
    return _moment(min((one for one in moments if int(one)), key=int, default=None))


def _moment(microseconds: str | None) -> datetime | None:
    since = int(microseconds or 0)
    return datetime.fromtimestamp(since / 1e6, UTC) if since else None


class Unreachable(Exception):
    """The records cannot be kept now; they wait."""


class Unfit(Exception):
    """A record among these will never be taken."""


class Keeper(Protocol):
    """Where records are kept."""

    def keep(self, records: Sequence[Record]) -> None:
        """Keep them for good, each once however often it comes, or raise."""

    def kept(self) -> None:
        """Note that the records have left the spool."""

    def forget(self, before: datetime) -> None:
        """Delete what ended before a moment."""


class Database:
    """The table ``calls`` of a PostgreSQL database."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        # Where files are kept, the host has no psycopg2.
        import psycopg2  # type: ignore[import-untyped]
        import psycopg2.extras  # type: ignore[import-untyped]

        self._psycopg2, self._parameters = psycopg2, dict(parameters)
        self._connection: Any = None

    def keep(self, records: Sequence[Record]) -> None:
        """Keep them in one transaction."""
        command = f"INSERT INTO calls ({', '.join(NAMES)}) VALUES %s ON CONFLICT (id) DO NOTHING"
        rows = [astuple(one) for one in records]
        self._run(lambda cursor: self._psycopg2.extras.execute_values(cursor, command, rows))

    def kept(self) -> None:
        """Do nothing: nothing is left to do."""

    def forget(self, before: datetime) -> None:
        """Delete by the moment at which the call ended."""
        self._run(lambda cursor: cursor.execute("DELETE FROM calls WHERE ended < %s", (before,)))

    def _run(self, work: Any) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            # Commits, or rolls back.
            with self._connection, self._connection.cursor() as cursor:
                work(cursor)
        except (self._psycopg2.DataError, self._psycopg2.IntegrityError) as refused:
            raise Unfit(str(refused).strip()) from None
        except self._psycopg2.Error as lost:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise Unreachable(str(lost).strip() or type(lost).__name__) from None

    def _connect(self) -> Any:
        made = self._psycopg2.connect(connect_timeout=5, tcp_user_timeout=20000, **self._parameters)
        with made, made.cursor() as cursor:
            cursor.execute("SELECT to_regclass('calls')")
            if cursor.fetchone()[0] is None:
                cursor.execute(TABLE)
            cursor.execute("SELECT * FROM calls LIMIT 0")
            if NAMES[-1] not in (column[0] for column in cursor.description):
                cursor.execute(COLUMN)
        return made


class Files:
    """A file a day, by the moment (UTC) at which the call ended: JSON a line, or CSV."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self._open = folder / "unfinished"
        """File that is there while records may be in a file and in the spool."""

    def keep(self, records: Sequence[Record]) -> None:
        """Append, and force to the disk."""
        was_cut_short = self._open.exists()
        days: dict[str, list[Record]] = {}
        for one in records:
            days.setdefault(f"{one.ended:%Y-%m-%d}", []).append(one)
        try:
            self._open.touch()
            for day, members in days.items():
                self._append(self._folder / f"{day}.{self._suffix}", members, was_cut_short)
        except OSError as wrong:
            raise Unreachable(str(wrong)) from None

    def kept(self) -> None:
        """Note that what comes now is new."""
        self._open.unlink()

    def forget(self, before: datetime) -> None:
        """Delete whole days."""
        for file in self._folder.glob("????-??-??.*"):
            if file.stem < f"{before:%Y-%m-%d}":
                file.unlink()

    @property
    def _suffix(self) -> str:
        return {"json": "jsonl", "csv": "csv"}[self._kind]

    def _append(self, file: Path, records: Iterable[Record], was_cut_short: bool) -> None:
        with file.open("a+", encoding="utf-8", newline="") as opened:
            if was_cut_short:
                there = _whole_lines(opened)
                records = [one for one in records if one.id not in there]
            opened.seek(0, os.SEEK_END)
            if self._kind == "csv":
                writer = csv.writer(opened)
                if opened.tell() == 0:
                    writer.writerow(NAMES)
                writer.writerows([_cell(value) for value in astuple(one)] for one in records)
            else:
                for one in records:
                    named = zip(NAMES, astuple(one), strict=True)
                    line = {name: value if _plain(value) else _text(value) for name, value in named}
                    opened.write(json.dumps(line, ensure_ascii=False) + "\n")
            opened.flush()
            os.fsync(opened.fileno())


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _whole_lines(opened: Any) -> set[str]:
    """Cut a line off that was not written to its end; return the records that are there."""
    opened.seek(0)
    text = opened.read()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        opened.truncate(len(whole.encode()))
    return {found[0] for line in whole.splitlines() if (found := _ID.search(line))}


def _plain(value: object) -> bool:
    return value is None or isinstance(value, int)


_FORMULA = re.compile(r"[=+@\t\r\n-](?![0-9*#]+\Z)")
"""Beginning of a cell that a spreadsheet would run; a number of the telephone network is none."""


def _cell(value: object) -> str:
    text = _text(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return "" if value is None else str(value)


def deliver(spool: Path, keeper: Keeper) -> int:
    """Deliver what is in the spool; return how many records. What cannot be read or kept is set
    aside, so that it holds up nothing."""
    delivered = 0
    for batch in _batches(sorted(spool.glob("*.json"))):
        read = {file: record for file, record in _read(batch)}
        records = {file: record for file, record in read.items() if record is not None}
        if records:
            _keep(records, keeper)
            delivered += len(records)
        for file in read:
            file.unlink(missing_ok=True)
        if records:
            keeper.kept()
    return delivered


def _keep(records: Mapping[Path, Record], keeper: Keeper) -> None:
    try:
        keeper.keep(list(records.values()))
    except Unfit as why:
        if len(records) > 1:
            for file, record in records.items():
                _keep({file: record}, keeper)
        else:
            (file,) = records
            _set_aside(file, str(why))


def _batches(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), BATCH):
        yield files[start : start + BATCH]


def _read(files: Iterable[Path]) -> Iterator[tuple[Path, Record | None]]:
    for file in files:
        try:
            leg = json.loads(file.read_text(encoding="utf-8", errors="replace"))
        except ValueError:
            # FreeSWITCH writes it in place: it may be at it now.
            if time.time() - file.stat().st_mtime > HALF_WRITTEN_SECONDS:
                _set_aside(file, "is no whole record")
            continue
        try:
            yield file, record_of(leg)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as wrong:
            _set_aside(file, f"is no record ({type(wrong).__name__}: {wrong})")


def _set_aside(file: Path, why: str) -> None:
    folder = file.parent / "refused"
    folder.mkdir(exist_ok=True)
    file.rename(folder / file.name)
    print(f"<3>{file.name} was set aside in {folder}: {why}", file=sys.stderr)


def _forget_refused(spool: Path, before: datetime) -> None:
    for file in (spool / "refused").glob("*.json"):
        if file.stat().st_mtime < before.timestamp():
            file.unlink()


def main(configuration: Path) -> None:
    """Deliver until the service is stopped."""
    given = json.loads(configuration.read_text())
    spool, keep = Path(given["spool"]), timedelta(days=given["keep_days"])
    keeper: Keeper
    if given["to"] == "database":
        parameters = dict(given["database"])
        if "password" in parameters:
            secret = Path(parameters["password"]).read_text()
            parameters["password"] = secret.removeprefix("password ").rstrip("\n")
        keeper = Database(parameters)
    else:
        keeper = Files(Path(given["folder"]), given["to"])
    cleaned, waiting = float("-inf"), False
    while True:
        pause = 1.0
        try:
            delivered = deliver(spool, keeper)
            if waiting and delivered:
                print(f"<5>{delivered} records that had waited are delivered", file=sys.stderr)
            if time.monotonic() - cleaned > 3600:
                keeper.forget(datetime.now(UTC) - keep)
                _forget_refused(spool, datetime.now(UTC) - keep)
                cleaned = time.monotonic()
            waiting = False
        except Unreachable as why:
            if not waiting:
                print(f"<3>Records wait in {spool}: {why}", file=sys.stderr)
            waiting, pause = True, RETRY_SECONDS
        time.sleep(pause)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
