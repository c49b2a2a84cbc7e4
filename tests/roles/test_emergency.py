"""Calls for help: by carriers that are slow, that seem to be down, and to people in the house."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

import pytest

from callcenter.render import paths
from lab.lab import Lab
from tests.acceptance.support.audio import assert_speech
from tests.acceptance.support.phones import Call, Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Message, Peer, sdp
from tests.roles.conftest import SITE, Operator
from tests.roles.support import logged, phone_of, until
from tests.roles.test_ringing import Desk, received

HOST = "emergency1"
SLOW, NEXT, WATCHED = 5066, 5067, 5068
"""Ports of this machine, each a carrier's."""

OUTSIDE = f"""
    trunks=[
        Trunk("slow", host="GATEWAY", port={SLOW}, caller_id="+4930123400", ping_seconds=None),
        Trunk("next", host="GATEWAY", port={NEXT}, caller_id="+4930123400", ping_seconds=None),
        Trunk("watched", host="GATEWAY", port={WATCHED}, caller_id="+4930123400", ping_seconds=5),
    ],
    emergency=[
        Emergency("112", trunks=["slow"], silence_seconds=2),
        Emergency("110", trunks=["slow", "next"], silence_seconds=2),
        Emergency("911", trunks=["watched"], silence_seconds=2),
        Emergency("119", trunks=["watched", "next"], silence_seconds=2),
        Emergency("999", trunks=["next"], notify=["1003", "1004"]),
    ],
    outbound=[
        Route("one", pattern=r"^7\\d{{8}}$", strip=1, prefix="+4941", trunks=["slow"],
              silence_seconds=2),
        Route("two", pattern=r"^8\\d{{8}}$", strip=1, prefix="+4942", trunks=["slow", "next"],
              silence_seconds=2),
        Route("spread", pattern=r"^9\\d{{8}}$", strip=1, prefix="+4943", trunks=["slow", "next"],
              weights=[1, 1], silence_seconds=2),
    ],
    outbound_limits=OutboundLimits(countries=["+49"]),
    cdr=Cdr("json", keep_days=7),
    media="""

RANGE = "*Extension.range(1000, 1009, ring_seconds=5)"
ROUTES = '["one", "two", "spread"]'
EXTENSIONS = (
    f'Extension(1000, routes={ROUTES}, caller_id="+4930123401", '
    'emergency_caller_id="+4930123409"), Extension(1001, caller_id="+4930123402"), '
    "*Extension.range(1002, 1009, ring_seconds=5)"
)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    text = SITE.replace(RANGE, EXTENSIONS).replace("media=", OUTSIDE.lstrip(), 1)
    made.describe(text.replace("GATEWAY", lab.gateway))
    made.succeed()
    return made


