"""Shows an extension its voice messages on the page that is a phone, where it can also play them,
mark them as heard, and delete them.

This file alone travels to the host and runs there as ``voicemail-page SETTINGS``: it needs Python
3.11. The web server passes on a path, the sender's address and one header; there are no cookies, so
that no other page can act for this one. Who opens a session proves to know the password without
sending it. FreeSWITCH is asked for everything by a login that has four commands; the sound alone
is read from its folder. An extension is shown what FreeSWITCH has of its own mailbox, and nothing
that a request names is believed to be part of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import json
import os
import re
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, BinaryIO

__all__ = [
    "COMMANDS",
    "GUESSES",
    "LIFE",
    "LOGIN",
    "PURPOSE",
    "SENT",
    "SESSIONS",
    "SHARE",
    "SOUNDS",
    "Doors",
    "Message",
    "Places",
    "Settings",
    "file_of",
    "main",
    "message_of",
    "send",
]

LOGIN = "callcenter_voicemail"
"""Name at the Event Socket that no program of a Site's can have: it has an underscore."""
COMMANDS = ("vm_fsdb_msg_list", "vm_fsdb_msg_get", "vm_read", "vm_delete")
"""Commands that the login has."""
PURPOSE = "callcenter voicemail"
"""Words of which a password's hash makes the key that is kept here: it opens nothing else."""
LIFE = 900
"""Seconds that a session lasts; a page that is still open proves itself anew."""
SESSIONS = 8
"""Sessions that an extension has at once; the oldest ends."""
NONCE = 30
"""Seconds in which a proof may come, once."""
GUESSES, WINDOW = 5, 60
"""Wrong proofs of an address within so many seconds, after which it has to wait."""
MOST = 20_000
"""Addresses, and proofs that have come, that are kept in mind."""
SHOWN = 100
"""Messages that are shown of a mailbox: those that nobody has heard before others, and the
newest of each."""
ANSWER = 5.0
"""Seconds in which FreeSWITCH answers."""
SHARE = SESSIONS
"""Requests of an extension that are answered at once: one for each of its sessions."""
SOUNDS = 32
"""Sounds that are sent at once, of all extensions: half of the threads that the unit allows, so
that lists go on."""
SENT = 120.0
"""Seconds in which a whole sound has to be taken: who reads slowly holds a thread meanwhile."""

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ASKED = re.compile(
    rf"/voicemail(?:/(?P<word>nonce|session)|/(?P<uuid>{_UUID})(?P<heard>/heard)?)?"
)
_EXTENSION = re.compile(r"[0-9]{2,15}")
_NONCE = re.compile(r"(?P<said>(?P<at>[0-9]{1,12})\.[0-9a-f]{32})\.(?P<seal>[0-9a-f]{64})")
_PROOF = re.compile(r"Proof (?P<number>\S{1,64}) (?P<nonce>\S{1,200}) (?P<proof>[0-9a-f]{64})")
_TOKEN = re.compile(r"Bearer (?P<token>[A-Za-z0-9_-]{43})")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_COUNT = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class Settings:
    """Settings that come from the Site."""

    domain: str
    profile: str
    """mod_voicemail's."""
    folder: str
    """Folder outside of which nothing is ever played. It has one for each mailbox."""
    socket: str
    """Path at which the web server of this host asks."""
    port: int
    """The Event Socket's."""
    password: str
    """The login's at the Event Socket."""
    keys: Mapping[str, str]
    """Key of each extension, in hexadecimal digits."""
    mailboxes: tuple[str, ...]
    """Extensions that have one."""
    listens: tuple[str, int] | None = None
    """Address and port at which the web server of another host asks, instead of ``socket``."""


def _whose(source: str) -> str:
    """Return whom an address stands for (IPv6: its /64)."""
    address = ipaddress.ip_address(source)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address.packed, 64), strict=False).network_address)
    return source


@dataclass(frozen=True)
class _Session:
    number: str
    until: float


