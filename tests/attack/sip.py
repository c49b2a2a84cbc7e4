"""A raw SIP sender and receiver for attackers: it says exactly what it is told, right or wrong.

Phones in these tests are real user agents (tests/acceptance/support/phones.py). An intruder is
none: it leaves out headers, forges them, repeats answers, and listens where no phone would.

    with Peer(address, (edge, 5060)) as peer:
        answer = peer.ask(peer.request("OPTIONS", f"sip:{edge}"))
        assert answer is None, "a stranger was answered"
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from tests.acceptance.support.waiting import PATIENCE

__all__ = [
    "ARRIVED",
    "Account",
    "Message",
    "Peer",
    "Transport",
    "WebPeer",
    "digest",
    "framed",
    "opening",
    "render",
    "sdp",
]

ARRIVED = 0.05
"""Seconds to look for what is there already."""

Transport = Literal["udp", "tcp", "tls"]
Headers = Sequence[tuple[str, str]]

_COMPACT = {
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
}


def _token() -> str:
    return secrets.token_hex(8)


def _full(name: str) -> str:
    lowered = name.strip().lower()
    return _COMPACT.get(lowered, lowered)


@dataclass(frozen=True)
class Message:
    """One SIP message as it was received."""

    start: str
    """The request line or the status line."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case and written out, values as they came, in their order."""
    body: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a whole message; a body is what follows the empty line."""
        head, _, body = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("utf-8", "backslashreplace").split("\r\n")
        unfolded: list[str] = []
        for line in lines:
            if line[:1] in (" ", "\t") and unfolded:
                unfolded[-1] += " " + line.strip()
            else:
                unfolded.append(line)
        parts = (line.partition(":") for line in unfolded)
        return cls(start, tuple((_full(name), value.strip()) for name, _, value in parts), body)

    @property
    def status(self) -> int | None:
        """The status code of a response, nothing of a request."""
        words = self.start.split(" ", 2)
        return int(words[1]) if words[0] == "SIP/2.0" else None

    @property
    def method(self) -> str:
        """The method of a request, or of the request that a response answers."""
        if self.status is None:
            return self.start.split(" ", 1)[0]
        return self.header("cseq").rpartition(" ")[2]

    @property
    def uri(self) -> str:
        """The Request-URI of a request."""
        return self.start.split(" ")[1] if self.status is None else ""

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for known, value in self.headers if known == name.lower()]

    def header(self, name: str) -> str:
        """Return the first value of a header, or nothing."""
        return next(iter(self.all(name)), "")

    @property
    def text(self) -> str:
        """The message as one text, to look for what should not be in it."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        return "\n".join(lines) + "\n\n" + self.body.decode("utf-8", "backslashreplace")


