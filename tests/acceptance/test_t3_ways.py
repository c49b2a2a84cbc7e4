"""T3: IVR menus, opening hours and ring groups lead callers where the Site says."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator

import pytest

from callcenter.render.routing import resolve
from callcenter.site import (
    Destination,
    Ivr,
    OpenDuring,
    RingGroup,
    Site,
    ToExtension,
    ToHangUp,
    ToIvr,
    ToRingGroup,
)
from tests.acceptance.conftest import all_free
from tests.acceptance.support.audio import assert_speech
from tests.acceptance.support.given import Given
from tests.acceptance.support.given import caller as caller_used
from tests.acceptance.support.phones import Call, DtmfMode, Phone
from tests.acceptance.support.proofs import not_tried
from tests.acceptance.support.uses import Grant, Uses, alone, uses
from tests.acceptance.support.waiting import PATIENCE
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, press, prove_both_ways

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
                group = site.named("ring_groups", name)
                return None if group.outside else list(group.members)
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
    """Let the callee answer, and make sure that both hear each other."""
    answered = callee.incoming().answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)


def leads(given: Given, *destinations: Destination | None) -> Uses:
    """Return uses of all that calls may come to, and of a phone that does not ring itself."""
    uses = given.reached(*destinations) | caller_used(given)
    # Who may ring few phones has all of them at hand.
    return uses if given.phones is None else uses | alone(*given.extensions(given.free))


@pytest.fixture
@uses(caller_used)
def caller(granted: Grant, at: At) -> Callable[..., Phone]:
    """A phone that does not ring itself."""
    mine = sorted(one.name for one in granted.alone if one.kind == "extension")

    def of(*rung: str) -> Phone:
        fitting = (one for one in (*granted.names("caller"), *mine) if one not in rung)
        number = next(fitting, None)
        if number is None:
            not_tried("every extension that --phones names would ring; name another")
        return at(number)

    return of


def menus(site: Site) -> list[tuple[str, Ivr]]:
    """Return the IVRs that extensions can dial, with their numbers."""
    found = [(menu.number, menu) for menu in site.ivrs if menu.number]
    if not found:
        pytest.skip("the Site has no IVR with a number")
    return found


def choices(site: Site) -> Iterator[tuple[str, str, Destination]]:
    """Yield their numbers, their keys, and where each leads."""
    for number, menu in menus(site):
        for keys, destination in menu.options.items():
            yield number, keys, destination


def all_choices(given: Given) -> Uses:
    """Whatever a key of an IVR rings, and the hours that decide on it."""
    menus = [menu for menu in given.site.ivrs if menu.number]
    leading = [to for menu in menus for to in menu.options.values() if rings(to)]
    return leads(given, *leading)


def rings(destination: Destination) -> bool:
    """Tell whether a destination, at some hour, rings extensions or ends the call."""
    if isinstance(destination, OpenDuring):
        return rings(destination.open) or rings(destination.closed)
    return isinstance(destination, ToExtension | ToRingGroup | ToHangUp)


@uses(all_choices)
def test_ivr_options(
    site: Site, at: At, rung: Rung, caller: Callable[..., Phone], free: Collection[str]
) -> None:
    """Each key of each IVR leads where the Site says, and the voice goes through"""
    proved = 0
    for ivr, keys, destination in choices(site):
        wanted = rung(destination)
        if wanted is None or not set(wanted if isinstance(wanted, list) else []) <= set(free):
            continue
        called = [at(number) for number in wanted[:1]] if isinstance(wanted, list) else []
        call = caller(*wanted).call(ivr)
        press(call, keys)
        if called:
            talk(call, called[0])
            call.hangup()
        else:
            assert call.wait_ended().by == "them"
        proved += 1
    if not proved:
        pytest.skip("no key of the Site's IVRs leads to an extension that --phones names")


def a_key(given: Given) -> tuple[str, str, ToExtension] | None:
    """Return the first key of an IVR for an extension, after the IVR's number."""
    for menu in given.site.ivrs:
        for keys, to in menu.options.items():
            if menu.number and isinstance(to, ToExtension) and to.extension in given.free:
                return menu.number, keys, to
    return None


def a_key_used(given: Given) -> Uses:
    """Return uses of the extension that ``a_key`` finds, and of a caller."""
    found = a_key(given)
    return given.reached(found[2] if found else None) | caller_used(given)


