"""Malformed messages: what phones send, changed at random by a seed.

None has a right answer: a server may refuse or drop each of them, as long as it goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from random import Random

from tests.attack.sip import Account, Peer, digest, sdp

__all__ = ["MESSAGES", "mutated", "send_malformed"]

MESSAGES = 1250
"""Number of malformed messages at each of four doors: a switch's by UDP and by TCP, that of an edge
alone, and that of one before a switch."""

_SIGNS = b"\r\n\t \0\"'<>;:,=@%?&()[]{}\\/$`|!*#+-_.~\x7f\x80\xff"
_NUMBERS = (b"0", b"-1", b"4294967296", b"99999999999999999999", b"0x7f", b"1e9", b"%d%n%s")
_WORDS = (
    b"${system(id)}",
    b"%0d%0aBye: x",
    b"../../../../etc/passwd",
    b"<script>",
    b"\xc3\x28",
    b"sip:[::1",
    b"sip:%00@x",
    b"\r\n ",
    b"\r\n\r\n",
    b";;;;",
    b",,,,",
    b'"',
)


def _place(data: bytes, random: Random) -> int:
    return random.randrange(len(data) + 1)


def _part(data: bytes, random: Random) -> tuple[int, int]:
    begin = _place(data, random)
    return begin, min(len(data), begin + random.choice((1, 2, 8, 64)))


def _flip(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _sign(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + bytes([random.choice(_SIGNS)]) * random.choice((1, 1, 300)) + data[at:]


def _word(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + random.choice(_WORDS) * random.choice((1, 1, 50)) + data[at:]


def _cut(data: bytes, random: Random) -> bytes:
    begin, end = _part(data, random)
    return data[:begin] + data[end:]


def _end(data: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _again(data: bytes, random: Random) -> bytes:
    begin, end = _part(data, random)
    return data[:end] + data[begin:end] * random.choice((1, 20, 100)) + data[end:]


def _number(data: bytes, random: Random) -> bytes:
    """Put another number where digits are."""
    at = next((i for i in range(_place(data, random), len(data)) if 48 <= data[i] <= 57), None)
    if at is None:
        return _flip(data, random)
    end = at
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    return data[:at] + random.choice(_NUMBERS) + data[end:]


def _line(data: bytes, random: Random) -> bytes:
    """Leave a line out, write it twice or very often, or change places with another."""
    lines = data.split(b"\r\n")
    at, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at:at] = [lines[at]] * 60
        case _:
            lines[at], lines[other] = lines[other], lines[at]
    return b"\r\n".join(lines)


_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flip,
    _sign,
    _word,
    _cut,
    _end,
    _again,
    _number,
    _line,
)


def mutated(message: bytes, random: Random, most: int = 60_000) -> bytes:
    """Change a message in one to four ways; ``most`` bytes of it are left, and one at least."""
    for _ in range(random.randint(1, 4)):
        message = random.choice(_CHANGES)(message, random)
    return message[:most] or b"\0"


_METHODS = (
    *("REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "SUBSCRIBE", "NOTIFY", "PUBLISH"),
    *("REFER", "INFO", "MESSAGE", "UPDATE", "PRACK"),
)
_EVENTS = {"SUBSCRIBE": "presence", "NOTIFY": "message-summary", "PUBLISH": "presence"}
_PRESENCE = (
    b'<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:1000@x">'
    b'<tuple id="a"><status><basic>open</basic></status></tuple></presence>'
)
_BODIES = {
    "INVITE": ("application/sdp", sdp("192.0.2.7")),
    "UPDATE": ("application/sdp", sdp("192.0.2.7")),
    "PUBLISH": ("application/pidf+xml", _PRESENCE),
    "NOTIFY": ("application/simple-message-summary", b"Messages-Waiting: yes\r\n"),
    "INFO": ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"),
    "MESSAGE": ("text/plain", b"Hello."),
}


def _well_formed(peer: Peer, method: str, who: Account, challenge: str) -> bytes:
    """Return a request as a phone would send it, with the password where a server has asked for
    it."""
    uri = f"sip:{who.domain}" if method == "REGISTER" else f"sip:1001@{who.domain}"
    kind, body = _BODIES.get(method, (None, b""))
    extra = [("Authorization", digest(who, method, uri, challenge))] if challenge else []
    if method in _EVENTS:
        extra.append(("Event", _EVENTS[method]))
    if method == "REFER":
        extra.append(("Refer-To", f"<sip:1002@{who.domain}>"))
    return peer.request(
        method, uri, user=who.user, domain=who.domain, body=body, content_type=kind, extra=extra
    )


def send_malformed(
    new_peer: Callable[[], Peer], who: Account, seed: str, each: int
) -> Iterator[int]:
    """Send :data:`MESSAGES`, from a new peer after ``each``; tell then how many were sent."""
    random = Random(seed)
    for sent in range(0, MESSAGES, each):
        peer = new_peer()
        greeting = peer.request("REGISTER", f"sip:{who.domain}", user=who.user, domain=who.domain)
        # The answer may get lost in the crowd; then the password is not used.
        first = peer.ask(greeting, timeout=2)
        challenge = first.header("www-authenticate") if first is not None else ""
        # A connection may be closed at once.
        with contextlib.suppress(OSError):
            for _ in range(each):
                request = _well_formed(peer, random.choice(_METHODS), who, challenge)
                peer.send(mutated(request, random))
        peer.close()
        yield sent + each
