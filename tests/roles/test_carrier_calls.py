"""Calls as carriers ask for them, on a real switch: numbers by rule, keys, timers, headers."""

from __future__ import annotations

import json
import math
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from callcenter.render import paths
from lab.lab import Lab
from lab.network import BRIDGE
from tests.acceptance.support.audio import Pcm, assert_heard
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.phones import Call, Exchange, Transport
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import Side, answering, calling, side
from tests.roles.support import CALLER_HZ, contacts, phone_of, refused, until
from tests.roles.test_carriers import invite_of
from tests.roles.test_trunks import talk

HOST = "carriers2"
PEOPLE = 5070
"""Port of the people behind the carrier."""
BESIDE = 5071
"""Port of a carrier that SIPp speaks for."""
PCMU = 0

TRUNKS = f"""
    trunks=[
        Trunk("ims", host="GATEWAY", port={PEOPLE}, ping_seconds=None, caller_id="+861012345600",
              national="+86", number_prefix="9",
              called_out=[Rewrite(r"^\\+8610(\\d{{8}})$", "$1")],
              caller_out=[Rewrite(r"^\\+8610(\\d{{8}})$", "0010*$1")],
              called_in=[Rewrite(r"^600(\\d{{2}})$", "+8610123456$1")],
              caller_in=[Rewrite(r"^9(0\\d{{6,12}})$", "$1")],
              headers={{"X-Account": "42", "P-Charge-Info": "<sip:+861012345600@a.example>"}},
              MORE),
        Trunk("twilio", preset="twilio", host="acme.pstn.twilio.com", outbound_proxy="GATEWAY",
              port={PEOPLE}, username="acct", password=secret("twilio"), ping_seconds=None,
              caller_id="+12125550100"),
        Trunk("sipgate", preset="sipgate", outbound_proxy="GATEWAY", port={PEOPLE}, register=False,
              username="1234567t0", password=secret("sipgate"), ping_seconds=None,
              caller_id="+4930555300"),
        Trunk("beside", host="GATEWAY", port={BESIDE}, ping_seconds=None, caller_id="+4930555500"),
        Trunk("flex", preset="telekom-companyflex", outbound_proxy="GATEWAY", port={PEOPLE},
              register=False, username="+4919929600000000001", password=secret("flex"),
              auth_username="+4919929600000000001@tel.t-online.de", ping_seconds=None,
              caller_id="+4930555400"),
        Trunk("mobile", host="ims.ln.chinamobile.com", outbound_proxy="GATEWAY", port={PEOPLE},
              register=False, username="+862412345678", password=secret("mobile"), national="+86",
              auth_username="862412345678@ims.ln.chinamobile.com", ping_seconds=None,
              from_domain="ims.ln.chinamobile.com", caller_id="+862412345678"),
        Trunk("flowroute", preset="flowroute", outbound_proxy="GATEWAY", port={PEOPLE},
              number_prefix="12345678*", ping_seconds=None, caller_id="+12125550101"),
    ],
    inbound=[Did("+861012345600", last="+861012345610", to=extension(1001))],
    outbound=[
        Route("twilio", pattern=r"^91\\d{{10}}$", strip=1, prefix="+", trunks=["twilio"]),
        Route("sipgate", pattern=r"^949\\d{{6,11}}$", strip=1, prefix="+", trunks=["sipgate"]),
        Route("beside", pattern=r"^549\\d{{6,11}}$", strip=1, prefix="+", trunks=["beside"]),
        Route("flex", pattern=r"^749\\d{{6,11}}$", strip=1, prefix="+", trunks=["flex"]),
        Route("mobile", pattern=r"^686\\d{{6,11}}$", strip=1, prefix="+", trunks=["mobile"]),
        Route("flowroute", pattern=r"^81\\d{{10}}$", strip=1, prefix="+", trunks=["flowroute"]),
        Route("short", pattern=r"^(?:10086|95588|12345)$", short=True, trunks=["ims"]),
        Route("local", pattern=r"^[2-8]\\d{{7}}$", prefix="+8610", trunks=["ims"]),
        Route("ten", pattern=r"^[2-9]\\d{{9}}$", prefix="+1", trunks=["ims"]),
    ],
    outbound_limits=OutboundLimits(countries=["+86", "+1", "+49"], calls_per_hour=1000),
    cdr=Cdr("json"),
    media="""
