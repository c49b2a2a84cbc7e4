"""T3: IVR menus, opening hours and ring groups lead callers where the Site says."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator

import pytest

from callcenter.routing import resolve
from callcenter.site import (
    Destination,
    Ivr,
    Site,
    ToExtension,
    ToHangUp,
    ToIvr,
    ToRingGroup,
)
from tests.acceptance.conftest import all_free
from tests.acceptance.support.audio import assert_speech
from tests.acceptance.support.phones import Call, DtmfMode, Phone
from tests.acceptance.support.proofs import not_tried
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, prove_both_ways

At = Callable[[str], Phone]


@pytest.fixture
def closed(site: Site, fs_cli: Callable[[str], str]) -> list[str]:
    """The hours that are closed by hand at the moment."""
    return [
        hours.name
        for hours in site.hours
        if hours.night and fs_cli(f"db select/night/{hours.name}") == "closed"
    ]


Rung = Callable[[Destination], list[str] | str | None]


@pytest.fixture
def rung(site: Site, closed: list[str]) -> Rung:
    """Who rings for a destination now, or else what the caller is told; None for what a test of its
    own proves."""

    def of(destination: Destination) -> list[str] | str | None:
        now = datetime.datetime.now(datetime.UTC)
        match resolve(site, destination, now, closed):
            case ToExtension(extension=number):
                return [number]
            case ToRingGroup(ring_group=name):
                return list(site.named("ring_groups", name).members)
            case ToHangUp(hang_up=cause):
                return cause
            case _:
                return None

    return of


@pytest.fixture
def at(phone: MakePhone) -> Callable[[str], Phone]:
    """The one phone of an extension, registered when it is first asked for."""
    made: dict[str, Phone] = {}

    def of(number: str) -> Phone:
        return made[number] if number in made else made.setdefault(number, phone(number))

    return of


def talk(call: Call, callee: Phone) -> None:
    """The callee answers, and both hear each other."""
    answered = callee.incoming(timeout=15).answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)


@pytest.fixture
def caller(free: list[str], at: At) -> Callable[..., Phone]:
    """A phone that does not ring itself."""

    def of(*rung: str) -> Phone:
        number = next((one for one in free if one not in rung), None)
        if number is None:
            not_tried("every extension that --phones names would ring; name another")
        return at(number)

    return of


def menus(site: Site) -> list[tuple[str, Ivr]]:
    """The IVRs that extensions can dial, with their numbers."""
    found = [(menu.number, menu) for menu in site.ivrs if menu.number]
    if not found:
        pytest.skip("the Site has no IVR with a number")
    return found


def choices(site: Site) -> Iterator[tuple[str, str, Destination]]:
    """Their numbers, their keys, and where each leads."""
    for number, menu in menus(site):
        for keys, destination in menu.options.items():
            yield number, keys, destination


def test_ivr_options(
    site: Site, at: At, rung: Rung, caller: Callable[..., Phone], free: list[str]
) -> None:
    """Each key of each IVR leads where the Site says, and the voice goes through"""
    proved = 0
    for ivr, keys, destination in choices(site):
        wanted = rung(destination)
        if wanted is None or not set(wanted if isinstance(wanted, list) else []) <= set(free):
            continue
        called = [at(number) for number in wanted[:1]] if isinstance(wanted, list) else []
        call = caller(*wanted).call(ivr)
        call.wait_established()
        call.send_dtmf(keys)
        if called:
            talk(call, called[0])
            call.hangup()
        else:
            assert call.wait_ended(timeout=15).by == "them"
        proved += 1
    if not proved:
        pytest.skip("no key of the Site's IVRs leads to an extension that --phones names")


@pytest.mark.parametrize("dtmf", ["rfc2833", "info"])
def test_ivr_hears_keys_of_either_kind(
    site: Site, phone: MakePhone, free: list[str], dtmf: DtmfMode
) -> None:
    """An IVR takes keys that are sent as RFC 2833 events and those sent as SIP INFO"""
    for ivr, keys, destination in choices(site):
        if isinstance(destination, ToExtension) and destination.extension in free:
            called = phone(destination.extension)
            other = next(number for number in free if number != called.user)
            call = phone(other, dtmf=dtmf).call(ivr)
            call.wait_established()
            call.send_dtmf(keys)
            talk(call, called)
            return
    pytest.skip("no key of the Site's IVRs leads to an extension that --phones names")


def test_ivr_speaks(site: Site, caller: Callable[..., Phone]) -> None:
    """An IVR's greeting is heard"""
    call = caller().call(menus(site)[0][0])
    call.wait_established()
    assert_speech(call, seconds=1)


