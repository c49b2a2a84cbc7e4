"""Ways through the edge. They lead to phones only, and nothing reaches a phone that should not."""

from __future__ import annotations

import re
import statistics
import time

import pytest

from tests.acceptance.support.waiting import PATIENCE
from tests.attack.conftest import DOMAIN, Dialog, Edge
from tests.attack.sip import ARRIVED, Account, Message, Peer, digest, render, sdp

pytestmark = pytest.mark.switchless


def test_what_came_first_is_handled_first(edge: Edge) -> None:
    """No attack: where nothing has come once the edge has settled, nothing does."""
    caller, callee = edge.phone("1000"), edge.phone("1001")
    for _ in range(20):
        asked = caller.request("REGISTER", f"sip:{DOMAIN}", user="1000", domain=DOMAIN)
        caller.send(asked)
        edge.settle()
        answer = caller.receive(ARRIVED)
        assert answer is not None
        assert answer.status == 401
    if not edge.is_before_switch:
        edge.invite(caller, "1000", "1001", timeout=0, challenge=PATIENCE)
        with pytest.raises(AssertionError, match="INVITE sip:1001"):
            edge.unheard(callee)


def heard(peer: Peer, timeout: float = 0.7, *, something: bool = False) -> list[Message]:
    """Return all that reaches a peer, but what is said again, until nothing comes for the time.
    ``something``: the first of it is waited for."""
    first = peer.receive(PATIENCE if something else timeout)
    if first is None:
        return []
    return list({message.text: message for message in (first, *peer.messages(timeout))}.values())


# No relay: an intruder would send calls and messages to any host in the edge's name.


def stray(edge: Edge, sender: Peer, victim: Peer, route: str, method: str = "BYE") -> bytes:
    return sender.request(
        method,
        f"sip:victim@{victim.contact}",
        domain=DOMAIN,
        to_tag="made-up",
        changed={"Route": route},
    )


@pytest.mark.parametrize("method", ["BYE", "ACK", "INVITE", "MESSAGE", "INFO", "OPTIONS"])
def test_a_route_of_the_edge_leads_nowhere(edge: Edge, method: str) -> None:
    """Gain: any host is reached from the edge's address, by whoever has no password."""
    sender, victim = edge.peer(), edge.peer()
    sender.send(stray(edge, sender, victim, f"<sip:{edge.address};lr>", method))
    edge.unheard(victim)


@pytest.mark.parametrize(
    "more",
    [
        ";a=udp-{a}-5060;b=udp-{victim}-{port};k=00000000000000000000000000000000",
        ";a=udp-{a}-5060;b=udp-{victim}-{port}",
        ";a=udp-{a}-5060;b=udp-{victim}-{port};k=",
    ],
)
def test_a_made_up_key_leads_nowhere(edge: Edge, more: str) -> None:
    """Gain: the same, by who has read this repository."""
    sender, victim = edge.peer(), edge.peer()
    told = more.format(a=sender.address, victim=victim.address, port=victim.port)
    sender.send(stray(edge, sender, victim, f"<sip:{edge.address}:5060;lr{told}>"))
    edge.unheard(victim)


def test_a_call_leads_to_its_parties_alone(edge: Edge) -> None:
    """Gain: a phone's owner sends requests to any host, by the Request-URI of its own call."""
    dialog, victim = edge.dialog(), edge.peer()
    dialog.caller.send(dialog.request("INFO", dialog.caller, uri=f"sip:x@{victim.contact}"))
    dialog.caller.send(dialog.request("BYE", dialog.caller, uri=f"sip:x@{victim.contact}"))
    assert [one.method for one in heard(dialog.callee, something=True)] == ["BYE"]
    edge.unheard(victim)


def test_a_second_route_leads_nowhere(edge: Edge) -> None:
    """Gain: the same, by a Route behind that of the edge."""
    dialog, victim = edge.dialog(), edge.peer()
    route = f"{dialog.answer.header('record-route')}, <sip:{victim.contact};lr>"
    dialog.caller.send(dialog.request("BYE", dialog.caller, changed={"Route": route}))
    edge.unheard(victim, dialog.callee)