ALLOWED = "*Extension.range(1000, 1009, ring_seconds=5)"
EXTENSIONS = (
    '*Extension.range(1000, 1009, ring_seconds=5, routes=["short", "local", "ten", "twilio", '
    '"sipgate", "flowroute", "flex", "mobile", "beside"])'
)
FIRST = 'dtmf="info", session_seconds=None, codecs=["PCMU"], packet_ms=30, ringback="de"'
SECOND = 'dtmf="in-band", longest_call=5, session_seconds=600'


def described(lab: Lab, more: str) -> str:
    text = SITE.replace(ALLOWED, EXTENSIONS).replace("media=", TRUNKS, 1)
    return text.replace("MORE", more).replace("GATEWAY", lab.gateway)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.secrets.touch(0o600)
    made.secrets.write_text(
        json.dumps(
            {
                "twilio": "a-carriers-word",
                "sipgate": "another-word",
                "flex": "a-third-word",
                "mobile": "a-fourth-word",
            }
        )
    )
    made.describe(described(lab, FIRST))
    made.succeed()
    assert made.succeed().changes == 0
    return made


@pytest.fixture
def second(operator: Operator, lab: Lab) -> None:
    """The trunk with the other ways of everything."""
    operator.describe(described(lab, SECOND))
    operator.succeed()


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """The phones of extensions, and the people behind the carrier."""
    with Exchange(lab.gateway, port=PEOPLE) as made:
        yield made


def out(
    operator: Operator, exchange: Exchange, dialled: str, sent: str, caller: str = "1000",
    transport: Transport = "udp",
) -> tuple[Call, Call]:  # fmt: skip
    """Return a call of an extension to somebody behind the carrier, who has answered."""
    people = exchange.phone(sent, transport=transport)
    call = phone_of(operator, HOST, exchange, caller).call(dialled)
    answered = people.incoming().answer()
    call.wait_established()
    return call, answered


def at(operator: Operator) -> str:
    address = next(host.address for host in operator.lab.hosts if host.name == HOST)
    return f"{address}:5080"


@pytest.mark.parametrize(
    ("dialled", "sent"),
    [
        ("10086", "10086"),
        ("95588", "95588"),
        ("12345", "12345"),
        ("65881234", "65881234"),
        ("2125550199", "9+12125550199"),
    ],
)
def test_numbers_by_rule_and_short_ones(
    operator: Operator, exchange: Exchange, dialled: str, sent: str
) -> None:
    call, answered = out(operator, exchange, dialled, sent)
    talk(call, answered)
    invite = invite_of(answered)
    assert "<sip:0010*12345600@" in invite.header("from")
    assert invite.header("x-account") == "42"
    assert invite.header("p-charge-info") == "<sip:+861012345600@a.example>"
    call.hangup()
    answered.wait_ended()


