"""Limits of calls outside: a trunk's hour, and the mail that says that one was hit."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import queue
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from callcenter.client import inventory
from callcenter.client.event_socket import connect
from callcenter.client.ssh import login
from callcenter.render import paths
from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.phones import Exchange, Phone
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import in_turn
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    logged,
    phone_of,
    still_talking,
    until,
    until_on,
)
from tests.roles.test_trunks import ALLOWED, folder_in, refused
from tests.sipp import SIPP, Sipp, sipp

HOST = "limits1"
HOURLY, NEXT, DOWN, MAIL = 5081, 5082, 5083, 2527
"""Ports of this machine."""
MAIL_SERVER, NOC = "mail.callcenter.test", "noc@callcenter.test"
AN_HOUR = 5

ROUTES = '["hourly", "narrow", "abroad", "down"]'
EXTENSIONS = f"*[Extension(1000 + n, ring_seconds=5, routes={ROUTES}) for n in range(10)]"
ALARM = f', alarm="{NOC}"'
SMTP = f'smtp=Smtp("{MAIL_SERVER}", port={MAIL}, tls="none", sender="pbx@callcenter.test"),'
TRUNKS = f"""
    trunks=[
        Trunk("hourly", host="GATEWAY", port={HOURLY}, calls_per_hour={AN_HOUR}, channels=40,
              caller_id="+4930123401",
              ping_seconds=None),
        Trunk("next", host="GATEWAY", port={NEXT}, channels=40, ping_seconds=None),
        Trunk("narrow", host="GATEWAY", port={NEXT}, channels=1, ping_seconds=None),
        Trunk("down", host="GATEWAY", port={DOWN}, ping_seconds=None),
    ],
    inbound=[Did("+4930123401", to=extension(1001))],
    outbound=[
        Route("hourly", pattern=r"^7\\d{{8}}$", strip=1, prefix="+4947", trunks=["hourly", "next"]),
        Route("narrow", pattern=r"^6\\d{{8}}$", strip=1, prefix="+4948", trunks=["narrow"]),
        Route("down", pattern=r"^5\\d{{8}}$", strip=1, prefix="+4946", trunks=["down", "next"]),
        Route("abroad", pattern=r"^00[1-9]\\d{{6,12}}$", strip=2, prefix="+", trunks=["next"]),
    ],
    emergency=[Emergency("112", trunks=["hourly"])],
    outbound_limits=OutboundLimits(
        countries=["+49"], calls=100, calls_per_hour=1000{ALARM}
    ),
    {SMTP}
    media="""


def described(lab: Lab) -> str:
    """Return the Site with its trunks to this machine."""
    text = SITE.replace(ALLOWED, EXTENSIONS).replace("media=", TRUNKS, 1)
    # Twenty at once, of one phone; one after the other without a pause is more than 30 in a second.
    text = text.replace(
        "max_calls=100", "max_calls=100, calls_per_extension=100, max_calls_per_second=1000"
    )
    return text.replace("GATEWAY", lab.gateway)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(described(lab))
    made.succeed()
    assert made.succeed().changes == 0
    assert made.ssh(HOST, f"echo '{lab.gateway} {MAIL_SERVER}' >>/etc/hosts") == ""
    return made


@contextmanager
def mail_server(lab: Lab, to: str = NOC) -> Iterator[queue.Queue[EmailMessage]]:
    """Give a mail server beside the hosts, for mail to one address."""
    controllers: Any = pytest.importorskip("aiosmtpd.controller", reason="needs aiosmtpd")
    mails: queue.Queue[EmailMessage] = queue.Queue()

    class Handler:
        async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:
            assert (envelope.mail_from, envelope.rcpt_tos) == ("pbx@callcenter.test", [to])
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            mails.put(message)
            return "250 OK"

    controller = controllers.Controller(
        Handler(), hostname=lab.gateway, port=MAIL, ready_timeout=PATIENCE
    )
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()


def address_of(operator: Operator, host: str = HOST) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == host)


@contextmanager
def calls(
    operator: Operator,
    folder: Path,
    user: str,
    *,
    port: int = 5098,
    host: str = HOST,
    **given: Any,
) -> Iterator[Sipp]:
    """Calls of an extension of a host by SIPp."""
    with sipp(
        folder,
        operator.lab.gateway,
        port,
        calls=f"{address_of(operator, host)}:5060",
        user=user,
        password=json.loads(operator.secrets.read_text())[f"extension/{user}"],
        domain="roles.callcenter.test",
        **given,
    ) as made:
        yield made


def final(made: Sipp) -> list[str]:
    return [status for status in made.statuses() if status != "407"]


def used(operator: Operator, resource: str) -> str:
    return operator.ssh(HOST, f'fs_cli -x "limit_usage hash {resource}"').strip()


def hits_kept(operator: Operator) -> set[tuple[str, int]]:
    """Return whose limits were hit how often since the last mail."""
    kept = json.loads(operator.ssh(HOST, f"cat {paths.ALARM}/state.json"))["alarms"]
    return {(one["whose"], one["hits"]) for one in kept}


LOG = "/var/log/freeswitch/freeswitch.log"
JOURNAL = "journalctl -u callcenter-alarm --no-pager -o cat"


def hits(operator: Operator, line: str) -> int:
    """Return how often FreeSWITCH's log says that a limit was hit."""
    return int(operator.ssh(HOST, f"grep -c 'WARNING\\].*bound limit {line}' {LOG}"))