@pytest.mark.parametrize("part", ["a", "b"])
def test_the_addresses_of_a_call_cannot_be_changed(edge: Edge, part: str) -> None:
    """Gain: the same, by other addresses beside a key of one's own call."""
    dialog, victim = edge.dialog(), edge.peer()
    route = re.sub(
        rf";{part}=[^;]+",
        f";{part}=udp-{victim.address}-{victim.port}",
        dialog.answer.header("record-route"),
    )
    dialog.caller.send(dialog.request("BYE", dialog.caller, changed={"Route": route}))
    edge.unheard(victim)


def test_a_stranger_cannot_end_a_call(edge: Edge) -> None:
    """Gain: who has seen a call's identifiers ends or diverts it from anywhere."""
    dialog, stranger = edge.dialog(), edge.peer()
    for method in ("BYE", "INVITE"):
        body = sdp(stranger.address) if method == "INVITE" else b""
        forged = dialog.request(method, dialog.caller, sender=stranger, body=body)
        answer = stranger.ask(forged)
        assert answer is not None
        assert answer.status == 407
    edge.unheard(dialog.callee)


def test_an_answer_is_not_relayed(edge: Edge) -> None:
    """Gain: any host is sent packets by a response with two Vias, without a password."""
    sender, victim = edge.peer(), edge.peer()
    named = sender.headers("INVITE", domain=DOMAIN, to_tag="x")
    vias = [
        ("Via", f"SIP/2.0/UDP {edge.address}:5060;branch=z9hG4bKcfc5.1.0"),
        ("Via", f"SIP/2.0/UDP {victim.contact};branch=z9hG4bKabc"),
    ]
    rest = [(name, value) for name, value in named.items() if name != "Via"]
    sender.send(render("SIP/2.0 200 OK", [*vias, *rest]))
    edge.unheard(victim)


@pytest.mark.parametrize("told", ["maddr={0}", "maddr={0};ttl=1", "received={0};maddr={0}"])
def test_an_answer_goes_where_the_request_came_from(edge: Edge, told: str) -> None:
    """Gain: the edge's answers, larger than the question, hit any host."""
    sender, victim = edge.peer(), edge.peer(port=5060)
    via = f"SIP/2.0/UDP {sender.contact};branch=z9hG4bKabc;{told.format(victim.address)}"
    sender.send(sender.request("REGISTER", f"sip:{DOMAIN}", domain=DOMAIN, changed={"Via": via}))
    edge.unheard(victim)


# A callee's answer is no order.


def answered(edge: Edge, status: str, **more: object) -> tuple[Peer, list[Message], Message]:
    """Have the callee's phone answer a call. Return the caller, what it hears, and the INVITE."""
    caller, callee = edge.phone("1000"), edge.phone("1001")
    invite = edge.ring(caller, "1000", callee, "1001")
    callee.reply(invite, status, tag="callee", **more)  # type: ignore[arg-type]
    first = next(one for one in caller.messages(PATIENCE) if one.status != 100)
    rest = [one for one in heard(caller, 1) if one.text != first.text and one.status != 100]
    return caller, [first, *rest], invite


@pytest.mark.parametrize("status", ["300 Multiple Choices", "302 Moved Temporarily", "305 Use"])
def test_nobody_is_redirected(edge: Edge, status: str) -> None:
    """Gain: a phone sends its callers, and their credentials, to any host."""
    victim = edge.peer()
    contact = ("Contact", f"<sip:${{system(id)}}@{victim.contact}>")
    _, messages, _ = answered(edge, status, headers=[contact])
    assert [one.status for one in messages] == [480]
    assert messages[0].header("contact") == ""
    edge.unheard(victim)