@pytest.mark.parametrize(
    ("dialled", "sent", "host", "identity", "shown"),
    [
        ("912125550199", "+12125550199", "acme.pstn.twilio.com", "from", "<sip:+12125550100@"),
        ("94930111222", "+4930111222", "sipconnect.sipgate.de", "p-preferred-identity",
         "<sip:4930555300@"),
        ("812125550199", "12345678*12125550199", "us-west-or.sip.flowroute.com",
         "p-asserted-identity", "<sip:+12125550101@"),
        ("74930111222", "+4930111222", "tel.t-online.de", "from",
         "<sip:+4930555400@tel.t-online.de>"),
        ("6861087654321", "+861087654321", "ims.ln.chinamobile.com", "from",
         "<sip:+862412345678@ims.ln.chinamobile.com>"),
    ],
)  # fmt: skip
def test_a_presets_carrier_is_sent_what_its_page_asks_for(
    operator: Operator, exchange: Exchange, dialled: str, sent: str, host: str, identity: str,
    shown: str,
) -> None:  # fmt: skip
    by_tcp = host == "tel.t-online.de"
    transport: Transport = "tcp" if by_tcp else "udp"
    call, answered = out(operator, exchange, dialled, sent, transport=transport)
    talk(call, answered)
    invite = invite_of(answered)
    assert invite.text.startswith(f"INVITE sip:{sent}@{host}")
    assert shown in invite.header(identity)
    if identity == "p-preferred-identity":
        assert "sip:1234567t0@sipconnect.sipgate.de" in invite.header("from")
    if by_tcp:
        assert invite.header("via").startswith("SIP/2.0/TCP")
        assert re.search(r"m=audio \d+ RTP/AVP 8 0\b", invite.text)
    call.hangup()
    answered.wait_ended()


def test_numbers_of_a_carriers_own_come_in(operator: Operator, exchange: Exchange) -> None:
    phone = phone_of(operator, HOST, exchange, "1001")
    people = exchange.phone("901012345678", domain=at(operator))
    call = people.call("60005")
    answered = phone.incoming().answer()
    assert "<sip:01012345678@" in invite_of(answered).header("from")
    talk(call, answered)
    call.hangup()
    answered.wait_ended()
    assert people.call("60011").wait_ended().code == 603


def test_keys_by_info_longer_packets_and_no_timer(operator: Operator, exchange: Exchange) -> None:
    call, answered = out(operator, exchange, "10086", "10086")
    talk(call, answered)
    call.send_dtmf("5")

    def informed(messages: list[Message]) -> bool:
        return any(one.method == "INFO" and "Signal=5" in one.text for one in messages)

    until(lambda: answered.messages, informed)
    invite = invite_of(answered)
    assert "a=ptime:30" in invite.text
    assert invite.header("session-expires") == ""
    call.hangup()
    answered.wait_ended()


def test_ringing_is_our_own(operator: Operator, exchange: Exchange) -> None:
    """The carrier sends nothing but 180, and the caller hears Germany's tone."""
    people = exchange.phone("95588")
    call = phone_of(operator, HOST, exchange, "1000").call("95588")
    incoming = people.incoming()
    assert_heard(call, 425, 0.8)
    answered = incoming.answer()
    talk(call, answered)
    call.hangup()
    answered.wait_ended()


carrier = side(BESIDE)


@pytest.mark.parametrize(
    ("caller", "headers", "forwarded"),
    [
        ("+494055500001", 'Diversion: "Ann" <sip:+861055550001@c.example>;reason=unconditional\n',
         "+861055550001"),
        ("+494055500002", "History-Info: <sip:01055550002@c.example;cause=302>;index=1, "
         "<sip:60000@c.example>;index=1.1\n", "01055550002"),
        ("+494055500003", "Diversion: <sip:${system(x)}@c.example>\n", None),
        ("+494055500004", "", None),
    ],
)  # fmt: skip
def test_who_sent_a_call_on_is_in_its_record(
    operator: Operator, exchange: Exchange, carrier: Side, caller: str, headers: str,
    forwarded: str | None,
) -> None:  # fmt: skip
    phone = phone_of(operator, HOST, exchange, "1001")
    with calling(operator, carrier, "60000", PCMU, caller=caller, headers=headers):
        answered = phone.incoming().answer()
        carrier.told("SIP/2.0 200")
    answered.wait_ended()
    # Records of calls before it may come as late.
    said = until(
        lambda: operator.ssh(HOST, f"grep -hs {caller} {paths.CALLS}/20*.jsonl"),
        lambda text: text.endswith("\n"),
    )
    record = json.loads(said)
    assert (record["trunk"], record["forwarded_by"]) == ("ims", forwarded)


