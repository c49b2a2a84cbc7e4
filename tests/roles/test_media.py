"""The ways of the voice between two extensions: through the switch, decoded or not, or past it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.support.audio import assert_heard, assert_speech
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import Side, answering, calling, pass_through, refusing, registered, side
from tests.roles.support import CALLEE_HZ, CALLER_HZ, connected, phone_of, still_talking
from tests.sipp import SIPP

HOST = "media1"
PCMU, G728 = 0, 15
"""RFC 3551's payload types. The second is of a codec that FreeSWITCH has in no module."""
THIRD_HZ = 1000


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of(HOST)


@pytest.fixture
def passing_on(operator: Operator) -> None:
    """A site that decodes nothing."""
    operator.describe(
        SITE.replace("max_calls=100", 'max_calls=100, mode="proxy"')
        .replace(
            "*Extension.range(1000, 1009, ring_seconds=5)",
            "*Extension.range(1000, 1002), Extension(1003, no_answer=extension(1001)), "
            'Extension(1004, no_answer=notice("closed")), Extension(1005)',
        )
        .replace("media=", 'notices=[Notice("closed", say("Nobody is here today."))], media=')
    )
    operator.succeed()


# Registrations last: what goes to one test's phone must not be another's.
caller, callee, busy = map(side, (5071, 5072, 5073))


def switch(operator: Operator) -> str:
    """Return the switch's address."""
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


def datagrams(operator: Operator) -> int:
    """UDP packets that the switch has been sent so far."""
    _, numbers = operator.ssh(HOST, "grep ^Udp: /proc/net/snmp").splitlines()
    return int(numbers.split()[1])


@pytest.mark.parametrize("mode", ["default", "proxy", "bypass"])
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
    addresses = {call.remote_address[0], answered.remote_address[0]}
    assert addresses == ({exchange.address} if mode == "bypass" else {switch(operator)})
    call.hangup()
    answered.wait_ended()


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_a_codec_that_the_switch_does_not_know(
    operator: Operator, passing_on: None, caller: Side, callee: Side
) -> None:
    registered(operator, callee, "1005")
    with answering(callee, G728), calling(operator, caller, "1005", G728, user="1000"):
        (address, _), offered = callee.told("INVITE")
        assert (address, offered) == (switch(operator), [G728])
        (address, _), spoken = caller.told("SIP/2.0 200")
        assert (address, spoken) == (switch(operator), [G728])
        pass_through(caller, callee, G728)


def test_held_and_resumed(operator: Operator, passing_on: None, exchange: Exchange) -> None:
    call, answered = connected(operator, HOST, exchange)
    # Who is put on hold within a fifth of a second of the answer has been seen to hear nothing.
    still_talking(call, answered)
    for held in (call, answered):
        held.hold()
        held.resume()
        still_talking(call, answered)
    call.hangup()
    answered.wait_ended()


@pytest.mark.parametrize("asked", [False, True], ids=["blind", "attended"])
@pytest.mark.parametrize("by", ["caller", "callee"])
def test_transferred(
    operator: Operator, passing_on: None, exchange: Exchange, by: str, asked: bool
) -> None:
    third = phone_of(operator, HOST, exchange, "1002")
    call, answered = connected(operator, HOST, exchange)
    still_talking(call, answered)
    stays, leaves, tone = (
        (answered, call, CALLEE_HZ) if by == "caller" else (call, answered, CALLER_HZ)
    )
    if asked:
        leaves.hold()
        question = leaves.phone.call("1002")
        taken = third.incoming().answer()
        taken.play(THIRD_HZ)
        # Phones that choose a codec by a second INVITE are done with it then.
        assert_heard(question, THIRD_HZ, 1)
        leaves.transfer_to(question)
    else:
        leaves.transfer("1002")
        taken = third.incoming().answer()
        taken.play(THIRD_HZ)
    stays.forget()
    assert_heard(stays, THIRD_HZ, 1)
    assert_heard(taken, tone, 1)
    stays.hangup()
    taken.wait_ended()


def test_led_on_to_another(operator: Operator, passing_on: None, exchange: Exchange) -> None:
    other = phone_of(operator, HOST, exchange, "1001")
    called = phone_of(operator, HOST, exchange, "1003")
    call = phone_of(operator, HOST, exchange, "1000").call("1003")
    called.incoming().reject()
    answered = other.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    still_talking(call, answered)
    call.hangup()


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_led_on_to_the_switch_itself(
    operator: Operator, passing_on: None, exchange: Exchange, busy: Side
) -> None:
    registered(operator, busy, "1004")
    with refusing(busy, PCMU):
        call = phone_of(operator, HOST, exchange, "1000").call("1004")
        call.wait_established()
    # It has a voice of its own in this call, though the phone has announced one before.
    assert_speech(call, seconds=1)
    call.hangup()
