"""Resources of the lab's Site for tests: plain extensions, what a call may come to, what a number
leads to."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import NoReturn

import pytest

from callcenter.client.inventory import Host
from callcenter.site import Site, ToExtension, ToIvr, ToQueue, ToRingGroup
from tests.acceptance.support.given import Given
from tests.acceptance.support.uses import Uses

ROOT = Path(__file__).parents[3]
SITE: Site = runpy.run_path(str(ROOT / "inventories/group_data/lab.py"))["site"]


def nobody_asks() -> NoReturn:
    raise AssertionError("nothing here needs this machine's address")


def given(*phones: str) -> Given:
    return Given(SITE, Host("cc1", ("switches",), {}), nobody_asks, phones or None)


def names(uses: Uses, kind: str) -> set[str]:
    return {one.name for one in uses.alone | uses.shared if one.kind == kind}


def test_plain_extensions_are_enough_and_nothing_leads_to_them() -> None:
    plain = given().plain
    assert len(plain) > 40
    special = {"1000", "1001", "1002", "1003", "1004", "1005", "1006", "1018", "2000", "2001"}
    assert special.isdisjoint(plain)
    assert "2002" not in plain
    assert given().several == plain


def test_of_few_phones_those_are_plain_of_whose_calls_nothing_becomes() -> None:
    few = given("1018", "1019", "2000")
    assert few.free == ("1018", "1019", "2000")
    assert few.plain == few.several == ("1019", "2000")
    assert given("1018", "1060").several == ("1018", "1060")


def test_what_a_call_may_come_to() -> None:
    queue = given().reached(ToQueue("sales"))
    assert names(queue, "queues") == {"sales"}
    assert names(queue, "extension") == {"1002", "1003", "2003"}
    menu = given().reached(ToIvr("main"))
    assert names(menu, "extension") == {"1000", "1001", "1002", "1003", "2000", "2003", "2004"}
    assert names(menu, "ring_groups") == {"sales"}
    assert names(menu, "ivrs") == set()
    # Only read, unless a test turns the switch.
    assert {one.name for one in menu.shared} == {"always"}
    both = given().reached(ToRingGroup("support"), ToExtension("1018"), None)
    assert names(both, "extension") == {"1000", "1001", "1018"}
    assert {one.host for one in both.alone} == {"cc1"}


@pytest.mark.parametrize(
    ("number", "meant"),
    [
        ("1000", "extension 1000 of cc1"),
        ("*01", "extension 1000 of cc1"),
        ("7000", "queues sales of cc1"),
        ("6100", "ring_groups sales of cc1"),
        ("3001", "conferences open of cc1"),
        ("7900", "paging_groups hall of cc1"),
        ("3200", "faxes office of cc1"),
        ("5900", "parking all of cc1"),
        ("5907", "parking all of cc1"),
        ("*280", "hours always of cc1"),
        ("6000", None),
        ("6200", None),
        ("*98", None),
        ("112", None),
        ("9999", None),
    ],
)
def test_what_a_number_leads_to_first(number: str, meant: str | None) -> None:
    found = given().dialled(number)
    assert (None if found is None else str(found)) == meant
