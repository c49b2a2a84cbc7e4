"""Caps of calls outside, without a host: what they count, and what `route` says of them."""

from __future__ import annotations

import re
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callcenter.cli.caps import lines
from callcenter.cli.fax import attempts
from callcenter.onhost import counts
from callcenter.render import paths, pool
from callcenter.render.freeswitch import configuration, modules
from callcenter.render.outbound import leaving
from callcenter.render.routing import explain
from callcenter.render.services import caps
from callcenter.site import (
    Billing,
    Cap,
    Extension,
    Fax,
    Firewall,
    Hours,
    Network,
    OutboundLimits,
    Rate,
    RemotePostgres,
    Route,
    Site,
    Switch,
    Trunk,
)
from callcenter.site.secrets import Secret

DAY, NIGHT = datetime(2026, 11, 23, 10, tzinfo=UTC), datetime(2026, 11, 23, 22, tzinfo=UTC)
CAPS = (
    Cap("site", per="day", money="20", routes=["mobile"]),
    Cap("own", per="hour", calls=9, each="extension"),
    Cap("night", per="hour", calls=0, hours="office"),
    Cap("boss", per="day", minutes=90, extensions=["1001"]),
)


def described(*caps: Cap) -> Site:
    return Site(
        "cc.example.net",
        extensions=[Extension(n, routes=["mobile", "short"]) for n in (1000, 1001)],
        network=Network(sip_from="anywhere"),
        firewall=Firewall(ssh_from="anywhere"),
        trunks=[Trunk("a", host="192.0.2.1", caller_id="+4930123400")],
        outbound=[
            Route("mobile", pattern=r"^01\d{9}$", strip=1, prefix="+49", trunks=["a"]),
            Route("short", pattern=r"^100\d\d$", short=True, trunks=["a"]),
        ],
        outbound_limits=OutboundLimits(countries=["+49"]),
        hours=[Hours("office", ["Mon-Fri 09:00-18:00"])],
        faxes=[Fax("inbox", routes=["mobile"])],
        billing=Billing(currency="EUR", rates=[Rate("+4917", "0.09")])
        if any(cap.money for cap in caps)
        else None,
        caps=caps,
    )


def test_route_tells_what_counts_a_call() -> None:
    by_day = list(explain(described(*CAPS), "01701234567", DAY, caller="1000"))
    by_night = list(explain(described(*CAPS), "01701234567", NIGHT, caller="1001"))
    assert [line for line in by_day if line.startswith("cap ")] == [
        "cap site: all calls of routes mobile are at most 20 EUR within 24 hours",
        "cap own: calls of extension 1000 are at most 9 calls within 60 minutes",
        "cap night: all calls are at most 0 calls within 60 minutes, while hours office "
        "are closed: it does not count this call (open by the week's Mon)",
    ]
    assert [line for line in by_night if line.startswith("cap ")][1:] == [
        "cap own: calls of extension 1001 are at most 9 calls within 60 minutes",
        "cap night: all calls are at most 0 calls within 60 minutes, while hours office "
        "are closed: it counts this call (closed by the week's Mon)",
        "cap boss: all calls of extensions 1001 are at most 90 minutes within 24 hours",
    ]


def test_a_number_without_a_price_is_refused_where_money_is_capped() -> None:
    call = leaving(described(*CAPS), "1000", "01511234567")
    assert call.refused is not None
    assert "billing.rates has no beginning of +491511234567" in call.refused
    assert leaving(described(*CAPS[1:]), "1000", "01511234567").refused is None


def test_a_short_number_costs_nothing() -> None:
    call = leaving(described(Cap("all", per="day", money=1)), "1000", "10086")
    assert call.refused is None
    assert [cap.name for cap in call.caps] == ["all"]


def test_a_fax_is_counted_like_an_extension() -> None:
    site = described(*CAPS)
    [attempt] = attempts(site, site.faxes[0], "01701234567")
    run = [value for name, value in attempt.variables.items() if name.startswith("execute_on")]
    begins = [place for place, one in enumerate(run) if "caps.lua begin fax-inbox +491701" in one]
    asked = [place for place, one in enumerate(run) if "caps-asked" in one]
    assert [one + 1 for one in begins] == asked
    assert asked != []


def test_prices_alone_need_no_database() -> None:
    """And what charges accounts is not there."""
    site = described(*CAPS)
    assert site.prepaid is None
    assert "mod_nibblebill" not in modules(site)
    loaded = modules(site)
    assert loaded.index("mod_lua") < loaded.index("mod_sofia")


@pytest.mark.parametrize("capped", [True, False])
def test_nothing_of_it_is_there_where_nothing_is_capped(capped: bool) -> None:
    switch = Switch("cc1.example.net", public_ip="203.0.113.9")
    files = {one.path: one for one in configuration(described(*CAPS * capped), switch)}
    assert ("scripts/caps.lua" in files) == ("dialplan/services/caps.xml" in files) == capped
    assert ("caps" in files["dialplan/services/outbound.xml"].text) == capped


SHARED = RemotePostgres("db.example.net", password=Secret(literal="Lo8ng!enough-77"))


