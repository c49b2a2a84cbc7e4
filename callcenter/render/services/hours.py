"""Opening hours as conditions of the dialplan."""

from __future__ import annotations

import importlib.resources
import re
import zoneinfo
from collections.abc import Iterator, Sequence
from pathlib import Path

from callcenter.render._files import File
from callcenter.render.services._dialplan import config, name_of
from callcenter.site import Hours, OpenDuring, Site
from callcenter.site.destinations import destinations_in
from callcenter.site.hours import DAYS, Span

__all__ = ["COSTS", "files", "modules", "other_zone", "rules"]

Condition = dict[str, str]
"""Attributes of a dialplan condition; all must hold."""

COSTS = {"autoload_configs/timezones.conf.xml": None}


def modules(site: Site) -> tuple[str, ...]:
    """Name the modules that keep the night switch, in FreeSWITCH's own database, and answer with
    tones."""
    if any(hours.night for hours in site.hours):
        return ("mod_db", "mod_tone_stream")
    return ()


def files(site: Site) -> Iterator[File]:
    """Yield a way for each pair of open and closed destination, and the night switches."""
    if not site.hours:
        return
    choices = {name_of(to): to for _, to in destinations_in(site) if isinstance(to, OpenDuring)}
    zones = {hours.timezone for hours in site.hours if hours.timezone} - {site.timezone}
    if zones:
        rules_of = [(zone, posix_rule(zone)) for zone in sorted(zones)]
        yield config("autoload_configs/timezones.conf.xml", site, zones=rules_of)
    yield config(
        "dialplan/services/hours.xml",
        site,
        nights=[hours for hours in site.hours if hours.night],
        choices=[_choice(site, name, to) for name, to in sorted(choices.items())],
        rules=rules,
    )


def _choice(site: Site, name: str, to: OpenDuring) -> tuple[str, Hours, str | None, OpenDuring]:
    hours: Hours = site.named("hours", to.hours)
    return name, hours, other_zone(site, hours), to


def other_zone(site: Site, hours: Hours) -> str | None:
    """Return the time zone of opening hours, where it is not the Site's."""
    return hours.timezone if hours.timezone != site.timezone else None


def rules(hours: Hours) -> Iterator[tuple[str, bool, Condition]]:
    """Yield what is asked of the clock, first match first: a remark, open or closed, the condition.

    The order is that of :meth:`callcenter.site.Hours.why`.
    """
    for every_year in (False, True):
        for date in sorted(hours.exceptions):
            if _every_year(date) == every_year:
                if times := hours.times(date):
                    yield f"exception {date}", True, {**_day(date), **_minutes(times)}
                yield f"exception {date}, other times", False, _day(date)
        for date in sorted(hours.holidays):
            if _every_year(date) == every_year:
                yield f"holiday {date}", False, _day(date)
    week: dict[str, list[int]] = {}
    for day in range(7):
        if spans := [span for span in hours.spans if span.day == day]:
            week.setdefault(_minutes(spans)["minute-of-day"], []).append(day)
    for minutes, days in week.items():
        # FreeSWITCH counts from Sunday, which is 1.
        numbers = ",".join(str((day + 1) % 7 + 1) for day in days)
        names = ", ".join(DAYS[day] for day in days)
        yield names, True, {"wday": numbers, "minute-of-day": minutes}
    yield "at all other times", False, {}


def _every_year(date: str) -> bool:
    return re.fullmatch(r"\d\d-\d\d", date) is not None


def _day(date: str) -> Condition:
    *year, month, day = (str(int(part)) for part in date.split("-"))
    return {**({"year": year[0]} if year else {}), "mon": month, "mday": day}


def _minutes(spans: Sequence[Span]) -> Condition:
    # FreeSWITCH counts from 1, and both ends belong to a range.
    return {"minute-of-day": ",".join(f"{span.start + 1}-{span.end}" for span in spans)}


def posix_rule(zone: str) -> str:
    """Return a zone's rule as FreeSWITCH reads it: the last line of its compiled form (RFC
    8536)."""
    for folder in zoneinfo.TZPATH:
        if (path := Path(folder, zone)).is_file():
            compiled = path.read_bytes()
            break
    else:
        compiled = (importlib.resources.files("tzdata") / "zoneinfo" / zone).read_bytes()
    rule = compiled.rstrip(b"\n").rpartition(b"\n")[2].decode()
    # FreeSWITCH reads no <+0330> for a name, and nobody sees the name.
    return re.sub(r"<[^>]*>", "LCL", rule)
