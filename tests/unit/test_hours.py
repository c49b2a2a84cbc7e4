"""Opening hours: what is open when, and that what is rendered asks the same of the clock."""

from __future__ import annotations

import datetime
import zoneinfo
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.render.services.hours import posix_rule, rules
from callcenter.site import Hours

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))


OFFICE = Hours(
    "office",
    ["Mon-Fri 09:00-18:00", "Sat 22:00-02:00"],
    holidays=["12-25", "2026-05-01"],
    exceptions={"2026-12-24": "09:00-12:00, 13:00-14:00", "12-31": "closed"},
)


@pytest.mark.parametrize(
    ("when", "is_open", "why"),
    [
        ("2026-11-23T09:00", True, "the week's Mon"),
        ("2026-11-23T08:59", False, "the week's Mon"),
        ("2026-11-23T17:59", True, "the week's Mon"),
        ("2026-11-23T18:00", False, "the week's Mon"),
        ("2026-11-28T12:00", False, "the week's Sat"),
        # Over midnight, and no further.
        ("2026-11-28T23:59", True, "the week's Sat"),
        ("2026-11-29T00:00", True, "the week's Sun"),
        ("2026-11-29T01:59", True, "the week's Sun"),
        ("2026-11-29T02:00", False, "the week's Sun"),
        ("2026-12-25T10:00", False, "the holiday 12-25"),
        ("2031-12-25T10:00", False, "the holiday 12-25"),
        ("2026-05-01T10:00", False, "the holiday 2026-05-01"),
        ("2028-05-01T10:00", True, "the week's Mon"),
        ("2026-12-24T11:59", True, "the exception of 2026-12-24"),
        ("2026-12-24T12:30", False, "the exception of 2026-12-24"),
        ("2026-12-24T13:30", True, "the exception of 2026-12-24"),
        ("2026-12-31T10:00", False, "the exception of 12-31"),
        # Summer time: nine on the wall, whatever UTC says.
        ("2026-03-27T09:00", True, "the week's Fri"),
        ("2026-03-30T09:00", True, "the week's Mon"),
        ("2026-03-30T08:59", False, "the week's Mon"),
    ],
)
def test_open_or_closed(when: str, is_open: bool, why: str) -> None:
    assert OFFICE.why(at(when), "America/New_York" if "T" not in when else BERLIN) == (is_open, why)


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        # 2026-03-29 has no 02:30 in Berlin, and 2026-10-25 has it twice.
        ("2026-03-29T00:59", True),
        ("2026-03-29T01:00", False),
        ("2026-10-25T00:30", True),
        ("2026-10-25T01:30", True),
        ("2026-10-25T02:00", False),
    ],
)
def test_a_night_in_which_the_clock_is_changed(utc: str, is_open: bool) -> None:
    night = Hours("night", ["Sat 22:00-03:00"])
    moment = datetime.datetime.fromisoformat(utc).replace(tzinfo=datetime.UTC)
    assert night.why(moment, BERLIN)[0] is is_open


def test_hours_have_a_clock_of_their_own() -> None:
    tokyo = Hours("tokyo", ["Mon 09:00-18:00"], timezone="Asia/Tokyo")
    assert tokyo.why(at("2026-11-23T01:00"), BERLIN)[0]
    assert not OFFICE.why(at("2026-11-23T01:00"), BERLIN)[0]


TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59))


@st.composite
def schedules(draw: st.DrawFn) -> Hours:
    """Hours of every kind, without overlaps."""
    chosen = draw(st.sets(st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri"]), min_size=1))
    (a, b), (c, d) = sorted([draw(TIMES), draw(TIMES)])
    weekly = [f"{','.join(sorted(chosen))} {a:02}:{b:02}-{c:02}:{d:02}"] if (a, b) != (c, d) else []
    weekly.append(
        draw(st.sampled_from(["Sat 22:00-02:00", "Sat,Sun 08:00-24:00", "Sat 00:00-24:00"]))
    )
    dates = st.sampled_from(["2026-11-23", "11-24", "2026-11-25", "11-26"])
    holidays = draw(st.sets(dates, max_size=2))
    special: dict[str, str] = {
        date: draw(st.sampled_from(["closed", "09:00-12:00", "00:00-06:00, 20:00-24:00"]))
        for date in draw(st.sets(dates, max_size=2)) - holidays
    }
    return Hours("any", weekly, holidays=sorted(holidays), exceptions=special)


def said_by_rules(hours: Hours, local: datetime.datetime) -> bool:
    """Return the first rule that holds, judged as FreeSWITCH judges its attributes."""
    for _, is_open, condition in rules(hours):
        facts = {
            "year": local.year,
            "mon": local.month,
            "mday": local.day,
            "wday": local.isoweekday() % 7 + 1,
            "minute-of-day": local.hour * 60 + local.minute + 1,
        }
        if all(_within(facts[name], value) for name, value in condition.items()):
            return is_open
    raise AssertionError("no rule holds")


def _within(fact: int, expression: str) -> bool:
    ends: list[Any] = [part.split("-") for part in expression.split(",")]
    return any(int(end[0]) <= fact <= int(end[-1]) for end in ends)


@settings(max_examples=200, deadline=None)
@given(schedules(), st.integers(0, 7 * 24 * 60 - 1))
def test_what_is_rendered_says_the_same(hours: Hours, minute: int) -> None:
    moment = at("2026-11-22T00:00") + datetime.timedelta(minutes=minute)
    assert said_by_rules(hours, moment) == hours.why(moment, BERLIN)[0]


@pytest.mark.parametrize(
    ("zone", "rule"),
    [
        ("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"),
        ("Asia/Tokyo", "JST-9"),
        ("America/Sao_Paulo", "LCL3"),
    ],
)
def test_freeswitch_is_told_a_zone_s_rule(zone: str, rule: str) -> None:
    assert posix_rule(zone) == rule