@pytest.mark.parametrize("status", ["401 Unauthorized", "407 Proxy Authentication Required"])
def test_no_phone_asks_another_for_its_password(edge: Edge, status: str) -> None:
    """Gain: the caller's phone sends a digest of its password, to be guessed offline."""
    challenge = f'Digest realm="{DOMAIN}", nonce="mine"'
    headers = [("WWW-Authenticate", challenge), ("Proxy-Authenticate", challenge)]
    _, messages, _ = answered(edge, status, headers=headers)
    assert [one.status for one in messages] == [480]
    assert "mine" not in messages[0].text
    dialog = edge.dialog("1002", "1003")
    dialog.caller.send(dialog.request("BYE", dialog.caller))
    bye = dialog.callee.receive()
    assert bye is not None
    dialog.callee.reply(bye, status, headers=headers)
    (message,) = heard(dialog.caller, 1, something=True)
    # FreeSWITCH ends each of its two calls by itself.
    assert message.status == (200 if edge.is_before_switch else 480)
    assert "mine" not in message.text


@pytest.mark.parametrize("status", ["486 ${system(id)}", "603 <script>", "180 ${x}"])
def test_words_of_a_refusal_stay_behind(edge: Edge, status: str) -> None:
    """Gain: a phone's own words where a caller's screen, a log or a switch reads them."""
    _, messages, _ = answered(edge, status, headers=[("Reason", "SIP;text=${system(id)}")])
    assert messages
    assert not any("$" in one.text or "<script" in one.text for one in messages)


@pytest.mark.parametrize("route", ["", "<sip:{0};lr>", "{1}, <sip:{0};lr>"])
def test_a_callee_cannot_lead_past_the_edge(edge: Edge, route: str) -> None:
    """Gain: the rest of the call goes to a host of the callee's choice, unseen by the edge."""
    caller, callee, victim = edge.phone("1000"), edge.phone("1001"), edge.peer()
    invite = edge.ring(caller, "1000", callee, "1001")
    told = route.format(victim.contact, invite.header("record-route"))
    headers = [(name, value) for name, value in invite.headers if name != "record-route"]
    forged = Message(invite.start, (*headers, *([("record-route", told)] if told else [])))
    contact = [("Contact", f"<sip:1001@{callee.contact}>"), ("Content-Type", "application/sdp")]
    callee.reply(forged, "200 OK", tag="callee", headers=contact, body=sdp(callee.address))
    assert 200 not in [one.status for one in heard(caller, 1)]


# Logging in.


def challenge_of(peer: Peer, account: Account, method: str = "REGISTER") -> str:
    uri = f"sip:{DOMAIN}"
    answer = peer.ask(peer.request(method, uri, user=account.user, domain=DOMAIN))
    assert answer is not None
    return answer.header("www-authenticate")


def register(peer: Peer, account: Account, answer: str, **changed: str) -> int:
    told = peer.request(
        "REGISTER",
        f"sip:{DOMAIN}",
        user=account.user,
        domain=DOMAIN,
        changed=changed,
        extra=[("Authorization", answer)],
        cseq=2,
    )
    final = peer.ask(told)
    return (final.status or 0) if final else 0


def test_a_digest_without_qop_is_refused(edge: Edge) -> None:
    """Gain: a digest that was heard counts again and again, with another Contact."""
    peer, account = edge.peer(), edge.account("1000")
    asked = challenge_of(peer, account)
    assert 'qop="auth"' in asked
    told = digest(account, "REGISTER", f"sip:{DOMAIN}", asked, qop=False)
    assert register(peer, account, told) == 403


@pytest.mark.parametrize("count", [1, 2])
def test_a_nonce_counts_once(edge: Edge, count: int) -> None:
    """Gain: a registration that was heard is said again, with the intruder's Contact."""
    peer, account = edge.peer(), edge.account("1000")
    asked = challenge_of(peer, account)
    first = digest(account, "REGISTER", f"sip:{DOMAIN}", asked)
    assert register(peer, account, first) == 200
    again = first if count == 1 else digest(account, "REGISTER", f"sip:{DOMAIN}", asked, count=2)
    assert register(peer, account, again, Contact=f"<sip:1000@{peer.contact};line=x>") == 401


def test_a_nonce_counts_where_it_was_asked_for(edge: Edge) -> None:
    """Gain: a digest that was heard on its way is used first, from elsewhere."""
    peer, thief, account = edge.peer(), edge.peer(), edge.account("1000")
    asked = challenge_of(peer, account)
    told = digest(account, "REGISTER", f"sip:{DOMAIN}", asked)
    assert register(thief, account, told) == 401


