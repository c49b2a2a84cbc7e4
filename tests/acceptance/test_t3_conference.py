"""T3: everybody in a conference hears everybody; PINs keep the others out, and out of the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from callcenter.site import Conference, Site
from tests.acceptance.support.audio import assert_heard, assert_not_heard, assert_speech
from tests.acceptance.support.given import Given
from tests.acceptance.support.logs import Log
from tests.acceptance.support.uses import Uses, alone, uses
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, press
from tests.acceptance.test_t3_calls import THIRD_HZ

pytestmark = pytest.mark.usefixtures("alone")


def rooms(site: Site, *, pin: bool) -> Iterator[tuple[str, Conference]]:
    """Yield the conferences that extensions can dial, after their numbers."""
    for one in site.conferences:
        if one.number is not None and (one.pin is not None) == pin:
            yield one.number, one


def room(site: Site, *, pin: bool) -> tuple[str, Conference]:
    """Return the first of them."""
    for found in rooms(site, pin=pin):
        return found
    pytest.skip(f"the Site has no conference {'with' if pin else 'without'} a PIN to be dialled")


def open_room(given: Given) -> Uses:
    """Return the conference without a PIN."""
    names = [one.name for _, one in rooms(given.site, pin=False)]
    return alone(*(given.resource("conferences", name) for name in names[:1]))


def closed_room(given: Given) -> Uses:
    """Return the conference with one."""
    names = [one.name for _, one in rooms(given.site, pin=True)]
    return alone(*(given.resource("conferences", name) for name in names[:1]))


@uses(open_room)
def test_everybody_hears_everybody(site: Site, plain: list[str], phone: MakePhone) -> None:
    """Three in a conference hear the two others"""
    number, _ = room(site, pin=False)
    tones = (CALLER_HZ, CALLEE_HZ, THIRD_HZ)
    calls = [phone(one).call(number) for one in plain[:3]]
    for call in calls:
        call.wait_established()
    for index, call in enumerate(calls):
        # One after the other, since a mix of tones is no tone.
        call.play(tones[index])
        for other in calls:
            if other is not call:
                assert_heard(other, tones[index], 1)
        assert_not_heard(call, tones[index])
        call.play(None)


@uses(closed_room)
def test_pins(site: Site, plain: list[str], phone: MakePhone, hide: Any, host: Any) -> None:
    """The PIN lets in, the moderator's begins it, a wrong one ends; no PIN is in the log"""
    number, described = room(site, pin=True)
    assert described.pin
    pin = hide(site.reveal(described.pin))
    log = Log(host)
    member = phone(plain[0]).call(number)
    press(member, f"{pin}#")
    moderator_pin = pin
    if described.moderator_pin is not None:
        moderator_pin = hide(site.reveal(described.moderator_pin))
    moderator = phone(plain[1]).call(number)
    if described.moderator_pin is not None:
        member.play(CALLER_HZ)
    press(moderator, f"{moderator_pin}#")
    member.play(None)
    moderator.play(CALLEE_HZ)
    assert_heard(member, CALLEE_HZ, 1)
    wrong = phone(plain[2]).call(number)
    wrong.wait_established()
    for _ in range(3):
        wrong.forget()
        assert_speech(wrong, seconds=0.5)
        wrong.send_dtmf("0000000#"[-len(pin) - 1 :])
    assert wrong.wait_ended().by == "them"
    said = "\n".join(log.of_calls(plain))
    assert "conference(" in said
    assert "DTMF" not in said


@uses(closed_room)
def test_waits_for_the_moderator(site: Site, plain: list[str], phone: MakePhone, hide: Any) -> None:
    """Until the moderator comes, members hear music, and not each other"""
    number, described = room(site, pin=True)
    if described.moderator_pin is None or site.hold_music is None:
        pytest.skip("the conference needs no moderator, or the Site has no hold music")
    assert described.pin
    pin = hide(site.reveal(described.pin))
    calls = [phone(one).call(number) for one in plain[:2]]
    for call in calls:
        press(call, f"{pin}#")
    calls[0].play(CALLER_HZ)
    calls[1].forget()
    assert_speech(calls[1], seconds=2)
    assert_not_heard(calls[1], CALLER_HZ)


@uses(closed_room)
def test_full(site: Site, plain: list[str], phone: MakePhone, hide: Any) -> None:
    """Who comes when all places are taken is told, and is not let in"""
    number, described = room(site, pin=True)
    if described.max_members is None or described.max_members > 3 or len(plain) < 4:
        pytest.skip("the conference has room for more than three")
    assert described.pin
    pin = hide(site.reveal(described.pin))
    for one in plain[: described.max_members]:
        press(phone(one).call(number), f"{pin}#")
    late = phone(plain[3]).call(number)
    press(late, f"{pin}#")
    assert late.wait_ended().by == "them"
