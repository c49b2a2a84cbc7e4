"""Phones and carriers on the other side of a router of the lab."""

from __future__ import annotations

import multiprocessing
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Self

from lab import nat, network
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.phones import Call, Transport
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.support import CALLEE_HZ, CALLER_HZ, contacts, phones_at

__all__ = [
    "ECHO_HZ",
    "Caller",
    "Far",
    "Somebody",
    "TlsCarrier",
    "announced",
    "far_people",
    "talk",
]

ECHO_HZ = 4000 - CALLER_HZ
"""Frequency of a caller's tone with every second sample negated: no echo on the way does that."""


def announced(call: Call) -> set[str]:
    """Return where the switch says in SDP and in Contact that it is reached."""
    return {call.remote_address[0], *contacts(call)}


@dataclass(frozen=True)
class Somebody:
    """Who is far away, and answers a call, or makes one."""

    number: str
    domain: str
    password: str = ""
    server: str | None = None
    """Server at which an extension registers. A carrier has none."""
    where: nat.Place = "internet"
    transport: Transport = "udp"
    port: int | None = None
    certificates: Path | None = None
    calls: str | None = None
    """Number to call; default: is called."""


@dataclass(frozen=True)
class Far:
    """Somebody who may be called now, or who calls."""

    heard: Event
    """Set once the other side's tone has been heard."""
    told: Future[set[str]]
    """The addresses that the switch announced, at the end of the call."""


def _talk(lab: str, ready: Event, heard: Event, who: Somebody) -> set[str]:
    with phones_at(lab, who.where, who.port, who.certificates) as exchange:
        phone = exchange.phone(
            *(who.number, who.password),
            domain=who.domain,
            server=who.server,
            transport=who.transport,
            codecs=("PCMU",),
        )
        if who.server:
            phone.register()
        ready.set()
        if who.calls:
            call = phone.call(who.calls)
            call.wait_established()
        else:
            call = phone.incoming().answer()
        call.play(CALLEE_HZ)
        assert_heard(call, CALLER_HZ, 1)
        heard.set()
        call.wait_ended()
        return announced(call)


Caller = Callable[[Somebody], Far]