def test_a_digest_counts_for_its_own_request(edge: Edge) -> None:
    """Gain: a digest for one number, heard on its way, pays for a call to another."""
    caller = edge.phone("1000")
    account, uri = edge.account("1000"), f"sip:1001@{DOMAIN}"
    first = caller.ask(
        caller.request("INVITE", uri, user="1000", to="1001", domain=DOMAIN, body=sdp("10.0.0.1"))
    )
    assert first is not None
    caller.acknowledge(first, uri)
    told = digest(account, "INVITE", f"sip:1002@{DOMAIN}", first.header("proxy-authenticate"))
    final = caller.ask(
        caller.request(
            "INVITE",
            uri,
            user="1000",
            to="1001",
            domain=DOMAIN,
            body=sdp("10.0.0.1"),
            cseq=2,
            extra=[("Proxy-Authorization", told)],
        )
    )
    assert final is not None
    assert final.status == 403


@pytest.mark.parametrize("as_user", ["1001", "9999"])
def test_from_is_who_logs_in(edge: Edge, as_user: str) -> None:
    """Gain: one phone's password rings and registers in anybody's name."""
    callee, peer, account = edge.phone("1002"), edge.peer(), edge.account("1000")
    asked = challenge_of(peer, account)
    told = digest(account, "REGISTER", f"sip:{DOMAIN}", asked)
    named = f"<sip:{as_user}@{DOMAIN}>"
    assert register(peer, account, told, From=f"{named};tag=a", To=named) == 403
    final = peer.login(
        "INVITE",
        f"sip:1002@{DOMAIN}",
        account,
        to="1002",
        body=sdp(peer.address),
        changed={"From": f"{named};tag=b"},
        timeout=PATIENCE,
    )
    assert final is not None
    assert final.status == 403
    edge.unheard(callee)


def test_to_is_who_registers(edge: Edge) -> None:
    """Gain: one phone's password takes another's calls."""
    peer, account = edge.peer(), edge.account("1000")
    final = peer.login("REGISTER", f"sip:{DOMAIN}", account, to="1001", timeout=1)
    assert final is None or final.status in (400, 403)


@pytest.mark.parametrize("domain", ["example.net", f"x.{DOMAIN}", f"{DOMAIN}.example.net"])
def test_no_other_domain_is_served(edge: Edge, domain: str) -> None:
    """Gain: a name that no rule of the Site is about."""
    peer, account = edge.peer(), edge.account("1000")
    foreign = Account(account.user, domain, account.password)
    assert peer.login("REGISTER", f"sip:{domain}", foreign, timeout=0.5) is None
    asked = challenge_of(peer, account)
    told = digest(account, "REGISTER", f"sip:{DOMAIN}", asked, realm=domain)
    assert register(peer, account, told) != 200


def test_unknown_users_are_told_from_known_ones_by_nothing(edge: Edge) -> None:
    """Gain: the list of the Site's extensions."""

    def guess(peer: Peer, user: str) -> tuple[list[str], float]:
        account = Account(user, DOMAIN, "wrong-Horse-7battery")
        asked = challenge_of(peer, account)
        began = time.monotonic()
        told = digest(account, "REGISTER", f"sip:{DOMAIN}", asked)
        request = peer.request(
            "REGISTER", f"sip:{DOMAIN}", user=user, domain=DOMAIN, extra=[("Authorization", told)]
        )
        final = peer.ask(request)
        took = time.monotonic() - began
        assert final is not None
        ours = ("via", "call-id", "to", "from", "www-authenticate")
        return [final.start, *(name for name, _ in final.headers if name not in ours)], took

    answers: dict[str, list[float]] = {"1000": [], "4711": []}
    texts = set()
    for _ in range(15):
        for user, times in answers.items():
            text, took = guess(edge.peer(), user)
            texts.add(tuple(text))
            times.append(took)
    assert len(texts) == 1
    known, unknown = (statistics.median(times) for times in answers.values())
    # A look-up and nothing more: far below what a network hides.
    assert abs(known - unknown) < 0.005


# Methods, and what they may say.

FOREIGN = ["REFER", "INFO", "NOTIFY", "PUBLISH", "SUBSCRIBE", "UPDATE", "PRACK", "BYE", "FOO"]


