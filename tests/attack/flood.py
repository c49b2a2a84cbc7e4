"""One flood, from a process of its own, so that honest phones of this one are not held up.

    python -m tests.attack.flood KIND FROM TO PORT RATE SECONDS

KIND is REGISTER, INVITE (datagrams without a password), TCP (connections that say nothing) or TLS
(connections that say hello, which is little work, and leave the server's, which is much, unread).
It writes a line once the flood has begun, and at its end, or SIGTERM, how many of them were sent.
"""

from __future__ import annotations

import errno
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Literal

from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Peer, sdp

__all__ = ["Flood", "Kind", "client_hello", "flood"]

Kind = Literal["REGISTER", "INVITE", "TCP", "TLS"]
DOMAIN = "roles.callcenter.test"
TICK = 0.01
HELD = 3_000
"""Connections open at a time: ten times what the packet filter lets one address have."""


class Flood:
    """A flood that is going on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def stop(self) -> int:
        """End it, and return how many messages or connections it has sent."""
        assert self._process.poll() is None, "it was over before"
        self._process.terminate()
        out, _ = self._process.communicate(timeout=PATIENCE)
        return int(out)


@contextmanager
def flood(
    kind: Kind, source: str, server: tuple[str, int], rate: int, seconds: float
) -> Iterator[Flood]:
    """Begin a flood from an address of this machine, which ends after ``seconds`` at the latest."""
    words = [kind, source, server[0], str(server[1]), str(rate), str(seconds)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.attack.flood", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield Flood(process)
    finally:
        process.kill()
        process.communicate()


def client_hello() -> bytes:
    """Return the first message of a TLS client."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=None).do_handshake()
    return out.read()


def _datagrams(method: str, source: str, server: tuple[str, int]) -> Callable[[], None]:
    peer = Peer(source, server)
    body = sdp(source) if method == "INVITE" else b""
    uri = f"sip:{DOMAIN}" if method == "REGISTER" else f"sip:1001@{DOMAIN}"
    request = peer.request(
        method, uri, user="1000", domain=DOMAIN, body=body, call_id="CALL",
        changed={"Via": f"SIP/2.0/UDP {peer.contact};rport;branch=z9hG4bKCALL"},
    )  # fmt: skip
    numbers = count()
    peer.socket.setblocking(False)

    def send() -> None:
        # Its own queue may be full.
        with suppress(BlockingIOError):
            peer.send(request.replace(b"CALL", b"flood%d" % next(numbers)))

    return send


def _connections(first: bytes, source: str, server: tuple[str, int]) -> Callable[[], None]:
    held: deque[socket.socket] = deque()
    waiting = select.epoll()
    by_number: dict[int, socket.socket] = {}

    def connect() -> None:
        if len(held) >= HELD:
            gone = held.popleft()
            by_number.pop(gone.fileno(), None)
            gone.close()
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((source, 0))
        if one.connect_ex(server) not in (0, errno.EINPROGRESS):
            one.close()
            return
        held.append(one)
        if first:
            by_number[one.fileno()] = one
            waiting.register(one, select.EPOLLOUT | select.EPOLLONESHOT)
            for number, _ in waiting.poll(0):
                with suppress(OSError, KeyError):
                    by_number.pop(number).send(first)

    return connect


def main() -> None:
    """Send at a rate for a time."""
    kind, source, host, port, rate, seconds = sys.argv[1:]
    server = (host, int(port))
    if kind in ("TCP", "TLS"):
        send = _connections(client_hello() if kind == "TLS" else b"", source, server)
    else:
        send = _datagrams(kind, source, server)
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    began, sent = time.monotonic(), 0
    print("begun", flush=True)
    while not over and (passed := time.monotonic() - began) < float(seconds):
        # What a busy machine has kept it from is not made up for: its rate is the most.
        for _ in range(min(int(passed * float(rate)) - sent, int(float(rate) * TICK * 4))):
            send()
            sent += 1
        time.sleep(TICK)
    print(sent)


if __name__ == "__main__":
    main()
