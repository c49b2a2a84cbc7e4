"""Agents in calls of their own: a queue rings somebody else meanwhile, and them afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.support.phones import Call, Exchange, Phone
from tests.roles.conftest import SITE, Operator
from tests.roles.support import CALLEE_HZ, CALLER_HZ, phone_of, still_talking, until

HOST = "agents1"

# Top-down: whenever it is offered a call at all, 1001 is the first.
SERVICES = """
    queues=[Queue("one", number=7000, strategy="top-down")],
    agents=[Agent(n, skills={"one": 1}, ring_seconds=RINGS, wrap_up=0, reject_delay=0,
                  busy_delay=1, no_answer_delay=1, max_no_answer=1) for n in (1001, 1002)],
    ring_groups=[RingGroup("all", ["1001", "1003"], number=6100, ring_seconds=20)],
    features=FeatureCodes(pickup="*85"),
    media="""

RANGE = "*Extension.range(1000, 1009, ring_seconds=5)"
EXTENSIONS = "*Extension.range(1000, 1009, ring_seconds=20, pickup_groups=['a'])"


def described(rings: int = 10) -> str:
    """Return a Site with two agents."""
    text = SITE.replace(RANGE, EXTENSIONS).replace("media=", SERVICES.lstrip(), 1)
    return text.replace("RINGS", str(rings))


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.describe(described())
    made.succeed()
    return made


def agent_of(operator: Operator, agent: str) -> dict[str, str]:
    """Return what mod_callcenter knows of an agent."""
    told = operator.ssh(HOST, f"fs_cli -x 'callcenter_config agent list {agent}'").splitlines()
    return dict(zip(told[0].split("|"), told[1].split("|"), strict=True))


@pytest.fixture
def phones(operator: Operator, exchange: Exchange) -> dict[str, Phone]:
    """Two agents, who are logged in and free, and others."""
    for number in ("1001", "1002"):
        operator.ssh(HOST, f"fs_cli -x 'callcenter_config agent set status {number} Available'")
        is_free(operator, number)
    numbers = ("1000", "1001", "1002", "1003", "1004")
    return {number: phone_of(operator, HOST, exchange, number) for number in numbers}


def is_free(operator: Operator, agent: str) -> None:
    """Wait until an agent is known to be in no call."""
    free = ("0", "Waiting")
    until(
        lambda: tuple(agent_of(operator, agent)[one] for one in ("external_calls_count", "state")),
        free,
    )


def is_rung(exchange: Exchange, phones: dict[str, Phone], agent: str) -> None:
    """Ring this agent as a caller of the queue, who takes the call."""
    call = phones["1000"].call("7000")
    call.wait_established()
    agents = [phones[number] for number in ("1001", "1002")]
    ringing = exchange.first_incoming(agents)
    assert ringing.phone.user == agent
    talk(call, ringing.answer())
    call.hangup()
    ringing.wait_ended()


def talk(call: Call, answered: Call) -> None:
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    still_talking(call, answered)


def calls_out(phones: dict[str, Phone]) -> list[Call]:
    call = phones["1001"].call("1003")
    answered = phones["1003"].incoming().answer()
    talk(call, answered)
    return [call, answered]


def is_called(phones: dict[str, Phone]) -> list[Call]:
    call = phones["1003"].call("1001")
    answered = phones["1001"].incoming().answer()
    talk(call, answered)
    return [call, answered]


def is_called_by_a_group(phones: dict[str, Phone]) -> list[Call]:
    call = phones["1004"].call("6100")
    answered = phones["1001"].incoming().answer()
    talk(call, answered)
    phones["1003"].incoming().wait_ended()
    return [call, answered]


def listens(phones: dict[str, Phone]) -> list[Call]:
    call = phones["1001"].call("9197")
    call.wait_established()
    return [call]


def picks_up(phones: dict[str, Phone]) -> list[Call]:
    call = phones["1004"].call("1003")
    phones["1003"].incoming()
    call.wait_ringing()
    picked = phones["1001"].call("*85")
    talk(call, picked)
    return [call, picked]


def rings(phones: dict[str, Phone]) -> list[Call]:
    call = phones["1003"].call("1001")
    ringing = phones["1001"].incoming()
    call.wait_ringing()
    return [call, ringing]


@pytest.mark.parametrize(
    "begin",
    [calls_out, is_called, is_called_by_a_group, listens, picks_up, rings],
    ids=lambda begin: begin.__name__,
)
def test_an_agent_in_a_call_of_its_own_is_left_alone(
    operator: Operator,
    exchange: Exchange,
    phones: dict[str, Phone],
    begin: Callable[[dict[str, Phone]], list[Call]],
) -> None:
    """Until its end; it is not taken for one who does not answer"""
    calls = begin(phones)
    is_rung(exchange, phones, "1002")
    is_free(operator, "1002")
    calls[0].hangup()
    for one in calls:
        one.wait_ended()
    is_free(operator, "1001")
    agent = agent_of(operator, "1001")
    assert (agent["status"], agent["no_answer_count"]) == ("Available", "0")
    is_rung(exchange, phones, "1001")


@pytest.mark.parametrize("begin", [calls_out, is_called], ids=lambda begin: begin.__name__)
def test_who_has_given_its_call_away_is_free(
    operator: Operator,
    exchange: Exchange,
    phones: dict[str, Phone],
    begin: Callable[[dict[str, Phone]], list[Call]],
) -> None:
    """Though the call goes on"""
    calls = begin(phones)
    [own] = [one for one in calls if one.phone.user == "1001"]
    [other] = [one for one in calls if one is not own]
    own.transfer("1004")
    taken = phones["1004"].incoming().answer()
    is_free(operator, "1001")
    is_rung(exchange, phones, "1001")
    assert not other.ended
    taken.hangup()


def test_two_calls_of_an_agent_are_two(
    operator: Operator, exchange: Exchange, phones: dict[str, Phone]
) -> None:
    """One of them on hold, given to each other in the end"""
    first, answered = calls_out(phones)
    first.hold()
    second = phones["1001"].call("1004")
    talk(second, phones["1004"].incoming().answer())
    is_rung(exchange, phones, "1002")
    is_free(operator, "1002")
    first.transfer_to(second)
    is_free(operator, "1001")
    is_rung(exchange, phones, "1001")
    answered.hangup()


def test_a_deploy_forgets_no_call(
    operator: Operator, exchange: Exchange, phones: dict[str, Phone]
) -> None:
    calls = calls_out(phones)
    operator.describe(described(rings=12))
    operator.succeed()
    is_rung(exchange, phones, "1002")
    calls[0].hangup()
    is_free(operator, "1001")
    assert agent_of(operator, "1001")["status"] == "Available"
    is_rung(exchange, phones, "1001")


def test_queues_are_not_taken_out_while_an_agent_calls(
    operator: Operator, exchange: Exchange, phones: dict[str, Phone]
) -> None:
    """A deploy stops there, as while a caller waits: the module is in use, all stays as it was"""
    calls = calls_out(phones)
    queues, rest = SERVICES.index("queues="), SERVICES.index("ring_groups=")
    operator.describe(described().replace(SERVICES[queues:rest].replace("RINGS", "10"), ""))
    run = operator.deploy("-y")
    assert run.code != 0
    assert "unload mod_callcenter" in run.output
    still_talking(*calls)
    is_rung(exchange, phones, "1002")
    calls[0].hangup()
    is_free(operator, "1001")
    operator.succeed()