@pytest.mark.parametrize("method", FOREIGN)
def test_methods_outside_of_a_call(edge: Edge, method: str) -> None:
    """Gain: a row in a table, a crash, or an order to a phone, for each that is not foreseen."""
    if method == "SUBSCRIBE" and edge.is_before_switch:
        pytest.skip("FreeSWITCH tells of lamps, to whoever has a password")
    callee, stranger, phone = edge.phone("1001"), edge.peer(), edge.phone("1000")
    uri = f"sip:1001@{DOMAIN}"
    extra = [("Event", "presence"), ("Refer-To", f"<sip:1002@{DOMAIN}>"), ("Expires", "60")]
    body = b"<presence/>" if method == "PUBLISH" else b""
    for sender, answer in ((stranger, None), (phone, 405)):
        told = sender.request(
            method,
            uri,
            user="1000",
            to="1001",
            domain=DOMAIN,
            extra=extra,
            body=body,
            content_type="application/pidf+xml" if body else None,
        )
        final = sender.ask(told, 0.7 if answer is None else PATIENCE)
        assert (final and final.status) == answer
    account = edge.account("1000")
    final = phone.login(method, uri, account, to="1001", extra=extra, timeout=PATIENCE)
    assert final is not None
    assert final.status == 405
    edge.unheard(callee)


CODE = "${system(id)}"


@pytest.mark.parametrize(
    "contact",
    [
        f"<sip:{CODE}@10.0.0.1>",
        "<sip:x,sofia/gateway/carrier/+4930,y@10.0.0.1>",
        "<sip:x|y@10.0.0.1>",
        "<sip:[execute_on_originate=system]@10.0.0.1>",
        "<sip:{x=y}@10.0.0.1>",
        "<sip:x%0Ay@10.0.0.1>",
        "<sip:x@10.0.0.1;fs_path=sip:10.0.0.2>",
        "<sip:x@10.0.0.1;received=10.0.0.2>",
        "<sip:x@10.0.0.1;maddr=10.0.0.2>",
        "<sip:x@10.0.0.1?Replaces=a>",
        "<sip:x@10.0.0.1;pn-prid=a,b>",
        "<sip:x@10.0.0.1;pn-prid=%0Ay>",
        "<sip:x@10.0.0.1;pn-prid=${x}>",
        "<sip:x@10.0.0.1;pn-other=x>",
        "<tel:+4930>",
        "<sip:x@10.0.0.1>, <sip:y@10.0.0.2>",
        f'"{CODE}" <sip:x@10.0.0.1>',
        '<sip:x@10.0.0.1>;+sip.instance="${x}"',
        "<sip:" + "x" * 450 + "@10.0.0.1>",
        "<sip:x@10.0.0.1;pn-prid=" + "x" * 440 + ">",
    ],
)
def test_a_contact_is_no_code(edge: Edge, contact: str) -> None:
    """Gain: a dial string or a shell, for whoever has one password."""
    phone = edge.phone("1000")
    assert edge.register(phone, "1000", contact, timeout=2) in (0, 400)
    location = "kamcmd ul.dump"
    assert contact[5:12] not in edge.operator.ssh(edge.host, location)


def test_a_program_of_many_lines_is_no_phone(edge: Edge) -> None:
    """Gain: phones that are not there, in what an operator is shown of registrations."""
    phone = edge.phone("1000")
    assert edge.register(phone, "1000", extra=[("User-Agent", "Phone/1 (a; b)")]) == 200
    program = "x\r\n\tAoR: 9999\r\n\tAddress: sip:x@y"
    assert edge.register(phone, "1000", extra=[("User-Agent", program)], timeout=1) == 0
    assert "9999" not in edge.operator.ssh(edge.host, "kamcmd ul.dump")


