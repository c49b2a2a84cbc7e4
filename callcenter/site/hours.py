"""Opening hours: the week, holidays, exceptions, and a switch to close by hand."""

from __future__ import annotations

import calendar
import datetime
import itertools
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, Map, Name, Number, Timezone, grammar, no_entries

__all__ = ["Hours", "Span"]

DAYS = tuple(name for name in calendar.day_abbr)
"""Days of the week, Mon to Sun."""
DAY = 24 * 60
"""Minutes of a day."""

_TIMES = r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])"
_WEEKLY = re.compile(rf"([A-Z][a-z]{{2}}(?:[-,][A-Z][a-z]{{2}})*) {_TIMES}")
_EXAMPLE = "use one such as 'Mon-Fri 09:00-18:00' or 'Sat,Sun 22:00-02:00'"


@dataclass(frozen=True, order=True)
class Span:
    """From a minute of a day up to, and without, another of the same day."""

    day: int
    """Day of the week: 0 is Monday."""
    start: int
    end: int


def _times(found: tuple[str, ...]) -> tuple[int, int]:
    start, end = int(found[0]) * 60 + int(found[1]), int(found[2]) * 60 + int(found[3])
    if end > DAY:
        raise ValueError("ends after 24:00; let it end at 24:00, or on the next morning")
    if start == end:
        raise ValueError("begins and ends at the same minute; use 00:00-24:00 for the whole day")
    return start, end


def _spans(text: str) -> list[Span]:
    """Return the spans of one line; what crosses midnight goes on in the next day."""
    if not (found := _WEEKLY.fullmatch(text)):
        raise ValueError(f"cannot be read; {_EXAMPLE}")
    start, end = _times(found.groups()[1:])
    days: list[int] = []
    for part in found[1].split(","):
        ends = part.split("-")
        if len(ends) > 2 or not all(end in DAYS for end in ends):
            raise ValueError(f"names a day that is none; {_EXAMPLE}")
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        days += [(first + more) % 7 for more in range((last - first) % 7 + 1)]
    out = []
    for day in days:
        if end > start:
            out.append(Span(day, start, end))
        else:
            out.append(Span(day, start, DAY))
            if end:
                out.append(Span((day + 1) % 7, 0, end))
    return out


def _weekly(text: str) -> str:
    _spans(text)
    return text


def _date(text: str) -> str:
    try:
        # A leap year, so that every 29 February is a date.
        year = "2024-" if re.fullmatch(r"\d\d-\d\d", text) else ""
        if datetime.date.fromisoformat(year + text).isoformat() == year + text:
            return text
    except ValueError:
        pass
    raise ValueError("is no date; use '2026-12-25', or '12-25' for every year")


_EXCEPTION = rf"closed|{_TIMES}(?:, {_TIMES})*"


def _exception(text: str) -> str:
    if text != "closed":
        for part in text.split(", "):
            if not (found := re.fullmatch(_TIMES, part)):
                raise ValueError("cannot be read; use 'closed', or times such as '09:00-12:00'")
            start, end = _times(found.groups())
            if end < start:
                raise ValueError("crosses midnight; give each of the two dates its own times")
    return text


Date = Annotated[str, AfterValidator(_date), grammar("(?:[0-9]{4}-)?[0-9]{2}-[0-9]{2}")]


@model
class Hours:
    """When somebody is there. Times are of the wall clock, so summer time needs no thought."""

    name: Name
    """Name that destinations call them by."""
    weekly: Annotated[
        Many[Annotated[str, AfterValidator(_weekly), grammar(_WEEKLY.pattern)]], Field(min_length=1)
    ]
    """Days and times of the week: ``"Mon-Fri 09:00-18:00"``. An end before its beginning is on the
    next day. Overlapping ones are refused."""
    _: KW_ONLY
    holidays: Many[Date] = ()
    """Dates that are closed whatever day of the week they are: ``"2026-12-25"``, or ``"12-25"`` of
    every year."""
    exceptions: Map[Date, Annotated[str, AfterValidator(_exception), grammar(_EXCEPTION)]] = Field(
        default_factory=no_entries, kw_only=True
    )
    """Dates with times of their own instead of the week's: ``{"2026-12-24": "09:00-12:00"}``, or
    ``"closed"``."""
    timezone: Timezone | None = None
    """IANA name of the time zone. Default: the Site's."""
    night: Number | None = None
    """Number that an extension dials to close by hand, and again to go by the clock. Default: there
    is no such switch."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        spans = [(span, index) for index, text in enumerate(self.weekly) for span in _spans(text)]
        for (one, _), (other, index) in itertools.pairwise(sorted(spans)):
            if one.day == other.day and other.start < one.end:
                start = f"{other.start // 60:02}:{other.start % 60:02}"
                raise Problem(
                    f"weekly[{index}]",
                    f"overlaps another on {DAYS[one.day]} at {start}; let each minute be in one",
                )
        for index, date in enumerate(self.holidays):
            if date in self.holidays[:index]:
                raise Problem(f"holidays[{index}]", f"{date} is listed twice; list it once")
            if date in self.exceptions:
                raise Problem(
                    f"holidays[{index}]", f"{date} is in exceptions too; keep it in one of them"
                )
        return self

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Open times of the week, day by day."""
        return tuple(sorted(span for text in self.weekly for span in _spans(text)))

    def times(self, date: str) -> tuple[Span, ...]:
        """Return an exception's open times. The day is that of the date, and not told."""
        if self.exceptions[date] == "closed":
            return ()
        found = (re.fullmatch(_TIMES, part) for part in self.exceptions[date].split(", "))
        return tuple(Span(-1, *_times(one.groups())) for one in found if one)

    def why(self, when: datetime.datetime, default_timezone: str) -> tuple[bool, str]:
        """Tell whether they are open at a moment, and by what."""
        local = when.astimezone(zoneinfo.ZoneInfo(self.timezone or default_timezone))
        minute = local.hour * 60 + local.minute
        for date in _names_of(local.date()):
            if date in self.exceptions:
                inside = any(span.start <= minute < span.end for span in self.times(date))
                return inside, f"the exception of {date}"
            if date in self.holidays:
                return False, f"the holiday {date}"
        for span in self.spans:
            if span.day == local.weekday() and span.start <= minute < span.end:
                return True, f"the week's {DAYS[span.day]}"
        return False, f"the week's {DAYS[local.weekday()]}"


def _names_of(date: datetime.date) -> Iterator[str]:
    """Yield a date's names in exceptions and holidays: this year's before every year's."""
    yield date.isoformat()
    yield date.strftime("%m-%d")