def text_of(message: EmailMessage) -> list[str]:
    body = message.get_body()
    assert body is not None
    return [line for line in body.get_content().splitlines() if line]


needs_sipp = pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")


@needs_sipp
def test_a_trunks_hour_holds_when_twenty_call_at_once(
    operator: Operator, lab: Lab, tmp_path: Path
) -> None:
    """The others take the next trunk; one mail tells of all of them; emergency calls pass"""
    busy = "SIP/2.0 486 Busy Here"
    with (
        mail_server(lab) as mails,
        sipp(folder_in(tmp_path, "hourly"), lab.gateway, HOURLY, answers=busy) as hourly,
        sipp(folder_in(tmp_path, "next"), lab.gateway, NEXT, answers=busy) as following,
    ):
        # Not counted, though it goes first.
        assert in_turn(operator, "1001", ["112"]) == ["486"]
        message = mails.get(timeout=PATIENCE)
        assert message["Subject"] == f"Emergency call on {HOST}: extension 1001"
        assert text_of(message)[0] == f"On {HOST} extension 1001 has called 112."
        over = 20 - AN_HOUR
        with calls(operator, folder_in(tmp_path, "many"), "1000", to="711111111", count=20) as made:
            assert final(made) == ["486"] * 20
        assert hourly.called == ["112"] + ["+494711111111"] * AN_HOUR
        assert following.called == ["+494711111111"] * over
        # One that is refused by the hour leaves no channel taken.
        assert used(operator, "trunk hourly") == used(operator, "trunk next") == "0"
        full = "(trunk-hour) of trunk hourly hit by a call of 1000 to"
        until(lambda: hits(operator, full), over)
        assert in_turn(operator, "1001", ["112"]) == ["486"]
        assert hourly.called[-1] == "112"
        # Again at once, though the last such mail is of the same minute; the limit's waits for
        # five seconds, so either may be the first.
        both = {
            one["Subject"]: one
            for one in (mails.get(timeout=PATIENCE), mails.get(timeout=PATIENCE))
        }
        assert f"Emergency call on {HOST}: extension 1001" in both
        message = both[f"Limit hit on {HOST}: trunk-hour of trunk hourly"]
        assert message["To"] == NOC
        lines = text_of(message)
        assert lines[0] == f"On {HOST} a limit of trunk hourly was hit {over} times."
        assert "Limit: the trunk's calls out within an hour (calls_per_hour)" in lines
        assert [line for line in lines if line.startswith("Call:")] == [
            "Call:  of 1000 to +494711111111"
        ]
        # What comes within the hour is counted, and not mailed when another limit is.
        assert in_turn(operator, "1002", ["711111112", "0033123456789"]) == ["486", "403"]
        assert mails.get(timeout=PATIENCE)["Subject"].endswith("country of extension 1002")
        assert mails.empty()
    # It is written down once the mail has gone.
    until(lambda: hits_kept(operator), {("trunk hourly", 1), ("extension 1002", 0)})


