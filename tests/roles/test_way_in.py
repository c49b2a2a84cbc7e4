"""An edge before a switch, on its host: phones meet Kamailio, and FreeSWITCH hears nobody else."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from callcenter.cli import main
from callcenter.render import paths
from lab import network
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.ladder import Message as Traced
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Account, Message, Peer, sdp
from tests.roles.conftest import ALONE, BEHIND, SITE, Operator
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    connected,
    logged,
    phone_of,
    shown_until,
    still_talking,
    until,
    until_on,
    watching,
)

HOST = "way1"
DOMAIN = "roles.callcenter.test"
ECHO, MAILBOX = "9196", "*97"
SITE_BEHIND = SITE.replace(
    "*Extension.range(1000, 1009, ring_seconds=5)",
    "*Extension.range(1000, 1008, ring_seconds=10), "
    "Extension(1009, ring_seconds=5, voicemail=True)",
)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    """A switch that was deployed without an edge, and then with one."""
    made = operator_of(HOST)
    made.describe(SITE.replace(BEHIND, ALONE))
    made.succeed()
    made.describe(SITE_BEHIND)
    made.succeed()
    return made


@pytest.fixture
def peers(operator: Operator) -> Iterator[Callable[..., Peer]]:
    """Phones that do what a test says, each registered as an extension."""
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    with ExitStack() as opened:

        def peer(number: str) -> Peer:
            made = opened.enter_context(Peer(operator.lab.gateway, (server, 5060)))
            answer = made.login("REGISTER", f"sip:{DOMAIN}", account(operator, number))
            assert answer is not None
            assert answer.status == 200, answer.text
            return made

        yield peer


def account(operator: Operator, number: str) -> Account:
    """Return an extension and its password."""
    return Account(number, DOMAIN, json.loads(operator.secrets.read_text())[f"extension/{number}"])


def process(operator: Operator) -> str:
    """FreeSWITCH's process id."""
    return operator.ssh(HOST, f"systemctl show --value -p MainPID {paths.UNIT}").strip()


def channels(operator: Operator) -> int:
    """Channels that FreeSWITCH has."""
    said = operator.ssh(HOST, "fs_cli -x 'show channels count'")
    return int(said.split(" total")[0].split()[-1])


def test_a_second_run_changes_nothing(operator: Operator) -> None:
    again = operator.succeed(counted=True)
    assert again.changes == 0, again.output
    assert again.commands <= 12


def test_freeswitch_hears_loopback_alone(operator: Operator) -> None:
    said = operator.ssh(HOST, "ss -Hlntup 'sport = :5060'")
    owners = {(words[4], words[6].split('"')[1]) for words in map(str.split, said.splitlines())}
    address = next(one.address for one in operator.lab.hosts if one.name == HOST)
    assert owners == {(f"{address}:5060", "kamailio"), ("127.0.0.1:5060", "freeswitch")}


def test_what_comes_from_elsewhere_is_refused(operator: Operator) -> None:
    """Nobody else on the host speaks with FreeSWITCH, be it root, or stands in for it."""
    for own, other in (("0", "5060"), ("5060", "5999")):
        script = (
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
            # As who takes the port while FreeSWITCH is away.
            "s.setsockopt(socket.SOL_SOCKET, 15, 1); "
            f's.bind(("127.0.0.1", {own})); s.sendto(b"x", ("127.0.0.1", {other}))'
        )
        if own != "0":
            operator.ssh(HOST, f"systemctl stop {paths.UNIT}")
        said = operator.ssh(HOST, f"python3 -c '{script}' 2>&1 | tail -n 1")
        operator.ssh(HOST, f"systemctl start {paths.UNIT}")
        assert "Operation not permitted" in said
    until(
        lambda: operator.ssh(HOST, "fs_cli -x 'sofia status profile internal' 2>&1; true"),
        lambda text: "SIP-IP" in text,
    )


def test_two_phones_talk(operator: Operator, exchange: Exchange) -> None:
    call, answered = connected(operator, HOST, exchange)
    still_talking(call, answered)
    call.hangup()
    assert answered.wait_ended().by == "them"


