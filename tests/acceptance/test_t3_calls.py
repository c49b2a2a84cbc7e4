"""T3: hold, transfers, and what extensions do by feature codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from callcenter.site import Site, ToExtension
from tests.acceptance.support.audio import assert_heard, assert_not_heard, assert_speech
from tests.acceptance.support.given import Given
from tests.acceptance.support.phones import Phone
from tests.acceptance.support.uses import Uses, alone, uses
from tests.acceptance.test_t2_call import (
    CALLEE_HZ,
    CALLER_HZ,
    MakePhone,
    connect,
    prove_both_ways,
)

THIRD_HZ = 1000.0


def code_of(site: Site, name: str) -> str:
    """Return the feature's code."""
    code = getattr(site.features, name)
    if code is None:
        pytest.skip(f"the Site switches features.{name} off")
    return str(code)


def dial(phone: Phone, code: str) -> None:
    """Dial a feature code and listen to what it says."""
    call = phone.call(code)
    call.wait_established()
    assert_speech(call, seconds=0.3)
    assert call.wait_ended().by == "them"


@pytest.fixture
def undone(plain: list[str], fs_cli: Callable[[str], str]) -> Iterator[None]:
    """What a test switches on for its own extensions is off again afterwards."""
    yield
    for realm in ("forward", "do-not-disturb"):
        for number in plain[:2]:
            fs_cli(f"db delete/{realm}/{number}")


def test_hold(site: Site, plain: list[str], phone: MakePhone) -> None:
    """Who is held hears music where the switch decodes, and the other side again once resumed"""
    call, answered = connect(phone(plain[0]), phone(plain[1]))
    prove_both_ways(call, answered)
    answered.hold()
    if site.hold_music is not None and site.media.mode == "default":
        call.forget()
        assert_speech(call, seconds=1)
    call.forget()
    answered.forget()
    answered.resume()
    assert_heard(call, CALLEE_HZ, 1)
    assert_heard(answered, CALLER_HZ, 1)


@pytest.mark.parametrize("by", ["caller", "callee"])
def test_blind_transfer(plain: list[str], phone: MakePhone, by: str) -> None:
    """Either side transfers the other to a third, and those two hear each other"""
    third = phone(plain[2])
    call, answered = connect(phone(plain[0]), phone(plain[1]))
    stays, leaves, tone = (
        (answered, call, CALLEE_HZ) if by == "caller" else (call, answered, CALLER_HZ)
    )
    leaves.transfer(plain[2])
    taken = third.incoming().answer()
    assert leaves.wait_ended()
    taken.play(THIRD_HZ)
    stays.forget()
    assert_heard(stays, THIRD_HZ, 2)
    assert_heard(taken, tone, 2)
    stays.hangup()
    assert taken.wait_ended().by == "them"


@pytest.mark.parametrize("by", ["caller", "callee"])
def test_attended_transfer(site: Site, plain: list[str], phone: MakePhone, by: str) -> None:
    """Either side asks a third first, then connects the other two"""
    if site.media.mode == "bypass":
        pytest.skip("media mode bypass: nobody tells who was held that the hold is over")
    third = phone(plain[2])
    caller, callee = phone(plain[0]), phone(plain[1])
    call, answered = connect(caller, callee)
    # The switch has connected the two then.
    assert_heard(answered, CALLER_HZ, 1)
    if by == "caller":
        stays, leaves, who, tone = answered, call, caller, CALLEE_HZ
    else:
        stays, leaves, who, tone = call, answered, callee, CALLER_HZ
    leaves.hold()
    asked = who.call(plain[2])
    taken = third.incoming().answer()
    asked.wait_established()
    taken.play(THIRD_HZ)
    assert_heard(asked, THIRD_HZ, 1)
    leaves.transfer_to(asked)
    assert leaves.wait_ended()
    assert asked.wait_ended()
    for side, heard in ((stays, THIRD_HZ), (taken, tone)):
        side.forget()
        assert_heard(side, heard, 2)
    stays.hangup()
    assert taken.wait_ended().by == "them"


def test_forward(site: Site, plain: list[str], phone: MakePhone, undone: None) -> None:
    """Calls go where the extension says, until it says otherwise; a circle ends at a phone"""
    code, off = code_of(site, "forward"), code_of(site, "forward_off")
    first, second, caller = phone(plain[0]), phone(plain[1]), phone(plain[2])
    dial(first, code + plain[1])
    dial(second, code + plain[0])
    call = caller.call(plain[0])
    answered = second.incoming().answer()
    call.play(CALLER_HZ)
    assert_heard(answered, CALLER_HZ, 0.5)
    call.hangup()
    # The one whom calls are forwarded to reaches the other.
    back = second.call(plain[0])
    first.incoming().reject()
    back.wait_ended()
    dial(first, off)
    again = caller.call(plain[0])
    first.incoming().reject()
    again.wait_ended()


