"""The delivery of call detail records: which legs are calls, and none lost or kept twice."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from callcenter.onhost.delivery import (
    NAMES,
    TABLE,
    Files,
    Record,
    Unfit,
    Unreachable,
    deliver,
    record_of,
)

START = datetime(2026, 11, 23, 23, 59, 50, tzinfo=UTC)


def step(number: str, caller: str = "1000", *joined: str, routed: bool = True) -> dict[str, Any]:
    """Return a step of a leg's way, as mod_json_cdr writes it."""
    profile: dict[str, Any] = {"caller_id_number": caller, "destination_number": number}
    if joined:
        profiles = [{"destination_number": one, "caller_id_number": "1009"} for one in joined]
        profile["originatee"] = {"originatee_caller_profiles": profiles}
    bridged = _micro(START + timedelta(seconds=2)) if joined else "0"
    made: dict[str, Any] = {"caller_profile": profile, "times": {"bridged_time": bridged}}
    return made | ({"extension": {"name": "a"}} if routed else {})


def _micro(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1e6))


def leg(*steps: dict[str, Any], ran: Sequence[str] = (), id: int = 1, **said: str) -> Any:
    variables = {
        "uuid": f"00000000-0000-0000-0000-{id:012}",
        "start_uepoch": _micro(START),
        "answer_uepoch": "0",
        "end_uepoch": _micro(START + timedelta(seconds=20)),
        "duration": "20",
        "billsec": "0",
        "hangup_cause": "NORMAL_CLEARING",
    }
    return {
        "switchname": "cc1",
        "variables": variables | said,
        "callflow": steps or (step("1001"),),
        "app_log": {"applications": [{"app_name": "x", "app_data": one} for one in ran]},
    }


def record(*steps: dict[str, Any], **more: Any) -> Record:
    made = record_of(leg(*steps, **more))
    assert made is not None
    return made


def test_a_call_between_extensions() -> None:
    made = record(
        step("extension-1001", "1000", "1001"),
        step("1001"),
        sip_auth_username="1000",
        last_bridge_to="b",
        answer_uepoch=_micro(START + timedelta(seconds=2)),
        billsec="18",
        recording="/a.wav",
    )
    assert (made.direction, made.caller, made.dialled, made.answered_by) == (
        "internal",
        "1000",
        "1001",
        "1001",
    )
    assert made.answered == made.joined == START + timedelta(seconds=2)
    assert (made.seconds, made.talk_seconds, made.recording) == (20, 18, "/a.wav")


def test_a_mobile_that_rang_among_others() -> None:
    """It is a call of the extension in whose name it was rung"""
    made = record(
        step("route-national-+491701234567", "+431555000", "+491701234567"),
        step("01701234567", "+431555000"),
        step("asked-1001-01701234567", "+431555000"),
        ran=["{^^;trunk=a;x=y}sofia/gateway/a/+491701234567"],
    )
    assert (made.direction, made.caller, made.dialled, made.trunk) == (
        "out",
        "1001",
        "01701234567",
        "a",
    )


def test_a_phone_that_tells_of_an_emergency_call() -> None:
    """The call is somebody else's, who has a record of it."""
    assert record_of(leg(step("emergency-told", "1003"), last_bridge_to="b")) is None
    assert record(step("emergency-999", "1002"), step("999", "1002")).direction == "out"


def test_a_caller_is_who_proved_it_and_not_who_says_so() -> None:
    assert record(step("1001", "1009"), sip_auth_username="1000").caller == "1000"


def test_a_call_from_outside() -> None:
    made = record(step("+493012345", "+4989"), trunk="carrier")
    assert (made.direction, made.trunk, made.caller, made.dialled) == (
        "in",
        "carrier",
        "+4989",
        "+493012345",
    )


