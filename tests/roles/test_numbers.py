"""Numbers as people have them, on a real switch: of two lengths, with signs, and in blocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.lab import Lab
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.support import phone_of

HOST = "numbers1"
LENGTHS = SITE.replace(
    "*Extension.range(1000, 1009, ring_seconds=5)",
    "Extension(110, ring_seconds=5), *Extension.range(1100, 1109, ring_seconds=5)",
)
BLOCK = 'trunks=[Trunk("a", host="GATEWAY")], inbound=[' + (
    '*Did.block("+49301234100", "+49301234109", first=1100), '
    'Did("+49301234200", to=extension(110))],\n    media='
)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(LENGTHS.replace("media=", BLOCK.replace("GATEWAY", lab.gateway)))
    made.succeed()
    return made


@pytest.mark.parametrize(
    ("dialled", "rings"),
    [("110", "110"), ("1100", "1100"), ("11-00", "1100"), ("(1)10%23", "110"), ("110%23", "110")],
)
def test_who_is_meant_rings(
    operator: Operator, exchange: Exchange, dialled: str, rings: str
) -> None:
    phones = {number: phone_of(operator, HOST, exchange, number) for number in ("110", "1100")}
    call = phone_of(operator, HOST, exchange, "1101").call(dialled)
    answered = phones[rings].incoming().answer()
    call.wait_established()
    call.hangup()
    answered.wait_ended()


def test_each_number_of_a_block_rings_its_extension(operator: Operator, exchange: Exchange) -> None:
    server = next(host.address for host in operator.lab.hosts if host.name == HOST)
    world = exchange.phone("+431555000", domain=f"{server}:5080")
    for number, rings in (
        ("+49301234100", "1100"),
        ("+49301234105", "1105"),
        ("00493012341" + "09", "1109"),
        ("+49301234200", "110"),
    ):
        phone = phone_of(operator, HOST, exchange, rings)
        call = world.call(number)
        answered = phone.incoming().answer()
        call.wait_established()
        call.hangup()
        answered.wait_ended()
    # Those beside the block are nobody's.
    for number in ("+49301234099", "+49301234110"):
        assert world.call(number).wait_ended().code == 603
