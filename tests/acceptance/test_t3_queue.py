"""T3: callers wait with music, the agent who logged in rings and talks, and is left alone after."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import pytest

from callcenter.client.inventory import Host
from callcenter.site import Agent, Queue, Site, ToQueue
from tests.acceptance.conftest import all_free
from tests.acceptance.support.audio import Pcm, assert_heard, assert_speech, seconds_of
from tests.acceptance.support.given import Given
from tests.acceptance.support.phones import Phone
from tests.acceptance.support.proofs import not_tried
from tests.acceptance.support.recordings import newest
from tests.acceptance.support.uses import Grant, Uses, some, uses
from tests.acceptance.support.waiting import PATIENCE
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, press, prove_both_ways


def first_queue(given: Given) -> Queue | None:
    """Return the first queue that extensions can dial and that rings nobody outside."""
    outside = {name for one in given.site.agents if one.outside for name in one.skills}
    return next((one for one in given.site.queues if one.number and one.name not in outside), None)


def queue_used(given: Given) -> Uses:
    """Return the queue, its agents, and whoever its callers go on to."""
    found = first_queue(given)
    return given.reached(ToQueue(found.name)) if found else Uses()


def caller_used(given: Given) -> Uses:
    """Return an extension that is no agent and is not recorded."""
    agents = {agent.extension for agent in given.site.agents}
    recorded = {one.number for one in given.site.extensions if one.record}
    some_of = given.plain or [one for one in given.free if one not in agents | recorded]
    return some("caller", 1, given.extensions(some_of))


@pytest.fixture
@uses(queue_used)
def queue(given: Given) -> tuple[str, Queue]:
    """The first queue that extensions can dial, after its number."""
    found = first_queue(given)
    if found is None or found.number is None:
        pytest.skip("the Site has no queue with a number, and with agents at extensions alone")
    codes = given.site.agent_codes
    if not codes.log_in or not codes.log_out:
        pytest.skip("the Site's agents cannot log in and out")
    return found.number, found


@pytest.fixture
def agents(given: Given, queue: tuple[str, Queue]) -> list[Agent]:
    """Those who answer it, first of all those of the first level."""
    return given.agents(queue[1].name)


def dial(phone: Phone, code: str) -> None:
    """Dial a feature code and listen to what it says."""
    call = phone.call(code)
    call.wait_established()
    assert_speech(call, seconds=0.3)
    assert call.wait_ended().by == "them"


@pytest.fixture
def logged_in(
    site: Site,
    agents: list[Agent],
    free: Collection[str],
    phone: MakePhone,
    fs_cli: Callable[[str], str],
) -> Iterator[tuple[Agent, Phone]]:
    """An agent at a phone, logged in; logged out afterwards."""
    all_free(free, [one.extension for one in agents])
    agent = agents[0]
    made = phone(agent.extension)
    assert site.agent_codes.log_in
    assert site.agent_codes.log_out
    dial(made, site.agent_codes.log_in)
    assert fs_cli(f"callcenter_config agent get status {agent.extension}") == "Available"
    yield agent, made
    fs_cli(f"callcenter_config agent set status {agent.extension} 'Logged Out'")


@pytest.fixture
@uses(caller_used)
def caller_number(granted: Grant) -> str:
    """An extension that is no agent and is not recorded."""
    for number in granted.names("caller"):
        return number
    not_tried("every extension that --phones names is an agent, or recorded; name another")


def test_agent_answers(
    site: Site,
    queue: tuple[str, Queue],
    logged_in: tuple[Agent, Phone],
    phone: MakePhone,
    caller_number: str,
) -> None:
    """The agent who is logged in rings, and caller and agent hear each other"""
    call = phone(caller_number).call(queue[0])
    call.wait_established()
    answered = logged_in[1].incoming().answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    answered.hangup()
    assert call.wait_ended().by == "them"


def test_through_the_ivr_to_a_recorded_call(
    site: Site,
    logged_in: tuple[Agent, Phone],
    phone: MakePhone,
    caller_number: str,
    host: Any,
    node: Host,
) -> None:
    """By keys through the IVR to the queue, and the recording holds both voices, but no pause"""
    ways = [
        (menu.number, keys, to.queue)
        for menu in site.ivrs
        for keys, to in menu.options.items()
        if menu.number and isinstance(to, ToQueue) and to.queue in logged_in[0].skills
    ]
    if not ways or not site.named("queues", ways[0][2]).record or not site.recording.stereo:
        pytest.skip("no IVR of the Site leads to a queue whose calls are recorded in stereo")
    if node.switch.is_windows:
        pytest.skip(f"{node.name} is a Windows host, whose recordings nothing here reads yet")
    number, keys, name = ways[0]
    call = phone(caller_number).call(number)
    press(call, keys)
    answered = logged_in[1].incoming().answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    if site.recording.pause is not None:
        answered.send_dtmf(f"*{site.recording.pause}")
        answered.forget()
        assert_heard(answered, CALLER_HZ, 2)
    call.hangup()
    answered.wait_ended()
    _, (callers, agents) = newest(host, name)
    assert_heard(callers, CALLER_HZ, 1.5)
    assert_heard(agents, CALLEE_HZ, 1.5)
    if site.recording.pause is not None:
        heard = seconds_of(CALLER_HZ, callers.samples, callers.rate)
        assert callers.seconds - heard > 1.5


def test_music_while_waiting(
    site: Site,
    queue: tuple[str, Queue],
    logged_in: tuple[Agent, Phone],
    phone: MakePhone,
    caller_number: str,
) -> None:
    """A caller hears music until an agent answers"""
    if queue[1].hold_music is None and site.hold_music is None:
        pytest.skip("the Site's callers wait in silence")
    call = phone(caller_number).call(queue[0])
    call.wait_established()
    ringing = logged_in[1].incoming()
    call.forget()
    assert_speech(call, seconds=1)
    ringing.answer().play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 0.5)


def test_position_is_told(
    site: Site,
    queue: tuple[str, Queue],
    logged_in: tuple[Agent, Phone],
    phone: MakePhone,
    caller_number: str,
) -> None:
    """The position is told over the music, and an agent who answers meanwhile is heard"""
    if not queue[1].announce_position:
        pytest.skip("the queue's callers are not told their position")
    call = phone(caller_number).call(queue[0])
    call.wait_established()
    ringing = logged_in[1].incoming()

    def loud(pcm: Pcm) -> bool:
        # The music stays below 6,000, and speech does not.
        return len(pcm.samples) > 0 and int(np.abs(pcm.samples.astype(int)).max()) > 8000

    assert loud(call.listen(loud, PATIENCE))
    answered = ringing.answer()
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 1)


def test_wrap_up(
    site: Site,
    queue: tuple[str, Queue],
    logged_in: tuple[Agent, Phone],
    phone: MakePhone,
    caller_number: str,
) -> None:
    """After a call the agent is left alone for its wrap-up time"""
    agent, agents_phone = logged_in
    caller = phone(caller_number)
    call = caller.call(queue[0])
    call.wait_established()
    answered = agents_phone.incoming().answer()
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 0.5)
    answered.hangup()
    ended = time.monotonic()
    call.wait_ended()
    second = caller.call(queue[0])
    second.wait_established()
    agents_phone.incoming(timeout=agent.wrap_up + PATIENCE)
    # mod_callcenter counts in whole seconds.
    assert time.monotonic() - ended >= agent.wrap_up - 1
    second.hangup()


def test_no_agent(
    site: Site, queue: tuple[str, Queue], phone: MakePhone, caller_number: str, agents: Any
) -> None:
    """While nobody is logged in, callers go on after the time that the Site says"""
    number, described = queue
    wait = described.max_wait_without_agents
    if not wait or getattr(described.otherwise, "extension", None) is None:
        pytest.skip("the queue's callers wait for ever, or do not go on to an extension")
    there = phone(described.otherwise.extension)  # type: ignore[union-attr]
    call = phone(caller_number).call(number)
    call.wait_established()
    answered = there.incoming(timeout=wait + PATIENCE).answer()
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 1)


def test_logged_out_and_paused(
    site: Site,
    queue: tuple[str, Queue],
    logged_in: tuple[Agent, Phone],
    fs_cli: Callable[[str], str],
) -> None:
    """Agents pause and log out by their codes"""
    agent, agents_phone = logged_in
    codes = site.agent_codes
    for code, status in ((codes.pause, "On Break"), (codes.log_out, "Logged Out")):
        if code is not None:
            dial(agents_phone, code)
            asked = fs_cli(f"callcenter_config agent get status {agent.extension}")
            assert asked == status


def test_strangers_cannot_log_in(
    site: Site, phone: MakePhone, caller_number: str, fs_cli: Callable[[str], str]
) -> None:
    """An extension that is no agent does not become one"""
    if not site.agents or not site.agent_codes.log_in:
        pytest.skip("the Site's agents, if any, cannot log in")
    dial(phone(caller_number), site.agent_codes.log_in)
    assert f"\n{caller_number}|" not in fs_cli("callcenter_config agent list")