class Doors:
    """Proofs and sessions. Knows nothing of requests; ``now`` is seconds of a clock that only goes
    on. It begins anew with the settings of a deploy, so that no session outlives a password."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys
        self._seal = secrets.token_bytes(32)
        # What nobody's proof is made of: an extension that there is not costs the same time.
        self._nobody = secrets.token_hex(32)
        self._taken: dict[str, float] = {}
        self._guesses: dict[str, tuple[float, int]] = {}
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def nonce(self, now: float) -> str:
        """Return what a proof is to be made of, once. Nothing is kept of it."""
        said = f"{int(now)}.{secrets.token_hex(16)}"
        return f"{said}.{self._sealed(said)}"

    def _sealed(self, said: str) -> str:
        return hmac.new(self._seal, said.encode(), hashlib.sha256).hexdigest()

    def waits(self, source: str, now: float) -> bool:
        """Return True for an address that has guessed too often just now."""
        with self._lock:
            since, count = self._guesses.get(_whose(source), (now, 0))
            return count >= GUESSES and now - since < WINDOW

    def enter(self, number: str, nonce: str, proof: str, now: float) -> str | None:
        """Return the token of a new session, or None where the proof is not the extension's, or the
        nonce none that is still good."""
        if not self._take(nonce, now):
            return None
        key = self._keys.get(number, self._nobody)
        right = hmac.new(bytes.fromhex(key), nonce.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, proof) or number not in self._keys:
            return None
        token = secrets.token_urlsafe(32)
        with self._lock:
            for name in [name for name, one in self._sessions.items() if one.until <= now]:
                del self._sessions[name]
            own = [name for name, one in self._sessions.items() if one.number == number]
            for name in own[: max(len(own) - SESSIONS + 1, 0)]:
                del self._sessions[name]
            self._sessions[_name(token)] = _Session(number, now + LIFE)
        return token

    def _take(self, nonce: str, now: float) -> bool:
        found = _NONCE.fullmatch(nonce)
        if found is None or not hmac.compare_digest(self._sealed(found["said"]), found["seal"]):
            return False
        if not 0 <= now - int(found["at"]) < NONCE:
            return False
        with self._lock:
            while self._taken and now - next(iter(self._taken.values())) >= NONCE:
                del self._taken[next(iter(self._taken))]
            if nonce in self._taken or len(self._taken) >= MOST:
                return False
            self._taken[nonce] = now
        return True

    def failed(self, source: str, now: float) -> None:
        """Count a proof of an address that was none."""
        whose = _whose(source)
        with self._lock:
            since, count = self._guesses.pop(whose, (now, 0))
            if now - since >= WINDOW:
                since, count = now, 0
            self._guesses[whose] = (since, count + 1)
            while len(self._guesses) > MOST:
                del self._guesses[next(iter(self._guesses))]

    def who(self, token: str, now: float) -> str | None:
        """Return the extension of a session, or None where it has ended."""
        with self._lock:
            one = self._sessions.get(_name(token))
        return one.number if one is not None and now < one.until else None

    def leave(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_name(token), None)


class Places:
    """Answers that are being given, by whose they are: nobody has more than a share."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one(self, whose: str, most: int) -> Iterator[bool]:
        """Hold a place, and tell whether there was one."""
        with self._lock:
            is_there = self._taken[whose] < most
            self._taken[whose] += is_there
        try:
            yield is_there
        finally:
            with self._lock:
                self._taken[whose] -= is_there


def send(sound: BinaryIO, to: socket.socket, seconds: float) -> None:
    """Send a sound within so many seconds, however little of it is taken at a time."""
    until = time.monotonic() + seconds
    while piece := sound.read(65536):
        if (left := until - time.monotonic()) <= 0:
            raise TimeoutError("a sound is taken too slowly")
        to.settimeout(left)
        to.sendall(piece)


