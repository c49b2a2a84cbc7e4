"""Lines of logs, and what of them is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callcenter.cli.logs import hidden, since
from callcenter.onhost.logs import from_file, from_journal, in_order
from callcenter.site import Extension, LocalPackages, Site, SiteError
from callcenter.site.secrets import Secret

CALL = "9be0a8a6-5a8e-4d0c-9d52-6d7a3f9d1f0e"


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_lines_of_freeswitch_have_the_sites_time() -> None:
    lines = [
        "2026-07-01 12:00:00.500000 98.00% [NOTICE] switch.c:1 begun\n",
        f"{CALL} 2026-07-01 12:00:01.250000 98.00% [ERR] mod_lua.c:2 in a script:\n",
        "at line 7\r\n",
        "\n",
    ]
    assert list(from_file(lines)) == [
        (1782900000.5, "freeswitch", "98.00% [NOTICE] switch.c:1 begun"),
        (1782900001.25, "freeswitch", "98.00% [ERR] mod_lua.c:2 in a script:"),
        (1782900001.25, "freeswitch", "    at line 7"),
    ]


def test_a_line_that_was_written_late_has_its_place() -> None:
    """Lines that go on from it are with it."""
    lines = [
        (1.0, "kamailio", "one"),
        (2.407, "freeswitch", "three"),
        (2.407, "freeswitch", "    three goes on"),
        (2.406, "freeswitch", "two"),
        (2.406, "freeswitch", "    two goes on"),
        (9.0, "systemd", "four"),
    ]
    told = [text.strip() for _, _, text in in_order(iter(lines))]
    assert told == ["one", "two", "two goes on", "three", "three goes on", "four"]


def test_an_entry_of_the_journal_is_a_line_whatever_is_in_it() -> None:
    """Text of several lines cannot be taken for several entries."""
    entries = [
        '{"__CURSOR":"a","__REALTIME_TIMESTAMP":"1500000","MESSAGE":"one\\n2026 two",'
        '"SYSLOG_IDENTIFIER":"/usr/sbin/kamailio"}\n',
        '{"__CURSOR":"b","__REALTIME_TIMESTAMP":"2000000","MESSAGE":[97,27,255],"_COMM":"x"}\n',
        '{"__CURSOR":"c","__REALTIME_TIMESTAMP":"2000000","MESSAGE":null}\n',
    ]
    assert list(from_journal(entries)) == [
        ("a", (1.5, "kamailio", "one")),
        ("a", (1.5, "kamailio", "    2026 two")),
        ("b", (2.0, "x", "a\x1b\ufffd")),
    ]


def site() -> Site:
    """Return a Site with a password, and a PIN that could be part of a number."""
    literal = Secret(literal="correct-Horse-7battery")
    return Site(
        domain="logs.test",
        extensions=[
            Extension(1000, password=literal),
            Extension(1001, password=Secret("desk")),
        ],
        timezone="Europe/Berlin",
        packages=LocalPackages(),
    )


def test_a_secret_is_shown_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLCENTER_SECRET_DESK", "s3cret-Word(1)!")
    shown = hidden(site())
    assert shown("as s3cret-Word(1)!, no") == "as (secret desk), no"
    assert shown("x=correct-Horse-7battery;") == "x=(secret extensions[0].password);"
    assert shown("no such correct-Horse-7battery2") == "no such correct-Horse-7battery2"
    # None was made for it.
    assert not Path(".secrets/logs.test.json").exists()


@pytest.mark.parametrize(
    ("text", "moment"),
    [("90s", -90), ("2h", -7200), ("1d", -86400), ("2026-07-01T12:00", 1782900000)],
)
def test_since_when(text: str, moment: float) -> None:
    assert since(text, site()) == moment


@pytest.mark.parametrize("text", ["yesterday", "1y", "-1h", "", "12:00"])
def test_since_no_time(text: str) -> None:
    with pytest.raises(SiteError) as refused:
        since(text, site())
    assert "use one such as 30m, 2h, 1d or 2026-12-25T10:00" in str(refused.value)