def test_a_call_to_outside_names_the_last_trunk_that_was_tried() -> None:
    ran = [
        "hash trunk a 2 bridge {^^;trunk=a;b=c}sofia/gateway/a/+4930",
        "{^^;trunk=a;b=c}sofia/gateway/a/+4930",
        "hash trunk b 2 bridge {^^;trunk=b;b=c}sofia/gateway/b/+4930",
        "{^^;trunk=b;b=c}sofia/gateway/b/+4930",
        "hash trunk full 2 bridge {^^;trunk=full;b=c}sofia/gateway/full/+4930",
    ]
    made = record(step("route-national-+4930"), step("030"), ran=ran)
    assert (made.direction, made.trunk, made.dialled) == ("out", "b", "030")
    barred = record(step("route-national-+4930"), step("030"))
    assert (barred.direction, barred.trunk) == ("out", None)


def test_a_queue_names_its_agent_and_when_the_agent_came() -> None:
    made = record(
        step("left-sales"),
        step("queue-sales", "1000", "1002"),
        step("7000"),
        cc_queue="sales",
        cc_agent="1002",
        last_bridge_to="b",
        cc_record_filename="/q.wav",
    )
    assert (made.queue, made.agent, made.answered_by) == ("sales", "1002", "1002")
    assert made.joined == START + timedelta(seconds=2)
    assert made.recording == "/q.wav"


def test_whoever_picks_up_is_who_answered() -> None:
    caller = record(step("extension-1004", "1005"), step("1004"), last_bridge_to="b")
    assert (caller.caller, caller.answered_by) == ("1000", "1005")
    picker = record(step("pickup", "1005", "extension-1004"), last_bridge_to="a")
    assert picker.answered_by == "1009"


@pytest.mark.parametrize(
    "part",
    [
        leg(step("1001", routed=False)),
        leg(step("1002", routed=False), cc_side="agent", cc_agent="1002", cc_queue="sales"),
        leg(step("1002"), paged="true"),
    ],
)
def test_a_called_leg_is_a_part_of_the_callers_call(part: Any) -> None:
    assert record_of(part) is None


def test_a_called_leg_that_is_sent_on_is_a_call_of_its_own() -> None:
    made = record(step("1007", "1001", "1007"), step("1001", routed=False), last_bridge_to="c")
    assert (made.caller, made.dialled, made.answered_by) == ("1001", "1007", "1007")


def test_a_notice_that_nobody_hears_is_a_call() -> None:
    made = record(step("1001", routed=False), notification="storm", hangup_cause="NO_ANSWER")
    assert (made.dialled, made.cause) == ("1001", "NO_ANSWER")


def test_the_table_is_the_record() -> None:
    lines = [line.split()[0] for line in TABLE.splitlines() if line.startswith("    ")]
    assert tuple(lines) == NAMES
    documented = (Path(__file__).parents[2] / "docs" / "cdr.md").read_text()
    rows = [line.split("`")[1] for line in documented.splitlines() if line.startswith("| `")]
    assert tuple(rows) == NAMES


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    made = tmp_path / "spool"
    made.mkdir()
    return made


def spooled(spool: Path, *numbers: int, content: str | None = None) -> None:
    for number in numbers:
        text = content if content is not None else json.dumps(leg(id=number))
        (spool / f"{number}.cdr.json").write_text(text)


def ids(folder: Path, kind: str) -> list[int]:
    """Return those of the records in all files, in order."""
    out = []
    for file in sorted(folder.glob("*.jsonl" if kind == "json" else "*.csv")):
        with file.open(newline="") as opened:
            rows = csv.DictReader(opened) if kind == "csv" else map(json.loads, opened)
            out += [int(row["id"][-12:]) for row in rows]
    return out


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_files_of_the_day_on_which_a_call_ended(kind: str, spool: Path, tmp_path: Path) -> None:
    spooled(spool, 1, 2)
    assert deliver(spool, Files(tmp_path, kind)) == 2
    spooled(spool, 3)
    deliver(spool, Files(tmp_path, kind))
    assert ids(tmp_path, kind) == [1, 2, 3]
    assert not list(spool.iterdir())
    (file,) = (file for file in tmp_path.iterdir() if file.is_file())
    assert file.stem == "2026-11-24"


class Interrupted(Exception):
    """A crash."""


