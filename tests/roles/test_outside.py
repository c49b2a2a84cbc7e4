"""Numbers outside as destinations: called as if an extension had dialled them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest

from lab.lab import Lab
from tests.acceptance.support.audio import assert_speech
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.phones import Call, CallFailed, Exchange, Phone
from tests.roles.conftest import SITE, Operator
from tests.roles.support import logged, phone_of, until
from tests.roles.test_carriers import invite_of
from tests.roles.test_trunks import talk

HOST = "outside1"
CARRIER, CLOSED = 5066, 5099
MOBILE, DIALLED = "+491701234567", "01701234567"
SECOND, SECOND_DIALLED = "+491701234568", "01701234568"

SERVICES = f"""
    trunks=[
        Trunk("showing", host="GATEWAY", port={CARRIER}, caller_id="+4930123400",
              shows_callers=True, ping_seconds=None),
        Trunk("plain", host="GATEWAY", port={CARRIER}, caller_id="+4930123499",
              number_format="00", ping_seconds=None),
        Trunk("history", host="GATEWAY", port={CARRIER}, caller_id="+4930123497",
              forwarded_in="history-info", number_format="digits", number_prefix="9",
              ping_seconds=None),
        Trunk("closed", host="GATEWAY", port={CLOSED}, transport="tcp", ping_seconds=None,
              caller_id="+4930123499"),
        Trunk("narrow", host="GATEWAY", port={CARRIER}, calls_per_hour=1, ping_seconds=None,
              caller_id="+4930123498"),
        Trunk("back", host="ADDRESS", port=5080, number_prefix="49", number_format="digits",
              caller_id="+4930123401", ping_seconds=None),
    ],
    inbound=[
        Did("+4930123401", to=extension(1001)),
        Did("+4930123402", to=extension(1002)),
        Did("+4930123403", to=outside("{DIALLED}", by=1001)),
        Did("+4930123404", to=ivr("menu")),
        Did("+4930123405", to=queue("nobody")),
        Did("+4930123406", to=open_during("always", outside("{DIALLED}", by=1001),
                                          otherwise=extension(1001))),
        Did("+4930123407", to=extension(1003)),
        Did("+4930123408", to=extension(1004)),
        Did("+4930123409", to=outside("61701234567", by=1001)),
        Did("+4930123410", to=outside("51701234567", by=1001)),
        Did("+4930123411", to=extension(1008)),
        Did("+4930123412", to=outside("41701234567", by=1001)),
    ],
    outbound=[
        Route("national", pattern=r"^0[1-9]\\d{{5,11}}$", strip=1, prefix="+49",
              trunks=["showing"]),
        Route("plain", pattern=r"^7\\d{{8,11}}$", strip=1, prefix="+49", trunks=["plain"]),
        Route("back", pattern=r"^8\\d{{8}}$", strip=1, prefix="+", trunks=["back"]),
        Route("history", pattern=r"^4\\d{{8,11}}$", strip=1, prefix="+49", trunks=["history"]),
        Route("failing", pattern=r"^6\\d{{8,11}}$", strip=1, prefix="+49",
              trunks=["closed", "showing"]),
        Route("narrow", pattern=r"^5\\d{{8,11}}$", strip=1, prefix="+49",
              trunks=["narrow", "plain"]),
        Route("abroad", pattern=r"^00[1-9]\\d{{6,12}}$", strip=2, prefix="+", trunks=["plain"]),
    ],
    emergency=[Emergency("112", trunks=["showing"])],
    outbound_limits=OutboundLimits(countries=["+49", "+30"], calls=2, calls_per_hour=1000),
    ivrs=[Ivr("menu", say("Press one."), options={{"1": outside("{DIALLED}", by=1001)}})],
    hours=[Hours("always", ["Mon-Sun 00:00-24:00"])],
    queues=[Queue("nobody", max_wait=2, otherwise=outside("{DIALLED}", by=1001)),
            Queue("mobile", number=7000)],
    agents=[Agent(1005, skills={{"nobody": 1}}),
            Agent(1000, outside="{DIALLED}", skills={{"mobile": 1}}, ring_seconds=20)],
    ring_groups=[
        RingGroup("all", [1006], outside=[outside("{DIALLED}", by=1001)], number=6100,
                  ring_seconds=30, otherwise=voicemail(1009)),
        RingGroup("turn", [1006], outside=[outside("{DIALLED}", by=1001)], number=6101,
                  strategy="in-turn", ring_seconds=30),
        RingGroup("mobiles", outside=[outside("{DIALLED}", by=1001),
                                      outside("{SECOND_DIALLED}", by=1008)],
                  number=6102, ring_seconds=30, otherwise=extension(1007)),
        RingGroup("mobiles-turn", outside=[outside("{DIALLED}", by=1001)], number=6103,
                  strategy="in-turn", ring_seconds=30),
    ],
    speed_dials={{"*01": "{DIALLED}"}},
    features=FeatureCodes(forward="*72", forward_off="*73"),
    cdr=Cdr("json"),
    media="""
EXTENSIONS = f"""
        Extension(1000, caller_id="+4930123410", routes=["national"], ring_seconds=5),
        Extension(1001, caller_id="+4930123401", ring_seconds=5,
                  routes=["national", "plain", "abroad", "failing", "narrow", "history"]),
        Extension(1002, ring_seconds=5, routes=["national"],
                  no_answer=outside("{DIALLED}")),
        Extension(1003, ring_seconds=5, routes=["plain"], no_answer=outside("71701234567")),
        Extension(1004, ring_seconds=5, caller_id="+4930123408", routes=["back"],
                  no_answer=outside("830123408")),
        *Extension.range(1005, 1007, ring_seconds=5), Extension(1009, voicemail=True),
        Extension(1008, ring_seconds=5, routes=["national"], no_answer=hang_up("CALL_REJECTED"),
                  busy=outside("{DIALLED}"), not_registered=extension(1006)),"""
ALLOWED = "*Extension.range(1000, 1009, ring_seconds=5)"


def address_of(operator: Operator) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


def described(operator: Operator) -> str:
    """Return the Site with trunks to this machine, and one that leads back to the switch itself."""
    text = SITE.replace(ALLOWED, EXTENSIONS).replace("media=", SERVICES, 1)
    return text.replace("GATEWAY", operator.lab.gateway).replace("ADDRESS", address_of(operator))


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(described(made))
    made.succeed()
    assert made.succeed().changes == 0
    return made


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """The phones of extensions, and the world behind the carrier."""
    with Exchange(lab.gateway, port=CARRIER) as made:
        yield made


def world_of(operator: Operator, exchange: Exchange, number: str = "+431555000") -> Phone:
    return exchange.phone(number, domain=f"{address_of(operator)}:5080")


def refused(call: Call) -> int | None:
    with pytest.raises(CallFailed) as why:
        call.wait_established()
    return why.value.code


def diversion(invite: Message) -> str:
    return invite.header("diversion")


def talked(call: Call, answered: Call) -> None:
    talk(call, answered)
    call.hangup()
    answered.wait_ended()


def test_nobody_answers(operator: Operator, exchange: Exchange) -> None:
    """A caller from outside is shown to whom its call is sent on, and who has sent it on"""
    mobile = exchange.phone(MOBILE)
    phone = phone_of(operator, HOST, exchange, "1002")
    call = world_of(operator, exchange).call("+4930123402")
    phone.incoming()
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+431555000")
    gateway = operator.lab.gateway
    assert diversion(invite_of(answered)) == f"<sip:+4930123400@{gateway}>;reason=no-answer"
    talked(call, answered)


def test_busy(operator: Operator, exchange: Exchange) -> None:
    mobile = exchange.phone(MOBILE)
    phone = phone_of(operator, HOST, exchange, "1002")
    call = world_of(operator, exchange).call("+4930123402")
    phone.incoming().reject()
    answered = mobile.incoming().answer()
    assert diversion(invite_of(answered)).endswith(">;reason=user-busy")
    talked(call, answered)


def test_busy_not_registered_and_no_answer_apart(operator: Operator, exchange: Exchange) -> None:
    """Each has a way of its own, whoever calls"""
    mobile = exchange.phone(MOBILE)
    inside = phone_of(operator, HOST, exchange, "1006")
    caller = phone_of(operator, HOST, exchange, "1000")
    world = world_of(operator, exchange)
    for who, number in ((world, "+4930123411"), (caller, "1008")):
        call = who.call(number)
        talked(call, inside.incoming().answer())
    phone = phone_of(operator, HOST, exchange, "1008")
    call = world.call("+4930123411")
    phone.incoming().reject()
    answered = mobile.incoming().answer()
    assert diversion(invite_of(answered)).endswith(">;reason=user-busy")
    talked(call, answered)
    call = caller.call("1008")
    phone.incoming()
    assert refused(call) == 603


def test_history_info_says_who_has_sent_it_on(operator: Operator, exchange: Exchange) -> None:
    """Where the carrier looks for that, and without Diversion"""
    mobile = exchange.phone("9491701234567")
    call = world_of(operator, exchange).call("+4930123412")
    invite = invite_of(answered := mobile.incoming().answer())
    at = operator.lab.gateway
    entries = f"<sip:+4930123401@{at}>;index=1, <sip:9491701234567@{at};cause=302>;index=1.1"
    assert invite.header("history-info") == entries
    assert diversion(invite) == ""
    talked(call, answered)


def test_the_next_trunk_follows(operator: Operator, exchange: Exchange) -> None:
    """Where the first cannot be reached"""
    mobile = exchange.phone(MOBILE)
    call = world_of(operator, exchange).call("+4930123409")
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+431555000")
    talked(call, answered)


def test_the_hour_of_a_trunk(operator: Operator, exchange: Exchange) -> None:
    """The second call goes by the next one"""
    narrow, plain = exchange.phone(MOBILE), exchange.phone("00491701234567")
    world = world_of(operator, exchange)
    for mobile in (narrow, plain):
        call = world.call("+4930123410")
        talked(call, mobile.incoming().answer())
    logged(operator, HOST, f"(trunk-hour) of trunk narrow hit by a call of 1001 to {MOBILE}")


def test_a_carrier_that_shows_nobody_else(operator: Operator, exchange: Exchange) -> None:
    """Nobody is registered"""
    mobile = exchange.phone("00491701234567")
    call = world_of(operator, exchange).call("+4930123407")
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+4930123499")
    talked(call, answered)


def test_an_extension_calls_one_that_leads_outside(operator: Operator, exchange: Exchange) -> None:
    """The caller's own number is shown, and its missing permission does not count"""
    mobile = exchange.phone(MOBILE)
    call = phone_of(operator, HOST, exchange, "1000").call("1002")
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+4930123410")
    talked(call, answered)
    other = exchange.phone("+491701234568")
    assert other is not None
    call = phone_of(operator, HOST, exchange, "1005").call("1002")
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+4930123400")
    talked(call, answered)


