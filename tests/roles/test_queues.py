"""Queues on a real switch: whom each strategy rings, and changes that lose nobody."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.acceptance.support.audio import assert_heard, assert_speech
from tests.acceptance.support.phones import Exchange, Phone
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, prove_both_ways
from tests.roles.conftest import SITE, Operator
from tests.roles.support import phone_of

HOST = "queues1"
AGENTS = ("1001", "1002", "1003", "1004", "1005")
STRATEGIES = {
    "ring-all": 7001,
    "longest-idle-agent": 7002,
    "round-robin": 7003,
    "top-down": 7004,
    "agent-with-least-talk-time": 7005,
    "agent-with-fewest-calls": 7006,
    "sequentially-by-agent-order": 7007,
    "random": 7008,
    "ring-progressively": 7009,
}


def described(agents: tuple[str, ...] = AGENTS, more: str = "", skills: str = "") -> str:
    """A Site with a queue a strategy, and agents who answer all of them."""
    queues = ", ".join(
        f"Queue({name!r}, number={number}, strategy={name!r}, progressive_seconds=1)"
        for name, number in STRATEGIES.items()
    )
    levels = ", ".join(f"{name!r}: 1" for name in STRATEGIES)
    listed = ", ".join(
        f"Agent({number!r}, skills={{{levels}{skills}}}, ring_seconds=5, wrap_up=0, "
        "reject_delay=60, busy_delay=60, no_answer_delay=60, max_no_answer=0)"
        for number in agents
    )
    return SITE.replace("media=", f"queues=[{queues}{more}],\n    agents=[{listed}],\n    media=")


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.describe(described())
    made.succeed()
    return made


def callcenter(operator: Operator, command: str) -> str:
    return operator.ssh(HOST, f'fs_cli -x "callcenter_config {command}"')


@pytest.fixture
def agents(operator: Operator, exchange: Exchange) -> dict[str, Phone]:
    """Five agents at their phones, logged in, with nothing done yet."""
    for number in AGENTS:
        callcenter(operator, f"agent del {number}")
        callcenter(operator, f"agent add {number} Callback")
        callcenter(operator, f"agent reload {number}")
        callcenter(operator, f"agent set status {number} Available")
    callcenter(operator, "tier reload all")
    return {number: phone_of(operator, HOST, exchange, number) for number in AGENTS}


def waiting(operator: Operator, agent: str) -> None:
    """Wait until mod_callcenter offers an agent calls again: in the second after the last."""
    deadline = time.monotonic() + 15
    while True:
        told = callcenter(operator, f"agent list {agent}").splitlines()
        row = dict(zip(told[0].split("|"), told[1].split("|"), strict=True))
        if row["state"] == "Waiting" and int(row["last_bridge_end"]) + 1 < time.time():
            return
        assert time.monotonic() < deadline, row


def order_of(exchange: Exchange, agents: dict[str, Phone], caller: Phone, queue: int) -> list[str]:
    """Who rings, one after the other, when each refuses."""
    call = caller.call(str(queue))
    call.wait_established()
    order = []
    for _ in agents:
        ringing = exchange.first_incoming(agents.values())
        order.append(ringing.phone.user)
        ringing.reject()
    call.hangup()
    return order


@pytest.mark.parametrize(
    "strategy",
    [
        "longest-idle-agent",
        "round-robin",
        "top-down",
        "agent-with-least-talk-time",
        "agent-with-fewest-calls",
        "sequentially-by-agent-order",
    ],
)
def test_agents_without_a_past_ring_in_the_sites_order(
    strategy: str, operator: Operator, exchange: Exchange, agents: dict[str, Phone]
) -> None:
    caller = phone_of(operator, HOST, exchange, "1000")
    assert order_of(exchange, agents, caller, STRATEGIES[strategy]) == list(AGENTS)


def test_random_rings_each_once(
    operator: Operator, exchange: Exchange, agents: dict[str, Phone]
) -> None:
    caller = phone_of(operator, HOST, exchange, "1000")
    assert sorted(order_of(exchange, agents, caller, STRATEGIES["random"])) == list(AGENTS)


def test_ring_all_rings_all_and_the_first_to_answer_has_it(
    operator: Operator, exchange: Exchange, agents: dict[str, Phone]
) -> None:
    call = phone_of(operator, HOST, exchange, "1000").call(str(STRATEGIES["ring-all"]))
    call.wait_established()
    ringing = {number: phone.incoming() for number, phone in agents.items()}
    answered = ringing.pop("1003").answer()
    for other in ringing.values():
        assert other.wait_ended().by == "them"
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)


def test_ring_progressively_rings_one_more_at_a_time(
    operator: Operator, exchange: Exchange, agents: dict[str, Phone]
) -> None:
    call = phone_of(operator, HOST, exchange, "1000").call(str(STRATEGIES["ring-progressively"]))
    call.wait_established()
    order, ringing = [], []
    for _ in range(3):
        incoming = exchange.first_incoming(agents.values())
        order.append(incoming.phone.user)
        ringing.append(incoming)
    assert order == list(AGENTS[:3])
    # The first still rings while the third does.
    assert not ringing[0].ended
    call.hangup()


@pytest.mark.parametrize(
    ("strategy", "next_one"),
    [
        # 1001 has talked: each strategy has its own idea of who is next.
        ("longest-idle-agent", "1002"),
        ("agent-with-least-talk-time", "1002"),
        ("agent-with-fewest-calls", "1002"),
        ("round-robin", "1002"),
        ("top-down", "1001"),
        ("sequentially-by-agent-order", "1001"),
    ],
)
def test_who_rings_after_a_call(
    strategy: str,
    next_one: str,
    operator: Operator,
    exchange: Exchange,
    agents: dict[str, Phone],
) -> None:
    caller = phone_of(operator, HOST, exchange, "1000")
    call = caller.call(str(STRATEGIES[strategy]))
    call.wait_established()
    ringing = exchange.first_incoming(agents.values())
    assert ringing.phone.user == "1001"
    answered = ringing.answer()
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 1.2)
    call.hangup()
    answered.wait_ended()
    waiting(operator, "1001")
    second = caller.call(str(STRATEGIES[strategy]))
    second.wait_established()
    ringing = exchange.first_incoming(agents.values())
    assert ringing.phone.user == next_one
    ringing.reject()
    second.hangup()


def test_changes_lose_no_caller_and_log_nobody_out(operator: Operator, exchange: Exchange) -> None:
    """While a caller waits: an agent more, a queue more, another queue changed, both taken back"""
    two = AGENTS[:2]
    operator.describe(described(two))
    operator.succeed()
    assert set(AGENTS[2:]).isdisjoint(callcenter(operator, "agent list"))
    for number in two:
        callcenter(operator, f"agent set status {number} Available")
    callcenter(operator, "agent set status 1002 'On Break'")
    callcenter(operator, "agent set status 1001 'Logged Out'")
    call = phone_of(operator, HOST, exchange, "1000").call("7002")
    call.wait_established()
    assert_speech(call, seconds=1)
    extra = ", Queue('extra', number=7010, strategy='random')"
    operator.describe(
        described(AGENTS[:3], more=extra, skills=", 'extra': 2").replace(
            "progressive_seconds=1", "progressive_seconds=1, max_wait=600", 2
        )
    )
    run = operator.succeed()
    assert run.changes == 1
    call.forget()
    assert_speech(call, seconds=1)
    members = callcenter(operator, "queue list members longest-idle-agent")
    assert members.count("|Waiting|") == 1
    assert callcenter(operator, "agent get status 1002").strip() == "On Break"
    assert callcenter(operator, "agent get status 1003").strip() == "Logged Out"
    assert "\nextra|1003|" in callcenter(operator, "tier list")
    assert "|600|" in callcenter(operator, "queue list")
    operator.describe(described(two))
    operator.succeed()
    assert "extra" not in callcenter(operator, "queue list") + callcenter(operator, "tier list")
    assert "\n1003|" not in callcenter(operator, "agent list")
    assert callcenter(operator, "agent get status 1002").strip() == "On Break"
    # The caller is still there, and is answered at last.
    callcenter(operator, "agent set status 1002 Available")
    answered = phone_of(operator, HOST, exchange, "1002").incoming().answer()
    answered.play(CALLEE_HZ)
    call.forget()
    assert_heard(call, CALLEE_HZ, 1)
    call.hangup()


def test_a_restart_keeps_who_is_logged_in(operator: Operator) -> None:
    operator.describe(described())
    operator.succeed()
    callcenter(operator, "agent set status 1004 Available")
    operator.ssh(HOST, "systemctl restart freeswitch")
    deadline = time.monotonic() + 30
    while callcenter(operator, "agent get status 1004").strip() != "Available":
        assert time.monotonic() < deadline
    assert callcenter(operator, "tier list").count("|1004|") == len(STRATEGIES)


def test_switched_off_it_is_gone(operator: Operator) -> None:
    operator.describe(described())
    operator.succeed()
    operator.describe()
    operator.succeed()
    there = operator.ssh(
        HOST,
        "dpkg-query -W 'freeswitch-mod-callcenter' 2>&1; fs_cli -x 'module_exists mod_callcenter'; "
        "find /etc/freeswitch/current/ | grep -c 'callcenter\\|queues'",
    )
    assert "false" in there
    assert there.strip().endswith("0")
    assert "install ok" not in there