def test_the_hour_takes_no_channel_from_a_call_that_goes_on(operator: Operator, lab: Lab) -> None:
    """While a call that it has refused is up over the next trunk"""
    with Exchange(lab.gateway, port=NEXT) as exchange:
        world = exchange.phone("+494722222222")
        call = phone_of(operator, HOST, exchange, "1000").call("722222222")
        world.incoming().answer()
        call.wait_established()
        assert (used(operator, "trunk hourly"), used(operator, "trunk next")) == ("0", "1")
        call.hangup()


def test_a_trunk_that_is_full_says_so(operator: Operator, lab: Lab) -> None:
    """By an event, too, for whoever listens"""
    found = inventory.load(operator.inventory)
    port = found.site.event_socket.port
    password = found.site.reveal(found.site.event_socket.password)

    async def told_of(happens: Callable[[], None]) -> dict[str, str]:
        names = ("Limit", "Trunk", "Extension", "Called")
        with login(found.hosts[0]) as entered:
            async with connect(entered, port, password) as client:
                await client.send("event plain CUSTOM callcenter::limit")
                await asyncio.to_thread(happens)
                event = await anext(client.events())
                return {name: event.get(name, "") for name in names}

    with Exchange(lab.gateway, port=NEXT) as exchange:
        world = exchange.phone("+494833333333")
        caller = phone_of(operator, HOST, exchange, "1000")
        call = caller.call("633333333")
        world.incoming().answer()
        call.wait_established()
        assert asyncio.run(told_of(lambda: call_refused(caller, "633333334", 503))) == {
            "Limit": "trunk-calls", "Trunk": "narrow", "Extension": "1000",
            "Called": "+494833333334",
        }  # fmt: skip
        call.hangup()
    logged(operator, HOST, "(trunk-calls) of trunk narrow hit by a call of 1000 to +494833333334")


def call_refused(caller: Phone, number: str, status: int) -> None:
    assert refused(caller.call(number)) == status


def test_what_cannot_be_mailed_is_kept(operator: Operator, lab: Lab) -> None:
    """Nothing is lost: not while the mail server is down, nor by a restart of either program"""
    called = ["0033123456789", "0033123456788"]
    assert in_turn(operator, "1003", called[:1]) == ["403"]
    until_on(operator, HOST, f"grep -q 'extension 1003' {paths.ALARM}/state.json")
    until_on(operator, HOST, f"{JOURNAL} | grep -q 'cannot be mailed now: msmtp: .*; it is kept'")
    operator.ssh(HOST, "systemctl stop callcenter-alarm")
    assert in_turn(operator, "1003", called[1:]) == ["403"]
    operator.ssh(HOST, f"systemctl restart {paths.UNIT}")
    until_on(operator, HOST, "fs_cli -x 'sofia status' | grep -q 'internal.*RUNNING'")
    with mail_server(lab) as mails:
        operator.ssh(HOST, "systemctl start callcenter-alarm")
        while not (message := mails.get(timeout=PATIENCE))["Subject"].endswith("extension 1003"):
            # What the tests before have left.
            assert "narrow" in message["Subject"]
    told = text_of(message)
    assert told[0] == f"On {HOST} a limit of extension 1003 was hit 2 times."
    assert told[-4:-2] == ["Call:  to +33123456789", "Call:  to +33123456788"]


def test_a_mail_server_that_hangs_holds_no_call(operator: Operator, lab: Lab) -> None:
    with socket.create_server((lab.gateway, MAIL)) as deaf:
        assert in_turn(operator, "1004", ["0033123456789"]) == ["403"]
        deaf.settimeout(PATIENCE)
        connection, _ = deaf.accept()
        with connection:
            hangs = operator.ssh(HOST, "pidof msmtp").strip()
            assert hangs.isdigit()
            numbers = [f"00331234567{n}" for n in range(10, 40)]
            assert in_turn(operator, "1005", numbers) == ["403"] * 30
            # One after the other, and all while the same mail hangs.
            assert operator.ssh(HOST, "pidof msmtp").strip() == hangs
    until_on(
        operator,
        HOST,
        f"{JOURNAL} | grep -q 'country of extension 1004, hits: 1: cannot be mailed'",
    )


