"""T3: what caps are about is counted.

That counts can be read is asked of any Site. Calls are made only where every trunk leads to this
machine, as in the lab: the carrier is one of the phones, and no operator's money is spent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from callcenter.__main__ import main
from callcenter.client.inventory import Host
from callcenter.render.outbound import leaving
from callcenter.site import Cap, Route, Site, Trunk
from tests.acceptance.support.phones import Exchange
from tests.acceptance.test_t2_call import MakePhone
from tests.acceptance.test_t3_trunk import caller, carrier, route, trunk

__all__ = ["caller", "carrier", "route", "trunk"]

Used = Callable[[], dict[tuple[str, str], dict[str, Any]]]


@pytest.fixture
def used(site: Site, node: Host, request: pytest.FixtureRequest) -> Used:
    """Return what is used of each cap, by its name and whose calls it counts, as the command has
    it."""
    if not site.caps or node.is_edge:
        pytest.skip("the Site has no caps")
    inventory = request.config.getoption("--inventory")

    def ask() -> dict[tuple[str, str], dict[str, Any]]:
        with redirect_stdout(StringIO()) as said:
            assert main(["caps", inventory, "--host", node.name, "--json"]) == 0
        return {(row["cap"], row["of"]): row for row in json.loads(said.getvalue())}

    return ask


def test_counts_can_be_read(site: Site, used: Used) -> None:
    """The counts of each cap can be read, without a call"""
    whole = {cap.name for cap in site.caps if cap.each == "site"}
    assert {name for name, _ in used()} >= whole


def test_a_call_is_counted(
    site: Site,
    used: Used,
    exchange: Exchange,
    trunk: Trunk,
    carrier: None,
    route: tuple[Route, str, str],
    caller: str,
    phone: MakePhone,
) -> None:
    """A call outside is one more of each cap that counts it"""
    _, dialled, called = route
    before = used()

    def is_counted(cap: Cap) -> bool:
        return cap.calls is not None and cap.hours is None and cap.each == "site"

    counting = [cap for cap in leaving(site, caller, dialled).caps if is_counted(cap)]
    if not counting:
        pytest.skip("no cap of calls counts one over this machine")
    keys = [(cap.name, cap.whose("", None)) for cap in counting]
    if any(before[key]["calls"]["used"] >= before[key]["calls"]["most"] for key in keys):
        pytest.skip("a cap is used up")
    world = exchange.phone(called)
    call = phone(caller).call(dialled)
    answered = world.incoming().answer()
    call.wait_established()
    call.hangup()
    answered.wait_ended()
    after = used()
    for key in keys:
        assert after[key]["calls"]["used"] > before[key]["calls"]["used"], key
