"""T3: each call leaves one record, where the Site says."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from callcenter.render import paths
from callcenter.site import LocalPostgres, Site
from tests.acceptance.support.waiting import eventually
from tests.acceptance.test_t2_call import MakePhone, connect

Records = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def records(site: Site, host: Any) -> Records:
    """The records of calls that began since now."""
    if site.cdr is None:
        pytest.skip("the Site keeps no record of calls")
    now = float(host.check_output("date -u +%s.%N"))
    # FreeSWITCH's own clock goes in ticks of 20 ms, and is behind by some.
    moment = datetime.fromtimestamp(now - 0.2, UTC)
    begun = f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"

    def of_database(name: str) -> list[dict[str, Any]]:
        ask = f"SELECT row_to_json(calls) FROM calls WHERE started >= '{begun}' ORDER BY started"
        said = host.check_output(f'cd / && runuser -u freeswitch -- psql -qAt {name} -c "{ask}"')
        return [json.loads(line) for line in said.splitlines()]

    def of_files() -> list[dict[str, Any]]:
        said = host.check_output(f"find {paths.CALLS} -maxdepth 1 -name '20*' -exec cat {{}} +")
        if site.cdr is not None and site.cdr.to == "csv":
            found: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(said)))
        else:
            found = [json.loads(line) for line in said.splitlines()]
        return [one for one in found if one["started"] >= begun]

    if site.cdr.to != "database":
        return of_files
    if not isinstance(site.database, LocalPostgres):
        pytest.skip("the database is not on the switch, and only the switch may ask it")
    name = site.database.name
    return lambda: of_database(name)


def awaited(records: Records, caller: str) -> dict[str, Any]:
    """Return the one record of a caller, once it is there."""
    found = eventually(
        lambda: [one for one in records() if one["caller"] == caller],
        bool,
        f"a record of {caller}'s call",
    )
    assert len(found) == 1, found
    return found[0]


def test_record_of_a_call(plain: list[str], phone: MakePhone, records: Records) -> None:
    """A call leaves one record: who called whom, who answered, when, and why it ended"""
    call, answered = connect(phone(plain[0]), phone(plain[1]))
    call.hangup()
    answered.wait_ended()
    found = awaited(records, plain[0])
    assert (found["dialled"], found["answered_by"]) == (plain[1], plain[1])
    assert (found["direction"], found["cause"]) == ("internal", "NORMAL_CLEARING")
    assert found["started"] <= found["answered"] <= found["ended"]


def test_record_of_a_refused_call(plain: list[str], phone: MakePhone, records: Records) -> None:
    """So does a call that is refused, with nobody who answered"""
    called = phone(plain[1])
    call = phone(plain[0]).call(plain[1])
    called.incoming().reject()
    call.wait_ended()
    found = awaited(records, plain[0])
    assert (found["dialled"], found["cause"]) == (plain[1], "USER_BUSY")
    assert not found["answered"]
    assert not found["answered_by"]