def test_a_phone_is_where_it_registers_from(edge: Edge) -> None:
    """Gain: the edge's packets, and those of a call, go to a carrier or any other host."""
    caller, phone, victim = edge.phone("1000"), edge.peer(), edge.peer()
    assert edge.register(phone, "1002", "*", extra=[("Expires", "0")]) == 200
    path = [("Path", f"<sip:{victim.contact};lr>"), ("Supported", "path")]
    assert edge.register(phone, "1002", f"<sip:1002@{victim.contact}>", extra=path) == 200
    edge.invite(caller, "1000", "1002", timeout=0.2, challenge=PATIENCE)
    assert [one.method for one in heard(phone, something=True)][:1] == ["INVITE"]
    edge.unheard(victim)


@pytest.mark.parametrize(
    "uri",
    [
        f"sip:api+system%20id@{DOMAIN}",
        f"sip:{CODE}@{DOMAIN}",
        f"sip:1001%0A@{DOMAIN}",
        f"sip:1001%00@{DOMAIN}",
        f"sip:1001|1002@{DOMAIN}",
        f"sip:1001,1002@{DOMAIN}",
        f"sip:1001@{DOMAIN};x={CODE}",
        f"sip:1001@{DOMAIN}?Replaces=x",
        f"sips:1001@{DOMAIN}",
        "tel:1001",
        f"sip:1001:secret@{DOMAIN}",
    ],
)
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_a_number_is_no_code(edge: Edge, method: str, uri: str) -> None:
    """Gain: a shell, a free call, another's mailbox, by a number that is none."""
    caller, callee = edge.phone("1000"), edge.phone("1001")
    body, kind = (sdp(caller.address), None) if method == "INVITE" else (b"hello", "text/plain")
    final = caller.login(
        method, uri, edge.account("1000"), to="1001", body=body, content_type=kind, timeout=0.7
    )
    assert final is None or (final.status or 0) in (400, 403, 404, 405)
    edge.unheard(callee)


FORBIDDEN = [
    ("X-Anything", CODE),
    ("P-Asserted-Identity", "<sip:boss@example.net>"),
    ("P-Preferred-Identity", "<sip:boss@example.net>"),
    ("Remote-Party-ID", "<sip:boss@example.net>"),
    ("Diversion", "<sip:boss@example.net>"),
    ("History-Info", "<sip:boss@example.net>"),
    ("Alert-Info", "<http://example.net>;info=alert-autoanswer"),
    ("Call-Info", "<sip:x>;answer-after=0"),
    ("User-to-User", "00"),
    ("Identity", "x"),
    ("Replaces", "a@b;to-tag=c;from-tag=d"),
    ("Join", "a@b;to-tag=c;from-tag=d"),
    ("Referred-By", "<sip:boss@example.net>"),
    ("Subject", CODE),
    ("User-Agent", CODE),
    ("Require", "replaces"),
    ("Supported", "100rel"),
    ("Geolocation", "<cid:x>"),
    ("Record-Route", "<sip:10.0.0.1;lr>"),
]


def test_no_header_of_an_intruder_arrives(edge: Edge) -> None:
    """Gain: another's name on the callee's screen, a phone that answers by itself, code."""
    caller, callee = edge.phone("1000"), edge.phone("1001")
    invite = edge.ring(caller, "1000", callee, "1001", extra=FORBIDDEN)
    allowed = {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "allow"}
    allowed |= {"content-type", "content-length", "record-route"}
    if edge.is_before_switch:
        # FreeSWITCH's own, of which a session timer is one.
        allowed |= {"supported", "session-expires", "min-se"}
        assert invite.header("supported") == "replaces, timer"
    assert {name for name, _ in invite.headers} <= allowed
    assert CODE not in invite.text
    assert "10.0.0.1" not in invite.header("record-route")
    contact = [("Contact", f"<sip:1001@{callee.contact}>"), ("Content-Type", "application/sdp")]
    extra = [one for one in FORBIDDEN if one[0] != "Record-Route"]
    body = sdp(callee.address)
    callee.reply(invite, "200 OK", tag="callee", headers=[*contact, *extra], body=body)
    answer = next(one for one in caller.messages(PATIENCE) if one.status == 200)
    assert {name for name, _ in answer.headers} <= allowed
    assert CODE not in answer.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("From", f'"{CODE}" <sip:1000@{DOMAIN}>;tag=a'),
        ("From", f"<sip:1000@{DOMAIN}>;tag={CODE}"),
        ("From", f"<sip:1000%0A@{DOMAIN}>;tag=a"),
        ("From", "<sip:1000@example.net>;tag=a"),
        ("To", f'"{CODE}" <sip:1001@{DOMAIN}>'),
        ("To", f"<sip:1002@{DOMAIN}>"),
        ("Call-ID", CODE),
        ("Contact", f"<sip:{CODE}@10.0.0.1>"),
        ("CSeq", "2 INVITE x"),
        ("Max-Forwards", "0"),
        ("Max-Forwards", CODE),
        ("Content-Type", "multipart/mixed; boundary=x"),
        ("Content-Type", "application/pidf+xml"),
        ("Content-Length", "5000"),
        ("Content-Length", "-1"),
        ("From", f'"a\0{CODE}" <sip:1000@{DOMAIN}>;tag=a'),
        ("Call-ID", "a\0${system(id)}"),
    ],
)
def test_no_header_carries_code(edge: Edge, name: str, value: str) -> None:
    """Gain: code where a switch, a script or a log expands or reads what a caller says."""
    caller, callee = edge.phone("1000"), edge.phone("1001")
    edge.invite(caller, "1000", "1001", changed={name: value}, timeout=0.7)
    edge.unheard(callee)