KEY = (697, 1209)
"""The two tones of 1 (ITU-T Q.23)."""


def has_key(pcm: Pcm) -> bool:
    """Return both tones together, for fifty milliseconds."""
    count = pcm.rate // 20
    for start in range(0, len(pcm.samples) - count, count):
        part = pcm.samples[start : start + count].astype(float)
        turns = [np.exp(-2j * np.pi * hz * np.arange(count) / pcm.rate) for hz in KEY]
        if all(abs(np.dot(part, turn)) / count > 500 for turn in turns):
            return True
    return False


def tones() -> Iterator[bytes]:
    """Yield the key as PCMU, a quarter of a second, packet by packet."""
    for start in range(0, 2000, 160):
        yield bytes(
            ulaw(sum(0.2 * math.sin(2 * math.pi * hz * n / 8000) for hz in KEY))
            for n in range(start, start + 160)
        )


def ulaw(level: float) -> int:
    """Return a sample from -1 to 1 as ITU-T G.711 writes it."""
    size = min(int(abs(level) * 32635) + 132, 32767)
    exponent = size.bit_length() - 8
    return ~((level < 0) << 7 | exponent << 4 | size >> (exponent + 3) & 15) & 255


def test_keys_as_tones_and_the_longest_call(
    operator: Operator, exchange: Exchange, carrier: Side, second: None
) -> None:
    call, answered = out(operator, exchange, "10086", "10086")
    started = time.monotonic()
    assert invite_of(answered).header("session-expires").startswith("600")
    answered.forget()
    call.send_dtmf("1111")
    heard = answered.listen(has_key, PATIENCE)
    assert has_key(heard)
    # Nobody hangs up.
    call.wait_ended()
    answered.wait_ended()
    assert time.monotonic() - started > 4

    phone = phone_of(operator, HOST, exchange, "1001")
    with calling(operator, carrier, "60000", PCMU):
        answered = phone.incoming().answer()
        to, _ = carrier.told("SIP/2.0 200")
        press(carrier, to)
        answered.wait_digits("1")


def press(carrier: Side, to: tuple[str, int]) -> None:
    """Silence, a key for a quarter of a second, and silence, at the pace of a phone."""
    silence = [bytes([255]) * 160] * 25
    for number, data in enumerate([*silence, *tones(), *silence]):
        head = bytes([0x80, PCMU]) + number.to_bytes(2, "big")
        head += (number * 160).to_bytes(4, "big") + b"side"
        carrier.voice.sendto(head + data, to)
        threading.Event().wait(0.02)


def test_carriers_at_an_address_of_their_own(
    operator: Operator, exchange: Exchange, lab: Lab
) -> None:
    """They call it and are called from it, voice too; phones stay where they are."""
    own = next(host.address for host in operator.lab.hosts if host.name == HOST)
    vlan = f"{own.rpartition('.')[0]}.250"
    operator.describe(described(lab, ""), trunk_address=vlan)
    # Nothing is done to a host that has no such address.
    assert "trunk_address" in refused(operator).output
    assert operator.ssh(HOST, f"ip address add {vlan}/24 dev host0") == ""
    try:
        operator.succeed()
        call, answered = out(operator, exchange, "10086", "10086")
        talk(call, answered)
        assert contacts(answered) == {vlan}
        assert contacts(call) == {own}
        assert answered.remote_address[0] == vlan
        call.hangup()
        answered.wait_ended()
        phone = phone_of(operator, HOST, exchange, "1001")
        call = exchange.phone("01012345678", domain=f"{vlan}:5080").call("60005")
        answered = phone.incoming().answer()
        talk(call, answered)
        call.hangup()
        answered.wait_ended()
        assert ":5080" not in operator.ssh(HOST, f"ss -Hlnu src {own}")
    finally:
        # Switched off again, it is gone.
        operator.describe(described(lab, ""))
        operator.succeed()
        operator.ssh(HOST, f"ip address del {vlan}/24 dev host0")
    assert f"{own}:5080" in operator.ssh(HOST, f"ss -Hlnu src {own}")
    call, answered = out(operator, exchange, "95588", "95588", "1002")
    talk(call, answered)
    assert contacts(answered) == {own}
    call.hangup()
    answered.wait_ended()


