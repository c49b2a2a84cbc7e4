"""Opening hours on a real switch: FreeSWITCH and the model read the clock alike."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable

import pytest

from callcenter.site import Hours
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.support import phone_of

HOST = "ways1"
SCHEDULES = 60


def drawn(seed: int, now: datetime.datetime) -> list[Hours]:
    """Hours of every kind, many with an edge near this minute, in time zones of all sorts."""
    chance = random.Random(seed)
    zones = ["UTC", "Asia/Tokyo", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", None]
    made = []
    for index in range(SCHEDULES):
        near = now + datetime.timedelta(minutes=chance.choice((-600, -120, 120, 600)))
        start, end = sorted((f"{near:%H:%M}", f"{chance.randrange(24):02}:30"))
        days = chance.choice(("Mon-Sun", "Mon-Fri", f"{now:%a}", "Sat,Sun"))
        date = chance.choice((f"{now:%Y-%m-%d}", f"{now:%m-%d}", "12-25"))
        kind = chance.randrange(3)
        made.append(
            Hours(
                f"h{index}",
                [f"{days} {start}-{end}" if start != end else f"{days} 00:00-24:00"],
                holidays=[date] if kind == 1 else [],
                exceptions={date: chance.choice(("closed", f"{start}-24:00"))} if kind == 2 else {},
                timezone=chance.choice(zones),
            )
        )
    return made


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of(HOST)


def test_freeswitch_and_the_model_agree(operator: Operator, exchange: Exchange) -> None:
    now = datetime.datetime.now(datetime.UTC)
    every = drawn(20261123, now)
    groups = ",\n".join(
        f"RingGroup('g{index}', ['1001'], number={7000 + index}, ring_seconds=5, otherwise="
        f"open_during('h{index}', hang_up('USER_BUSY'), otherwise=hang_up('CALL_REJECTED')))"
        for index in range(len(every))
    )
    hours = ",\n".join(
        f"Hours({one.name!r}, {list(one.weekly)!r}, holidays={list(one.holidays)!r}, "
        f"exceptions={dict(one.exceptions)!r}, timezone={one.timezone!r})"
        for one in every
    )
    operator.describe(
        SITE.replace("media=", f"hours=[{hours}],\n    ring_groups=[{groups}],\n    media=")
    )
    operator.succeed()
    caller = phone_of(operator, HOST, exchange, "1000")
    said, expected = {}, {}
    for index, one in enumerate(every):
        # Nobody has registered 1001, so the call goes on at once.
        code = caller.call(str(7000 + index)).wait_ended().code
        said[one.name] = {486: True, 603: False, 403: False}[code or 0]
        expected[one.name] = one.why(datetime.datetime.now(datetime.UTC), "UTC")[0]
    assert said == expected
    assert len(set(expected.values())) == 2
