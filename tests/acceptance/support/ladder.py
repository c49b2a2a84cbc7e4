"""The SIP messages that phones sent and received, kept as they were, and the ladder of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

_TRACE = re.compile(r"(TX|RX) (\w+) (\S+) -> (\S+)\r?\n(.+)", re.DOTALL)
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "c": "content-type"}
_USER = re.compile(r"sips?:([^@;>\s]+)@")
_TAG = re.compile(r";\s*tag=([^;\s]+)")
_BRANCH = re.compile(r";\s*branch=([^;,\s]+)")
# Any header that carries credentials, folded or not; nonces are no secret and tell much.
_CREDENTIAL = re.compile(r'\b(response|cnonce)=("[^"]*"|[^\s,]+)', re.IGNORECASE)
_CONNECTION = re.compile(r"^c=IN IP\d (\S+)", re.MULTILINE)
_MEDIA_KEY = re.compile(r"\binline:[^\s|]+")
_STATIC_CODECS = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "18": "G729/8000"}
_MAX_PHRASE = 20


@dataclass(frozen=True)
class Sdp:
    """What one session description says about audio."""

    address: str
    port: int
    codec: str


@dataclass(frozen=True)
class Message:
    """One SIP message as a phone saw it, `at` seconds of the monotonic clock."""

    at: float
    sent: bool
    transport: str
    source: str
    target: str
    text: str = field(repr=False)
    phone: str = ""

    @cached_property
    def _parts(self) -> tuple[str, dict[str, str], str]:
        head, _, body = self.text.replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.split("\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            # The first Via is the one that counts, so the first of each is kept.
            headers.setdefault(_COMPACT.get(name, name), value.strip())
        return first, headers, body

    def header(self, name: str) -> str:
        """Return the first header of that name, empty if there is none."""
        return self._parts[1].get(name.lower(), "")

    @property
    def status(self) -> int | None:
        """The status code of a response, None for a request."""
        first = self._parts[0]
        return int(first.split()[1]) if first.startswith("SIP/2.0 ") else None

    @property
    def method(self) -> str:
        """The request's method; for a response that of the request it answers."""
        return self.header("cseq").rpartition(" ")[2]

    @property
    def call_id(self) -> str:
        """The Call-ID, which both directions of one leg share."""
        return self.header("call-id")

    @property
    def kind(self) -> str:
        """`request`, `answer`, or `refusal` for an answer of 400 and above, challenges excepted."""
        if self.status is None:
            return "request"
        return "refusal" if self.status >= 400 and self.status not in (401, 407) else "answer"

    @property
    def label(self) -> str:
        """What a ladder writes over the arrow."""
        text = self.method
        if self.status is not None:
            phrase = self._parts[0][8:]
            cut = phrase[: _MAX_PHRASE - 1].rstrip() + "…"
            text = f"{phrase if len(phrase) <= _MAX_PHRASE else cut} ({text})"
        return text + (" +SDP" if self.sdp else "")

    @cached_property
    def sdp(self) -> Sdp | None:
        """The body's audio stream, None where the body is no session description."""
        body = self._parts[2]
        media = re.search(r"^m=audio (\d+) \S+ (\S+)", body, re.MULTILINE)
        if not media:
            return None
        stream = body[media.end() :].partition("\nm=")[0]
        # A connection line of the stream itself goes before the session's.
        connection = _CONNECTION.search(stream) or _CONNECTION.search(body)
        named = re.search(rf"^a=rtpmap:{media[2]} (\S+)", stream, re.MULTILINE)
        return Sdp(
            connection[1] if connection else "",
            int(media[1]),
            named[1] if named else _STATIC_CODECS.get(media[2], media[2]),
        )


