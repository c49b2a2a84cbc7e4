"""Mails about limits: what is read, how often is mailed, what a number can bring along."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from callcenter.onhost import bans
from callcenter.onhost.alarm import (
    LIMITS,
    LOG,
    PERIOD_SECONDS,
    SETTLE_SECONDS,
    Alarm,
    Alarms,
    letter,
)
from callcenter.render import beside, freeswitch, paths, services
from callcenter.render.services._hits import Hit
from callcenter.render.where import needs_linux
from callcenter.site import Extension, OutboundLimits, Route, Site, Smtp, Switch, Trunk

pytestmark = pytest.mark.usefixtures("own_folder")

NOW = 1_800_000_000.0
PREFIX = "2026-11-26 10:50:{:02}.123456 99.93% [WARNING] mod_dptools.c:1865 "
CALLS = "Outbound limit (calls) of 1000 hit by a call to +4930555123"


def log(folder: Path, *lines: str, name: str = LOG, first: int = 0) -> None:
    with (folder / name).open("a") as opened:
        for second, line in enumerate(lines, first):
            opened.write(f"{PREFIX.format(second)}{line}\n")


def told(alarms: Alarms, now: float) -> dict[str, int]:
    """Return what is mailed now, with its hits."""
    alarms.read(now)
    out = {}
    for alarm in alarms.due(now):
        out[f"{alarm.limit} {alarm.whose}"] = alarm.hits
        alarms.mailed(alarm, now)
    return out


def test_one_mail_in_an_hour_however_often(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path)
    log(tmp_path, *[CALLS] * 7)
    assert told(alarms, NOW) == {}
    log(tmp_path, *[CALLS] * 5, first=7)
    assert told(alarms, NOW + SETTLE_SECONDS) == {"calls extension 1000": 12}
    log(tmp_path, *[CALLS] * 20)
    for seconds in (10, 1000, PERIOD_SECONDS):
        assert told(alarms, NOW + seconds) == {}
    next_hour = NOW + SETTLE_SECONDS + PERIOD_SECONDS
    assert told(alarms, next_hour) == {"calls extension 1000": 20}
    assert told(alarms, next_hour + 2 * PERIOD_SECONDS) == {}


def test_each_emergency_call_is_told_at_once(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path)
    for second in (0, 1):
        log(tmp_path, "Emergency call of 1000 to 112", first=second)
        assert told(alarms, NOW + second) == {"emergency extension 1000": 1}
    log(tmp_path, "Emergency call of  to 911", first=2)
    alarms.read(NOW + 2)
    [alarm] = alarms.due(NOW + 2)
    mail = letter(alarm, "cc1", "a@a.net", "b@a.net", "Europe/Berlin")
    assert mail["Subject"] == "Emergency call on cc1: extension unknown"
    assert mail.get_content().startswith("On cc1 extension unknown has called 911.\n")


@pytest.mark.parametrize(
    ("hit", "whose"),
    [
        (Hit("calls", extension="1000", called="+49301"), "calls extension 1000"),
        (Hit("hour", fax="office", called="+49301"), "hour fax office"),
        (Hit("trunk-hour", "a", extension="1000", called="+49301"), "trunk-hour trunk a"),
        (Hit("trunk-calls", "a", fax="office", called="+49301"), "trunk-calls trunk a"),
        (Hit("trunk-calls", "a"), "trunk-calls trunk a"),
    ],
)
def test_a_hit_is_read_as_it_is_written(hit: Hit, whose: str, tmp_path: Path) -> None:
    log(tmp_path, hit.line)
    alarms = Alarms(tmp_path)
    alarms.read(NOW)
    assert told(alarms, NOW + SETTLE_SECONDS) == {whose: 1}


def test_what_tells_of_guesses_is_read(tmp_path: Path) -> None:
    """The two programs lie on a host apart from each other."""
    (tmp_path / LOG).write_text(f"{bans.reported('1000', '203.0.113.7')}\n")
    alarms = Alarms(tmp_path)
    alarms.read(NOW)
    [alarm] = alarms.due(NOW + SETTLE_SECONDS)
    assert (alarm.limit, alarm.whose, alarm.calls) == (
        "guesses",
        "extension 1000",
        ["203.0.113.7"],
    )


def test_each_limit_and_each_owner_has_its_own(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path)
    log(
        tmp_path,
        CALLS,
        CALLS.replace("1000", "1001"),
        CALLS.replace("calls", "hour"),
        "Outbound limit (calls) of fax office hit by a call to +4930555123",
        "Outbound limit (trunk-hour) of trunk carrier-a hit by a call of 1000 to +4930555123",
        "Inbound limit (trunk-calls) of trunk carrier-a hit",
    )
    alarms.read(NOW)
    assert told(alarms, NOW + SETTLE_SECONDS) == {
        "calls extension 1000": 1,
        "calls extension 1001": 1,
        "hour extension 1000": 1,
        "calls fax office": 1,
        "trunk-hour trunk carrier-a": 1,
        "trunk-calls trunk carrier-a": 1,
    }


@pytest.mark.parametrize(
    "line",
    [
        "Balance of 1000 is not known",
        "Outbound limit (patience) of 1000 hit by a call to +4930",
        "Outbound limit (calls) of ../../etc/passwd hit by a call to +4930",
        "Outbound limit (calls) of 1000\r\nBcc: evil@callcenter.test hit",
        f"\u2028{PREFIX.format(0)}{CALLS}",
    ],
)
def test_no_other_line_counts(tmp_path: Path, line: str) -> None:
    alarms = Alarms(tmp_path)
    log(tmp_path, line)
    alarms.read(NOW)
    assert told(alarms, NOW + SETTLE_SECONDS) == {}


def test_a_number_brings_nothing_along(tmp_path: Path) -> None:
    """Though only digits should ever come"""
    alarms = Alarms(tmp_path)
    log(tmp_path, f"{CALLS}\x1b[2J<b>\u202e;$(id){'9' * 100}")
    alarms.read(NOW)
    (alarm,) = alarms.due(NOW + SETTLE_SECONDS)
    text = letter(alarm, "cc1", "a@b.net", "noc@b.net", "UTC").get_content()
    (call,) = [line for line in text.splitlines() if line.startswith("Call:")]
    assert call.startswith("Call:  to +4930555123??2?")
    assert len(call) <= 7 + 80
    assert set(call[7:]) <= set("abcdefghijklmnopqrstuvwxyz0123456789+ -?")


def test_what_a_mail_says() -> None:
    alarm = Alarm("hour", "extension 1000", 18, "2026-11-26 10:50:00", "2026-11-26 10:50:09")
    alarm.calls = ["to +4930555123", "to +4930555124"]
    message = letter(alarm, "cc1", "pbx@b.net", "noc@b.net", "Europe/Berlin")
    assert (message["From"], message["To"]) == ("pbx@b.net", "noc@b.net")
    assert message["Subject"] == "Limit hit on cc1: hour of extension 1000"
    assert message.get_content().splitlines() == [
        "On cc1 a limit of extension 1000 was hit 18 times.",
        "",
        "Limit: calls outside within an hour (outbound_limits.calls_per_hour)",
        "First: 2026-11-26 10:50:00 (Europe/Berlin)",
        "Last:  2026-11-26 10:50:09 (Europe/Berlin)",
        "Call:  to +4930555123",
        "Call:  to +4930555124",
        "",
        "The calls were refused.",
        "The next mail about this limit of extension 1000 comes in an hour, if it is hit again.",
    ]
    alarm.mailed, alarm.hits = NOW, 1
    assert (
        "was hit once since the last mail." in letter(alarm, "cc1", "a@b", "c@d", "UTC").as_string()
    )


def test_the_last_calls_are_told(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path)
    log(tmp_path, *(CALLS.replace("123", str(n)) for n in range(100, 130)), CALLS, CALLS)
    alarms.read(NOW)
    (alarm,) = alarms.due(NOW + SETTLE_SECONDS)
    assert alarm.calls == [f"to +4930555{n}" for n in (*range(120, 123), *range(124, 130), 123)]


def test_a_restart_loses_nothing_and_says_nothing_twice(tmp_path: Path) -> None:
    log(tmp_path, CALLS, CALLS)
    Alarms(tmp_path).read(NOW)
    log(tmp_path, CALLS, first=2)
    again = Alarms(tmp_path)
    assert told(again, NOW + SETTLE_SECONDS) == {"calls extension 1000": 3}
    log(tmp_path, CALLS, first=3)
    assert told(Alarms(tmp_path), NOW + 60) == {}
    assert told(Alarms(tmp_path), NOW + SETTLE_SECONDS + PERIOD_SECONDS) == {
        "calls extension 1000": 1
    }


def test_half_a_line_waits_for_the_rest(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path)
    whole = f"{PREFIX.format(0)}{CALLS}\n"
    (tmp_path / LOG).write_text(whole + whole[:90])
    alarms.read(NOW)
    (tmp_path / LOG).write_text(whole * 2)
    assert told(alarms, NOW + SETTLE_SECONDS) == {"calls extension 1000": 2}


def test_freeswitch_begins_a_new_file(tmp_path: Path) -> None:
    """Read to the end before the new one, also where it happened while nobody read"""
    alarms = Alarms(tmp_path)
    log(tmp_path, CALLS)
    alarms.read(NOW)
    log(tmp_path, CALLS)
    (tmp_path / LOG).rename(tmp_path / f"{LOG}.1")
    log(tmp_path, CALLS)
    alarms.read(NOW + 1)
    alarms.read(NOW + 2)
    assert told(alarms, NOW + SETTLE_SECONDS) == {"calls extension 1000": 3}
    log(tmp_path, CALLS)
    (tmp_path / LOG).replace(tmp_path / f"{LOG}.1")
    log(tmp_path, CALLS)
    later = NOW + 2 * PERIOD_SECONDS
    alarms = Alarms(tmp_path)
    alarms.read(later)
    assert told(alarms, later + SETTLE_SECONDS) == {"calls extension 1000": 2}


def test_a_state_that_cannot_be_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path, CALLS)
    (tmp_path / "state.json").write_text('{"inode": 1')
    alarms = Alarms(tmp_path)
    assert "state.json is not used" in capsys.readouterr().err
    alarms.read(NOW)
    assert told(alarms, NOW + SETTLE_SECONDS) == {"calls extension 1000": 1}


def test_a_full_disk_makes_no_flood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alarms = Alarms(tmp_path)
    # A folder in the file's place: it cannot be written, by root neither.
    (tmp_path / "state.new").mkdir()
    log(tmp_path, CALLS)
    alarms.read(NOW)
    assert told(alarms, NOW + SETTLE_SECONDS) == {"calls extension 1000": 1}
    log(tmp_path, CALLS)
    assert told(alarms, NOW + 60) == {}
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_a_clock_that_is_put_back_holds_nothing_up(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path)
    log(tmp_path, CALLS)
    alarms.read(NOW)
    assert told(alarms, NOW - 86_400) == {"calls extension 1000": 1}


def site(**limits: Any) -> Site:
    return Site(
        "cc.example.net",
        extensions=[Extension(1000, routes=["r"])],
        trunks=[Trunk("a", host="192.0.2.1", calls_per_hour=90), Trunk("b", host="192.0.2.2")],
        outbound=[
            Route("r", pattern=r"^0\d{5,9}$", strip=1, prefix="+49", trunks=["a", "b"]),
        ],
        outbound_limits=OutboundLimits(countries=["+49"], **limits),
        smtp=Smtp("m.b.net", sender="a%b@b.net", tls="none"),
    )


def configured(made: Site, path: str) -> str:
    tree = freeswitch.configuration(made, Switch("cc1.example.net", public_ip="203.0.113.10"))
    return next(file.text for file in tree if file.path == path)


def test_it_is_there_with_the_field_only() -> None:
    without, having = site(), site(alarm="noc%1@b.net")
    assert not services.mail.sends_mail(without)
    assert services.mail.sends_mail(having)
    own = {paths.ALARM_TOOL, paths.ALARM_UNIT}
    assert not own & {file.path for file in beside.configuration(without, realtime=True)}
    tree = {file.path: file.text for file in beside.configuration(having, realtime=True)}
    assert own < tree.keys()
    # systemd would read a percent sign.
    assert " a%%b@b.net noc%%1@b.net msmtp " in tree[paths.ALARM_UNIT]
    log_of = "autoload_configs/logfile.conf.xml"
    assert paths.ALARM_LOG not in configured(without, log_of)
    assert paths.ALARM_LOG in configured(having, log_of)
    assert [line for line in needs_linux(having) if line.startswith("Site.outbound_limits.alarm:")]


def test_every_limit_of_the_dialplan_is_known() -> None:
    made = configured(site(), "dialplan/services/outbound.xml")
    for limit in ("trunk-calls", "trunk-hour"):
        assert f"Limit={limit}," in made
    trunks = {"trunk-calls", "trunk-hour"}
    assert set(LIMITS) == {"country", "calls", "hour", "rate", "cap", "caps", *trunks}


def test_a_trunk_without_an_hour_counts_none() -> None:
    made = configured(site(), "dialplan/services/outbound.xml")
    bridges = [line for line in made.splitlines() if 'application="bridge"' in line]
    a, b = (re.findall(r"=(limit hash trunk\S* \S+ \S+) !", line) for line in bridges)
    assert a == ["limit hash trunk a 30", "limit hash trunk-hour a 90/3600"]
    assert b == ["limit hash trunk b 30"]


def test_the_state_is_json(tmp_path: Path) -> None:
    log(tmp_path, CALLS)
    Alarms(tmp_path).read(NOW)
    given = json.loads((tmp_path / "state.json").read_text())
    assert given["offset"] == (tmp_path / LOG).stat().st_size
    assert [one["hits"] for one in given["alarms"]] == [1]