@pytest.mark.parametrize(
    ("did", "keys"),
    [("3", ""), ("4", "1"), ("5", ""), ("6", "")],
    ids=["DID", "IVR", "queue", "hours"],
)
def test_each_place(operator: Operator, exchange: Exchange, did: str, keys: str) -> None:
    mobile = exchange.phone(MOBILE)
    call = world_of(operator, exchange).call(f"+493012340{did}")
    if keys:
        call.wait_established()
        call.send_dtmf(keys)
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+431555000")
    assert "sip:+4930123401@" in diversion(invite_of(answered))
    talked(call, answered)


def test_speed_dial(operator: Operator, exchange: Exchange) -> None:
    """It is the call of whoever dials it"""
    mobile = exchange.phone(MOBILE)
    call = phone_of(operator, HOST, exchange, "1000").call("*01")
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+4930123410")
    assert diversion(invite_of(answered)) == ""
    talked(call, answered)
    assert refused(phone_of(operator, HOST, exchange, "1005").call("*01")) == 403


def test_forwarded_by_the_phone(operator: Operator, exchange: Exchange) -> None:
    mobile = exchange.phone(MOBILE)
    phone = phone_of(operator, HOST, exchange, "1001")
    stored = "fs_cli -x 'db select/forward/1001'"
    # A number of the Site's own, one abroad, one for help, and one that it may not call.
    for number in ("030123403", "0033123456789", "112", "830123408"):
        phone.call(f"*72{number}").wait_ended()
        assert operator.ssh(HOST, stored).strip() == "-ERR no reply", number
    assert phone.call(f"*72{DIALLED}").wait_ended().by == "them"
    assert operator.ssh(HOST, stored).strip() == f"outside-{DIALLED}"
    call = world_of(operator, exchange).call("+4930123401")
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+431555000")
    assert diversion(invite_of(answered)).startswith("<sip:+4930123401@")
    assert diversion(invite_of(answered)).endswith(">;reason=unconditional")
    talked(call, answered)
    phone.call("*73").wait_ended()
    call = phone_of(operator, HOST, exchange, "1000").call("1001")
    talked(call, phone.incoming().answer())


