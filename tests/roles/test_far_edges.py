"""An edge on a host of its own before a switch: phones meet Kamailio there, and FreeSWITCH hears
nobody else."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from callcenter.cli import main
from callcenter.onhost import voicemail_page
from callcenter.render import paths, users
from callcenter.site.provisioning import path_of
from tests.acceptance.support.audio import assert_heard, assert_speech
from tests.acceptance.support.lamp import lamp
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.acceptance.test_t3_voicemail import leave, light
from tests.attack.sip import Account, Message, Peer, sdp
from tests.browsers import Page, browser, lacking
from tests.roles.conftest import SITE, Operator, write_inventory
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    connected,
    hold_and_resume,
    phone_of,
    refused,
    sentence,
    still_talking,
    until,
    until_on,
)
from tests.roles.test_way_in import following

EDGE, SWITCH = "edge7", "far1"
BOTH = {EDGE: "edges", SWITCH: "switches"}
DOMAIN = "roles.callcenter.test"
ECHO = "9196"
BROWSER_HZ = 500
DESCRIBED = SITE.replace(
    "*Extension.range(1000, 1009, ring_seconds=5)",
    "*Extension.range(1000, 1007, ring_seconds=10), "
    # Whoever presses a button has a minute for it.
    "Extension(1008, ring_seconds=60, voicemail=True), "
    "Extension(1009, ring_seconds=5, voicemail=True)",
)


def address_of(operator: Operator, host: str) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == host)


@pytest.fixture(scope="module")
def leaving(operator_of: Callable[..., Operator]) -> Operator:
    """A switch with its edge on its own host, described with one on another."""
    made = operator_of(SWITCH, EDGE)
    alone(made)
    made.succeed()
    made.describe(DESCRIBED, group=BOTH)
    return made


@pytest.fixture(scope="module")
def operator(leaving: Operator) -> Operator:
    """A switch that had its edge on its own host, and then on another one."""
    leaving.succeed()
    return leaving


def alone(operator: Operator) -> None:
    """Describe the switch by itself, as ``Operator.describe`` does it for all hosts."""
    operator.hosts = (SWITCH,)
    operator.describe(DESCRIBED)
    operator.hosts = (SWITCH, EDGE)


@pytest.fixture
def peers(operator: Operator) -> Iterator[Callable[..., Peer]]:
    """Phones that do what a test says, each registered at the edge as an extension."""
    with ExitStack() as opened:

        def peer(number: str) -> Peer:
            where = (address_of(operator, EDGE), 5060)
            made = opened.enter_context(Peer(operator.lab.gateway, where))
            answer = made.login("REGISTER", f"sip:{DOMAIN}", account(operator, number))
            assert answer is not None
            assert answer.status == 200, answer.text
            return made

        yield peer


def account(operator: Operator, number: str) -> Account:
    return Account(number, DOMAIN, json.loads(operator.secrets.read_text())[f"extension/{number}"])


def owners(operator: Operator, host: str) -> set[tuple[str, str, str]]:
    """Return who listens at the port of SIP, over what, and at which address."""
    lines = operator.ssh(host, "ss -Hlntup 'sport = :5060'").splitlines()
    return {(words[0], words[4], words[6].split('"')[1]) for words in map(str.split, lines)}


def own(operator: Operator) -> set[tuple[str, str, str]]:
    """Return who listens on a switch with Kamailio on its own host."""
    there = address_of(operator, SWITCH)
    phones = {(way, f"{there}:5060", "kamailio") for way in ("udp", "tcp")}
    return {*phones, ("udp", "127.0.0.1:5060", "freeswitch")}


@pytest.mark.parametrize("why", ["no edge", "a call is up", "FreeSWITCH does not start"])
def test_a_switch_that_cannot_move_keeps_its_phones(
    leaving: Operator, exchange: Exchange, why: str
) -> None:
    """Whatever ends a deploy, Kamailio serves on until FreeSWITCH has its place."""
    up = connected(leaving, SWITCH, exchange) if why == "a call is up" else None
    host, broken, mended = {
        "no edge": (EDGE, "systemctl mask -q kamailio", "systemctl unmask -q kamailio"),
        "a call is up": (SWITCH, "true", "true"),
        "FreeSWITCH does not start": (
            SWITCH,
            f"d=/etc/systemd/system/{paths.UNIT}.d; printf '[Service]\\nExecStartPre=+/bin/sh -c "
            f'"! grep {address_of(leaving, EDGE)} '
            "/etc/freeswitch/current/sip_profiles/internal.xml\"\\n' >$d/test.conf; "
            "systemctl daemon-reload",
            f"rm /etc/systemd/system/{paths.UNIT}.d/test.conf; systemctl daemon-reload",
        ),
    }[why]
    assert leaving.ssh(host, broken) == ""
    try:
        run = leaving.deploy("-y")
    finally:
        assert leaving.ssh(host, mended) == ""
    assert run.code != 0
    said = {
        "no edge": f"Nothing was changed here, because {EDGE} is not ready",
        "a call is up": "1 calls are up",
        "FreeSWITCH does not start": " is back",
    }[why]
    assert said in run.output, run.output
    assert owners(leaving, SWITCH) == own(leaving)
    if up is None:
        up = connected(leaving, SWITCH, exchange)
    still_talking(*up)
    up[0].hangup()
    up[1].wait_ended()


def test_a_second_run_changes_nothing(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    again = operator.succeed(counted=True)
    assert again.changes == 0, again.output
    assert again.commands <= 12 * 2
    for host in operator.hosts:
        assert main(["plan", str(operator.inventory), "--host", host]) == 0
        assert capsys.readouterr().out == "nothing would change\n"


def test_each_host_has_its_part_and_nothing_of_the_other(operator: Operator) -> None:
    here, there = address_of(operator, EDGE), address_of(operator, SWITCH)
    assert owners(operator, EDGE) == {(way, f"{here}:5060", "kamailio") for way in ("udp", "tcp")}
    assert owners(operator, SWITCH) == {("udp", f"{there}:5060", "freeswitch")}
    gone = "command -v kamailio; ls /etc/kamailio/callcenter 2>/dev/null"
    assert operator.ssh(SWITCH, gone) == ""
    assert "inactive" in operator.ssh(EDGE, f"systemctl is-active {paths.UNIT}")


def invite(peer: Peer, operator: Operator) -> Message | None:
    """Ask for the echo as an extension would whose password nobody asks for."""
    peer.send(
        peer.request("INVITE", f"sip:{ECHO}@{DOMAIN}", user="1000", to=ECHO, domain=DOMAIN,
                     body=sdp(peer.address))
    )  # fmt: skip
    return peer.receive(2)


def asked(peer: Peer) -> bytes:
    """Return a question that a phone asks to see whether anybody is there."""
    return peer.request("OPTIONS", f"sip:{DOMAIN}", domain=DOMAIN)


def test_freeswitch_hears_nobody_else(operator: Operator) -> None:
    """Its packet filter drops what a stranger says, who may have spoken there before; and were it
    open, FreeSWITCH would refuse."""
    there = (address_of(operator, SWITCH), 5060)
    with Peer(operator.lab.gateway, there) as stranger:
        assert invite(stranger, operator) is None
        for host, user in ((SWITCH, "root"), (EDGE, "root")):
            script = (
                "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                f's.sendto(b"x", ("{there[0]}", 5060))'
            )
            said = operator.ssh(host, f"python3 -c '{script}' 2>&1 | tail -n 1")
            assert "Operation not permitted" in said, (host, user)
        opened = f"nft insert rule inet {paths.FIREWALL_TABLE} input udp dport 5060 accept"
        assert operator.ssh(SWITCH, opened) == ""
        try:
            answer = invite(stranger, operator)
            assert answer is None or answer.status in (100, 403)
            if answer is not None and answer.status == 100:
                answer = stranger.receive(2)
                assert answer is not None
                assert answer.status == 403
            assert stranger.ask(asked(stranger)) is not None
        finally:
            assert operator.ssh(SWITCH, f"nft -f {paths.FIREWALL_RULES}") == ""
        # The packets of both are of one flow, which is established.
        assert stranger.ask(asked(stranger), 2) is None
        assert "0 total" in operator.ssh(SWITCH, "fs_cli -x 'show channels count'")


def test_freeswitch_does_not_start_without_its_packet_filter(operator: Operator) -> None:
    """FreeSWITCH asks nobody for a password, so nobody but the edge may reach it"""
    there = address_of(operator, SWITCH)
    assert operator.ssh(SWITCH, f"systemctl stop {paths.FIREWALL_UNIT}") == ""
    try:
        said = operator.ssh(SWITCH, f"systemctl restart {paths.UNIT} 2>&1; true")
        assert "failed" in said
        assert owners(operator, SWITCH) == set()
    finally:
        again = f"systemctl start {paths.FIREWALL_UNIT} && systemctl restart {paths.UNIT}"
        assert operator.ssh(SWITCH, f"systemctl reset-failed {paths.UNIT}; {again}") == ""
    assert owners(operator, SWITCH) == {("udp", f"{there}:5060", "freeswitch")}


def test_two_phones_talk_and_voice_goes_to_the_switch(
    operator: Operator, exchange: Exchange
) -> None:
    call, answered = connected(operator, EDGE, exchange)
    still_talking(call, answered)
    there = address_of(operator, SWITCH)
    assert {side.remote_address[0] for side in (call, answered)} == {there}
    call.hangup()
    assert answered.wait_ended().by == "them"


def test_a_service_is_heard(operator: Operator, exchange: Exchange) -> None:
    call = phone_of(operator, EDGE, exchange, "1000").call(ECHO)
    call.wait_established()
    call.play(CALLER_HZ)
    assert_heard(call, CALLER_HZ, 1)
    call.hangup()


def test_a_phone_is_held_and_taken_back(operator: Operator, exchange: Exchange) -> None:
    """What follows in a call goes through the edge, both ways."""
    call, answered = connected(operator, EDGE, exchange)
    hold_and_resume(call, answered)
    still_talking(call, answered)
    answered.hangup()
    call.wait_ended()


def test_who_answers_stops_the_others(
    operator: Operator, exchange: Exchange, peers: Callable[..., Peer]
) -> None:
    """All phones of an extension ring, and the others stop when one of them answers."""
    other, first = peers("1004"), peers("1004")
    call = phone_of(operator, EDGE, exchange, "1000").call("1004")
    rung = next(one for one in other.messages(PATIENCE) if one.method == "INVITE")
    other.reply(rung, "180 Ringing", tag="other")
    call.wait_ringing()
    asked = next(one for one in first.messages(PATIENCE) if one.method == "INVITE")
    contact = [("Contact", f"<sip:1004@{first.contact}>"), ("Content-Type", "application/sdp")]
    first.reply(asked, "200 OK", tag="callee", headers=contact, body=sdp(first.address))
    call.wait_established()
    assert any(message.method == "CANCEL" for message in other.messages(PATIENCE))


def test_a_lamp_shows_a_call(operator: Operator, exchange: Exchange, tmp_path: Path) -> None:
    caller = phone_of(operator, EDGE, exchange, "1000")
    callee = phone_of(operator, EDGE, exchange, "1001")
    with lamp(
        tmp_path,
        "1001",
        user="1002",
        password=account(operator, "1002").password,
        domain=DOMAIN,
        address=operator.lab.gateway,
        server=f"{address_of(operator, EDGE)}:5060",
    ) as shown:
        shown.wait("none")
        call = caller.call("1001")
        answered = callee.incoming()
        shown.wait("early")
        answered.answer()
        call.wait_established()
        shown.wait("confirmed")
        call.hangup()
        shown.wait("terminated")


def test_a_message_lights_its_phone(operator: Operator, exchange: Exchange) -> None:
    """A caller leaves one, and the phone is told."""
    owner = phone_of(operator, EDGE, exchange, "1009")
    leave(phone_of(operator, EDGE, exchange, "1000"), owner)
    light(owner, on=True)


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


@pytest.mark.parametrize(
    ("host", "restart"),
    [
        (SWITCH, f"systemctl restart {paths.UNIT}"),
        (SWITCH, f"systemctl kill --signal=KILL {paths.UNIT}"),
        (EDGE, f"systemctl restart {paths.KAMAILIO_UNIT}"),
    ],
    ids=["FreeSWITCH", "FreeSWITCH crashes", "Kamailio"],
)
def test_a_restart_forgets_no_phone(
    operator: Operator, exchange: Exchange, host: str, restart: str
) -> None:
    """No phone registers anew, and the next call rings."""
    caller, callee = (phone_of(operator, EDGE, exchange, number) for number in ("1000", "1001"))
    for phone in (caller, callee):
        contact = phone.wait_message(lambda one: one.sent and one.method == "REGISTER")
        where = contact.header("contact").partition("<")[2].partition(">")[0]
        asked = f"select count(*) from location where contact = '{where}'"
        until_on(operator, EDGE, f'[ "$(sqlite3 {paths.KAMAILIO_LOCATION} "{asked}")" = 1 ]')

    def registrations() -> list[int]:
        return [
            sum(one.method == "REGISTER" for one in phone.messages) for phone in (caller, callee)
        ]

    def process() -> str:
        unit = paths.UNIT if host == SWITCH else paths.KAMAILIO_UNIT
        return operator.ssh(host, f"systemctl show --value -p MainPID {unit}").strip()

    registered, before = registrations(), process()
    operator.ssh(host, restart)
    until(process, lambda now: now not in (before, "0"))
    until(
        lambda: operator.ssh(SWITCH, "fs_cli -x 'sofia status profile internal' 2>&1; true"),
        lambda said: "SIP-IP" in said,
    )
    call = caller.call("1001")
    answered = callee.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    assert_heard(answered, CALLER_HZ, 1)
    call.hangup()
    assert registrations() == registered


def test_who_is_there_is_seen(
    operator: Operator, exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    """The switch is asked for calls, and the edge for phones."""
    phone_of(operator, EDGE, exchange, "1007")
    assert main(["status", str(operator.inventory), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert ("1007", operator.lab.gateway) in [
        (one["number"], one["address"]) for one in shown["phones"]
    ]
    assert shown["calls"] == []


@pytest.fixture
def described(operator: Operator) -> Iterator[Operator]:
    """An operator whose site is the first one again after the test, and has nothing else left."""
    yield operator
    operator.describe(DESCRIBED, group=BOTH)
    operator.succeed()
    for host in BOTH:
        assert operator.ssh(host, f"{SERVES}; {MESSAGES}") == ""
    assert operator.ssh(EDGE, f"getent passwd {users.WEB} {users.PHONES} {users.TURN}; true") == ""


SERVES = (
    f"ls -d {paths.WEB_CONFIG} {paths.WEB_KEY} {paths.WEB_UNIT} {paths.WEB_USERS} {paths.PHONES} "
    f"{paths.PHONES_INDEX} {paths.PHONES_STATE} {paths.PHONES_UNIT} {paths.WEB_PAGES} "
    f"{paths.TURN_UNIT} {paths.TURN} {paths.TURN_CONFIG} {paths.TURN_KEY} 2>/dev/null; "
    "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' nginx coturn kamailio-websocket-modules "
    "2>/dev/null | grep ' installed'; "
    "ss -Hlnt 'sport = :443 or sport = :5349 or sport = :7443'; "
    f"grep 49152 {paths.FIREWALL_RULES}; true"
)
"""Shell line that prints what of a web server of ours is on a host."""
MESSAGES = (
    f"ls -d {paths.VOICEMAIL_PAGE_CONFIG} {paths.VOICEMAIL_PAGE_TOOL} {paths.VOICEMAIL_PAGE_UNIT} "
    f"{paths.VOICEMAIL_PAGE_SOCKET} 2>/dev/null; ss -Hlnt 'sport = :8444'; "
    f"grep 8444 {paths.FIREWALL_RULES}; grep -rs {voicemail_page.LOGIN} {paths.CURRENT}/; true"
)
"""Shell line that prints what of the page's voice messages is on a host."""