def _name(token: str) -> str:
    """Return what a session is kept by: its token is not kept."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True)
class Message:
    """A message as it is shown."""

    id: str
    number: str
    """Number of who left it, or nothing where it is none."""
    name: str
    """Name that the caller is known by, or calls itself."""
    at: int
    """Time at which it was left, in seconds since 1970."""
    seconds: int
    heard: bool


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(f"VM-Message-{name}")
    return value if isinstance(value, str) else ""


def _count(text: str) -> int:
    return int(text) if _COUNT.fullmatch(text) else 0


def message_of(given: Mapping[str, object]) -> Message | None:
    """Return what FreeSWITCH tells of a message, or None where it tells of none, or of one that is
    about to be deleted. What callers call themselves is a number and a line of text."""
    uuid = _text(given, "UUID")
    if re.fullmatch(_UUID, uuid) is None or _text(given, "Flags") == "delete":
        return None
    number = _text(given, "Caller-Number")
    name = "".join(sign for sign in _text(given, "Caller-Name") if sign.isprintable())[:80]
    return Message(
        uuid,
        number if _NUMBER.fullmatch(number) else "",
        "" if name == number else name,
        _count(_text(given, "Received-Epoch")),
        _count(_text(given, "Duration")),
        _count(_text(given, "Read-Epoch")) > 0,
    )


def file_of(given: Mapping[str, object], mailbox: Path) -> Path | None:
    """Return a message's file, or None where it has none within the mailbox's folder."""
    path = _text(given, "File-Path")
    if not path or not path.isprintable():
        return None
    file = Path(path).resolve()
    return file if file.is_relative_to(mailbox.resolve()) and file.is_file() else None


class _FreeSwitch:
    """A login at the Event Socket."""

    def __init__(self, port: int, password: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER)
        self._said = self._socket.makefile("rb")
        self._hear()
        reply, _ = self._ask(f"userauth {LOGIN}@event_socket:{password}")
        if not reply.get("Reply-Text", "").startswith("+OK"):
            raise ConnectionRefusedError("FreeSWITCH refuses the login")

    def close(self) -> None:
        """End the connection."""
        self._said.close()
        self._socket.close()

    def api(self, command: str) -> str:
        """Return what a command of FreeSWITCH's says."""
        return self._ask(f"api {command}")[1]

    def _ask(self, line: str) -> tuple[dict[str, str], str]:
        self._socket.sendall(f"{line}\n\n".encode())
        return self._hear()

    def _hear(self) -> tuple[dict[str, str], str]:
        headers = {}
        while line := self._said.readline(65536).decode(errors="replace").rstrip("\n"):
            name, _, value = line.partition(": ")
            headers[name] = value
        if not headers:
            raise ConnectionAbortedError("FreeSWITCH has ended the connection")
        body = self._said.read(int(headers.get("Content-Length", "0")))
        return headers, body.decode(errors="replace")


class _Mailbox:
    """The mailbox of one extension, as FreeSWITCH has it."""

    def __init__(self, settings: Settings, number: str, freeswitch: _FreeSwitch) -> None:
        self._whose = f"{settings.profile} {settings.domain} {number}"
        self._at = f"{number}@{settings.domain}/{settings.profile}"
        self._folder = Path(settings.folder, number)
        self._freeswitch = freeswitch

    def messages(self) -> list[Message]:
        """List its messages, the newest first."""
        uuids: list[str] = []
        for which in ("not-read", "read"):
            command = f"vm_fsdb_msg_list json {self._whose} inbox {which} DESC"
            found = json.loads(self._freeswitch.api(command))
            count = _count(str(found.get("VM-List-Count")))
            named = (str(found.get(f"VM-List-Message-{n + 1}-UUID")) for n in range(count))
            uuids += [one for one in named if re.fullmatch(_UUID, one)]
        given = (message_of(self._given(one)) for one in uuids[:SHOWN])
        return sorted((one for one in given if one), key=lambda one: one.at, reverse=True)

    def _given(self, uuid: str) -> Mapping[str, object]:
        """Return what there is of a message, which is nothing where it is of another mailbox."""
        found = json.loads(self._freeswitch.api(f"vm_fsdb_msg_get json {self._whose} {uuid}"))
        return found if isinstance(found, dict) and message_of(found) else {}

    def file(self, uuid: str) -> Path | None:
        """Return a message's file, or None where there is no such message."""
        return file_of(self._given(uuid), self._folder)

    def hear(self, uuid: str) -> bool:
        """Mark a message as heard; False where there is no such message."""
        return self._do(uuid, f"vm_read {self._at} read {uuid}")

    def delete(self, uuid: str) -> bool:
        """Delete a message; False where there is no such message."""
        return self._do(uuid, f"vm_delete {self._at} {uuid}")

    def _do(self, uuid: str, command: str) -> bool:
        # FreeSWITCH would do either to a message of anybody's.
        if not self._given(uuid):
            return False
        if not (said := self._freeswitch.api(command)).startswith("+OK"):
            raise ConnectionRefusedError(f"FreeSWITCH says {said.strip()[:80]!r}")
        return True


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes = b""
    sound: Path | None = None


def _shown(what: Mapping[str, object]) -> _Reply:
    return _Reply(200, json.dumps(what).encode())