def test_the_sip_of_both_is_seen(operator: Operator, exchange: Exchange) -> None:
    """A phone's messages with Kamailio, and those that it has with FreeSWITCH."""
    with watching(operator, "siptrace", HOST, "--for", "600") as tracing:
        shown_until(tracing, f"listening at {HOST}")
        call = phone_of(operator, HOST, exchange, "1000").call(ECHO)
        call.wait_established()
        call.hangup()
        shown = shown_until(tracing, "\n  BYE sip:")
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    for begin in (f" udp {operator.lab.gateway}:[0-9]+ -> {server}:5060", " udp .* -> 127.0.0.1"):
        assert re.search(rf"^---.*{begin}.*\n  INVITE sip:{ECHO}@", shown, re.MULTILINE), begin
    assert not re.search(r"response=.[0-9a-f]", shown)


def test_the_logs_of_both_are_one(
    operator: Operator, exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    call = phone_of(operator, HOST, exchange, "1000").call(ECHO)
    call.wait_established()
    call.hangup()
    logged(operator, HOST, f"sofia/internal/1000@{DOMAIN}")
    assert main(["logs", HOST, "--site", str(operator.inventory)]) == 0
    shown = capsys.readouterr().out
    for line in (rf"freeswitch: .*\[\w+\] .*1000@{DOMAIN}", "kamailio: ", "systemd: "):
        assert re.search(rf"^20\S+ \S+ {line}", shown, re.MULTILINE), shown
    times = [line[:23] for line in shown.splitlines()]
    assert times == sorted(times)


def test_a_dead_phone_holds_up_nobody(
    operator: Operator, exchange: Exchange, peers: Callable[..., Peer]
) -> None:
    """A phone that is there rings and talks, though another of its extension is gone."""
    peers("1004").close()
    callee = phone_of(operator, HOST, exchange, "1004")
    call = phone_of(operator, HOST, exchange, "1000").call("1004")
    answered = callee.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    still_talking(call, answered)


def test_who_answers_stops_the_others(
    operator: Operator, exchange: Exchange, peers: Callable[..., Peer]
) -> None:
    """All phones of an extension ring, and the others stop when one of them answers."""
    other, first = peers("1004"), peers("1004")
    call = phone_of(operator, HOST, exchange, "1000").call("1004")
    rung = next(one for one in other.messages(PATIENCE) if one.method == "INVITE")
    other.reply(rung, "180 Ringing", tag="other")
    # No other phone rings, so Kamailio has heard of this one before the answer comes.
    call.wait_ringing()
    answered_by(first)
    call.wait_established()
    assert any(message.method == "CANCEL" for message in other.messages(PATIENCE))


@pytest.mark.parametrize(
    "restart",
    [f"systemctl restart {paths.UNIT}", f"systemctl kill --signal=KILL {paths.UNIT}",
     f"systemctl restart {paths.KAMAILIO_UNIT}"],
    ids=["FreeSWITCH", "FreeSWITCH crashes", "Kamailio"],
)  # fmt: skip
def test_a_restart_forgets_no_phone(operator: Operator, exchange: Exchange, restart: str) -> None:
    """No phone registers anew, and the next call rings."""
    caller, callee = (phone_of(operator, HOST, exchange, number) for number in ("1000", "1001"))
    for phone in (caller, callee):
        contact = phone.wait_message(lambda one: one.sent and one.method == "REGISTER")
        where = contact.header("contact").partition("<")[2].partition(">")[0]
        asked = f"select count(*) from location where contact = '{where}'"
        until_on(operator, HOST, f'[ "$(sqlite3 {paths.KAMAILIO_LOCATION} "{asked}")" = 1 ]')
    registered = [len(registrations(phone.messages)) for phone in (caller, callee)]
    before = process(operator)
    operator.ssh(HOST, restart)
    until(
        lambda: operator.ssh(HOST, "fs_cli -x 'sofia status profile internal' 2>&1; true"),
        lambda said: "SIP-IP" in said,
    )
    assert (process(operator) != before) == (paths.UNIT in restart)
    call = caller.call("1001")
    answered = callee.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    assert_heard(answered, CALLER_HZ, 1)
    call.hangup()
    assert [len(registrations(phone.messages)) for phone in (caller, callee)] == registered


def test_who_registers_twice_in_a_moment_is_known(
    operator: Operator, peers: Callable[..., Peer]
) -> None:
    """Whenever in FreeSWITCH's second that is: of one with several Contacts it forgot the later"""
    phone, owner = peers("1002"), account(operator, "1002")
    for tenth in range(10):
        time.sleep((tenth / 10 - time.time()) % 1)
        for _ in range(2):
            answer = phone.login("REGISTER", f"sip:{DOMAIN}", owner)
            assert answer is not None
            assert answer.status == 200
            time.sleep(0.12)
        # It writes down some of it a fifth of a second later.
        time.sleep(0.3)
        known = operator.ssh(HOST, f"fs_cli -x 'sofia_contact */1002@{DOMAIN}'")
        assert "sip:1002@" in known, tenth


def registrations(messages: list[Traced]) -> list[Traced]:
    """Return the REGISTER requests among messages."""
    return [one for one in messages if one.method == "REGISTER"]


def test_a_mailbox_shows_its_light_to_its_owner_alone(
    operator: Operator, peers: Callable[..., Peer]
) -> None:
    event = [("Event", "message-summary"), ("Expires", "60")]
    for number, wanted in (("1000", 403), ("1009", 202)):
        answer = peers(number).login(
            "SUBSCRIBE", f"sip:1009@{DOMAIN}", account(operator, number), to="1009", extra=event
        )
        assert answer is not None
        assert answer.status == wanted


def test_a_text_message_goes_from_phone_to_phone(
    operator: Operator, peers: Callable[..., Peer]
) -> None:
    sender, receiver = peers("1005"), peers("1006")
    sender.login(
        "MESSAGE",
        f"sip:1006@{DOMAIN}",
        account(operator, "1005"),
        to="1006",
        body=b"lunch?",
        content_type="text/plain",
        timeout=0.5,
        challenge=PATIENCE,
    )
    message = next(one for one in receiver.messages(PATIENCE) if one.method == "MESSAGE")
    assert message.body == b"lunch?"
    receiver.reply(message, "200 OK", tag="a")


def test_what_ended_freeswitch_ends_at_the_edge(
    operator: Operator, peers: Callable[..., Peer]
) -> None:
    """PUBLISH with elements within elements, by a stranger and by a phone; a text message that is a
    command; a registration that is a dial string."""
    before = process(operator)
    phone = peers("1000")
    body = b"<a>" * 3000 + b"</a>" * 3000
    told = {"to": "1000", "body": body, "content_type": "application/pidf+xml"}
    extra = [("Event", "presence"), ("Expires", "60")]
    phone.send(
        phone.request("PUBLISH", f"sip:1000@{DOMAIN}", user="1000", domain=DOMAIN, extra=extra,
                      **told)  # type: ignore[arg-type]
    )  # fmt: skip
    who = account(operator, "1000")
    phone.login("PUBLISH", f"sip:1000@{DOMAIN}", who, extra=extra, timeout=2, **told)  # type: ignore[arg-type]
    for to in ("api+system%20id>/tmp/owned", "1001"):
        answer = phone.login(
            "MESSAGE",
            f"sip:{to}@{DOMAIN}",
            account(operator, "1000"),
            to=to,
            body=b"${system(id >/tmp/owned)}",
            content_type="text/plain",
            timeout=0.5,
            challenge=PATIENCE,
        )
        assert answer is None or answer.status in (400, 404, 480)
    contact = f"<sip:x,sofia/internal/1001@{DOMAIN},y@{phone.contact}>"
    answer = phone.login(
        *("REGISTER", f"sip:{DOMAIN}", account(operator, "1000")),
        changed={"Contact": contact},
        timeout=2,
    )
    assert answer is None or answer.status == 400
    assert process(operator) == before
    assert "No such file" in operator.ssh(HOST, "ls /tmp/owned")
    assert "No such file" in operator.ssh(HOST, "ls /tmp/systemd-private-*-freeswitch*/tmp/owned")


def test_a_router_is_kept_from_forgetting(peers: Callable[..., Peer]) -> None:
    """A phone that has registered is sent a little, so that the way back to it stays open."""
    phone = peers("1002")
    phone.socket.settimeout(60)
    while (got := phone.socket.recv(65535)) != bytes(4):
        # Whether a message waits, as told to whoever registers.
        assert got.startswith(b"NOTIFY ")


def test_a_phone_is_called_by_what_wakes_it(operator: Operator, exchange: Exchange) -> None:
    """Parameters of RFC 8599 are kept in the registration, and are in the INVITE to the phone"""
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    with Peer(operator.lab.gateway, (server, 5060)) as phone:
        push = f"pn-provider=fcm;pn-param=shop-1234;pn-prid=c8K_:APA91b{'x' * 140}-z"
        answer = phone.login(
            "REGISTER",
            f"sip:{DOMAIN}",
            account(operator, "1008"),
            changed={"Contact": f"<sip:1008@{phone.contact};{push}>"},
        )
        assert answer is not None
        assert answer.status == 200, answer.text
        # Nobody here sends a push, and a phone that asks is not told so.
        assert "sip.pns" not in answer.text
        assert push in operator.ssh(HOST, "kamcmd ul.lookup location s:1008")
        call = phone_of(operator, HOST, exchange, "1000").call("1008")
        invite = answered_by(phone)
        assert push in invite.text.splitlines()[0]
        call.wait_established()
        call.hangup()
        assert any(one.method == "BYE" for one in phone.messages(PATIENCE))


def answered_by(peer: Peer, voice: bytes | None = None) -> Message:
    """Answer the call that a raw phone is rung by, and return its INVITE."""
    invite = next(one for one in peer.messages(PATIENCE) if one.method == "INVITE")
    number = invite.header("to").partition("sip:")[2].partition("@")[0]
    contact = [("Contact", f"<sip:{number}@{peer.contact}>"), ("Content-Type", "application/sdp")]
    body = sdp(peer.address) if voice is None else voice
    peer.reply(invite, "200 OK", tag="callee", headers=contact, body=body)
    return invite


def within(peer: Peer, invite: Message, method: str, extra: list[tuple[str, str]]) -> int | None:
    """Send a request within the call that a raw phone has answered; the final status."""
    other = invite.header("contact").partition("<")[2].partition(">")[0]
    told = peer.request(
        method,
        other,
        call_id=invite.header("call-id"),
        cseq=30,
        changed={
            "From": f"{invite.header('to')};tag=callee",
            "To": invite.header("from"),
            "Route": invite.header("record-route"),
        },
        extra=extra,
    )
    final = peer.ask(told)
    return final.status if final else None


def following(
    peer: Peer, answer: Message, method: str, cseq: int, extra: list[tuple[str, str]]
) -> bytes:
    """Return a request within the call that a raw phone has made."""
    return peer.request(
        method,
        answer.header("contact").partition("<")[2].partition(">")[0],
        call_id=answer.header("call-id"),
        cseq=cseq,
        changed={
            "From": answer.header("from"),
            "To": answer.header("to"),
            "Route": answer.header("record-route"),
        },
        extra=extra,
    )


def test_a_call_of_a_code_is_hung_up(operator: Operator, peers: Callable[..., Peer]) -> None:
    """FreeSWITCH calls itself what was dialled, in Contact, and phones answer to that."""
    phone = peers("1009")
    answer = phone.login(
        *("INVITE", f"sip:{MAILBOX}@{DOMAIN}", account(operator, "1009")),
        to=MAILBOX,
        body=sdp(phone.address),
        timeout=PATIENCE,
    )
    assert answer is not None
    assert answer.status == 200
    phone.send(following(phone, answer, "ACK", 2, []))
    # Before the mailbox ends it, where nobody gives a PIN.
    ended = phone.ask(following(phone, answer, "BYE", 3, []), 5)
    assert ended is not None
    assert ended.status == 200


def test_a_session_lasts_as_long_as_the_phone_says(
    operator: Operator, peers: Callable[..., Peer]
) -> None:
    """Its interval arrives, and so does FreeSWITCH's refresh in half that time (RFC 4028)."""
    phone = peers("1000")
    uri = f"sip:{ECHO}@{DOMAIN}"

    def call(interval: str) -> Message:
        answer = phone.login(
            *("INVITE", uri, account(operator, "1000")),
            to=ECHO,
            body=sdp(phone.address),
            extra=[("Session-Expires", interval), ("Supported", "timer, 100rel")],
            timeout=PATIENCE,
        )
        assert answer is not None
        return answer

    short = call("60;refresher=uas")
    phone.acknowledge(short, uri)
    assert (short.status, short.header("min-se")) == (422, "120")
    interval = "120;refresher=uas"
    answer = call(interval)
    phone.send(following(phone, answer, "ACK", 2, []))
    assert answer.header("session-expires") == interval
    assert "timer" in answer.header("supported")
    assert "UPDATE" in answer.header("allow")
    timer = [("Session-Expires", interval), ("Supported", "timer")]
    updated = phone.ask(following(phone, answer, "UPDATE", 3, timer))
    assert updated is not None
    assert (updated.status, updated.header("session-expires")) == (200, interval)
    refresh = next(one for one in phone.messages(90) if one.method in ("INVITE", "UPDATE"))
    assert refresh.header("session-expires").endswith(";refresher=uac")
    contact = [("Contact", f"<sip:1000@{phone.contact}>"), ("Content-Type", "application/sdp")]
    phone.reply(refresh, "200 OK", headers=contact, body=sdp(phone.address))
    ended = phone.ask(following(phone, answer, "BYE", 4, []))
    assert ended is not None
    assert ended.status == 200


def test_a_phone_transfers_no_call_of_others(
    operator: Operator, exchange: Exchange, peers: Callable[..., Peer]
) -> None:
    """Replaces in a REFER names a call of who asks, or the transfer is refused."""
    call, answered = connected(operator, HOST, exchange)
    theirs = call.wait_message(lambda one: one.sent and one.method == "INVITE")
    mine = peers("1007")
    caller = phone_of(operator, HOST, exchange, "1002")
    talk = caller.call("1007")
    invite = answered_by(mine)
    talk.wait_established()
    for call_id in (theirs.header("call-id"), "unknown"):
        replaces = f"{call_id.replace('@', '%40')}%3Bto-tag%3Da%3Bfrom-tag%3Db"
        target = f"<sip:1001@{DOMAIN}?Replaces={replaces}>"
        assert within(mine, invite, "REFER", [("Refer-To", target)]) == 400
    still_talking(call, answered)


def test_a_call_does_not_begin_by_the_name_of_somebody_elses(
    operator: Operator, exchange: Exchange, peers: Callable[..., Peer]
) -> None:
    """A known Call-ID is refused: the call of that name would be who sends it's to transfer."""
    call, answered = connected(operator, HOST, exchange)
    theirs = call.wait_message(lambda one: one.sent and one.method == "INVITE")
    thief = peers("1003")
    refused = thief.login(
        *("INVITE", f"sip:1008@{DOMAIN}", account(operator, "1003")),
        to="1008",
        body=sdp(thief.address),
        call_id=theirs.header("call-id"),
        timeout=PATIENCE,
    )
    assert refused is not None
    assert refused.status == 400
    known = operator.ssh(HOST, f"kamcmd htable.get legs s:{theirs.header('call-id')}")
    assert "1000" in known
    assert "1003" not in known
    still_talking(call, answered)


def test_a_call_that_comes_to_nothing_is_not_remembered(
    operator: Operator, exchange: Exchange, peers: Callable[..., Peer]
) -> None:
    """A phone that makes thousands of them fills no table: refused, and given up while it rings."""

    def known() -> str:
        return operator.ssh(HOST, "kamcmd htable.dump legs")

    caller = phone_of(operator, HOST, exchange, "1000")
    callee = phone_of(operator, HOST, exchange, "1001")
    ringing = caller.call("1001")
    rings = callee.incoming()
    legs = {
        side.wait_message(lambda one: one.method == "INVITE").header("call-id")
        for side in (ringing, rings)
    }
    assert len(legs) == 2
    assert all(one in known() for one in legs)
    phone = peers("1003")
    refused = phone.login(
        *("INVITE", f"sip:4711@{DOMAIN}", account(operator, "1003")),
        to="4711",
        body=sdp(phone.address),
        call_id="refused-call",
        timeout=PATIENCE,
    )
    assert refused is not None
    assert refused.status == 404
    ringing.hangup()
    rings.wait_ended()
    until(known, lambda table: not any(one in table for one in (*legs, "refused-call")))


@pytest.mark.parametrize("end", ["restart", "kill --signal=KILL"], ids=["restart", "crash"])
def test_a_restart_forgets_no_call(
    operator: Operator, exchange: Exchange, peers: Callable[..., Peer], end: str
) -> None:
    """Who is in two calls connects the others, though Kamailio is another than when they began."""
    mine = peers("1007")
    calls, invites = [], []
    for number in ("1002", "1003"):
        calls.append(phone_of(operator, HOST, exchange, number).call("1007"))
        invites.append(answered_by(mine))
        calls[-1].wait_established()
        asked = f"select count(*) from legs where id = '{invites[-1].header('call-id')}'"
        until_on(operator, HOST, f'[ "$(sqlite3 {paths.KAMAILIO_CALLS} "{asked}")" = 1 ]')
    pid = operator.ssh(HOST, "cat /run/kamailio/kamailio.pid").strip()
    operator.ssh(HOST, f"systemctl {end} {paths.KAMAILIO_UNIT}")
    other = invites[1]
    known = f"kamcmd htable.get legs s:{other.header('call-id')} | grep -q 1007"
    until_on(operator, HOST, f"[ $(cat /run/kamailio/kamailio.pid) != {pid} ] && {known}")
    tag = other.header("from").partition(";tag=")[2]
    replaces = f"{other.header('call-id')}%3Bto-tag%3D{tag}%3Bfrom-tag%3Dcallee"
    target = f"<sip:1003@{DOMAIN}?Replaces={replaces}>"
    assert within(mine, invites[0], "REFER", [("Refer-To", target)]) == 202
    calls[0].play(CALLER_HZ)
    assert_heard(calls[1], CALLER_HZ, 1)
    calls[0].hangup()
    calls[1].wait_ended()


def test_a_call_is_not_taken_by_replaces(
    operator: Operator, exchange: Exchange, peers: Callable[..., Peer]
) -> None:
    """An INVITE with Replaces of a ringing or talking call is an ordinary call."""
    call, answered = connected(operator, HOST, exchange)
    theirs = call.wait_message(lambda one: one.sent and one.method == "INVITE")
    uuids = operator.ssh(HOST, "fs_cli -x 'show channels'").splitlines()[1:]
    thief = peers("1003")
    for call_id in (theirs.header("call-id"), uuids[0].partition(",")[0]):
        thief.login(
            "INVITE",
            f"sip:1008@{DOMAIN}",
            account(operator, "1003"),
            to="1008",
            body=sdp(thief.address),
            extra=[("Replaces", f"{call_id};to-tag=a;from-tag=b")],
            timeout=2,
            challenge=PATIENCE,
        )
    still_talking(call, answered)


@pytest.fixture
def six(operator: Operator) -> Iterator[str]:
    """An IPv6 address beside the switch, which serves its phones at one."""
    ours, theirs = "fd00:77::1", "fd00:77::11"
    link = ["ip", "address", "add", f"{ours}/64", "dev", network.BRIDGE, "nodad"]
    subprocess.run(link, check=True)
    assert operator.ssh(HOST, f"ip address add {theirs}/64 dev host0 nodad") == ""
    operator.describe(SITE_BEHIND, address=theirs)
    operator.succeed()
    yield ours
    operator.describe(SITE_BEHIND)
    operator.succeed()
    assert operator.ssh(HOST, f"ip address del {theirs}/64 dev host0") == ""
    subprocess.run([*link[:2], "del", *link[3:6]], check=True)


def test_phones_call_each_other_by_ipv6(operator: Operator, six: str) -> None:
    """They register, are rung, and are told where FreeSWITCH takes their voice."""
    server = ("fd00:77::11", 5060)
    with Peer(six, server) as caller, Peer(six, server) as callee, ThreadPoolExecutor(1) as thread:
        for phone, number in ((caller, "1002"), (callee, "1003")):
            answer = phone.login("REGISTER", f"sip:{DOMAIN}", account(operator, number))
            assert answer is not None
            assert answer.status == 200
        voice = sdp(six).replace(b"IP4", b"IP6")
        rung = thread.submit(answered_by, callee, voice)
        answer = caller.login(
            *("INVITE", f"sip:1003@{DOMAIN}", account(operator, "1002")),
            to="1003",
            body=voice,
            timeout=PATIENCE,
        )
        assert answer is not None
        assert answer.status == 200
        for message in (rung.result(), answer):
            assert f"c=IN IP6 {server[0]}\r\n".encode() in message.body
            assert f"[{server[0]}]:5060" in message.header("contact")
        caller.send(following(caller, answer, "ACK", 2, []))
        ended = caller.ask(following(caller, answer, "BYE", 3, []))
        assert ended is not None
        assert ended.status == 200
        assert any(message.method == "BYE" for message in callee.messages(PATIENCE))


def test_without_the_edge_it_is_gone(operator: Operator, exchange: Exchange) -> None:
    """The other way round: the switch takes its port back, and nothing of the edge stays."""
    operator.describe(SITE.replace(BEHIND, ALONE))
    operator.succeed()
    try:
        assert (
            operator.ssh(HOST, "command -v kamailio; ls /etc/kamailio/callcenter 2>/dev/null") == ""
        )
        call, answered = connected(operator, HOST, exchange)
        still_talking(call, answered)
        call.hangup()
        again = operator.succeed()
        assert again.changes == 0, again.output
    finally:
        operator.describe(SITE_BEHIND)
