"""Queues on a real switch: whom each strategy rings, and changes that lose nobody."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import numpy as np
import pytest

from callcenter.cli import main
from tests.acceptance.support.audio import Pcm, assert_heard, assert_speech
from tests.acceptance.support.phones import Exchange, Phone
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, prove_both_ways
from tests.roles.conftest import ROOT, SITE, Operator
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
    """Return a Site with a queue a strategy, and agents who answer all of them."""
    queues = ", ".join(
        f"Queue({name!r}, number={number}, strategy={name!r}, progressive_seconds=1)"
        for name, number in STRATEGIES.items()
    )
    levels = ", ".join(f"{name!r}: 1" for name in STRATEGIES)
    listed = ", ".join(
        f"Agent({number!r}, skills={{{levels}{skills}}}, ring_seconds=20, wrap_up=0, "
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
        await_end(operator, number)
        callcenter(operator, f"agent del {number}")
        callcenter(operator, f"agent add {number} Callback")
        callcenter(operator, f"agent reload {number}")
        callcenter(operator, f"agent set status {number} Available")
    callcenter(operator, "tier reload all")
    return {number: phone_of(operator, HOST, exchange, number) for number in AGENTS}


def agent_of(operator: Operator, agent: str) -> dict[str, str]:
    """Return what mod_callcenter knows of an agent."""
    told = callcenter(operator, f"agent list {agent}").splitlines()
    return dict(zip(told[0].split("|"), told[1].split("|"), strict=True))


def await_end(operator: Operator, agent: str) -> None:
    """Wait for what becomes of the last call to an agent. It is written down by the agent's name,
    after the call's end, and tells who has it then to be left alone for a minute."""
    eventually(
        lambda: agent_of(operator, agent)["state"],
        lambda state: state == "Waiting",
        f"the end of the last call to agent {agent}",
    )


def waiting(operator: Operator, agent: str) -> None:
    """Wait until mod_callcenter offers an agent calls again: in the second after the last, by
    FreeSWITCH's clock, which is behind."""
    eventually(
        lambda: agent_of(operator, agent),
        lambda row: (
            (row["state"], row["external_calls_count"]) == ("Waiting", "0")
            and int(row["last_bridge_end"]) + 2 < time.time()
        ),
        f"agent {agent} to be offered calls again",
    )


def order_of(exchange: Exchange, agents: dict[str, Phone], caller: Phone, queue: int) -> list[str]:
    """Return who rings, one after the other, when each refuses."""
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


def test_who_comes_with_priority_is_served_first(
    operator: Operator, exchange: Exchange, agents: dict[str, Phone]
) -> None:
    """A caller of an hour's priority goes before one who has waited longer"""
    gold = (
        "ivrs=[Ivr('gold', say('One moment.'), number=6009, options={'1': queue('random')}, "
        "wait_seconds=1, attempts=1, otherwise=queue('random', priority=3600))],\n    "
    )
    operator.describe(described().replace("queues=", gold + "queues=", 1))
    operator.succeed()
    for number in AGENTS:
        callcenter(operator, f"agent set status {number} 'Logged Out'")
    usual, golden = (phone_of(operator, HOST, exchange, number) for number in ("1000", "1006"))
    first = usual.call(str(STRATEGIES["random"]))
    first.wait_established()
    second = golden.call("6009")
    second.wait_established()
    eventually(
        # Not all members: who has hung up is one for a while.
        lambda: callcenter(operator, "queue list members random").count("|Waiting|"),
        lambda waiting: waiting == 2,
        "both callers in the queue",
    )
    callcenter(operator, "agent set status 1003 Available")
    answered = agents["1003"].incoming().answer()
    answered.play(CALLEE_HZ)
    second.forget()
    assert_heard(second, CALLEE_HZ, 1)
    assert answered.number.split("@")[0] == "1006"


def test_levels(operator: Operator, exchange: Exchange, agents: dict[str, Phone]) -> None:
    """An agent of level 2 rings when nobody of level 1 is there"""
    operator.describe(
        described().replace("'longest-idle-agent': 1,", "'longest-idle-agent': 2,", 1)
    )
    operator.succeed()
    for number in AGENTS:
        callcenter(operator, f"agent set status {number} 'Logged Out'")
    for number in ("1001", "1002"):
        callcenter(operator, f"agent set status {number} Available")
    caller = phone_of(operator, HOST, exchange, "1000")
    call = caller.call(str(STRATEGIES["longest-idle-agent"]))
    call.wait_established()
    assert exchange.first_incoming(agents.values()).phone.user == "1002"
    call.hangup()
    callcenter(operator, "agent set status 1002 'Logged Out'")
    call = caller.call(str(STRATEGIES["longest-idle-agent"]))
    call.wait_established()
    assert agents["1001"].incoming().phone.user == "1001"
    call.hangup()


LIMITS = (
    ", Queue('limits', number=7020, max_wait=9, otherwise=extension(1020), record=True, "
    "announcement=say('Thank you for waiting.'), announce_seconds=10), "
    "Queue('told', number=7021, announcement=say('Thank you for waiting.'), announce_seconds=10)"
)


