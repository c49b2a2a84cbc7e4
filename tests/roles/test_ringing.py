"""Calls that ring several phones: all of each member ring, and one that is gone shields nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from lab.lab import Lab
from tests.acceptance.support.phones import Call, Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Account, Message, Peer
from tests.roles.conftest import EDGE, SITE, Operator
from tests.roles.support import CALLEE_HZ, CALLER_HZ, phone_of, still_talking

HOST = "ringing1"
DOMAIN = "roles.callcenter.test"
RANGE = "*Extension.range(1000, 1009, ring_seconds=5)"

SERVICES = """
    ring_groups=[
        RingGroup("all", ["1001", "1002"], number=6100, ring_seconds=10,
                  otherwise=extension(1009)),
        RingGroup("turn", ["1001", "1002"], number=6101, strategy="in-turn", ring_seconds=5),
    ],
    queues=[Queue("one", number=7000), Queue("every", number=7001, strategy="ring-all")],
    agents=[Agent(number, skills={"one": level, "every": 1}, ring_seconds=10)
            for number, level in ((1001, 1), (1002, 2))],
    features=FeatureCodes(intercom="*80", pickup="*85"),
    parking=Parking(5901, 5903, max_wait=5),
    media="""

MEMBERS = "*(Extension(n, ring_seconds=10, pickup_groups=['a'] if n in (1002, 1004) else []) "
MEMBERS += "for n in range(1000, 1010))"


def described(mode: str = "default") -> str:
    """Return a Site with what rings several phones."""
    text = SITE.replace(RANGE, MEMBERS).replace("media=", SERVICES.lstrip("\n "), 1)
    if mode != "default":
        text = text.replace("parking=Parking(5901, 5903, max_wait=5),", "")
    return text.replace("max_calls=100", f"max_calls=100, mode={mode!r}")


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.describe(described())
    made.succeed()
    for number in ("1001", "1002"):
        made.ssh(HOST, f"fs_cli -x 'callcenter_config agent set status {number} Available'")
    return made


class Desk:
    """Phones that register and are no user agents: they answer nothing, or what a test says."""

    def __init__(self, operator: Operator, lab: Lab, open_: ExitStack) -> None:
        self._operator, self._lab, self._open = operator, lab, open_
        self._server = next(one.address for one in lab.hosts if one.name == operator.hosts[0])

    def phone(self, number: str, contact: str | None = None) -> Peer:
        """Return a phone that is registered until the test ends. ``contact``: what it calls
        itself."""
        peer = self._open.enter_context(Peer(self._lab.gateway, (self._server, 5060)))
        password = json.loads(self._operator.secrets.read_text())[f"extension/{number}"]
        named = contact or f"<sip:{number}@{peer.contact}>"

        def register(seconds: int, patience: float = PATIENCE) -> int | None:
            said = peer.login(
                "REGISTER",
                f"sip:{DOMAIN}",
                Account(number, DOMAIN, password),
                changed={"Contact": named},
                extra=[("Expires", str(seconds))],
                timeout=patience,
            )
            return said.status if said is not None else None

        if EDGE and contact is not None:
            # Whoever calls itself so is not registered at all, and nobody tells it.
            assert register(600, 1) is None
            return peer
        assert register(600) == 200
        self._open.callback(lambda: register(0))
        return peer


@pytest.fixture
def desk(operator: Operator, lab: Lab) -> Iterator[Desk]:
    with ExitStack() as open_:
        yield Desk(operator, lab, open_)


def received(peer: Peer, method: str) -> Message:
    """Return the request that a phone waits for."""
    for message in peer.messages(PATIENCE):
        if message.status is None and message.method == method:
            return message
    raise AssertionError(f"no {method} came")


def talk(call: Call, answered: Call) -> None:
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    still_talking(call, answered)


def test_a_group_rings_all_phones_of_its_members(
    operator: Operator, exchange: Exchange, desk: Desk
) -> None:
    """Two phones a member, of which the first is gone; who loses is told why"""
    gone = [desk.phone(number) for number in ("1001", "1002")]
    second = desk.phone("1001")
    caller = phone_of(operator, HOST, exchange, "1000")
    members = [
        phone_of(operator, HOST, exchange, "1001"),
        phone_of(operator, HOST, exchange, "1002", codecs=("PCMA",)),
    ]
    call = caller.call("6100")
    rings = received(second, "INVITE")
    second.reply(rings, "180 Ringing", tag="second")
    ringing = [phone.incoming() for phone in members]
    for one in gone:
        received(one, "INVITE")
    call.wait_ringing()
    talk(call, answered := ringing[1].answer())
    assert ringing[0].wait_ended().by == "them"
    cancelled = received(second, "CANCEL")
    assert "200" in cancelled.header("reason"), cancelled.text
    second.reply(cancelled, "200 OK", tag="second")
    second.reply(rings, "487 Request Terminated", tag="second")
    answered.hangup()
    call.wait_ended()


def test_who_is_sent_on_by_its_caller_is_shown_as_itself(
    operator: Operator, exchange: Exchange, desk: Desk
) -> None:
    """The member of a group, to whom the caller gives another"""
    caller, member, other = (
        phone_of(operator, HOST, exchange, number) for number in ("1000", "1001", "1003")
    )
    call = caller.call("6100")
    talk(call, answered := member.incoming().answer())
    call.transfer("1003")
    there = other.incoming()
    assert there.number == "1001"
    talk_on = there.answer()
    talk_on.play(CALLER_HZ)
    still_talking(talk_on, answered)
    talk_on.hangup()


def test_a_group_of_phones_that_are_gone_leads_on(
    operator: Operator, exchange: Exchange, desk: Desk
) -> None:
    """Where phones do not answer, and where there are none"""
    caller, next_one = (phone_of(operator, HOST, exchange, number) for number in ("1000", "1009"))
    for phones in ((), ("1001", "1002")):
        gone = [desk.phone(number) for number in phones]
        call = caller.call("6100")
        for one in gone:
            received(one, "INVITE")
        talk(call, answered := next_one.incoming().answer())
        answered.hangup()
        call.wait_ended()


def test_in_turn_a_members_phones_ring_together(
    operator: Operator, exchange: Exchange, desk: Desk
) -> None:
    gone, second = desk.phone("1001"), desk.phone("1001")
    caller, first, next_one = (
        phone_of(operator, HOST, exchange, number) for number in ("1000", "1001", "1002")
    )
    call = caller.call("6101")
    ringing = first.incoming()
    for one in (gone, second):
        received(one, "INVITE")
    assert not next_one._ringing
    assert ringing.wait_ended().by == "them"
    talk(call, answered := next_one.incoming().answer())
    answered.hangup()
    call.wait_ended()


@pytest.mark.parametrize("queue", ["7000", "7001"])
def test_a_queue_rings_all_phones_of_an_agent(
    operator: Operator, exchange: Exchange, desk: Desk, queue: str
) -> None:
    gone = desk.phone("1001")
    caller, agent = (phone_of(operator, HOST, exchange, number) for number in ("1000", "1001"))
    call = caller.call(queue)
    ringing = agent.incoming()
    received(gone, "INVITE")
    talk(call, answered := ringing.answer())
    answered.hangup()
    call.wait_ended()


@pytest.mark.parametrize("number", ["1003", "*801003"])
def test_a_call_rings_all_phones(
    operator: Operator, exchange: Exchange, desk: Desk, number: str
) -> None:
    gone = desk.phone("1003")
    caller, called = (phone_of(operator, HOST, exchange, one) for one in ("1000", "1003"))
    call = caller.call(number)
    ringing = called.incoming()
    received(gone, "INVITE")
    talk(call, answered := ringing.answer())
    answered.hangup()
    call.wait_ended()


def test_a_parked_call_comes_back_to_all_phones(
    operator: Operator, exchange: Exchange, desk: Desk
) -> None:
    caller, called = (phone_of(operator, HOST, exchange, one) for one in ("1000", "1003"))
    call = caller.call("1003")
    talk(call, answered := called.incoming().answer())
    called.unregister()
    gone = desk.phone("1003")
    called.register()
    answered.transfer("5901")
    ringing = called.incoming()
    received(gone, "INVITE")
    back = ringing.answer()
    call.forget()
    back.play(CALLEE_HZ)
    still_talking(call, back)
    back.hangup()
    call.wait_ended()


def test_a_group_call_is_picked_up(operator: Operator, exchange: Exchange, desk: Desk) -> None:
    """From a member of whose phones the first is gone"""
    gone = desk.phone("1002")
    caller, member, colleague = (
        phone_of(operator, HOST, exchange, one) for one in ("1000", "1002", "1004")
    )
    call = caller.call("6100")
    ringing = member.incoming()
    received(gone, "INVITE")
    call.wait_ringing()
    picked = colleague.call("*85")
    talk(call, picked)
    assert ringing.wait_ended().by == "them"
    picked.hangup()
    call.wait_ended()


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:1001@192.0.2.1:5060;x=:_:user/1003@roles.callcenter.test>",
        "<sip:1001@192.0.2.1;x=${db(insert/ring/a/b)}>",
        "<sip:1001@192.0.2.1|user/1003@roles.callcenter.test>",
    ],
    ids=["enterprise", "expansion", "pipe"],
)
def test_what_a_phone_calls_itself_leads_nobody_elsewhere(
    operator: Operator, exchange: Exchange, desk: Desk, contact: str
) -> None:
    """It alone is left out of its group"""
    caller, member, victim = (
        phone_of(operator, HOST, exchange, one) for one in ("1000", "1002", "1003")
    )
    desk.phone("1001", contact)
    call = caller.call("6100")
    talk(call, answered := member.incoming().answer())
    assert not victim._ringing
    answered.hangup()
    call.wait_ended()


@pytest.mark.parametrize("mode", ["proxy", "bypass"])
def test_a_group_in_each_way_of_the_voice(
    operator: Operator, exchange: Exchange, desk: Desk, mode: str
) -> None:
    operator.describe(described(mode))
    operator.succeed()
    gone = [desk.phone(number) for number in ("1001", "1002")]
    caller, first, second = (
        phone_of(operator, HOST, exchange, number) for number in ("1000", "1001", "1002")
    )
    call = caller.call("6100")
    ringing = [first.incoming(), second.incoming()]
    for one in gone:
        received(one, "INVITE")
    talk(call, answered := ringing[0].answer())
    assert ringing[1].wait_ended().by == "them"
    answered.hangup()
    call.wait_ended()