@contextmanager
def far_people(lab: str) -> Iterator[Caller]:
    """Begins calls of somebody far away, in a process of its own: the phones of one process are in
    one place."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(1, mp_context=spawn) as pool:

        def begin(who: Somebody) -> Far:
            ready, heard = manager.Event(), manager.Event()
            told = pool.submit(_talk, lab, ready, heard, who)
            # Who fails is not waited for any longer.
            told.add_done_callback(lambda _: ready.set())
            # A process of its own begins with all its imports.
            assert ready.wait(PATIENCE), "not ready"
            if told.done():
                told.result()
            return Far(heard, told)

        yield begin


def talk(call: Call, theirs: Far, told: str, they_are_told: str) -> None:
    """Hear each other until we hang up, each being told this address of the switch."""
    call.play(CALLER_HZ)
    assert_heard(call, CALLEE_HZ, 1)
    assert announced(call) == {told}
    assert theirs.heard.wait(PATIENCE)
    call.hangup()
    assert theirs.told.result(PATIENCE) == {they_are_told}


class TlsCarrier:
    """A carrier that a switch registers with by TLS. It speaks over that connection alone, hears
    only the address that SDP names, and gives voice back with every second sample negated."""

    def __init__(self, lab: str, certificates: Path, name: str, port: int) -> None:
        self._at = f"{name}:{port}"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates / "carrier.pem")
        # A socket stays in the network in which it was made.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(network.join, nat.place(lab, "internet")).result()
            listening = thread.submit(socket.create_server, (nat.INTERNET, port))
            voice = thread.submit(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        self._sockets = ExitStack()
        self._listening = self._sockets.enter_context(listening.result())
        self._voice = self._sockets.enter_context(voice.result())
        self._listening.settimeout(PATIENCE)
        self._voice.bind((nat.INTERNET, 0))
        self._received = b""
        self._echoing = threading.Thread(target=self._echo, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            # Whoever waits for voice goes on.
            self._voice.shutdown(socket.SHUT_RDWR)
        self._sockets.close()

    def accept(self) -> Message:
        """Wait for the switch, and let it register. Returns its REGISTER."""
        plain, _ = self._listening.accept()
        plain.settimeout(PATIENCE)
        self._connection = self._sockets.enter_context(
            self._context.wrap_socket(plain, server_side=True)
        )
        register = self.wait("REGISTER ")
        self._uri = register.header("contact").partition("<")[2].partition(">")[0]
        self.answer(register, "200 OK", f"Contact: {register.header('contact')}", "Expires: 3600")
        return register

    def wait(self, begin: str) -> Message:
        """Return the next message that begins so; those before it are passed over."""
        while not (message := self._next()).text.startswith(begin):
            pass
        return message

    def answer(self, request: Message, status: str, *headers: str, body: str = "") -> None:
        """Answer a request of the switch."""
        same = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*$", request.text, re.MULTILINE)
        tagged = [f"{one};tag=9" if re.match(r"To: [^;]*$", one) else one for one in same]
        self._send(f"SIP/2.0 {status}", *tagged, *headers, body=body)

    def invite(self, caller: str, called: str) -> None:
        """Call a number by the way that registration has opened."""
        self._send(
            *(
                f"INVITE {self._uri} SIP/2.0",
                f"{self._via}1",
                *self._head(caller),
                "CSeq: 1 INVITE",
            ),
            *(f"To: <sip:{called}@{self._at}>", self._contact, self._kind),
            body=self._sdp,
        )
        self._caller = caller

    def established(self) -> Message:
        """Wait until the called number has answered. Returns the answer."""
        answer = self.wait("SIP/2.0 2")
        uri = answer.header("contact").partition("<")[2].partition(">")[0]
        self._send(
            *(f"ACK {uri} SIP/2.0", f"{self._via}2", *self._head(self._caller), "CSeq: 1 ACK"),
            f"To: {answer.header('to')}",
        )
        self._speak_with(answer)
        return answer

    def pick_up(self) -> Message:
        """Answer the next call of the switch. Returns its INVITE."""
        invite = self.wait("INVITE ")
        self.answer(invite, "200 OK", self._contact, self._kind, body=self._sdp)
        self.wait("ACK ")
        self._speak_with(invite)
        return invite

    def _head(self, caller: str) -> tuple[str, ...]:
        return ("Max-Forwards: 70", "Call-ID: 1@test", f"From: <sip:{caller}@{self._at}>;tag=1")

    @property
    def _via(self) -> str:
        return f"Via: SIP/2.0/TLS {self._at};branch=z9hG4bK"

    _kind = "Content-Type: application/sdp"

    @property
    def _contact(self) -> str:
        return f"Contact: <sip:{self._at};transport=tls>"

    @property
    def _sdp(self) -> str:
        lines = (
            "v=0",
            f"o=- 1 1 IN IP4 {nat.INTERNET}",
            "s=-",
            f"c=IN IP4 {nat.INTERNET}",
            "t=0 0",
        )
        return "\r\n".join((*lines, f"m=audio {self._voice.getsockname()[1]} RTP/AVP 0", ""))

    def _send(self, *lines: str, body: str = "") -> None:
        text = "\r\n".join((*lines, f"Content-Length: {len(body)}", "", body))
        self._connection.sendall(text.encode())

    def _next(self) -> Message:
        while True:
            head, end, rest = self._received.lstrip().partition(b"\r\n\r\n")
            length = re.search(rb"^Content-Length: *(\d+)", head, re.MULTILINE)
            size = int(length[1]) if length else 0
            if end and len(rest) >= size:
                self._received = rest[size:]
                text = (head + end + rest[:size]).decode().replace("\r", "")
                return Message(time.monotonic(), False, "TLS", "switch", "carrier", text)
            more = self._connection.recv(65536)
            assert more, self._received
            self._received += more

    def _speak_with(self, told: Message) -> None:
        assert told.sdp
        self._voice.connect((told.sdp.address, told.sdp.port))
        if self._echoing.ident is None:
            self._echoing.start()

    def _echo(self) -> None:
        with suppress(OSError):
            while True:
                # Refused is what follows the end of a call.
                with suppress(ConnectionRefusedError):
                    packet = bytearray(self._voice.recv(2048))
                    if not packet:
                        return
                    # Behind the header of RTP; PCMU's first bit is the sign.
                    for sample in range(12, len(packet), 2):
                        packet[sample] ^= 0x80
                    self._voice.send(packet)
