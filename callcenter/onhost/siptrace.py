"""SIP messages that go by a host, for a bounded time. Nothing of the host is switched on for it.

This file alone travels to the host, by standard input, and needs Python 3.11 and root:
``siptrace SECONDS PORT…``. It reads copies of the packets that come and go by these ports, over UDP
and TCP, and ends with its time or its reader. Each line that it prints is a JSON object of its own.
What is encrypted by TLS cannot be read.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import re
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from typing import TypeVar

__all__ = ["Message", "Reader", "main", "program"]

_BEGIN = re.compile(rb"SIP/2\.0 [0-9]{3} |[A-Z]{3,20} \S+ SIP/2\.0\r?\n")
_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,6})[ \t]*\r?$")
_END = re.compile(rb"\r?\n\r?\n")

LARGEST = 65_536
"""Bytes of a stream that are kept in wait for the end of a message."""
MOST = 1_024
"""Streams, and packets in pieces, that are kept in mind; the oldest go first."""
PIECES = 64
"""Pieces that a packet may come in: 44 fill the largest over Ethernet."""

_ALL = 3
"""ETH_P_ALL: outgoing packets, too."""
_OUTGOING, _LOOPBACK = 4, 772
"""PACKET_OUTGOING, ARPHRD_LOOPBACK: there, each packet is seen when it leaves and when it comes."""
_ATTACH_FILTER = 26
_FORCE_BUFFER = 33
_PACKET, _STATISTICS = 263, 6

_UDP, _TCP, _FRAGMENT = 17, 6, 44

Address = tuple[str, int]


@dataclass(frozen=True)
class Message:
    """One message as it was sent."""

    transport: str
    source: Address
    target: Address
    text: str


@dataclass
class _Stream:
    """One direction of a TCP connection."""

    wanted: int
    """Number of the byte that comes next."""
    held: bytes = b""
    early: dict[int, bytes] = field(default_factory=dict)
    """Segments that came before those in front of them."""

    def take(self, number: int, data: bytes) -> None:
        """Put a segment where it belongs."""
        if not data:
            return
        self.early[number] = data
        if sum(map(len, self.early.values())) > LARGEST:
            # What is missing was never seen here.
            self.wanted, self.held = min(self.early, key=self._ahead), b""
        for known in sorted(self.early, key=self._ahead):
            if (ahead := self._ahead(known)) > 0:
                break
            # What was sent again is not taken twice.
            fresh = self.early.pop(known)[-ahead:]
            self.held += fresh
            self.wanted = (self.wanted + len(fresh)) % 2**32

    def _ahead(self, number: int) -> int:
        """Tell how far ahead of what is wanted a byte is. Numbers begin anew after 2^32."""
        return (number - self.wanted + 2**31) % 2**32 - 2**31

    def messages(self) -> Iterator[bytes]:
        """Yield the messages that are whole."""
        while True:
            self.held = self.held.lstrip(b"\r\n")
            if not _BEGIN.match(self.held):
                # The middle of a message that had begun before; or its first line is not whole.
                begin = _BEGIN.search(self.held)
                self.held = self.held[begin.start() :] if begin else self.held[-LARGEST:]
            if not _BEGIN.match(self.held) or not (end := _END.search(self.held)):
                self.held = self.held[-LARGEST:]
                return
            said = _LENGTH.search(self.held, 0, end.start() + 2)
            whole = end.end() + (int(said[1]) if said else 0)
            if len(self.held) < whole:
                if whole > LARGEST:
                    self.held = b""
                return
            yield self.held[:whole]
            self.held = self.held[whole:]


class Reader:
    """Packets, of which messages are made."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = frozenset(ports)
        self._pieces: dict[tuple[bytes, ...], dict[int, tuple[bytes, bool]]] = {}
        self._streams: dict[tuple[Address, Address], _Stream] = {}

    def read(self, packet: bytes) -> Iterator[Message]:
        """Yield the messages that a packet, from its IP header on, brings to their end."""
        try:
            yield from self._read(packet)
        except (struct.error, IndexError):
            # Cut short, as a peer may send it.
            return

    def _read(self, packet: bytes) -> Iterator[Message]:
        key: tuple[bytes, ...]
        if packet[0] >> 4 == 4:
            head = (packet[0] & 15) * 4
            total, mark, place = struct.unpack("!HHH", packet[2:8])
            protocol, ends = packet[9], (packet[12:16], packet[16:20])
            # What was put together by the network card says 0.
            data = packet[head : total or len(packet)]
            more, begin = bool(place & 0x2000), (place & 0x1FFF) * 8
            key = (*ends, struct.pack("!HB", mark, protocol))
        else:
            (total,) = struct.unpack("!H", packet[4:6])
            protocol, ends = packet[6], (packet[8:24], packet[24:40])
            data = packet[40 : 40 + total if total else len(packet)]
            more, begin, key = False, 0, ends
            if protocol == _FRAGMENT:
                protocol, place = data[0], struct.unpack("!H", data[2:4])[0]
                more, begin, key = bool(place & 1), place & 0xFFF8, (*ends, data[4:8])
                data = data[8:]
        if more or begin:
            data = self._together(key, begin, data, more)
        if protocol not in (_UDP, _TCP) or not data:
            return
        ports = struct.unpack("!HH", data[:4])
        if self._ports.isdisjoint(ports):
            return
        source, target = (
            (str(ipaddress.ip_address(end)), port) for end, port in zip(ends, ports, strict=True)
        )
        if protocol == _UDP:
            if _BEGIN.match(data, 8):
                yield Message("udp", source, target, data[8:].decode(errors="replace"))
            return
        number, _, offset, flags = struct.unpack("!IIBB", data[4:14])
        body = data[(offset >> 4) * 4 :]
        if flags & 2 or (source, target) not in self._streams:
            # SYN counts for one.
            begun = (number + 1) % 2**32 if flags & 2 else number
            _keep(self._streams, (source, target), _Stream(begun))
        stream = self._streams[source, target]
        stream.take(number, body)
        for one in stream.messages():
            yield Message("tcp", source, target, one.decode(errors="replace"))
        if flags & 5:
            # FIN or RST: the ports may be another connection's next.
            self._streams.pop((source, target), None)

    def _together(self, key: tuple[bytes, ...], begin: int, data: bytes, more: bool) -> bytes:
        """Return a packet that came in pieces, or nothing where one is missing."""
        if key not in self._pieces:
            _keep(self._pieces, key, {})
        pieces = self._pieces[key]
        pieces[begin] = (data, more)
        if len(pieces) > PIECES:
            del self._pieces[key]
            return b""
        whole = b""
        while (piece := pieces.get(len(whole))) is not None and piece[0]:
            whole += piece[0]
            if not piece[1]:
                del self._pieces[key]
                return whole
        return b""