def given(operator: Operator, host: str, known: Path, path: str) -> tuple[int, bytes]:
    """Return status and body of what a host answers to a link, if its certificate is good."""
    asks = ssl.create_default_context(cafile=known)
    plain = socket.create_connection((address_of(operator, host), 443), timeout=PATIENCE)
    with asks.wrap_socket(plain, server_hostname=DOMAIN) as tls:
        over = http.client.HTTPConnection(DOMAIN)
        over.sock = tls
        over.request("GET", f"/{path}")
        answer = over.getresponse()
        return answer.status, answer.read()


def test_tls_ends_at_the_edge(
    described: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So do links, by which phones configure themselves."""
    tls = "provisioning=Provisioning(), network=Network(tls=PhoneTls(OwnAuthority()), "
    described.describe(DESCRIBED.replace("network=Network(", tls), group=BOTH)
    described.succeed()
    again = described.succeed()
    assert again.changes == 0, again.output
    assert main(["authority", str(described.inventory)]) == 0
    known = tmp_path / "root.pem"
    known.write_text(capsys.readouterr().out)
    with Exchange(described.lab.gateway, ca_file=known) as exchange:
        phone = exchange.phone(
            "1003",
            account(described, "1003").password,
            domain=DOMAIN,
            server=address_of(described, EDGE),
            port=5061,
            transport="tls",
        )
        phone.register()
        call = phone.call(ECHO)
        call.wait_established()
        call.play(CALLER_HZ)
        assert_heard(call, CALLER_HZ, 1)
        call.hangup()
    found = f"ls {paths.KAMAILIO_TLS_KEY} 2>/dev/null; ss -Hlnt 'sport = :5061'; {SERVES}"
    assert described.ssh(SWITCH, found) == ""
    secret = json.loads(described.secrets.read_text())["provisioning/1004"]
    link = path_of(DOMAIN, "1004", secret)
    status, settings = given(described, EDGE, known, link)
    assert status == 200
    assert f"sip:1004@{DOMAIN}" in settings.decode()
    assert given(described, EDGE, known, link)[0] == 404
    assert main(["phones", str(described.inventory), "--used"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{EDGE}  1004  ")
    assert f"from {described.lab.gateway}" in shown


PUBLIC = {EDGE: "203.0.113.20", SWITCH: "203.0.113.11"}


def outside(operator: Operator, site: str) -> None:
    """Describe two hosts behind routers, and phones that are outside."""
    own = [f"{address_of(operator, host)}/32" for host in BOTH]
    entries = [
        (name, {**data, "public_ip": PUBLIC[name]})
        for name, data in operator.lab.inventory()
        if name in BOTH
    ]
    site = site.replace("network=Network(", f"network=Network(local_networks={own}, ")
    write_inventory(
        operator.inventory, entries, site.replace("{secrets}", str(operator.secrets)), BOTH
    )


@contextmanager
def page(
    operator: Operator, folder: Path, capsys: pytest.CaptureFixture[str], *, turn: bool = False
) -> Iterator[Page]:
    """Give a browser at the page that the edge serves. ``turn``: from outside, by TURN alone."""
    if reason := lacking():
        pytest.skip(reason)
    wss = "Wss(turn=Turn())" if turn else "Wss()"
    tls = f"web_phone=WebPhone(), network=Network(tls=PhoneTls(OwnAuthority(), wss={wss}), "
    site = DESCRIBED.replace("network=Network(", tls)
    if turn:
        outside(operator, site)
    else:
        operator.describe(site, group=BOTH)
    operator.succeed()
    again = operator.succeed()
    assert again.changes == 0, again.output
    assert main(["authority", str(operator.inventory)]) == 0
    known = folder / "root.pem"
    known.write_text(capsys.readouterr().out)
    where = address_of(operator, EDGE)
    with browser(folder / "home", f"https://{DOMAIN}/", where, known, BROWSER_HZ) as made:
        if turn:
            made.relays_only()
        made.log_in("1008", account(operator, "1008").password)
        made.ready()
        yield made


def calls_and_reads(operator: Operator, page: Page, exchange: Exchange) -> None:
    """Call a desk phone, be called by it, and play and delete a message of its."""
    desk = phone_of(operator, EDGE, exchange, "1001")
    page.dial("1001")
    answered = desk.incoming().answer()
    answered.play(CALLEE_HZ)
    page.shows("1001: talking")
    page.hears(CALLEE_HZ)
    assert_heard(answered, BROWSER_HZ, 0.5)
    answered.hangup()
    page.shows()

    call = desk.call("1008")
    page.shows("1001: ringing")
    page.click("answer")
    call.wait_established()
    call.play(CALLER_HZ)
    page.hears(CALLER_HZ)
    assert_heard(call, BROWSER_HZ, 0.5)
    page.click("hangup")
    call.wait_ended()

    call = desk.call("1008")
    page.click("decline")
    call.wait_established()
    call.play(CALLER_HZ)
    assert_speech(call, 1)
    # What is shorter than three seconds is no message.
    left = f"find {paths.VOICEMAIL} -name 'msg*' -path '*/1008/*'"
    until_on(operator, SWITCH, f"{left} -size +64k | grep -q .")
    call.hangup()
    until(lambda: page.messages, lambda shown: len(shown) == 1)
    assert page.messages[0].startswith("1001: ")
    page.press_on_message("play")
    until(lambda: page.played, lambda seconds: seconds is not None)
    page.press_on_message("erase")
    until(lambda: page.messages, [])
    assert operator.ssh(SWITCH, left) == ""


def test_a_browser_is_a_phone_at_the_edge(
    described: Operator, exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Browser calls and is called, by voice to the switch, and shows the switch's messages."""
    with page(described, tmp_path, capsys) as made:
        calls_and_reads(described, made, exchange)
    assert described.ssh(SWITCH, SERVES) == ""

    # By nobody but the edge's web server; and a guess is of who has asked that.
    there = address_of(described, SWITCH)
    with pytest.raises(OSError, match=r"timed out|refused"):
        socket.create_connection((there, 8444), 2)
    reach = f'import socket; socket.create_connection(("{there}", 8444), 2)'
    asks = f"python3 -c '{reach}' 2>&1 | tail -n 1"
    for host in BOTH:
        assert "timed out" in described.ssh(host, asks), host
    as_web = f"setpriv --reuid {users.WEB} --regid $(id -g {users.WEB}) --clear-groups {asks}"
    assert described.ssh(EDGE, as_web) == ""
    guess = "Authorization: Proof 1008 a b"
    asked = f"curl -skm 5 -H '{guess}' -X POST https://{address_of(described, EDGE)}"
    said = f"{asked}/voicemail/session -H 'Host: {DOMAIN}' -w '%{{http_code}}'"
    assert subprocess.run(said, shell=True, capture_output=True, check=True).stdout == b"403"
    unit = paths.VOICEMAIL_PAGE_UNIT.rpartition("/")[2]
    told = described.ssh(SWITCH, f"journalctl --sync; journalctl -u {unit} -o cat")
    assert f"refused {described.lab.gateway}: wrong password or user" in told


def test_a_browser_outside_talks_by_turn_of_the_edge(
    described: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Browser is told the public address of the switch, to which no way leads here; TURN reaches
    the switch by the one inside."""
    with page(described, tmp_path, capsys, turn=True) as made:
        made.dial(ECHO)
        made.hears(BROWSER_HZ)
        made.click("hangup")
        made.shows()
    assert described.ssh(SWITCH, f"ls -d {paths.TURN_CONFIG} {paths.TURN} 2>/dev/null; true") == ""


def test_phones_outside_are_told_public_addresses(described: Operator) -> None:
    """Addresses are the edge's for SIP, and the switch's for voice."""
    outside(described, DESCRIBED)
    described.succeed()
    with Peer(described.lab.gateway, (address_of(described, EDGE), 5060)) as phone:
        who = account(described, "1003")
        registered = phone.login("REGISTER", f"sip:{DOMAIN}", who)
        assert registered is not None
        assert registered.status == 200
        answer = phone.login(
            *("INVITE", f"sip:{ECHO}@{DOMAIN}", who),
            to=ECHO,
            body=sdp(phone.address),
            timeout=PATIENCE,
        )
        assert answer is not None
        assert answer.status == 200
        assert f"c=IN IP4 {PUBLIC[SWITCH]}\r\n".encode() in answer.body
        assert f"{PUBLIC[EDGE]}:5060" in answer.header("contact")
        assert f"<sip:{PUBLIC[EDGE]}:5060;" in answer.header("record-route")
        inside = [address_of(described, host) for host in BOTH]
        assert not [one for one in inside if one in answer.text.partition("\r\n\r\n")[2]]
        phone.send(following(phone, answer, "ACK", 2, []))
        ended = phone.ask(following(phone, answer, "BYE", 3, []))
        assert ended is not None
        assert ended.status == 200


def test_an_edge_before_what_it_cannot_is_refused(operator: Operator) -> None:
    operator.describe(DESCRIBED.replace("Firewall(", "Firewall(enabled=False, "), group=BOTH)
    try:
        run = refused(operator)
        for host in (EDGE, SWITCH):
            assert "nothing else keeps others" in sentence(run, host, "Site.firewall.enabled")
    finally:
        operator.describe(DESCRIBED, group=BOTH)


def test_on_the_switchs_own_host_again(operator: Operator, exchange: Exchange) -> None:
    """The switch takes its phones back, and hears them on loopback alone."""
    alone(operator)
    operator.succeed()
    assert owners(operator, SWITCH) == own(operator)
    filtered = operator.ssh(SWITCH, f"nft list table inet {paths.FIREWALL_TABLE}")
    assert "sip of the edge" not in filtered
    assert address_of(operator, EDGE) not in filtered
    call, answered = connected(operator, SWITCH, exchange)
    still_talking(call, answered)
    again = operator.succeed()
    assert again.changes == 0, again.output