class _Answer(BaseHTTPRequestHandler):
    timeout = 10
    server_version = "callcenter"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        # A place is held until the answer has been taken.
        with contextlib.ExitStack() as held:
            try:
                reply = self._reply(held)
            except (OSError, ValueError) as wrong:
                _say(f"<4>{type(wrong).__name__}: {wrong}")
                reply = _Reply(503)
            # Whoever has gone, or reads too slowly, misses nothing that is ours.
            with contextlib.suppress(OSError):
                self._send(reply)

    def _reply(self, held: contextlib.ExitStack) -> _Reply:
        if (asked := _ASKED.fullmatch(self.path)) is None:
            return _Reply(404)
        if asked["word"]:
            return self._enter(asked["word"])
        by = _TOKEN.fullmatch(self.headers.get("Authorization", ""))
        doors, settings = self.server.doors, self.server.settings
        number = doors.who(by["token"], time.monotonic()) if by else None
        if number is None:
            return _Reply(401)
        if number not in settings.mailboxes:
            return _Reply(404)
        if not held.enter_context(self.server.places.one(number, SHARE)):
            return _Reply(429)
        with closing(_FreeSwitch(settings.port, settings.password)) as freeswitch:
            mailbox = _Mailbox(settings, number, freeswitch)
            is_heard = asked["heard"] is not None
            reply = _of_mailbox(mailbox, self.command, asked["uuid"], is_heard)
        if reply.sound and not held.enter_context(self.server.places.one("sounds", SOUNDS)):
            return _Reply(503)
        return reply

    def _enter(self, word: str) -> _Reply:
        doors, now = self.server.doors, time.monotonic()
        said = self.headers.get("Authorization", "")
        if (self.command, word) == ("GET", "nonce"):
            return _shown({"nonce": doors.nonce(now)})
        if (self.command, word) == ("DELETE", "session"):
            if by := _TOKEN.fullmatch(said):
                doors.leave(by["token"])
            return _Reply(204)
        if (self.command, word) != ("POST", "session"):
            return _Reply(404)
        source = str(ipaddress.ip_address(self.headers.get("X-Source", "")))
        if doors.waits(source, now):
            return _Reply(429)
        token, number = None, "?"
        if proof := _PROOF.fullmatch(said):
            # What a stranger has written is no part of a line of ours.
            number = proof["number"] if _EXTENSION.fullmatch(proof["number"]) else "?"
            token = doors.enter(number, proof["nonce"], proof["proof"], now)
        if token is None:
            doors.failed(source, now)
            _say(f"<5>refused {source}: wrong password or user, as {number}")
            return _Reply(403)
        return _shown({"token": token, "seconds": LIFE})

    def _send(self, reply: _Reply) -> None:
        self.send_response(reply.status)
        if reply.status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        if reply.sound is None:
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            if reply.body:
                self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(reply.body)
            return
        with reply.sound.open("rb") as sound:
            self.send_header("Content-Type", "audio/wav")
            self.send_header("Content-Length", str(os.fstat(sound.fileno()).st_size))
            self.end_headers()
            send(sound, self.connection, SENT)

    def log_message(self, format: str, *args: object) -> None:
        # Who hears which message is nobody else's concern.
        pass


def _of_mailbox(mailbox: _Mailbox, method: str, uuid: str | None, heard: bool) -> _Reply:
    """Do what an extension asks of its mailbox."""
    if uuid is None:
        if method != "GET":
            return _Reply(404)
        return _shown({"messages": [asdict(one) for one in mailbox.messages()]})
    if (method, heard) == ("GET", False) and (file := mailbox.file(uuid)) is not None:
        return _Reply(200, sound=file)
    is_done = (
        ((method, heard) == ("POST", True) and mailbox.hear(uuid))
        or ((method, heard) == ("DELETE", False) and mailbox.delete(uuid))
    )  # fmt: skip
    return _Reply(204 if is_done else 404)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.doors = Doors(settings.keys)
        self.places = Places()
        place: Any = settings.socket
        if settings.listens is None:
            self.address_family = socket.AF_UNIX
            Path(settings.socket).unlink(missing_ok=True)
        else:
            address, _ = place = tuple(settings.listens)
            self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self.allow_reuse_address = True
        super().__init__(place, _Answer)

    def get_request(self) -> tuple[socket.socket, str]:
        # The handler wants an address; a peer at a socket has none.
        return super().get_request()[0], "web"


def _ready() -> None:
    """Tell systemd that requests can come."""
    if (path := os.environ.get("NOTIFY_SOCKET")) is not None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(b"READY=1", path.replace("@", "\0", 1) if path[0] == "@" else path)


def main(settings: str) -> None:
    """Answer the web server until the service is stopped."""
    with _Server(Settings(**json.loads(Path(settings).read_text()))) as server:
        _ready()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