K = TypeVar("K")
V = TypeVar("V")


def _keep(known: dict[K, V], key: K, value: V) -> None:
    known[key] = value
    if len(known) > MOST:
        del known[next(iter(known))]


_BYTE, _HALF, _AT, _HEADER, _FIXED = 0x30, 0x28, 0x48, 0xB1, 0x01
"""Loads: a byte and two of a place, two behind the header, the header's length, a number."""
_AND, _EQUAL, _ANY, _RETURN = 0x54, 0x15, 0x45, 0x06


def program(ports: Sequence[int]) -> bytes:
    """Return what has the kernel pass packets of these ports alone, so that a thousand calls' voice
    costs nothing (Linux, Documentation/networking/filter.rst)."""
    ours = [(_EQUAL, one, "yes", "") for one in ports]
    # Where each begins, what it does, with what, and where it goes on if so and if not.
    parts: dict[str, list[tuple[int, int, str, str]]] = {
        "version": [(_BYTE, 0, "", ""), (_AND, 0xF0, "", ""), (_EQUAL, 0x40, "", "six")],
        "four": [(_BYTE, 9, "", ""), (_EQUAL, _UDP, "whole", ""), (_EQUAL, _TCP, "", "no")],
        # A later piece of a packet names no port.
        "whole": [
            *((_HALF, 6, "", ""), (_ANY, 0x1FFF, "yes", "")),
            *((_HEADER, 0, "", ""), (_EQUAL, 0, "ports", "ports")),
        ],
        "six": [
            *((_EQUAL, 0x60, "", "no"), (_BYTE, 6, "", ""), (_EQUAL, _FRAGMENT, "yes", "")),
            *((_EQUAL, _UDP, "fixed", ""), (_EQUAL, _TCP, "", "no")),
        ],
        "fixed": [(_FIXED, 40, "", "")],
        "ports": [(_AT, 0, "", ""), *ours, (_AT, 2, "", ""), *ours],
        "no": [(_RETURN, 0, "", "")],
        "yes": [(_RETURN, 2**18, "", "")],
    }
    begin: dict[str, int] = {}
    lines: list[tuple[int, int, str, str]] = []
    for name, steps in parts.items():
        begin[name] = len(lines)
        lines += steps
    return b"".join(
        struct.pack("HBBI", code, *(begin[to] - here - 1 if to else 0 for to in goes), number)
        for here, (code, number, *goes) in enumerate(lines)
    )


def main(words: list[str]) -> int:
    """Print what goes by."""
    seconds, ports = int(words[0]), [int(one) for one in words[1:]]
    end = time.monotonic() + seconds
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    except PermissionError:
        print("root alone sees packets; set _sudo=True", file=sys.stderr)
        return 1
    with packets:
        code = ctypes.create_string_buffer(steps := program(ports), len(steps))
        given = struct.pack("HL", len(steps) // 8, ctypes.addressof(code))
        packets.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, given)
        with contextlib.suppress(PermissionError):
            # In a container of its own users, it has the usual buffer.
            packets.setsockopt(socket.SOL_SOCKET, _FORCE_BUFFER, 2**23)
        reader, known = sys.stdout.fileno(), Reader(ports)
        ready = select.poll()
        ready.register(packets, select.POLLIN)
        # For no event: that nobody reads is told anyway.
        ready.register(reader, 0)
        _print("listening")
        while (left := end - time.monotonic()) > 0:
            for one, _ in ready.poll(left * 1000):
                if one == reader:
                    return 0
                packet, about = packets.recvfrom(2**18)
                if about[2] == _OUTGOING and about[3] == _LOOPBACK:
                    continue
                for message in known.read(packet):
                    _print("message", time.time(), *astuple(message))
        _, lost = struct.unpack("II", packets.getsockopt(_PACKET, _STATISTICS, 8))
        _print("lost", lost)
    return 0


def _print(*said: object) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