@pytest.mark.parametrize("kind", ["json", "csv"])
@pytest.mark.parametrize("cut", [0, 10])
def test_a_crash_between_keeping_and_deleting_keeps_no_record_twice(
    kind: str, cut: int, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooled(spool, 1)
    deliver(spool, Files(tmp_path, kind))
    spooled(spool, 2, 3, 4)
    deleted: list[Path] = []
    really = Path.unlink

    def unlink(file: Path, missing_ok: bool = False) -> None:
        if deleted:
            raise Interrupted
        deleted.append(file)
        really(file, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(Interrupted):
        deliver(spool, Files(tmp_path, kind))
    monkeypatch.undo()
    (file,) = (file for file in tmp_path.glob("2026*"))
    # A line that was not written to its end.
    os.truncate(file, file.stat().st_size - cut)
    spooled(spool, 5)
    deliver(spool, Files(tmp_path, kind))
    assert ids(tmp_path, kind) == [1, 2, 3, 4, 5]
    assert not list(spool.iterdir())


class Away:
    """A database that is down, or that refuses some records for good."""

    def __init__(self, refuses: Callable[[Record], Exception | None]) -> None:
        self.refuses = refuses
        self.records: list[Record] = []

    def keep(self, records: Sequence[Record]) -> None:
        for one in records:
            if (why := self.refuses(one)) is not None:
                raise why
        self.records += records

    def kept(self) -> None:
        pass

    def forget(self, before: datetime) -> None:
        pass


def test_records_wait_while_they_cannot_be_kept(spool: Path) -> None:
    spooled(spool, 1, 2)
    with pytest.raises(Unreachable):
        deliver(spool, Away(lambda _: Unreachable("away")))
    assert len(list(spool.glob("*.json"))) == 2


def test_a_record_that_is_never_taken_holds_up_no_other(spool: Path) -> None:
    spooled(spool, 1, 2, 3)
    keeper = Away(lambda one: Unfit("bad") if one.id.endswith("2") else None)
    deliver(spool, keeper)
    assert [one.id[-1] for one in keeper.records] == ["1", "3"]
    assert [file.name for file in (spool / "refused").iterdir()] == ["2.cdr.json"]


@pytest.mark.parametrize("content", ["{", "", "[]", '{"variables": {}}'])
def test_what_is_no_record_is_set_aside_once_nobody_writes_it(
    content: str, spool: Path, tmp_path: Path
) -> None:
    spooled(spool, 1, content=content)
    spooled(spool, 2)
    deliver(spool, Files(tmp_path, "json"))
    assert ids(tmp_path, "json") == [2]
    half = spool / "1.cdr.json"
    if half.exists():
        assert content in ("{", "")
        os.utime(half, (0, 0))
        deliver(spool, Files(tmp_path, "json"))
    assert (spool / "refused" / "1.cdr.json").read_text() == content


def test_what_is_no_utf8_is_kept(spool: Path, tmp_path: Path) -> None:
    text = json.dumps(leg(step("1001", "ABC"))).encode().replace(b"ABC", b"\xff\xfe")
    (spool / "1.cdr.json").write_bytes(text)
    assert deliver(spool, Files(tmp_path, "json")) == 1


@pytest.mark.parametrize(
    ("dialled", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("+cmd", "'+cmd"),
        ("+4930123456", "+4930123456"),
        ("*97", "*97"),
    ],
)
def test_a_cell_is_no_formula(dialled: str, cell: str, spool: Path, tmp_path: Path) -> None:
    spooled(spool, 1, content=json.dumps(leg(step(dialled, "1001"))))
    deliver(spool, Files(tmp_path, "csv"))
    (file,) = tmp_path.glob("*.csv")
    (row,) = csv.DictReader(file.read_text().splitlines())
    assert row["dialled"] == cell


def test_old_days_are_deleted(tmp_path: Path) -> None:
    for name in ("2026-01-01.jsonl", "2026-01-02.csv", "2026-01-03.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    Files(tmp_path, "json").forget(datetime(2026, 1, 3, 12, tzinfo=UTC))
    assert {file.name for file in tmp_path.iterdir()} == {"2026-01-03.jsonl", "notes.txt"}