def render(start: str, headers: Headers, body: bytes = b"") -> bytes:
    """Return a message with these headers and no others; Content-Length is added where it is not
    given."""
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if not any(_full(name) == "content-length" for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def sdp(address: str, port: int = 45000) -> bytes:
    """Return an offer of one audio stream at an address."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    ).encode()


@dataclass(frozen=True)
class Account:
    """A user and its password."""

    user: str
    domain: str
    password: str = field(repr=False)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def digest(
    account: Account,
    method: str,
    uri: str,
    challenge: str,
    *,
    qop: bool = True,
    count: int = 1,
    realm: str | None = None,
    user: str | None = None,
) -> str:
    """Return the value of an Authorization header for a challenge.

    ``qop=False`` answers as RFC 2069 did, ``count`` is the nonce count; ``realm`` and ``user`` are
    told instead of the challenge's and the account's.
    """
    told = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge.partition(" ")[2]))
    realm = told.get("realm", "") if realm is None else realm
    user = account.user if user is None else user
    secret = _md5(f"{user}:{realm}:{account.password}")
    nonce, asked = told.get("nonce", ""), _md5(f"{method}:{uri}")
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
    if qop and "qop" in told:
        counted, own = f"{count:08x}", _token()
        fields["response"] = _md5(f"{secret}:{nonce}:{counted}:{own}:auth:{asked}")
        fields["cnonce"] = own
        plain = f", qop=auth, nc={counted}"
    else:
        fields["response"] = _md5(f"{secret}:{nonce}:{asked}")
        plain = ""
    if "opaque" in told:
        fields["opaque"] = told["opaque"]
    return (
        "Digest "
        + ", ".join(f'{name}="{value}"' for name, value in fields.items())
        + f"{plain}, algorithm=MD5"
    )


class Peer:
    """One socket of an intruder, at an address of this machine, that speaks to one server.

    By UDP it hears whoever sends to it, by TCP the server on its own connection; by TLS it has what
    ``context`` holds.
    """

    def __init__(
        self,
        address: str,
        server: tuple[str, int],
        transport: Transport = "udp",
        *,
        port: int = 0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.server, self.transport = server, transport
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(family, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        if transport != "udp":
            self.socket.settimeout(5)
            self.socket.connect(server)
        if context is not None:
            self.socket = context.wrap_socket(self.socket)
        self._unread = b""
        self._pending: list[Message] = []
        self.handled: Callable[[bytes], bool] = lambda request: False
        """Wait until the server has handled a request, and tell whether its answer is there by
        then."""
        self.sources: list[tuple[str, int]] = []
        """Address and port that each datagram but keep-alives came from, in order."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the socket."""
        self.socket.close()

    @property
    def address(self) -> str:
        """The address that it sends from."""
        return str(self.socket.getsockname()[0])

    @property
    def port(self) -> int:
        """The port that it is reached at."""
        return int(self.socket.getsockname()[1])

    @property
    def contact(self) -> str:
        """Address and port at which it is reached, as SIP writes them."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{shown}:{self.port}"

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self.transport == "udp":
            self.socket.sendto(data, self.server)
        else:
            self.socket.sendall(data)

    def headers(
        self,
        method: str,
        *,
        user: str = "intruder",
        to: str | None = None,
        domain: str = "callcenter.test",
        call_id: str | None = None,
        cseq: int = 1,
        from_tag: str | None = None,
        to_tag: str | None = None,
    ) -> dict[str, str]:
        """Return the headers that a well-formed request needs, by name, for the caller to bend."""
        to_uri = f"<sip:{to if to is not None else user}@{domain}>"
        hop = f"SIP/2.0/{self.transport.upper()} {self.contact}"
        return {
            "Via": f"{hop};rport;branch=z9hG4bK{_token()}",
            "Max-Forwards": "70",
            "From": f"<sip:{user}@{domain}>;tag={from_tag or _token()}",
            "To": to_uri + (f";tag={to_tag}" if to_tag else ""),
            "Call-ID": call_id or _token(),
            "CSeq": f"{cseq} {method}",
            "Contact": f"<sip:{user}@{self.contact};transport={self.transport}>",
        }

    def request(
        self,
        method: str,
        uri: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        changed: Mapping[str, str | None] | None = None,
        extra: Headers = (),
        user: str = "intruder",
        to: str | None = None,
        domain: str = "callcenter.test",
        call_id: str | None = None,
        cseq: int = 1,
        from_tag: str | None = None,
        to_tag: str | None = None,
    ) -> bytes:
        """Return a request of :meth:`headers`, some ``changed`` (None: left out), and ``extra``
        ones."""
        named: dict[str, str | None] = {
            **self.headers(
                method,
                user=user,
                to=to,
                domain=domain,
                call_id=call_id,
                cseq=cseq,
                from_tag=from_tag,
                to_tag=to_tag,
            ),
            **(changed or {}),
        }
        if content_type or body:
            named.setdefault("Content-Type", content_type or "application/sdp")
        kept = [(name, value) for name, value in named.items() if value is not None]
        return render(f"{method} {uri} SIP/2.0", [*kept, *extra], body)

    def receive(self, timeout: float = PATIENCE) -> Message | None:
        """Return the next message, or nothing within the time."""
        deadline = time.monotonic() + timeout
        while True:
            if self._pending:
                return self._pending.pop(0)
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                if self.transport == "udp":
                    data, source = self.socket.recvfrom(65535)
                    if data.strip(b"\r\n\0 "):
                        self.sources.append((str(source[0]), int(source[1])))
                        self._pending.append(Message.parse(data))
                    continue
                data = self.socket.recv(65535)
            except TimeoutError:
                return None
            except ConnectionError:
                return None
            if not data:
                return None
            self._unread += data
            self._pending += self._whole()

    def messages(self, timeout: float = 2) -> Iterator[Message]:
        """Every message until none comes for the time."""
        while (message := self.receive(timeout)) is not None:
            yield message

    def ask(self, data: bytes, timeout: float = PATIENCE) -> Message | None:
        """Send a request, and return its final response, or nothing where none came."""
        call_id = Message.parse(data).header("call-id")
        self.send(data)
        if 0 < timeout < PATIENCE and self.handled(data):
            timeout = min(timeout, ARRIVED)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            message = self.receive(left)
            if message is None:
                return None
            if (message.status or 0) >= 200 and call_id in ("", message.header("call-id")):
                return message
        return None

    def login(
        self,
        method: str,
        uri: str,
        account: Account,
        *,
        to: str | None = None,
        body: bytes = b"",
        content_type: str | None = None,
        changed: Mapping[str, str | None] | None = None,
        extra: Headers = (),
        timeout: float = PATIENCE,
        challenge: float | None = None,
        call_id: str | None = None,
    ) -> Message | None:
        """Make a request of an account that answers the challenge; the final response to it.
        ``challenge``: seconds to wait for that, where they are not those of ``timeout``."""
        call_id, tag = call_id or _token(), _token()

        def made(cseq: int, more: Headers) -> bytes:
            return self.request(
                method,
                uri,
                user=account.user,
                to=to,
                domain=account.domain,
                call_id=call_id,
                from_tag=tag,
                cseq=cseq,
                body=body,
                content_type=content_type,
                changed=changed,
                extra=[*more, *extra],
            )

        first = self.ask(made(1, ()), timeout if challenge is None else challenge)
        if first is None or first.status not in (401, 407):
            return first
        if method == "INVITE":
            self.acknowledge(first, uri)
        asked, answered = (
            ("www-authenticate", "Authorization")
            if first.status == 401
            else ("proxy-authenticate", "Proxy-Authorization")
        )
        answer = digest(account, method, uri, first.header(asked))
        return self.ask(made(2, [(answered, answer)]), timeout)

    def acknowledge(self, response: Message, uri: str, *, branch: bool = True) -> None:
        """Send the ACK of a final response to INVITE (``branch``: of the same transaction)."""
        via = response.header("via")
        if not branch:
            via = re.sub(r"branch=[^;,]+", f"branch=z9hG4bK{_token()}", via)
        named = [(name, response.header(name)) for name in ("From", "To", "Call-ID")]
        cseq = response.header("cseq").split(" ")[0]
        rest = [("CSeq", f"{cseq} ACK"), ("Max-Forwards", "70")]
        self.send(render(f"ACK {uri} SIP/2.0", [("Via", via), *named, *rest]))

    def reply(
        self,
        request: Message,
        status: str,
        *,
        tag: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
    ) -> None:
        """Answer a request, such as ``reply(invite, "302 Moved Temporarily")``."""
        kept = [
            (name, value)
            for name, value in request.headers
            if name in ("via", "from", "to", "call-id", "cseq", "record-route")
        ]
        if tag:
            kept = [
                (name, f"{value};tag={tag}" if name == "to" and ";tag=" not in value else value)
                for name, value in kept
            ]
        self.send(render(f"SIP/2.0 {status}", [*kept, *headers], body))

    def _whole(self) -> list[Message]:
        """Return the messages that have arrived in full on the connection."""
        out: list[Message] = []
        while True:
            # Empty lines between messages keep NAT open (RFC 5626).
            self._unread = self._unread.lstrip(b"\r\n")
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return out
            found = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)", head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return out
            out.append(Message.parse(head + end + rest[:length]))
            self._unread = rest[length:]


PING, PONG = 9, 10
"""Kinds of frames by which either side of a WebSocket asks whether the other is there."""


class WebPeer(Peer):
    """A peer whose messages go by a WebSocket (RFC 6455), as a browser's do."""

    def __init__(
        self, address: str, server: tuple[str, int], domain: str, context: ssl.SSLContext
    ) -> None:
        super().__init__(address, server, "tls", context=context)
        self._raw, self._text = b"", b""
        super().send(opening(domain, server[1]))
        while b"\r\n\r\n" not in self._raw:
            if not (data := self.socket.recv(4096)):
                raise ConnectionError("no WebSocket was opened")
            self._raw += data
        _, _, self._raw = self._raw.partition(b"\r\n\r\n")

    def send(self, data: bytes) -> None:
        """Send bytes as one message."""
        super().send(framed(data))

    def _whole(self) -> list[Message]:
        self._raw += self._unread
        self._unread = self._text + b"".join(self._frames())
        out = super()._whole()
        self._text, self._unread = self._unread, b""
        return out

    def _frames(self) -> Iterator[bytes]:
        while len(self._raw) > 1:
            kind, length, at = self._raw[0] & 15, self._raw[1] & 127, 2
            if length == 126:
                length, at = int.from_bytes(self._raw[2:4]), 4
            if len(self._raw) < at + length:
                return
            data, self._raw = self._raw[at : at + length], self._raw[at + length :]
            if kind == 1:
                yield data
            elif kind == PING:
                Peer.send(self, framed(data, PONG))


def opening(domain: str, port: int) -> bytes:
    """Return what a browser opens a WebSocket with, from a page of the domain's."""
    lines = (
        *("GET / HTTP/1.1", f"Host: {domain}:{port}", f"Origin: https://{domain}"),
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        *("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: sip", "", ""),
    )
    return "\r\n".join(lines).encode()


def framed(data: bytes, kind: int = 1) -> bytes:
    """Return a message as a browser frames it; the mask of zeroes leaves it as it is."""
    size = len(data)
    short = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
    long = b"\xff" + size.to_bytes(8)
    return bytes([0x80 | kind]) + (short if size < 65536 else long) + bytes(4) + data