def test_the_limits_of_whose_forward_it_is(operator: Operator, exchange: Exchange) -> None:
    mobile = exchange.phone(MOBILE)
    world = world_of(operator, exchange)
    calls = []
    for _ in range(2):
        call = world.call("+4930123403")
        calls.append((call, mobile.incoming().answer()))
        call.wait_established()
    used = "fs_cli -x 'limit_usage hash calls 1001'"
    assert operator.ssh(HOST, used).strip() == "2"
    assert refused(world.call("+4930123403")) == 403
    logged(operator, HOST, f"Outbound limit (calls) of 1001 hit by a call to {MOBILE}")
    for call, answered in calls:
        talked(call, answered)


def test_a_circle_ends(operator: Operator, exchange: Exchange) -> None:
    """Out by a trunk and in by a DID: the second time nothing is sent outside"""
    call = world_of(operator, exchange).call("+4930123408")
    assert refused(call) is not None
    until(lambda: operator.ssh(HOST, "fs_cli -x 'show channels count'").strip(), "0 total.")
    log = "cat /var/log/freeswitch/freeswitch.log"
    said = r"WARNING\].*A call that 1004 sends outside has come back"
    until(lambda: len(re.findall(said, operator.ssh(HOST, log))), 1)


def test_it_is_in_the_records(operator: Operator, exchange: Exchange) -> None:
    mobile = exchange.phone(MOBILE)
    call = world_of(operator, exchange, "+431555777").call("+4930123403")
    talked(call, mobile.incoming().answer())
    read = "cat /var/lib/callcenter/calls/20*.jsonl"
    lines = until(
        lambda: re.findall(r".*\+431555777.*", operator.ssh(HOST, read)), lambda found: bool(found)
    )
    [record] = map(json.loads, lines)
    assert record["direction"] == "in"
    assert (record["caller"], record["dialled"]) == ("+431555777", "+4930123403")
    assert record["answered_by"] == MOBILE