@pytest.fixture(scope="module")
def one_call(operator: Operator, lab: Lab) -> Iterator[None]:
    """An extension has one call at a time."""
    operator.describe(described(lab).replace(" calls=100,", " calls=1,"))
    operator.succeed()
    yield
    operator.describe(described(lab))
    operator.succeed()


@pytest.mark.parametrize("way", ["blind", "attended"])
def test_a_call_counts_until_the_carriers_leg_ends(
    operator: Operator, lab: Lab, one_call: None, way: str
) -> None:
    """Though its phone has transferred it to somebody else"""
    with Exchange(lab.gateway, port=NEXT) as exchange:
        world = exchange.phone("+494844444444")
        caller, colleague, other = (
            phone_of(operator, HOST, exchange, number) for number in ("1000", "1001", "1002")
        )
        call = caller.call("644444444")
        answered = world.incoming().answer()
        call.wait_established()
        answered.play(CALLEE_HZ)
        assert_heard(call, CALLEE_HZ, 0.2)
        if way == "blind":
            call.transfer("9196")
            answered.forget()
            assert_heard(answered, CALLEE_HZ, 1)
        else:
            call.hold()
            inside = caller.call("1001")
            taken = colleague.incoming().answer()
            taken.play(CALLER_HZ)
            assert_heard(inside, CALLER_HZ, 1)
            call.transfer_to(inside)
            still_talking(taken, answered)
        call.wait_ended()
        assert (used(operator, "trunk narrow"), used(operator, "calls 1000")) == ("1", "1")
        call_refused(other, "644444445", 503)
        call_refused(caller, "0049555000000", 403)
        logged(operator, HOST, "(calls) of 1000 hit by a call to +49555000000")
        assert not answered.ended
        answered.hangup()
        for resource in ("trunk narrow", "calls 1000"):
            until(lambda: used(operator, resource), "0")  # noqa: B023
        again = caller.call("644444444")
        world.incoming().answer()
        again.wait_established()
        again.hangup()


@needs_sipp
def test_a_call_that_a_carrier_refuses_is_the_same_call_for_the_next(
    operator: Operator, lab: Lab, one_call: None, tmp_path: Path
) -> None:
    """It finds its own place free, at once and each time"""
    numbers = [f"5111111{n}" for n in range(10, 40)]
    with (
        sipp(
            folder_in(tmp_path, "down"),
            lab.gateway,
            DOWN,
            answers="SIP/2.0 503 Service Unavailable",
        ) as down,
        sipp(
            folder_in(tmp_path, "next"), lab.gateway, NEXT, answers="SIP/2.0 486 Busy Here"
        ) as following,
    ):
        assert in_turn(operator, "1003", numbers) == ["486"] * 30
        assert down.called == following.called == [f"+4946{one[1:]}" for one in numbers]
    assert used(operator, "calls 1003") == used(operator, "trunk next") == "0"


def test_off(operator: Operator, lab: Lab) -> None:
    """Nothing of it is left, and on again it begins anew"""
    text = described(lab)
    operator.describe(text.replace(ALARM, "").replace(SMTP, ""))
    operator.succeed()
    gone = f"{paths.ALARM} {paths.ALARM_TOOL} {paths.ALARM_UNIT} {paths.SMTP_CONFIG}"
    assert operator.ssh(HOST, f"ls -d {gone} 2>/dev/null; which msmtp") == ""
    until(lambda: operator.ssh(HOST, "systemctl list-units --all | grep callcenter-alarm"), "")
    assert operator.ssh(HOST, "find /etc/systemd -name 'callcenter-alarm*'") == ""
    assert operator.ssh(HOST, f"ls /proc/$(pidof freeswitch)/fd -l | grep {paths.ALARM}") == ""
    assert operator.succeed().changes == 0
    operator.describe(text)
    operator.succeed()
    assert operator.ssh(HOST, f"stat -c '%U %a' {paths.ALARM_LOG}").split()[0] == "freeswitch"
    assert operator.ssh(HOST, "systemctl is-active callcenter-alarm").strip() == "active"
