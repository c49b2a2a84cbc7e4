"""Calls through NAT: the switch behind one, the phones behind one, both, and neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from lab import nat, network
from lab.lab import Lab
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import Operator
from tests.roles.support import CALLEE_HZ, CALLER_HZ, phone_of, still_talking

HOST = "nat1"
PUBLIC = "198.51.100.11"
"""Of the switch, where it is behind no NAT."""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    nat.make(made.lab.name, private(made))
    for line in (
        f"address add {PUBLIC}/24 dev host0",
        f"route replace default via {made.lab.gateway}",
    ):
        assert made.ssh(HOST, f"ip {line}") == ""
    return made


def private(operator: Operator) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


@contextmanager
def phones(lab: Lab, where: nat.Place) -> Iterator[Exchange]:
    """Phones in the internet, or in the home behind its NAT."""
    address = nat.HOME if where == "home" else nat.INTERNET
    enter = partial(network.join, nat.place(lab.name, where))
    with Exchange(address, enter=enter) as made:
        yield made


@pytest.fixture(params=["public switch", "switch behind NAT"])
def announced(operator: Operator, request: pytest.FixtureRequest) -> str:
    """The switch's address as the internet sees it."""
    if request.param == "public switch":
        operator.describe(address=PUBLIC, public_ip=PUBLIC)
    else:
        operator.describe(address=private(operator), public_ip=nat.SWITCH_OUTSIDE)
    operator.succeed()
    return PUBLIC if request.param == "public switch" else nat.SWITCH_OUTSIDE


@pytest.mark.parametrize("where", ["internet", "home"])
def test_both_are_heard_and_told_the_public_address(
    operator: Operator, announced: str, where: nat.Place
) -> None:
    with phones(operator.lab, where) as exchange:
        caller = phone_of(operator, HOST, exchange, "1000", server=announced)
        called = phone_of(operator, HOST, exchange, "1001", server=announced)
        call = caller.call("1001")
        answered = called.incoming().answer()
        call.wait_established()
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        still_talking(call, answered)
        assert {call.remote_address[0], answered.remote_address[0]} == {announced}
        for side in (call, answered):
            contacts = [m.header("contact") for m in side.messages if not m.sent]
            assert contacts
            assert all(f"@{announced}:" in one for one in contacts if one)
        # Whoever hangs up is heard, too.
        answered.hangup()
        assert call.wait_ended().by == "them"