def accepted(call: Call, answered: Call) -> None:
    """Make sure that who presses 1 has the call, and not before"""
    assert_speech(answered, 0.5)
    answered.send_dtmf("2")
    answered.forget()
    assert_speech(answered, 0.5)
    assert not call.established
    answered.send_dtmf("1")
    talk(call, answered)


@pytest.mark.parametrize("group", ["6100", "6101"], ids=["together", "in turn"])
def test_a_mobile_in_a_ring_group(operator: Operator, exchange: Exchange, group: str) -> None:
    mobile = exchange.phone(MOBILE)
    call = phone_of(operator, HOST, exchange, "1000").call(group)
    answered = mobile.incoming().answer()
    assert answered.number.startswith("+4930123410")
    accepted(call, answered)
    call.hangup()
    answered.wait_ended()


def test_a_group_of_mobiles_alone(operator: Operator, exchange: Exchange) -> None:
    """All ring, and who presses the key first has the call"""
    first, second = exchange.phone(MOBILE), exchange.phone(SECOND)
    call = phone_of(operator, HOST, exchange, "1007").call("6102")
    ringing = first.incoming()
    accepted(call, answered := second.incoming().answer())
    assert ringing.wait_ended().by == "them"
    call.hangup()
    answered.wait_ended()


def test_a_group_of_mobiles_that_nobody_takes(operator: Operator, exchange: Exchange) -> None:
    mobiles = [exchange.phone(number) for number in (MOBILE, SECOND)]
    phone = phone_of(operator, HOST, exchange, "1007")
    call = phone_of(operator, HOST, exchange, "1000").call("6102")
    for mobile in mobiles:
        mobile.incoming().reject()
    talked(call, phone.incoming().answer())


def test_a_mobile_alone_in_turn(operator: Operator, exchange: Exchange) -> None:
    mobile = exchange.phone(MOBILE)
    call = phone_of(operator, HOST, exchange, "1000").call("6103")
    accepted(call, answered := mobile.incoming().answer())
    call.hangup()
    answered.wait_ended()