@pytest.mark.parametrize(
    "name", ["From", "To", "Call-ID", "CSeq", "Via", "Contact", "Content-Type"]
)
def test_no_header_comes_twice(edge: Edge, name: str) -> None:
    """Gain: one is checked, the other is believed."""
    caller, callee = edge.phone("1000"), edge.phone("1001")
    named = {**caller.headers("INVITE", user="1000", to="1001", domain=DOMAIN)}
    named["Content-Type"] = "application/sdp"
    edge.invite(caller, "1000", "1001", extra=[(name, named[name])], timeout=0.7)
    edge.unheard(callee)


@pytest.mark.parametrize(
    "body",
    [
        b"v=0\r\n" + b"a=x\r\n" * 2000,
        b"<xml/>",
        b"v=0\r\n<!DOCTYPE x>\r\n",
        b"v=0\r\na=\0${system(id)}\r\n",
        b"v=0\r\na=\x1b[31m\r\n",
        b"v=0\r\ns=-\ra=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
        b"v=0\r\ns= \r\na= crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
    ],
)
def test_a_body_is_what_it_says(edge: Edge, body: bytes) -> None:
    """Gain: a parser of a phone or a switch is fed what it was not made for."""
    caller, callee = edge.phone("1000"), edge.phone("1001")
    edge.invite(caller, "1000", "1001", body=body, timeout=0.7)
    edge.unheard(callee)


def test_a_text_message_is_a_text(edge: Edge) -> None:
    """Gain: as above, by MESSAGE; an honest one arrives."""
    caller, callee = edge.phone("1000"), edge.phone("1001")
    uri, account = f"sip:1001@{DOMAIN}", edge.account("1000")
    for kind, body in (
        ("text/html", b"<script>"),
        ("application/im-iscomposing+xml", b"<x/>"),
        ("text/plain", b"x" * 1301),
    ):
        final = caller.login(
            "MESSAGE", uri, account, to="1001", body=body, content_type=kind, timeout=PATIENCE
        )
        assert final is not None
        assert final.status == 400
    edge.unheard(callee)
    caller.login(
        *("MESSAGE", uri, account),
        to="1001",
        body=b"hello ${x}",
        content_type="text/plain",
        timeout=0.5,
        challenge=PATIENCE,
    )
    message = callee.receive()
    assert message is not None
    assert message.body == b"hello ${x}"


@pytest.mark.parametrize(
    "target",
    [
        "<sip:+4930123456@10.0.0.1>",
        f"<sip:{CODE}@{DOMAIN}>",
        f"<sip:1002@{DOMAIN}?Replaces=a%3Bto-tag%3Db>",
        f"<sip:1002@{DOMAIN}?X-Header=y>",
        f"<sip:1002@{DOMAIN};method=BYE>",
        "<tel:+4930123456>",
        "<http://example.net/>",
        f"<sip:1002@{DOMAIN}>, <sip:1003@{DOMAIN}>",
    ],
)
def test_a_transfer_leads_to_a_number_of_the_site(edge: Edge, target: str) -> None:
    """Gain: the other phone calls where the intruder wants, in its own name."""
    dialog = edge.dialog()
    told = dialog.request("REFER", dialog.caller, extra=[("Refer-To", target)])
    final = dialog.caller.ask(told)
    assert final is not None
    assert final.status == 400
    edge.unheard(dialog.callee)


