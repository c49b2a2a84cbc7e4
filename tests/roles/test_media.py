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


@pytest.mark.parametrize("mode", ["default", "bypass"])
def test_both_are_heard(operator: Operator, exchange: Exchange, mode: str) -> None:
    operator.describe(SITE.replace("max_calls=100", f'max_calls=100, mode="{mode}"'))
    operator.succeed()
    call, answered = connected(operator, HOST, exchange)
    still_talking(call, answered)
    switch = next(one.address for one in operator.lab.hosts if one.name == HOST)
    addresses = {call.remote_address[0], answered.remote_address[0]}
    assert addresses == ({exchange.address} if mode == "bypass" else {switch})
    call.hangup()
    answered.wait_ended()
