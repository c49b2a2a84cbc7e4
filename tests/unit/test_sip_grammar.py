"""Messages that Kamailio lets pass, by the expressions that its configuration prints.

Kamailio reads them without regard to case; what they mean in POSIX, Python means, too.
"""

from __future__ import annotations

import re

import pytest

from callcenter.render.edge_addresses import EdgeAddresses
from callcenter.render.sip_grammar import Grammar, literal
from callcenter.site import Extension, Network, Site, Switch

PLAIN = Grammar("cc.example.net", behind=True, tls=False, wss=False)
ENCRYPTED = Grammar("cc.example.net", behind=True, tls=True, wss=False)
BROWSERS = Grammar("cc.example.net", behind=True, tls=True, wss=True)
ALONE = Grammar("cc.example.net", behind=False, tls=False, wss=False)


def fits(expression: str, text: str) -> bool:
    """Tell whether an expression is all of a text. POSIX escapes nothing in a set: Python asks for
    it."""
    own = expression.replace("[[]", r"\[").replace("[]]", r"\]")
    return re.fullmatch(own, text, re.IGNORECASE) is not None


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("<sip:1000@cc.example.net>", True),
        ('"Front desk" <sip:1000@cc.example.net:5060>', True),
        ("<sip:+4930%20123@cc.example.net;user=phone>", True),
        # Linphone's To.
        ("sip:1000@cc.example.net", True),
        # A dot is no sign of any other.
        ("<sip:1000@cc-example.net>", False),
        ("<sip:1000@cc.example.net.evil.example>", False),
        ('"${x}" <sip:1000@cc.example.net>', False),
        ("<sip:1000@cc.example.net>;tag=1", False),
    ],
)
def test_who_calls_and_is_called(text: str, passes: bool) -> None:
    assert fits(PLAIN.identity, text) is passes


def test_signs_between_digits_are_for_a_switch() -> None:
    text = "<sip:(030)%20123@cc.example.net>"
    assert fits(PLAIN.identity, text)
    assert not fits(ALONE.identity, text)


@pytest.mark.parametrize(
    ("grammar", "transports"),
    [
        (PLAIN, {"udp", "tcp"}),
        (ENCRYPTED, {"udp", "tcp", "tls"}),
        (BROWSERS, {"udp", "tcp", "tls", "ws", "wss"}),
    ],
)
def test_a_transport_that_is_off_does_not_pass(grammar: Grammar, transports: set[str]) -> None:
    every = ("udp", "tcp", "tls", "ws", "wss", "sctp")
    contact = "<sip:1000@192.0.2.1:5060;transport={}>"
    via = "SIP/2.0/{} 192.0.2.1:5060;rport;branch=z9hG4bKx"
    assert {one for one in every if fits(grammar.transport, one)} == transports
    assert {one for one in every if fits(grammar.contact, contact.format(one))} == transports
    assert {one for one in every if fits(grammar.via, via.format(one.upper()))} == transports


def test_where_a_phone_is() -> None:
    """Contacts pass of IPv6, of a push service (RFC 8599), and of Linphone as Kamailio sees it."""
    for text in (
        "<sip:1000@[2001:db8::1]:5060;line=a1>",
        "<sip:1000@192.0.2.1;pn-provider=apns;pn-prid=a%2B:b>",
        '<sip:1000@192.0.2.1>;+sip.instance="<urn:uuid:0a-1b>";received="sip:192.0.2.1:5060"',
    ):
        assert fits(PLAIN.contact, text), text
    for text in ("<sip:1000@192.0.2.1;x=1>", "<sip:1000@192.0.2.1>, <sip:1@192.0.2.2>"):
        assert not fits(PLAIN.contact, text), text


def test_our_own_route_is_told_from_others() -> None:
    ours = PLAIN.route(literal("192.0.2.1:5060"))
    signed = f"a=udp-192.0.2.9-5060;b=udp-192.0.2.8-5060;k={'0' * 32}"
    assert fits(ours, f"<sip:192.0.2.1:5060;lr;{signed}>")
    assert not fits(ours, f"<sip:192.0.251:5060;lr;{signed}>")
    assert not fits(ours, f"<sip:192.0.2.1:5060;lr;{signed[:-1]}>")
    assert not fits(ours, f"<sip:192.0.2.1:5060;transport=ws;lr;{signed}>")
    assert fits(BROWSERS.route("h"), f"<sip:h;transport=ws;lr=on;{signed}>")


PUBLIC = Switch("edge.example.net", public_ip="203.0.113.7")
NAT = Switch("cc1.example.net", address="10.0.0.11", public_ip="203.0.113.10")
STUN = Switch("cc2.example.net", address="10.0.0.12", stun="stun.example.net")


def addresses(edge: Switch, behind: Switch | None, network: Network) -> EdgeAddresses:
    return EdgeAddresses(
        Site("cc.example.net", extensions=[Extension("1000")], network=network), edge, behind
    )


@pytest.mark.parametrize(
    ("edge", "behind", "two", "own"),
    [
        (PUBLIC, None, False, "203.0.113.7:5060"),
        (PUBLIC, PUBLIC, False, "203.0.113.7:5060"),
        # An edge alone has nobody inside who would be told its own address.
        (NAT, None, False, "203.0.113.10:5060"),
        (NAT, NAT, True, "10.0.0.11:5060"),
        (PUBLIC, NAT, True, "203.0.113.7:5060"),
        (STUN, STUN, True, "10.0.0.12:5060"),
    ],
)
def test_who_has_two_addresses(edge: Switch, behind: Switch | None, two: bool, own: str) -> None:
    made = addresses(edge, behind, Network())
    assert (made.has_two, made.own) == (two, own)


def test_what_is_known_of_a_record_route() -> None:
    """Both addresses with each port; where a STUN server is asked, any, which is then compared."""
    assert fits(addresses(NAT, NAT, Network()).known, "203.0.113.10:5060")
    assert fits(addresses(NAT, NAT, Network()).known, "10.0.0.11:5060")
    assert not fits(addresses(PUBLIC, PUBLIC, Network()).known, "203.0.113.7:5061")
    assert not fits(addresses(STUN, STUN, Network()).known, "198.51.100.1:5061")
    assert fits(addresses(STUN, STUN, Network()).known, "198.51.100.1:5060")


def test_what_kamailio_listens_at() -> None:
    """UDP only where phones, or FreeSWITCH, speak it; what is announced is said, too."""
    tcp = Network(transports=("tcp",))
    assert list(addresses(PUBLIC, None, tcp).listens) == ["tcp:203.0.113.7:5060"]
    assert list(addresses(NAT, NAT, tcp).listens) == [
        "tcp:10.0.0.11:5060 advertise 203.0.113.10:5060",
        "udp:10.0.0.11:5060 advertise 203.0.113.10:5060",
    ]
    udp = Network(transports=("udp",))
    assert list(addresses(STUN, STUN, udp).listens) == ["udp:10.0.0.12:5060"]