def test_an_honest_transfer_passes(edge: Edge) -> None:
    """The other way round: what a phone needs for a blind transfer arrives."""
    if edge.is_before_switch:
        pytest.skip("FreeSWITCH transfers, and no phone is asked to: tests/acceptance")
    dialog: Dialog = edge.dialog()
    extra = [("Refer-To", f"<sip:1002@{DOMAIN}>"), ("Referred-By", "<sip:boss@example.net>")]
    dialog.caller.send(dialog.request("REFER", dialog.caller, extra=extra))
    refer = dialog.callee.receive()
    assert refer is not None
    assert refer.header("refer-to") == f"<sip:1002@{DOMAIN}>"
    assert refer.header("referred-by") == ""
    dialog.callee.reply(refer, "202 Accepted", headers=[("Contact", f"<sip:x@{edge.address}>")])
    assert [one.status for one in heard(dialog.caller, something=True)] == [202]
    told = [("Event", "refer"), ("Subscription-State", "active;expires=60")]
    body = b"SIP/2.0 100 Trying\r\n"
    kind = "message/sipfrag;version=2.0"
    notify = dialog.request("NOTIFY", dialog.callee, extra=told, body=body, content_type=kind)
    dialog.callee.send(notify)
    arrived = dialog.caller.receive()
    assert arrived is not None
    assert (arrived.method, arrived.body) == ("NOTIFY", body)
    assert arrived.header("event") == "refer"


@pytest.mark.parametrize(
    ("method", "kind", "body"),
    [
        ("INFO", "application/media_control+xml", b"<media_control/>"),
        ("INFO", "application/dtmf-relay", b"Signal=${system(id)}\r\nDuration=100\r\n"),
        ("INFO", "application/dtmf-relay", b"Signal=1\r\nDuration=100\r\nX: y\r\n"),
        ("NOTIFY", "message/sipfrag", b"SIP/2.0 200 ${system(id)}\r\n"),
        ("NOTIFY", "application/simple-message-summary", b"Messages-Waiting: yes\r\n"),
        ("BYE", "application/sdp", b"v=0\r\n"),
    ],
)
def test_what_is_said_in_a_call_has_one_form(
    edge: Edge, method: str, kind: str, body: bytes
) -> None:
    """Gain: orders to the other phone, and code, within a call."""
    dialog = edge.dialog()
    extra = [("Event", "refer"), ("Subscription-State", "active")] if method == "NOTIFY" else []
    told = dialog.request(method, dialog.caller, body=body, content_type=kind, extra=extra)
    final = dialog.caller.ask(told)
    assert final is not None
    assert final.status == 400
    edge.unheard(dialog.callee)


# Silence.


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_stranger_learns_nothing(edge: Edge, transport: str) -> None:
    """Gain: that a SIP server is here, and which; only who knows the domain's name is answered."""
    peer = edge.peer(transport)  # type: ignore[arg-type]
    for method, uri, domain in (
        ("OPTIONS", f"sip:{edge.address}", edge.address),
        ("OPTIONS", f"sip:{DOMAIN}", DOMAIN),
        ("REGISTER", f"sip:{edge.address}", edge.address),
        ("INVITE", f"sip:100@{edge.address}", edge.address),
        ("CANCEL", f"sip:1000@{DOMAIN}", DOMAIN),
        ("SUBSCRIBE", f"sip:1000@{DOMAIN}", DOMAIN),
    ):
        assert peer.ask(peer.request(method, uri, domain=domain), 0.4) is None, method
    told = peer.ask(peer.request("REGISTER", f"sip:{DOMAIN}", domain=DOMAIN))
    assert told is not None
    assert told.status == 401
    assert not re.search("kamailio|server:|user-agent|warning", told.text, re.IGNORECASE)