def test_ivr_nothing_pressed(
    site: Site, at: At, rung: Rung, caller: Callable[..., Phone], free: list[str]
) -> None:
    """Who presses nothing is sent on after the attempts"""
    leading = [(ivr, menu, menu.otherwise) for ivr, menu in menus(site) if menu.otherwise]
    if not leading:
        pytest.skip("no IVR of the Site leads on by itself")
    ivr, menu, otherwise = leading[0]
    wanted = rung(otherwise)
    if not isinstance(wanted, list):
        pytest.skip("the IVR ends the call by itself, or leads to another service")
    all_free(free, wanted)
    called = at(wanted[0])
    call = caller(*wanted).call(ivr)
    call.wait_established()
    call.play(CALLER_HZ)
    answered = called.incoming(timeout=(menu.wait_seconds + 15) * menu.attempts).answer()
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)


def test_ivr_nested_and_dialled(
    site: Site, at: At, numbers: list[str], caller: Callable[..., Phone]
) -> None:
    """Through a nested menu, with an extension dialled there"""
    nested = [
        (ivr, keys)
        for ivr, keys, to in choices(site)
        if isinstance(to, ToIvr) and site.named("ivrs", to.ivr).direct_dial
    ]
    if not nested:
        pytest.skip("no IVR of the Site leads to another with direct_dial")
    ivr, keys = nested[0]
    called = at(numbers[0])
    call = caller(numbers[0]).call(ivr)
    call.wait_established()
    call.send_dtmf(keys)
    assert_speech(call, seconds=1)
    call.send_dtmf(numbers[0])
    talk(call, called)


def test_night_switch(
    site: Site, alone: None, caller: Callable[..., Phone], fs_cli: Callable[[str], str]
) -> None:
    """The night switch closes and opens again"""
    hours = next((one for one in site.hours if one.night), None)
    if hours is None or hours.night is None:
        pytest.skip("the Site has no night switch")
    phone = caller()

    def closed() -> bool:
        return fs_cli(f"db select/night/{hours.name}") == "closed"

    before = closed()
    for wanted in (not before, before):
        call = phone.call(hours.night)
        call.wait_established()
        assert call.wait_ended(timeout=15).by == "them"
        assert closed() == wanted


@pytest.mark.parametrize("night", [False, True])
def test_hours(
    site: Site,
    alone: None,
    at: At,
    caller: Callable[..., Phone],
    fs_cli: Callable[[str], str],
    night: bool,
    request: pytest.FixtureRequest,
) -> None:
    """Callers go where opening hours and the night switch say"""
    found = [
        (ivr, keys, to)
        for ivr, keys, to in choices(site)
        if hasattr(to, "hours") and site.named("hours", to.hours).night
    ]
    if not found:
        pytest.skip("no IVR of the Site has an option by hours with a night switch")
    ivr, keys, to = found[0]
    hours = site.named("hours", to.hours)
    if (fs_cli(f"db select/night/{hours.name}") == "closed") != night:
        toggle(caller(), hours.night)
        request.addfinalizer(lambda: toggle(caller(), hours.night))
    now = datetime.datetime.now(datetime.UTC)
    end = resolve(site, to, now, [hours.name] if night else [])
    called = at(end.extension) if isinstance(end, ToExtension) else None
    call = caller(called.user if called else "").call(ivr)
    call.wait_established()
    call.send_dtmf(keys)
    if called is not None:
        talk(call, called)
    else:
        assert call.wait_ended(timeout=15).by == "them"


def toggle(caller: Phone, code: str) -> None:
    """Dial the night switch and listen to the end."""
    call = caller.call(code)
    call.wait_established()
    call.wait_ended(timeout=15)


def test_ring_groups(site: Site, at: At, caller: Callable[..., Phone], free: list[str]) -> None:
    """All members ring together, or one after the other, and the first to answer talks"""
    groups = [(group, group.number) for group in site.ring_groups if group.number]
    if not groups:
        pytest.skip("the Site has no ring group with a number")
    all_free(free, [number for group, _ in groups for number in group.members])
    for group, number in groups:
        members = [at(member) for member in group.members[:2]]
        call = caller(*group.members).call(number)
        if group.strategy == "together" or len(members) == 1:
            ringing = [member.incoming() for member in members]
            answered = ringing[-1].answer()
            if len(ringing) > 1:
                assert ringing[0].wait_ended().by == "them"
        else:
            first = members[0].incoming()
            assert first.wait_ended(timeout=group.ring_seconds + 5).by == "them"
            answered = members[-1].incoming().answer()
        call.wait_established()
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        prove_both_ways(call, answered)
        call.hangup()