def test_forward_is_for_the_site(
    site: Site, plain: list[str], phone: MakePhone, fs_cli: Callable[[str], str], undone: None
) -> None:
    """Calls are forwarded neither to the extension itself, nor to what the site does not have"""
    code = code_of(site, "forward")
    made = phone(plain[0])
    unknown = next(str(n) for n in range(8000, 9000) if str(n) not in site.extension_by_number)
    for target in (plain[0], unknown, "00123456789"):
        dial(made, code + target)
    assert fs_cli(f"db exists/forward/{plain[0]}") == "false"


def test_do_not_disturb(site: Site, plain: list[str], phone: MakePhone, undone: None) -> None:
    """Nobody rings an extension that is not to be disturbed"""
    code, off = code_of(site, "do_not_disturb"), code_of(site, "do_not_disturb_off")
    quiet, caller = phone(plain[0]), phone(plain[1])
    dial(quiet, code)
    assert caller.call(plain[0]).wait_ended().code == 480
    dial(quiet, off)
    call = caller.call(plain[0])
    quiet.incoming().reject()
    call.wait_ended()


def pickup_pair(given: Given) -> tuple[str, str] | None:
    """Return the first two extensions that share a pick-up group."""
    members = [one for one in given.site.extensions if one.pickup_groups]
    return next(
        (
            (a.number, b.number)
            for a in members
            for b in members
            if a != b
            and {a.number, b.number} <= set(given.free)
            and set(a.pickup_groups) & set(b.pickup_groups)
        ),
        None,
    )


def pickup_used(given: Given) -> Uses:
    """Name everybody who may pick up what rings for those two."""
    pair = pickup_pair(given) or ()
    known = given.site.extension_by_number
    groups = {group for number in pair for group in known[number].pickup_groups}
    members = [one.number for one in known.values() if groups & set(one.pickup_groups)]
    return alone(*given.extensions(members))


@uses(pickup_used)
def test_pickup(site: Site, given: Given, plain: list[str], phone: MakePhone) -> None:
    """A call that rings an extension is answered by another of its group, and by nobody else"""
    code = code_of(site, "pickup")
    pair = pickup_pair(given)
    if pair is None:
        pytest.skip("no two extensions that --phones names share a pick-up group")
    called, colleague, stranger = phone(pair[0]), phone(pair[1]), phone(plain[1])
    call = phone(plain[0]).call(pair[0])
    ringing = called.incoming()
    call.wait_ringing()
    dial(stranger, code)
    picked = colleague.call(code)
    picked.wait_established()
    call.wait_established()
    assert ringing.wait_ended().by == "them"
    call.play(CALLER_HZ)
    picked.play(CALLEE_HZ)
    prove_both_ways(call, picked)
    call.hangup()
    assert picked.wait_ended().by == "them"
    dial(colleague, code)


def test_intercom(site: Site, plain: list[str], phone: MakePhone) -> None:
    """The phone of the called extension answers by itself, and only by the intercom's code"""
    code = code_of(site, "intercom")
    called, caller = phone(plain[1], answers_itself=True), phone(plain[0])
    call = caller.call(code + plain[1])
    call.wait_established()
    # Not one of its own.
    invite = called.wait_message(lambda m: m.method == "INVITE" and m.status is None and not m.sent)
    assert "answer-after=0" in invite.header("call-info")
    assert "alert-autoanswer" in invite.header("alert-info")
    answered = called.incoming()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    call.hangup()
    answered.wait_ended()
    plainly = caller.call(plain[1])
    ringing = called.incoming()
    plainly.wait_ringing()
    assert not ringing.established
    plainly.hangup()


def speed_dial(given: Given) -> tuple[str, str] | None:
    """Return the first short number for an extension, and that extension."""
    known = given.site.extension_by_number
    return next(((k, v) for k, v in given.site.speed_dials.items() if v in known), None)


def speed_dial_used(given: Given) -> Uses:
    """Return the extension that it stands for."""
    found = speed_dial(given)
    return given.reached(ToExtension(found[1])) if found else Uses()


@uses(speed_dial_used)
def test_speed_dial(given: Given, plain: list[str], phone: MakePhone) -> None:
    """A short number rings the extension that it stands for"""
    found = speed_dial(given)
    if found is None:
        pytest.skip("no speed dial of the Site is an extension")
    code, target = found
    called = phone(target)
    call = phone(plain[0]).call(code)
    answered = called.incoming().answer()
    call.wait_established()
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 1)
    assert_not_heard(call, CALLER_HZ)