@pytest.fixture
def limits(operator: Operator) -> None:
    """A queue that callers leave after a while, and one that speaks to them."""
    text = described(AGENTS[:1], more=LIMITS, skills=", 'limits': 1, 'told': 1")
    text = text.replace("max_no_answer=0", "max_no_answer=1")
    text = text.replace("ring_seconds=20, wrap_up", "ring_seconds=5, wrap_up").replace(
        "ring_seconds=5)]", "ring_seconds=5), Extension(1020, record=True)]", 1
    )
    operator.describe(text)
    operator.succeed()
    await_end(operator, "1001")
    callcenter(operator, "agent set ready_time 1001 0")
    callcenter(operator, "agent set status 1001 Available")


def test_who_waits_too_long_goes_on_and_is_recorded_there(
    limits: None, operator: Operator, exchange: Exchange
) -> None:
    """The agent does not answer and is put on a break; the caller reaches the extension, whose
    recording is one of its own"""
    agent, there = (phone_of(operator, HOST, exchange, number) for number in ("1001", "1020"))
    caller = phone_of(operator, HOST, exchange, "1000")
    began = time.monotonic()
    call = caller.call("7020")
    call.wait_established()
    assert agent.incoming().wait_ended().by == "them"
    answered = there.incoming().answer()
    # Nine seconds, of which mod_callcenter counts whole ones.
    assert time.monotonic() - began > 8
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    call.hangup()
    answered.wait_ended()
    eventually(
        lambda: callcenter(operator, "agent get status 1001").strip(),
        lambda status: status == "On Break",
        "the agent, who did not answer, on a break",
    )
    files = "find /var/lib/freeswitch/recordings -name '*.wav' -size +20k"
    [name] = eventually(
        lambda: operator.ssh(HOST, files).split(), lambda names: len(names) == 1, "one recording"
    )
    assert "-1020-" in name


def test_callers_are_spoken_to(limits: None, operator: Operator, exchange: Exchange) -> None:
    callcenter(operator, "agent set status 1001 'Logged Out'")
    call = phone_of(operator, HOST, exchange, "1000").call("7021")
    call.wait_established()

    def loud(pcm: Pcm) -> bool:
        # The music stays below 6,000, and speech does not.
        return len(pcm.samples) > 0 and int(np.abs(pcm.samples.astype(int)).max()) > 8000

    heard = call.listen(loud, PATIENCE)
    assert loud(heard)
    assert not loud(Pcm(heard.samples[: 4 * heard.rate], heard.rate))


def test_a_refused_change_takes_back_what_was_done(operator: Operator, exchange: Exchange) -> None:
    """Agents, tiers, queues and limits are as before when FreeSWITCH lacks something in the end"""
    operator.describe(described(AGENTS[:2]))
    operator.succeed()
    callcenter(operator, "agent set status 1001 Available")

    def state() -> str:
        ask = "fs_cli -x 'callcenter_config {} list' | cut -d'|' -f1-6,8-13"
        listed = "; ".join(ask.format(what) for what in ("agent", "tier", "queue"))
        return operator.ssh(HOST, f"{listed}; fs_cli -x 'fsctl max_sessions'")

    before = state()
    role = operator.own_repository() / "roles/freeswitch/operations.py"
    whole = role.read_text()
    role.write_text(whole.replace("in modules)", 'in (*modules, "mod_bogus"))'))
    assert role.read_text() != whole
    try:
        more = ", Queue('extra', number=7010)"
        text = described(("1001", "1003"), more=more, skills=", 'extra': 2")
        operator.describe(text.replace("max_calls=100", "max_calls=120"))
        run = operator.deploy()
        assert run.code != 0
        assert "mod_bogus is not loaded" in run.output
        assert state() == before
    finally:
        operator.repository = ROOT
        operator.describe(described())
        operator.succeed()


def test_changes_lose_no_caller_and_log_nobody_out(
    operator: Operator, exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert main(["status", str(operator.inventory)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^waiting: 1\n  queue .*\n  \S+ +1000 +Waiting$", shown, re.MULTILINE), shown
    assert re.search(r"^  1002 +On Break", shown, re.MULTILINE), shown
    site = ("--site", str(operator.inventory))
    assert main(["fs_cli", *site, "expand", "echo", "a\x1b[2Jb"]) == 0
    assert capsys.readouterr().out == "a?[2Jb\n"
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
    # An agent who is free before its phone is there is called, and then not for a minute.
    phone = phone_of(operator, HOST, exchange, "1002")
    callcenter(operator, "agent set status 1002 Available")
    answered = phone.incoming().answer()
    answered.play(CALLEE_HZ)
    call.forget()
    assert_heard(call, CALLEE_HZ, 1)
    call.hangup()


def test_a_restart_keeps_who_is_logged_in(operator: Operator) -> None:
    operator.describe(described())
    operator.succeed()
    callcenter(operator, "agent set status 1004 Available")
    operator.ssh(HOST, "systemctl restart freeswitch")
    eventually(
        lambda: callcenter(operator, "agent get status 1004").strip(),
        lambda status: status == "Available",
        "the agent, who was logged in",
    )
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
