"""A client of TURN (RFC 8656) over TLS for tests, which asks for more than browsers do."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import ssl
import struct

from tests.acceptance.support.waiting import PATIENCE

__all__ = ["TCP", "UDP", "Client"]

UDP, TCP = 17, 6
"""Protocols that may be asked for (RFC 8656, 18.8, and RFC 6062, 6.1)."""
_COOKIE = 0x2112A442
_ALLOCATE, _REFRESH, _SEND, _DATA, _PERMIT = 0x003, 0x004, 0x016, 0x017, 0x008
_USER, _INTEGRITY, _ERROR, _PEER, _PAYLOAD = 0x0006, 0x0008, 0x0009, 0x0012, 0x0013
_REALM, _NONCE, _RELAYED, _TRANSPORT = 0x0014, 0x0015, 0x0016, 0x0019


class Client:
    """Connection of somebody who says that he is a user; nobody has to believe it."""

    def __init__(self, connection: ssl.SSLSocket, user: str, password: str) -> None:
        self.connection = connection
        self.user, self.password = user, password
        self.port = 0
        """Port of the host that was given to this client."""
        self._known: list[tuple[int, bytes]] = []
        self._key = b""
        self._heard: list[bytes] = []
        self._raw = b""

    def allocate(self, transport: int = UDP) -> int:
        """Ask for a port of the host's; the code of the refusal, or 0."""
        asked = [(_TRANSPORT, bytes([transport, 0, 0, 0]))]
        code, said = self._ask(_ALLOCATE, asked)
        if code == 401 and not self._known and _NONCE in said:
            realm = said[_REALM]
            self._known = [
                (_USER, self.user.encode()),
                (_REALM, realm),
                (_NONCE, said[_NONCE]),
            ]
            text = b":".join((self.user.encode(), realm, self.password.encode()))
            self._key = hashlib.md5(text, usedforsecurity=False).digest()
            code, said = self._ask(_ALLOCATE, asked)
        if code == 0:
            self.port = struct.unpack("!H", said[_RELAYED][2:4])[0] ^ _COOKIE >> 16
        return code

    def refresh(self) -> int:
        """Ask to keep it; the code of the refusal, or 0."""
        return self._ask(_REFRESH, [])[0]

    def permit(self, address: str) -> int:
        """Ask for leave to speak with an address; the code of the refusal, or 0."""
        token = os.urandom(12)
        return self._ask(_PERMIT, [(_PEER, _peer(address, 0, token))], token)[0]

    def send(self, address: str, port: int, data: bytes) -> None:
        """Have data sent. Nobody answers whether that was done."""
        token = os.urandom(12)
        values = [(_PEER, _peer(address, port, token)), (_PAYLOAD, data)]
        self.connection.sendall(_message(_SEND, token, values))

    def hears(self, seconds: float) -> bytes | None:
        """Return what somebody has sent to it, or None after so long."""
        self.connection.settimeout(seconds)
        try:
            while not self._heard:
                self._message()
        except TimeoutError:
            return None
        return self._heard.pop(0)

    def _ask(
        self, method: int, values: list[tuple[int, bytes]], token: bytes = b""
    ) -> tuple[int, dict[int, bytes]]:
        token = token or os.urandom(12)
        self.connection.settimeout(PATIENCE)
        self.connection.sendall(_message(method, token, [*values, *self._known], self._key))
        while True:
            answered, said = self._message()
            if answered == token:
                error = said.get(_ERROR)
                return (error[2] * 100 + error[3] if error else 0), said

    def _message(self) -> tuple[bytes, dict[int, bytes]]:
        """Wait for a whole message, and keep what it brings of somebody else's."""
        while len(self._raw) < 20 or len(self._raw) < 20 + int.from_bytes(self._raw[2:4]):
            if not (data := self.connection.recv(4096)):
                raise ConnectionError("the server has ended the connection")
            self._raw += data
        kind, length = struct.unpack("!HH", self._raw[:4])
        token, body = self._raw[8:20], self._raw[20 : 20 + length]
        self._raw = self._raw[20 + length :]
        said = {}
        while body:
            name, size = struct.unpack("!HH", body[:4])
            said[name] = body[4 : 4 + size]
            body = body[4 + size + -size % 4 :]
        if kind == _DATA:
            self._heard.append(said[_PAYLOAD])
        return token, said


def _peer(address: str, port: int, token: bytes) -> bytes:
    """Return an address as a message with this token writes it (RFC 8489, 14.2)."""
    own = ipaddress.ip_address(address)
    mask = struct.pack("!I", _COOKIE) + token
    hidden = bytes(one ^ other for one, other in zip(own.packed, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if own.version == 4 else 2, port ^ _COOKIE >> 16) + hidden


def _message(method: int, token: bytes, values: list[tuple[int, bytes]], key: bytes = b"") -> bytes:
    body = b"".join(
        struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4)
        for name, value in values
    )
    if not key:
        return struct.pack("!HHI", method, len(body), _COOKIE) + token + body
    # What is signed says already how long it will be (RFC 8489, 14.5).
    text = struct.pack("!HHI", method, len(body) + 24, _COOKIE) + token + body
    return text + struct.pack("!HH", _INTEGRITY, 20) + hmac.new(key, text, "sha1").digest()