def test_a_phone_answers_before_the_mobile(operator: Operator, exchange: Exchange) -> None:
    mobile = exchange.phone(MOBILE)
    phone = phone_of(operator, HOST, exchange, "1006")
    call = phone_of(operator, HOST, exchange, "1000").call("6100")
    # It has answered, and has pressed nothing.
    mobiles = mobile.incoming().answer()
    talk(call, phone.incoming().answer())
    assert mobiles.wait_ended().by == "them"
    call.hangup()


def test_a_mailbox_of_the_mobiles_has_no_call(operator: Operator, exchange: Exchange) -> None:
    """Nobody presses a key, so the call goes on to the mailbox of the Site's own"""
    mobile = exchange.phone(MOBILE)
    call = phone_of(operator, HOST, exchange, "1000").call("6100")
    swallowed = mobile.incoming().answer()
    swallowed.play(1400)
    assert swallowed.wait_ended().by == "them"
    call.wait_established()
    # FreeSWITCH's table is a moment late.
    until(lambda: "voicemail" in operator.ssh(HOST, "fs_cli -x 'show channels'"), True)
    call.hangup()


def test_an_agent_at_a_mobile(operator: Operator, exchange: Exchange) -> None:
    mobile = exchange.phone(MOBILE)
    phone_of(operator, HOST, exchange, "1000").call("*22").wait_ended()
    call = phone_of(operator, HOST, exchange, "1007").call("7000")
    call.wait_established()
    answered = mobile.incoming().answer()
    assert_speech(answered, 0.5)
    state = "fs_cli -x 'callcenter_config queue list members mobile'"
    assert "|Trying|" in operator.ssh(HOST, state)
    answered.send_dtmf("1")
    talk(call, answered)
    call.hangup()
    answered.wait_ended()
    until(lambda: operator.ssh(HOST, "fs_cli -x 'show channels count'").strip(), "0 total.")


def test_a_mobile_that_rang_among_others_is_in_the_records(
    operator: Operator, exchange: Exchange
) -> None:
    """As a call of the extension in whose name it was rung"""
    mobile = exchange.phone(MOBILE)
    read = "cat /var/lib/callcenter/calls/20*.jsonl"
    own = re.compile(rf'.*"caller": "1001".*"dialled": "{DIALLED}".*')
    before = len(own.findall(operator.ssh(HOST, read)))
    call = phone_of(operator, HOST, exchange, "1007").call("6100")
    accepted(call, mobile.incoming().answer())
    call.hangup()
    lines = until(lambda: own.findall(operator.ssh(HOST, read)), lambda found: len(found) > before)
    record = json.loads(lines[-1])
    assert (record["direction"], record["trunk"]) == ("out", "showing")
    assert record["answered_by"] == MOBILE


def test_a_forward_that_is_allowed_no_more(operator: Operator, exchange: Exchange) -> None:
    """What was stored does not count against what the Site says now"""
    caller = phone_of(operator, HOST, exchange, "1007")
    for stored, code in (("outside-112", 403), ("outside-0900123456", 403)):
        said = operator.ssh(HOST, f"fs_cli -x 'db insert/forward/1006/{stored}'")
        assert "+OK" in said
        assert refused(caller.call("1006")) == code, stored
    operator.ssh(HOST, "fs_cli -x 'db delete/forward/1006'")


def test_the_hour_of_whose_number_it_is(operator: Operator, exchange: Exchange) -> None:
    """Whoever calls"""
    operator.describe(described(operator).replace("calls_per_hour=1000", "calls_per_hour=1"))
    operator.succeed()
    operator.ssh(HOST, "fs_cli -x 'limit_interval_reset hash hour 1001'")
    mobile, world = exchange.phone(MOBILE), world_of(operator, exchange)
    call = world.call("+4930123403")
    talked(call, mobile.incoming().answer())
    assert refused(world.call("+4930123403")) == 403
    logged(operator, HOST, f"Outbound limit (hour) of 1001 hit by a call to {MOBILE}")
    assert not mobile._ringing


def test_off(operator: Operator, exchange: Exchange) -> None:
    """Nothing of it is left"""
    loaded = "fs_cli -x 'module_exists mod_loopback'"
    assert operator.ssh(HOST, loaded).strip() == "true"
    operator.describe(SITE)
    operator.succeed()
    assert operator.ssh(HOST, loaded).strip() == "false"
    folder = "ls /etc/freeswitch/current/dialplan/services/"
    assert "sent_outside" not in operator.ssh(HOST, folder)
    assert operator.succeed().changes == 0