def test_where_all_switches_count_the_database_is_asked_by_the_pool() -> None:
    """Which alone knows the password; where each counts, it is not there."""
    counted = replace(described(CAPS[1]), caps_counted_by="site", database=SHARED)
    script = next(one.text for one in caps.files(counted) if one.path == "scripts/caps.lua")
    assert 'DATABASE = "pgsql://host=/run/callcenter-billing port=6432 dbname=caps ' in script
    assert "Lo8ng" not in script
    assert {"mod_lua", "mod_pgsql"} <= {*modules(counted)}
    files = {one.path: one for one in pool.configuration(counted)}
    settings = files[paths.POOL_CONFIG]
    assert "\ncaps = host=db.example.net port=5432" in settings.text
    assert (settings.mode, settings.group) == (0o640, "freeswitch")
    assert paths.BILLING_TOOL not in files
    alone = replace(counted, caps_counted_by="switch", database=None)
    assert [*pool.configuration(alone)] == []
    assert "mod_pgsql" not in modules(alone)
    script = next(one.text for one in caps.files(alone) if one.path == "scripts/caps.lua")
    assert f'DATABASE = "sqlite://{paths.CAPS_DATABASE}"' in script


def test_the_pool_knows_caps_until_nothing_asks_for_them() -> None:
    """Pool is changed before FreeSWITCH, which may wait for calls to end or keep what it has.

    A name that were taken out at once would end calls that are up, and have others refused.
    """
    both = replace(
        described(CAPS[0]), caps_counted_by="site", database=SHARED,
        extensions=[Extension(1000, account="family")],
    )  # fmt: skip
    prepaid, caps_alone = replace(both, caps=(), caps_counted_by=None), described(CAPS[1])
    shared = replace(caps_alone, caps_counted_by="site", database=SHARED)
    settings = {pool.configuration(one)[paths.POOL_CONFIG].text for one in (both, prepaid, shared)}
    assert len(settings) == 1
    assert [*pool.configuration(caps_alone)] == []


def test_where_no_call_was_counted_a_line_says_so() -> None:
    assert list(lines([])) == ["no call that a cap counts was made within its hour or day"]
    row = {"switch": None, "cap": "all", "of": "all calls", "calls": {"used": 1, "most": 2}}
    assert [line.split() for line in lines([row])][1] == ["all", "all", "calls", "1", "of", "2"]


def test_counts_of_a_file_are_summed(tmp_path: Path) -> None:
    """Counts that are older than a cap looks back on are left out."""
    file = tmp_path / "caps.db"
    assert counts.of_file(str(file), {"c": 3600}) == []
    with sqlite3.connect(file) as made:
        assert counts.of_file(str(file), {"c": 3600}) == []
        made.execute("CREATE TABLE counted (cap, whose, attempt, reserved, price, seen)")
        now = time.time()
        rows = [("a", 30, now), ("a", 20, now), ("b", 7, now), ("old", 500, now - 4000)]
        made.executemany(
            "INSERT INTO counted VALUES ('c', '', ?, ?, 100, CAST(? AS INTEGER))", rows
        )
    expected = {"cap": "c", "whose": "", "calls": 2, "seconds": 57, "money": 5700}
    assert counts.of_file(str(file), {"c": 3600, "other": 86400}) == [expected]
    assert counts.of_file(str(file), {"c": 86400})[0]["calls"] == 3


def test_counts_of_the_release_before_go_on(tmp_path: Path) -> None:
    """Release before had the table in the same file, and wrote there when a call was answered.

    Calls that are up at the upgrade stay counted, and what they have talked is known at their end.
    """
    file = tmp_path / "caps.db"
    script = next(
        one.text for one in caps.files(described(*CAPS)) if one.path == "scripts/caps.lua"
    )
    (opening,) = re.findall(r"local BEGIN = \[\[(.*?)\]\]", script, re.DOTALL)
    (talked,) = re.findall(r'local ANSWERED, TALKED = "answered", "(.*)"', script)
    now = int(time.time())
    with sqlite3.connect(file, isolation_level=None) as made:
        made.executescript(
            "CREATE TABLE counted (cap TEXT NOT NULL, whose TEXT NOT NULL, leg TEXT NOT NULL, "
            "attempt TEXT NOT NULL, caller TEXT NOT NULL, number TEXT NOT NULL, "
            "price INTEGER NOT NULL, reserved INTEGER NOT NULL, answered INTEGER, ended INTEGER, "
            "seen INTEGER NOT NULL, PRIMARY KEY (leg, cap));"
            "CREATE INDEX counted_whose ON counted (cap, whose, seen);"
        )
        row = "INSERT INTO counted VALUES ('boss', '', ?, ?, '1001', '+49170', 5, 60, ?, NULL, ?)"
        made.executemany(row, [("1", "a", now - 45, now), ("2", "b", None, now)])
        made.executescript(f"{opening} COMMIT")
        assert counts.of_file(str(file), {"boss": 86400})[0]["seconds"] == 120
        asked = f"SELECT {talked % now} FROM counted ORDER BY leg"
        assert made.execute(asked).fetchall() == [(45,), (0,)]