@pytest.mark.parametrize("dtmf", ["rfc2833", "info"])
@uses(a_key_used)
def test_ivr_hears_keys_of_either_kind(
    given: Given, granted: Grant, phone: MakePhone, dtmf: DtmfMode
) -> None:
    """An IVR takes keys that are sent as RFC 2833 events and those sent as SIP INFO"""
    found, other = a_key(given), granted.names("caller")
    if found is None or not other:
        pytest.skip("no key of the Site's IVRs leads to an extension that --phones names")
    ivr, keys, destination = found
    called = phone(destination.extension)
    call = phone(other[0], dtmf=dtmf).call(ivr)
    press(call, keys)
    talk(call, called)


def test_ivr_speaks(site: Site, caller: Callable[..., Phone]) -> None:
    """An IVR's greeting is heard"""
    call = caller().call(menus(site)[0][0])
    call.wait_established()
    assert_speech(call, seconds=1)


def nothing_pressed(given: Given) -> Uses:
    """Return uses of what the first IVR leads to when no key is pressed, and of a caller."""
    leading = [menu.otherwise for menu in given.site.ivrs if menu.number and menu.otherwise]
    return leads(given, *leading[:1])


@uses(nothing_pressed)
def test_ivr_nothing_pressed(
    site: Site, at: At, rung: Rung, caller: Callable[..., Phone], free: Collection[str]
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
    answered = called.incoming(timeout=(menu.wait_seconds + PATIENCE) * menu.attempts).answer()
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)


def test_ivr_nested_and_dialled(site: Site, at: At, numbers: list[str]) -> None:
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
    call = at(numbers[1]).call(ivr)
    press(call, keys)
    call.forget()
    assert_speech(call, seconds=1)
    call.send_dtmf(numbers[0])
    talk(call, called)


def night_switch(given: Given) -> Uses:
    """Return the hours whose switch is turned."""
    hours = [one.name for one in given.site.hours if one.night]
    return alone(*(given.resource("hours", name) for name in hours[:1]))


@uses(night_switch)
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
        assert call.wait_ended().by == "them"
        assert closed() == wanted


def by_hours(site: Site) -> list[tuple[str, str, OpenDuring]]:
    """Return the keys of IVRs that lead by hours with a night switch."""
    return [
        (ivr, keys, to)
        for menu in site.ivrs
        for keys, to in menu.options.items()
        if (ivr := menu.number)
        and isinstance(to, OpenDuring)
        and site.named("hours", to.hours).night
    ]


def hours_turned(given: Given) -> Uses:
    """Return those hours, and wherever they lead."""
    found = by_hours(given.site)[:1]
    mine = alone(*(given.resource("hours", to.hours) for *_, to in found))
    return mine | leads(given, *(to for *_, to in found))


@pytest.mark.parametrize("night", [False, True])
@uses(hours_turned)
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
    found = by_hours(site)
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
    press(call, keys)
    if called is not None:
        talk(call, called)
    else:
        assert call.wait_ended().by == "them"


def toggle(caller: Phone, code: str) -> None:
    """Dial the night switch and listen to the end."""
    call = caller.call(code)
    call.wait_established()
    call.wait_ended()


def groups_inside(site: Site) -> list[tuple[RingGroup, str]]:
    """List the ring groups that can be dialled, with their numbers: a test rings nobody outside."""
    return [(one, one.number) for one in site.ring_groups if one.number and not one.outside]


def all_groups(given: Given) -> Uses:
    """Name everybody in a ring group."""
    groups = [group.name for group, _ in groups_inside(given.site)]
    return leads(given, *map(ToRingGroup, groups))


@uses(all_groups)
def test_ring_groups(
    site: Site, at: At, caller: Callable[..., Phone], free: Collection[str]
) -> None:
    """All members ring together, or one after the other, and the first to answer talks"""
    groups = groups_inside(site)
    if not groups:
        pytest.skip("the Site has no ring group with a number, and with extensions alone")
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
            assert first.wait_ended(timeout=group.ring_seconds + PATIENCE).by == "them"
            answered = members[-1].incoming().answer()
        call.wait_established()
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        prove_both_ways(call, answered)
        call.hangup()