class Carrier(Peer):
    """A carrier that says what a test tells it, and leaves OPTIONS without an answer."""

    _calls: ClassVar[dict[str, Carrier]] = {}
    """Carrier that each call came to first, by Call-ID."""

    def receive(self, timeout: float = PATIENCE) -> Message | None:
        """Return the next message, and no call that an earlier test's carrier left without an
        answer: it is sent again for half a minute."""
        message = super().receive(timeout)
        if message is None or message.status is not None or message.method != "INVITE":
            return message
        return message if self._calls.setdefault(message.header("call-id"), self) is self else None

    def called(self) -> Message:
        """Return the next INVITE."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            message = self.receive(5)
            if message is not None and message.status is None and message.method == "INVITE":
                return message
        raise AssertionError("nobody called")

    def has_begun(self, invite: Message, seconds: float) -> None:
        """Say what carriers say before anybody rings, and let time go by."""
        self.reply(invite, "100 Trying")
        self.reply(invite, "181 Call Is Being Forwarded", tag="far")
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            message = self.receive(left)
            assert message is None or message.method != "CANCEL", "given up"

    def answers(self, invite: Message) -> None:
        """Take the call, silently."""
        self.reply(
            invite,
            "200 OK",
            tag="far",
            headers=[
                ("Contact", f"<sip:far@{self.contact}>"),
                ("Content-Type", "application/sdp"),
            ],
            body=sdp(self.address),
        )


@contextmanager
def carrier(operator: Operator, lab: Lab, port: int) -> Iterator[Carrier]:
    server = next(one.address for one in lab.hosts if one.name == HOST)
    with Carrier(lab.gateway, (server, 5080), port=port) as made:
        yield made


def shown(invite: Message) -> str:
    return invite.header("from").partition("<sip:")[2].partition("@")[0]


def number(invite: Message) -> str:
    return invite.uri.removeprefix("sip:").partition("@")[0]


def is_up(operator: Operator, trunk: str) -> bool:
    said = operator.ssh(HOST, f"fs_cli -x 'sofia status gateway {trunk}'")
    return "Status  \tUP" in said


@pytest.mark.parametrize(
    ("dialled", "called"), [("112", "112"), ("711111111", "+494111111111")], ids=["help", "route"]
)
def test_the_last_trunk_may_be_slow(
    operator: Operator, exchange: Exchange, lab: Lab, dialled: str, called: str
) -> None:
    """100 and 181 are all that comes for longer than silence_seconds"""
    with carrier(operator, lab, SLOW) as slow:
        call = phone_of(operator, HOST, exchange, "1000").call(dialled)
        invite = slow.called()
        assert number(invite) == called
        slow.has_begun(invite, 7)
        slow.answers(invite)
        call.wait_established()
        call.hangup()


@pytest.mark.parametrize("dialled", ["110", "811111111"], ids=["help", "route"])
def test_a_trunk_before_the_last_is_given_up(
    operator: Operator, exchange: Exchange, lab: Lab, dialled: str
) -> None:
    with carrier(operator, lab, SLOW) as slow, carrier(operator, lab, NEXT) as after:
        call = phone_of(operator, HOST, exchange, "1000").call(dialled)
        slow.reply(slow.called(), "100 Trying")
        invite = after.called()
        after.has_begun(invite, 4)
        after.answers(invite)
        call.wait_established()
        call.hangup()


def test_of_trunks_with_weights_the_last_that_is_tried_may_be_slow(
    operator: Operator, exchange: Exchange, lab: Lab
) -> None:
    with carrier(operator, lab, SLOW) as slow, carrier(operator, lab, NEXT) as after:
        call = phone_of(operator, HOST, exchange, "1000").call("911111111")
        carriers = (slow, after)
        first = until(
            lambda: next((one for one in carriers if one.receive(0.1) is not None), None), bool
        )
        assert first is not None
        last = after if first is slow else slow
        invite = last.called()
        last.has_begun(invite, 4)
        last.answers(invite)
        call.wait_established()
        call.hangup()


@pytest.mark.parametrize(
    ("caller", "seen"), [("1000", "+4930123409"), ("1001", "+4930123402"), ("1002", "+4930123400")]
)
def test_help_can_call_back(
    operator: Operator, exchange: Exchange, lab: Lab, caller: str, seen: str
) -> None:
    """The extension's number for it, else its own, else the trunk's"""
    with carrier(operator, lab, SLOW) as slow:
        call = phone_of(operator, HOST, exchange, caller).call("112")
        invite = slow.called()
        assert shown(invite) == seen
        slow.answers(invite)
        call.wait_established()
        call.hangup()


def test_a_trunk_that_seems_to_be_down_is_tried(
    operator: Operator, exchange: Exchange, lab: Lab
) -> None:
    """The only one, and after the others"""
    until(lambda: is_up(operator, "watched"), False)
    caller = phone_of(operator, HOST, exchange, "1000")
    with carrier(operator, lab, WATCHED) as watched:
        call = caller.call("911")
        invite = watched.called()
        assert (number(invite), shown(invite)) == ("911", "+4930123409")
        watched.has_begun(invite, 7)
        watched.answers(invite)
        call.wait_established()
        call.hangup()
        with carrier(operator, lab, NEXT) as after:
            call = caller.call("119")
            after.reply(after.called(), "503 Service Unavailable", tag="far")
            invite = watched.called()
            watched.answers(invite)
            call.wait_established()
            call.hangup()
    assert not is_up(operator, "watched")


def test_people_in_the_house_are_told(operator: Operator, exchange: Exchange, lab: Lab) -> None:
    """Their phones ring, show who has called, and say what for; the call waits for nobody, and no
    phone that is gone holds up another of its extension. The one call has the one record."""
    with carrier(operator, lab, NEXT) as after, ExitStack() as open_:
        gone = Desk(operator, lab, open_).phone("1003")
        desk, guard = (phone_of(operator, HOST, exchange, one) for one in ("1003", "1004"))
        call = phone_of(operator, HOST, exchange, "1002").call("999")
        invite = after.called()
        ringing: list[Call] = [desk.incoming(), guard.incoming()]
        received(gone, "INVITE")
        assert {one.number for one in ringing} == {"1002"}
        after.answers(invite)
        call.wait_established()
        told = ringing[0].answer()
        assert_speech(told, seconds=1)
        ringing[1].reject()
        # Whether anybody there answers or not is nothing to the call.
        assert not call.ended
        told.hangup()
        call.hangup()
    logged(operator, HOST, "Emergency call of 1002 to 999")

    def records() -> list[tuple[str, str]]:
        lines = operator.ssh(HOST, f"cat {paths.CALLS}/20*.jsonl 2>/dev/null || :").splitlines()
        kept = [(one["caller"], one["dialled"]) for one in map(json.loads, lines)]
        return [one for one in kept if one[1] == "999" or one[0] in {"1003", "1004"}]

    until(records, lambda found: ("1002", "999") in found)
    until(lambda: operator.ssh(HOST, f"ls {paths.CALLS_SPOOL} | grep -c json || :").strip(), "0")
    assert records() == [("1002", "999")]
