"""SIP messages out of packets, however they are cut, and what of them is not shown."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callcenter.onhost.siptrace
from callcenter.cli.siptrace import mask, ports, unseen
from callcenter.client.inventory import Host
from callcenter.onhost.siptrace import Message, Reader
from callcenter.site import Extension, LocalPackages, Network, PhoneTls, Site, Trunk, secret

HERE, THERE = ("192.0.2.1", 5060), ("198.51.100.7", 40000)
SIX = ("2001:db8::1", 5060), ("2001:db8::2", 5060)
INVITE = (
    b"INVITE sip:1001@a.test SIP/2.0\r\nVia: SIP/2.0/TCP b;branch=z9\r\n"
    b"Content-Length: 5\r\n\r\nv=0\r\n"
)
RINGING = b"SIP/2.0 180 Ringing\r\nl: 0\r\n\r\n"


def ip(
    source: tuple[str, int],
    target: tuple[str, int],
    protocol: int,
    data: bytes,
    place: int = 0,
    more: bool = False,
) -> bytes:
    """Return an IP packet, or a piece of one."""
    ends = ip_address(source[0]).packed + ip_address(target[0]).packed
    if len(ends) == 32:
        if place or more:
            data = struct.pack("!BBHI", protocol, 0, place | more, 7) + data
            protocol = 44
        return struct.pack("!IHBB", 6 << 28, len(data), protocol, 64) + ends + data
    mark = struct.pack("!HH", 7, place >> 3 | (0x2000 if more else 0))
    head = struct.pack("!BBH", 0x45, 0, 20 + len(data)) + mark
    return head + struct.pack("!BBH", 64, protocol, 0) + ends + data


def udp(source: tuple[str, int], target: tuple[str, int], text: bytes) -> bytes:
    """Return the payload of a packet of UDP."""
    return struct.pack("!4H", source[1], target[1], 8 + len(text), 0) + text


def tcp(number: int, text: bytes, flags: int = 0x10) -> bytes:
    """Return a packet of TCP, whose bytes are counted from a number."""
    head = struct.pack("!HHII", THERE[1], HERE[1], number % 2**32, 0)
    return ip(THERE, HERE, 6, head + struct.pack("!BBHHH", 0x50, flags, 0, 0, 0) + text)


def read(*packets: bytes) -> list[Message]:
    """Return the messages that a reader of port 5060 makes of packets."""
    reader = Reader([5060])
    return [message for packet in packets for message in reader.read(packet)]


@pytest.mark.parametrize(("source", "target"), [(THERE, HERE), SIX], ids=["IPv4", "IPv6"])
def test_a_message_in_one_packet_and_in_pieces(
    source: tuple[str, int], target: tuple[str, int]
) -> None:
    whole = udp(source, target, INVITE)
    wanted = [Message("udp", source, target, INVITE.decode())]
    assert read(ip(source, target, 17, whole)) == wanted
    pieces = [
        ip(source, target, 17, whole[at : at + 40], at, at + 40 < len(whole))
        for at in range(0, len(whole), 40)
    ]
    assert len(pieces) > 2
    assert read(*pieces) == wanted
    assert read(*reversed(pieces)) == wanted
    assert read(*pieces[:-1]) == []


def test_what_is_no_sip_or_of_no_port_of_ours() -> None:
    other = ("192.0.2.1", 5999)
    assert read(ip(THERE, HERE, 17, udp(THERE, HERE, b"\r\n\r\n"))) == []
    assert read(ip(THERE, other, 17, udp(THERE, other, INVITE))) == []


@given(
    st.lists(st.integers(1, 60), max_size=12),
    st.randoms(use_true_random=False),
    st.sampled_from([0, 5000, 2**32 - 40]),
)
def test_a_stream_of_messages_however_it_is_cut(
    sizes: list[int], random: object, begin: int
) -> None:
    """In whatever order its segments come, with some of them sent again."""
    text = INVITE + b"\r\n\r\n" + RINGING + INVITE
    cuts, at = [], 0
    for size in [*sizes, len(text)]:
        cuts.append((at, text[at : at + size]))
        at += size
    segments = [tcp(begin + 1 + at, part) for at, part in cuts if part]
    segments += segments[:2]
    random.shuffle(segments)  # type: ignore[attr-defined]
    found = read(tcp(begin, b"", flags=2), *segments)
    assert [one.text.encode() for one in found] == [INVITE, RINGING, INVITE]


def test_a_stream_that_had_begun_before() -> None:
    """The rest of a message is passed over, and the next is whole."""
    found = read(tcp(100, b"=z9\r\n\r\nrest" + RINGING[:9]), tcp(120, RINGING[9:] + INVITE))
    assert [one.text.encode() for one in found] == [RINGING, INVITE]


@given(st.binary(max_size=80))
def test_no_packet_ends_the_program(packet: bytes) -> None:
    reader = Reader([5060])
    list(reader.read(packet))
    list(reader.read(ip(THERE, HERE, 17, packet)))
    list(reader.read(ip(THERE, HERE, 6, packet)))


def test_what_is_masked() -> None:
    text = (
        "REGISTER sip:a.test SIP/2.0\n"
        'Authorization: Digest username="1000", nonce="n1",\n'
        ' response="0123456789abcdef", cnonce="feed", uri="sip:a.test"\n'
        "Proxy-Authorization: Bearer abc.def\n"
        "Contact: <sip:1000@h;pn-provider=apns;pn-prid=TOKEN;pn-param=TEAM.app>;expires=60\n"
        "Content-Type: application/sdp\n\n"
        "k=base64:clear\na=ice-pwd:icepass\na=crypto:1 AES inline:KEYKEY|2^31\n"
    )
    shown = mask(text)
    for value in ("0123456789abcdef", "feed", "abc.def", "TOKEN", "TEAM", "clear", "icepass"):
        assert value not in shown
    assert "KEYKEY" not in shown
    assert 'username="1000", nonce="n1"' in shown
    assert "pn-provider=apns;" in shown
    assert ">;expires=60" in shown


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/dtmf-relay", "Signal= 7\nDuration=160\n"), ("application/dtmf", "7\n")],
)
def test_digits_of_a_pin_are_masked(kind: str, body: str) -> None:
    shown = mask(f"INFO sip:a.test SIP/2.0\nContent-Type: {kind}\n\n{body}")
    assert "7" not in shown
    assert "INFO sip:a.test" in shown


def described(**more: object) -> Site:
    """Return a Site with a trunk that can be read, and one that cannot."""
    trunks = [
        Trunk("plain", host="192.0.2.9", port=5070),
        Trunk(
            "secret",
            host="sip.a.test",
            transport="tls",
            networks=["192.0.2.8"],
            ca_file=Path("authority.pem"),
        ),
    ]
    fields = {"domain": "a.test", "extensions": [Extension(1000)], "packages": LocalPackages()}
    return Site(**{**fields, "trunks": trunks, **more})  # type: ignore[arg-type]


def test_ports_and_what_cannot_be_read(certificates: object) -> None:
    switch, edge = Host("cc1", ("switches",), {}), Host("edge1", ("edges",), {})
    site = described()
    assert ports(site) == [5060, 5070, 5080]
    assert unseen(site, switch) == ["trunk secret: goes by TLS, and is not shown"]
    assert unseen(site, edge) == []
    tls = PhoneTls(certificate=Path("switch.pem"), key=secret("switch"))
    site = described(domain="switch", network=Network(tls=tls, sip_from="anywhere"))
    [phones, _] = unseen(site, switch)
    assert phones.startswith("what phones send by TLS is not shown; the messages between Kamailio")
    assert unseen(site, edge) == ["what phones send by TLS is not shown; none is"]


WITHIN = """
import socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "mtu", "1500", "up"], check=True)
path, text = sys.argv[1:]
tracing = subprocess.Popen(
    [sys.executable, "-I", path, "60", "5060", "6000"], stdout=subprocess.PIPE, text=True
)
print(tracing.stdout.readline(), end="")
for family, here in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        for port, size in ((5999, 1), (5060, 1), (6000, 4000)):
            sender.sendto(text.encode() + b"x" * size, (here, port))