class Trace:
    """All messages of one exchange, each with the phone it belongs to.

    The phones share one address and port, so a message tells its phone only by its contents.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        # Requests by Via branch and direction: two phones may call each other directly.
        self._by_branch: dict[tuple[str, bool], str] = {}
        self._by_tag: dict[tuple[str, str], str] = {}

    def add(self, at: float, traced: str) -> None:
        """Take one entry of the phones' trace: `TX UDP from -> to`, then the message."""
        match = _TRACE.fullmatch(traced)
        if not match or not match[5].strip():
            return
        message = Message(at, match[1] == "TX", match[2], match[3], match[4], match[5])
        object.__setattr__(message, "phone", self._phone_of(message))
        self.messages.append(message)

    def _phone_of(self, message: Message) -> str:
        own = message.header("from" if message.sent == (message.status is None) else "to")
        tag = _found(_TAG, own)
        branch = _found(_BRANCH, message.header("via"))
        if message.status is not None:
            phone = self._by_branch.get((branch, not message.sent)) or _found(_USER, own)
        elif message.sent:
            phone = self._by_tag.get((message.call_id, tag)) or _found(_USER, own)
        else:
            # Requests come to the Contact, whose user is the phone's: To may name a queue.
            phone = _found(_USER, message._parts[0]) or _found(_USER, own)
        if message.status is None:
            self._by_branch[branch, message.sent] = phone
        if tag:
            self._by_tag.setdefault((message.call_id, tag), phone)
        return phone


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


def mask(text: str) -> str:
    """Return the message without what would let a reader log in or decrypt."""
    return _MEDIA_KEY.sub("inline:***", _CREDENTIAL.sub(r'\1="***"', text))


@dataclass(frozen=True)
class Arrow:
    """One message of a ladder: `at` seconds after the first, between two of its ends."""

    at: float
    source: int
    target: int
    transport: str
    label: str
    kind: str
    """`request`, `answer` or `refusal`."""
    text: str
    """The whole message, secrets masked."""


@dataclass(frozen=True)
class Ladder:
    """Phones and servers, and what they said to each other, secrets masked.

    Nothing but strings and numbers is in it, so that it survives the way between processes.
    """

    ends: tuple[str, ...]
    arrows: tuple[Arrow, ...]

    @classmethod
    def of(cls, messages: list[Message]) -> Ladder:
        """Draw messages that are in order of time."""
        pairs = [_ends(message) for message in messages]
        ends = tuple(dict.fromkeys(name for pair in pairs for name in pair))
        return cls(
            ends,
            tuple(
                Arrow(
                    at=message.at - messages[0].at,
                    source=ends.index(source),
                    target=ends.index(target),
                    transport=message.transport,
                    label=message.label,
                    kind=message.kind,
                    text=mask(message.text.replace("\r\n", "\n")).rstrip(),
                )
                for message, (source, target) in zip(messages, pairs, strict=True)
            ),
        )

    def __str__(self) -> str:
        """Return the ladder for a terminal: arrows between the ends, and below them each
        message."""
        if not self.arrows:
            return "no SIP message was sent or received"
        widest = max(len(arrow.label) for arrow in self.arrows)
        step = max(widest + 6, *(len(name) + 2 for name in self.ends))
        columns = [step // 2 + step * place for place in range(len(self.ends))]
        margin = " " * 10
        lines = [margin + "".join(name.center(step) for name in self.ends).rstrip()]
        for arrow in self.arrows:
            row = ["|" if place in columns else " " for place in range(step * len(columns))]
            left, right = sorted((columns[arrow.source], columns[arrow.target]))
            shaft = f" {arrow.label} ".center(right - left - 2, "-")
            row[left + 1 : right] = f"{shaft}>" if arrow.source < arrow.target else f"<{shaft}"
            lines.append(f"{arrow.at:+9.3f} " + "".join(row).rstrip())
        for arrow in self.arrows:
            source, target = self.ends[arrow.source], self.ends[arrow.target]
            head = f"--- {arrow.at:+.3f} {source} -> {target} {arrow.transport} "
            lines += ["", head.ljust(80, "-"), arrow.text]
        return "\n".join(lines)


def _ends(message: Message) -> tuple[str, str]:
    if message.sent:
        return message.phone or message.source, message.target
    return message.source, message.phone or message.target
