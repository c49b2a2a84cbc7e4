"""T3: calls are parked, wait with music, are taken, and go back when nobody takes them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from callcenter.site import Parking, Site
from tests.acceptance.support.audio import assert_heard, assert_speech
from tests.acceptance.support.given import Given
from tests.acceptance.support.phones import Call, Phone
from tests.acceptance.support.uses import Uses, alone, uses
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, connect, prove_both_ways
from tests.acceptance.test_t3_calls import dial

pytestmark = pytest.mark.usefixtures("alone")


def places(given: Given) -> Uses:
    """Return the places where calls are parked."""
    return alone(given.parking)


@pytest.fixture
@uses(places)
def parking(site: Site) -> Parking:
    """The Site's parking."""
    if site.parking is None:
        pytest.skip("the Site has no parking")
    return site.parking


@pytest.fixture
def parked(parking: Parking, plain: list[str], phone: MakePhone) -> tuple[Call, Phone]:
    """A caller whom the callee has parked in the first place, and the callee's phone."""
    callee = phone(plain[1])
    call, answered = connect(phone(plain[0]), callee)
    answered.transfer(parking.first)
    answered.wait_ended()
    return call, callee


def test_park_and_take(
    site: Site,
    parking: Parking,
    parked: tuple[Call, Phone],
    plain: list[str],
    phone: MakePhone,
) -> None:
    """A parked caller hears music until somebody dials the place; then both talk"""
    call, callee = parked
    if site.hold_music is not None:
        call.forget()
        assert_speech(call, seconds=1)
    taken = phone(plain[2]).call(parking.first)
    taken.wait_established()
    taken.play(CALLEE_HZ)
    call.forget()
    prove_both_ways(call, taken)
    taken.hangup()
    call.wait_ended()
    # Empty again: who dials it is told, and is not parked.
    dial(callee, parking.first)


def test_occupied_place(
    parking: Parking, parked: tuple[Call, Phone], plain: list[str], phone: MakePhone
) -> None:
    """A second call for the same place goes back to who sent it, and the first stays"""
    call, callee = parked
    second = phone(plain[2]).call(callee.user)
    answered = callee.incoming().answer()
    second.wait_established()
    second.play(CALLER_HZ)
    assert_heard(answered, CALLER_HZ, 0.2)
    answered.transfer(parking.first)
    answered.wait_ended()
    if parking.otherwise is None:
        back = callee.incoming().answer()
        back.play(CALLEE_HZ)
        assert_heard(second, CALLEE_HZ, 1)
    assert not call.ended


def test_not_taken(parking: Parking, parked: tuple[Call, Phone]) -> None:
    """A call that nobody takes goes back to who parked it"""
    call, callee = parked
    if parking.otherwise is not None or parking.max_wait > 30:
        pytest.skip("the Site's parked calls go elsewhere, or wait for more than 30 s")
    answered = callee.incoming(timeout=parking.max_wait + PATIENCE).answer()
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 1)


def test_told_which_place(
    parking: Parking, plain: list[str], phone: MakePhone, fs_cli: Callable[[str], str]
) -> None:
    """Who asks before the transfer is told the place, and the call waits there"""
    if parking.number is None:
        pytest.skip("the Site's parking has no number for any place")
    callee = phone(plain[1])
    call, answered = connect(phone(plain[0]), callee)
    answered.hold()
    asked = callee.call(parking.number)
    asked.wait_established()
    assert_speech(asked, seconds=1)
    answered.transfer_to(asked)
    asked.wait_ended()
    # mod_valet_parking moves the call a second later.
    # Not always the first: FreeSWITCH keeps a place for a while after a call has left it.
    [place] = eventually(
        lambda: re.findall(r">([0-9]+)</extension>", fs_cli("valet_info")), bool, "a parked call"
    )
    assert place in parking.places
    taken = phone(plain[2]).call(place)
    taken.wait_established()
    call.play(CALLER_HZ)
    taken.play(CALLEE_HZ)
    call.forget()
    prove_both_ways(call, taken)
