"""The ways of the voice between two extensions: through the switch, or past it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.support import connected, still_talking

HOST = "media1"


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of(HOST)


def datagrams(operator: Operator) -> int:
    """UDP packets that the switch has been sent so far."""
    _, numbers = operator.ssh(HOST, "grep ^Udp: /proc/net/snmp").splitlines()
    return int(numbers.split()[1])


@pytest.mark.parametrize("mode", ["default", "bypass"])
def test_both_are_heard(operator: Operator, exchange: Exchange, mode: str) -> None:
    operator.describe(SITE.replace("max_calls=100", f'max_calls=100, mode="{mode}"'))
    operator.succeed()
    call, answered = connected(operator, HOST, exchange)
    still_talking(call, answered)
    before = datagrams(operator)
    still_talking(call, answered)
    passed = datagrams(operator) - before
    # Two phones send fifty packets a second each. Registrations and the like are a few.
    assert passed < 15 if mode == "bypass" else passed > 80
    switch = next(one.address for one in operator.lab.hosts if one.name == HOST)
    addresses = {call.remote_address[0], answered.remote_address[0]}
    assert addresses == ({exchange.address} if mode == "bypass" else {switch})
    call.hangup()
    answered.wait_ended()