with socket.create_server(("127.0.0.1", 5060)) as server:
    sender = socket.create_connection(("127.0.0.1", 5060))
    taker, _ = server.accept()
    for one in text + "l: 0":
        sender.send(one.encode())
    sender.send(b"\\r\\n\\r\\n")
    sender.shutdown(socket.SHUT_WR)
    taker.makefile().read()
for _ in range(5):
    print(tracing.stdout.readline(), end="")
tracing.stdout.close()
# It ends with its reader, and not with its time.
print(tracing.wait(30))
"""


def test_what_the_kernel_passes() -> None:
    """Packets of the ports alone, in pieces, too, each once; and nothing goes on unread."""
    apart = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make a network namespace")
    words = [callcenter.onhost.siptrace.__file__, "OPTIONS sip:a.test SIP/2.0\r\n"]
    done = subprocess.run(
        [*apart, sys.executable, "-c", WITHIN, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    begin, *messages, code = done.stdout.splitlines()
    assert (json.loads(begin), code) == (["listening"], "0")
    found = [json.loads(line) for line in messages]
    seen = [(one[2], one[3][0], one[4][1], len(one[5])) for one in found]
    begun = len(words[1])
    assert seen == [
        ("udp", "127.0.0.1", 5060, begun + 1),
        ("udp", "127.0.0.1", 6000, begun + 4000),
        ("udp", "::1", 5060, begun + 1),
        ("udp", "::1", 6000, begun + 4000),
        ("tcp", "127.0.0.1", 5060, begun + 8),
    ]