PUBLIC = "203.0.113.77"
ROUTER = (
    "table ip router {{ chain in {{ type nat hook prerouting priority dstnat; ip daddr {public} "
    "dnat to {vlan}; }}; chain out {{ type nat hook postrouting priority srcnat; ip saddr {vlan} "
    "snat to {public}; }}; }}"
)


def test_carriers_behind_a_router_of_their_own(
    operator: Operator, exchange: Exchange, lab: Lab
) -> None:
    """They are told its address, and phones are not; both hear each other through it."""
    own = next(host.address for host in operator.lab.hosts if host.name == HOST)
    vlan = f"{own.rpartition('.')[0]}.251"
    near = 'Network(sip_from="anywhere", local_networks=["172.16.0.0/12"])'
    text = described(lab, "").replace('Network(sip_from="anywhere")', near)
    assert near in text
    operator.ssh(HOST, f"ip address add {vlan}/24 dev host0")
    subprocess.run(["ip", "route", "add", PUBLIC, "via", vlan], check=True)
    try:
        operator.describe(text, trunk_address=vlan, trunk_public_ip=PUBLIC)
        operator.succeed()
        rules = ROUTER.format(public=PUBLIC, vlan=vlan)
        assert operator.ssh(HOST, f"nft '{rules}'") == ""
        call, answered = out(operator, exchange, "10086", "10086", "1003")
        talk(call, answered)
        assert contacts(answered) == {PUBLIC}
        assert contacts(call) == {own}
        assert f"c=IN IP4 {PUBLIC}" in invite_of(answered).text
        # Within the call the carrier goes to what it was told.
        answered.hangup()
        call.wait_ended()
    finally:
        operator.ssh(HOST, "nft delete table ip router")
        subprocess.run(["ip", "route", "del", PUBLIC], check=True)
        operator.describe(described(lab, ""))
        operator.succeed()
        operator.ssh(HOST, f"ip address del {vlan}/24 dev host0")


SQUARE = (b"\x80" * 4 + b"\x00" * 4) * 20
"""Twenty milliseconds of 1000 Hz in PCMU."""


def test_phones_of_ipv6_and_a_carrier_of_ipv4(operator: Operator, lab: Lab, carrier: Side) -> None:
    """Each by an address of its own family, and the switch between them"""
    own = next(host.address for host in operator.lab.hosts if host.name == HOST)
    here, there = "fd77::1", "fd77::11"
    operator.describe(described(lab, ""), address=there)
    assert f"and the switch's address {there} is of IPv6" in refused(operator).output
    subprocess.run(["ip", "address", "add", f"{here}/64", "dev", BRIDGE, "nodad"], check=True)
    operator.ssh(HOST, f"ip address add {there}/64 dev host0 nodad")
    try:
        operator.describe(described(lab, ""), address=there, trunk_address=own)
        operator.succeed()
        with Exchange(here) as exchange, answering(carrier, PCMU):
            phone = phone_of(operator, HOST, exchange, "1004", server=there)
            call = phone.call("54930111222")
            call.wait_established()
            to, _ = carrier.told("INVITE")
            assert to[0] == own
            call.play(CALLER_HZ)
            carrier.speaks(to, PCMU, SQUARE, 100)
            assert_heard(call, 1000, 0.5)
            assert carrier.hears(PCMU)
            call.hangup()
    finally:
        operator.describe(described(lab, ""))
        operator.succeed()
        operator.ssh(HOST, f"ip address del {there}/64 dev host0")
        subprocess.run(["ip", "address", "del", f"{here}/64", "dev", BRIDGE], check=True)
