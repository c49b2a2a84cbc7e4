"""Asking a STUN server for the public address: what counts as an answer, and what is kept of it."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callcenter.onhost import stun
from callcenter.onhost.stun import (
    PATIENT,
    SOON,
    Known,
    Pace,
    Unknown,
    ask,
    mapped,
    recorded,
    request,
)
from callcenter.site import reach

# RFC 5769, 2.2 and 2.3.
IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
TRANSACTION = IPV4[8:20]
HERE = "127.0.0.1"


def response(
    transaction: bytes,
    address: str = "203.0.113.10",
    *,
    kind: int = 0x0101,
    attribute: int = 0x0020,
    cookie: int = 0x2112A442,
    value: bytes | None = None,
) -> bytes:
    """Return an answer, by default a right one."""
    masked = int(ipaddress.IPv4Address(address)) ^ 0x2112A442
    value = value if value is not None else struct.pack("!xBHI", 1, 0x1234, masked)
    body = struct.pack("!HH", attribute, len(value)) + value + bytes(-len(value) % 4)
    return struct.pack("!HHI12s", kind, len(body), cookie, transaction) + body


def test_the_examples_of_rfc_5769() -> None:
    assert mapped(IPV4, TRANSACTION) == ipaddress.ip_address("192.0.2.1")
    six = ipaddress.ip_address("2001:db8:1234:5678:11:2233:4455:6677")
    assert mapped(IPV6, TRANSACTION) == six


def test_a_request_is_a_header_alone() -> None:
    assert request(TRANSACTION) == bytes.fromhex("000100002112a442") + TRANSACTION


NO_ANSWERS = {
    "nothing": b"",
    "less than a header": IPV4[:19],
    "noise": os.urandom(64),
    "another's transaction": response(bytes(12)),
    "no cookie": response(TRANSACTION, cookie=0),
    "our own request": request(TRANSACTION),
    "an indication": response(TRANSACTION, kind=0x0011),
    "cut short": IPV4[:-4],
    "with something behind it": IPV4 + bytes(4),
    "a length that is no multiple of four": IPV4[:2] + b"\x00\x3d" + IPV4[4:] + b"\x00",
    "an attribute that is longer than the message": response(TRANSACTION)[:20]
    + struct.pack("!HH8x", 0x8022, 2000),
    "an address of no family": response(TRANSACTION, value=struct.pack("!xBHI", 3, 1, 1)),
    "an address of IPv6 in four bytes": response(TRANSACTION, value=struct.pack("!xBHI", 2, 1, 1)),
    "an address that is cut short": response(TRANSACTION, value=b"\x00\x01\x00\x00"),
    "no address at all": response(TRANSACTION, value=b""),
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_is_passed_over(answer: bytes) -> None:
    assert mapped(answer, TRANSACTION) is None


def test_no_beginning_of_an_answer_is_one() -> None:
    for end in range(len(IPV4)):
        assert mapped(IPV4[:end], TRANSACTION) is None


REFUSED = {
    "an address that routers may have changed": (
        response(TRANSACTION, attribute=0x0001),
        "no XOR-MAPPED-ADDRESS",
    ),
    "a success without an address": (
        struct.pack("!HHI12s", 0x0101, 0, 0x2112A442, TRANSACTION),
        "no XOR-MAPPED-ADDRESS",
    ),
    "an error": (
        response(TRANSACTION, kind=0x0111, attribute=0x0009, value=b"\x00\x00\x04\x14Stale"),
        "error 420",
    ),
}


@pytest.mark.parametrize(("answer", "why"), REFUSED.values(), ids=REFUSED)
def test_an_answer_without_an_address_ends_the_asking(answer: bytes, why: str) -> None:
    with pytest.raises(Unknown, match=why):
        mapped(answer, TRANSACTION)


def test_it_is_asked_as_often_as_rfc_8489_says() -> None:
    assert PATIENT.waits == [0.5, 1, 2, 4, 8, 16, 8]
    assert sum(SOON.waits) == 9.5


Answer = Callable[[socket.socket, bytes, tuple[str, int]], None]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """Give a server on loopback that does what it is told with each request; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((HERE, 0))

        def serve() -> None:
            while (got := bound.recvfrom(2048))[0] != b"end":
                answer(bound, got[0][8:20], got[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield bound.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"end", bound.getsockname())
            thread.join()


def telling(address: str) -> Answer:
    def answer(bound: socket.socket, transaction: bytes, to: tuple[str, int]) -> None:
        bound.sendto(response(transaction, address), to)

    return answer


QUICK = Pace(3, 4, first=0.05)


def test_the_address_is_the_servers_word() -> None:
    with server(telling("203.0.113.77")) as port:
        assert ask(HERE, port, HERE) == "203.0.113.77"


def test_what_others_send_is_not_heard() -> None:
    def answer(bound: socket.socket, transaction: bytes, to: tuple[str, int]) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            # It knows the transaction, and is not who was asked.
            other.sendto(response(transaction, "198.51.100.66"), to)
        for no_answer in NO_ANSWERS.values():
            bound.sendto(no_answer, to)
        bound.sendto(response(os.urandom(12), "198.51.100.66"), to)
        bound.sendto(response(transaction, "203.0.113.77"), to)

    with server(answer) as port:
        assert ask(HERE, port, HERE, QUICK) == "203.0.113.77"


def test_a_request_that_is_lost_is_sent_again() -> None:
    seen: list[bytes] = []

    def answer(bound: socket.socket, transaction: bytes, to: tuple[str, int]) -> None:
        seen.append(transaction)
        if len(seen) == 3:
            bound.sendto(response(transaction), to)

    with server(answer) as port:
        assert ask(HERE, port, HERE, QUICK) == "203.0.113.10"
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert seen[0] != bytes(12)


def test_silence_has_an_end() -> None:
    seen: list[bytes] = []
    began = time.monotonic()
    with (
        server(lambda _bound, transaction, _to: seen.append(transaction)) as port,
        pytest.raises(Unknown, match="nobody answered within"),
    ):
        ask(HERE, port, HERE, QUICK)
    assert len(seen) == QUICK.requests
    assert time.monotonic() - began == pytest.approx(sum(QUICK.waits), abs=1)


def test_each_asking_has_a_transaction_of_its_own() -> None:
    seen: list[bytes] = []

    def answer(bound: socket.socket, transaction: bytes, to: tuple[str, int]) -> None:
        seen.append(transaction)
        bound.sendto(response(transaction), to)

    with server(answer) as port:
        for _ in range(3):
            ask(HERE, port, HERE, QUICK)
    assert len(set(seen)) == 3


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.0.0.1", "private"),
        ("172.31.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("169.254.1.1", "private"),
        ("0.0.0.0", "no host's"),
        ("127.0.0.1", "no host's"),
        ("224.0.0.1", "no host's"),
        ("240.0.0.1", "no host's"),
        ("255.255.255.255", "no host's"),
    ],
)
def test_an_address_that_cannot_be_announced_is_refused(address: str, why: str) -> None:
    with server(telling(address)) as port, pytest.raises(Unknown, match=f"{address}.*{why}"):
        ask(HERE, port, HERE, QUICK)


def test_nobody_there_is_said_at_once() -> None:
    with server(telling("203.0.113.10")) as port:
        pass
    began = time.monotonic()
    with pytest.raises(Unknown, match="refused"):
        ask(HERE, port, HERE, Pace(1, 1, first=20))
    assert time.monotonic() - began < 5


def test_a_name_that_leads_nowhere_is_said() -> None:
    with pytest.raises(Unknown, match="leads to no IPv4 address"):
        ask("stun.invalid", 3478, HERE, QUICK)


def test_what_is_kept_is_read_again() -> None:
    known = Known("203.0.113.10", "stun.example.net 3478 10.0.0.5")
    assert recorded(known.text()) == known
    private = Known("10.0.0.1", "stun.example.net 3478 10.0.0.5")
    for text in ("", "no such file", private.text(), known.text()[:40]):
        assert recorded(text) is None


def tool(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    """Return the program as it runs on a host: that file alone."""
    given = [sys.executable, "-I", stun.__file__, HERE, str(port), HERE, *options]
    return subprocess.run(given, capture_output=True, text=True)


class TestTool:
    """What the program does with an answer, or without one."""

    @pytest.fixture
    def kept(self, tmp_path: Path) -> Path:
        return tmp_path / "state" / "public-address.xml"

    @pytest.fixture
    def announcer(self, tmp_path: Path) -> Path:
        made = tmp_path / "announce"
        made.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/announced\n')
        made.chmod(0o755)
        return made

    def announced(self, announcer: Path) -> list[str]:
        return announcer.with_name("announced").read_text().splitlines()

    def test_prints_the_answer(self) -> None:
        with server(telling("203.0.113.10")) as port:
            done = tool(port)
        assert (done.returncode, done.stdout, done.stderr) == (0, "203.0.113.10\n", "")

    def test_says_why_there_is_none(self) -> None:
        with server(telling("10.0.0.1")) as port:
            done = tool(port)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"{HERE}:{port}: it says 10.0.0.1, which is private")
        assert done.stderr.count("\n") == 1

    def test_keeps_the_answer_for_freeswitch(self, kept: Path, announcer: Path) -> None:
        with server(telling("203.0.113.10")) as port:
            done = tool(port, "--keep", str(kept), "--announce", str(announcer))
            assert done.returncode == 0
            assert "the public address is 203.0.113.10" in done.stdout
            assert recorded(kept.read_text()) == Known("203.0.113.10", f"{HERE} {port} {HERE}")
            assert kept.stat().st_mode & 0o777 == 0o644
            # The same again: nothing is written or said.
            before = kept.stat()
            done = tool(port, "--keep", str(kept), "--announce", str(announcer))
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            assert kept.stat() == before
        assert self.announced(announcer) == ["announce 203.0.113.10"] * 2
        assert list(kept.parent.iterdir()) == [kept]

    def test_a_change_is_kept_and_said(self, kept: Path, announcer: Path) -> None:
        told = ["203.0.113.10"]
        with server(lambda *given: telling(told[0])(*given)) as port:
            tool(port, "--keep", str(kept), "--announce", str(announcer))
            told[0] = "203.0.113.11"
            done = tool(port, "--keep", str(kept), "--announce", str(announcer))
        assert "203.0.113.11 (before: 203.0.113.10)" in done.stdout
        assert self.announced(announcer)[-1] == "announce 203.0.113.11"

    def test_the_last_answer_stays(self, kept: Path, announcer: Path) -> None:
        told = ["203.0.113.10"]
        with server(lambda *given: telling(told[0])(*given)) as port:
            tool(port, "--keep", str(kept))
            before = kept.read_bytes()
            told[0] = "192.168.0.1"
            done = tool(port, "--keep", str(kept), "--announce", str(announcer))
            assert "the public address stays 203.0.113.10" in done.stderr
        gone = tool(port, "--keep", str(kept), "--announce", str(announcer))
        assert done.returncode == gone.returncode == 1
        assert "the public address stays 203.0.113.10" in gone.stderr
        assert kept.read_bytes() == before
        # What was not announced then is announced now.
        assert self.announced(announcer) == ["announce 203.0.113.10"] * 2

    def test_two_at_a_time_do_not_meet(self, kept: Path) -> None:
        told = iter(range(1, 255))
        with server(lambda *given: telling(f"203.0.113.{next(told)}")(*given)) as port:
            given = [sys.executable, "-I", stun.__file__, HERE, str(port), HERE]
            several = [subprocess.Popen([*given, "--keep", str(kept)]) for _ in range(8)]
            assert [one.wait() for one in several] == [0] * 8
        assert recorded(kept.read_text()) is not None
        assert list(kept.parent.iterdir()) == [kept]

    def test_without_any_answer_there_is_nothing(self, kept: Path, announcer: Path) -> None:
        with server(telling("10.0.0.1")) as port:
            done = tool(port, "--keep", str(kept), "--announce", str(announcer))
        assert done.returncode == 1
        assert "none is known" in done.stderr
        assert not kept.exists()
        assert not announcer.with_name("announced").exists()

    def test_what_could_not_be_announced_is_not_called_done(self, kept: Path) -> None:
        with server(telling("203.0.113.10")) as port:
            assert tool(port, "--keep", str(kept), "--announce", "false").returncode == 1


@pytest.mark.parametrize(
    "address",
    [
        *("203.0.113.10", "10.1.2.3", "100.64.0.1", "169.254.1.1", "172.31.0.1", "172.32.0.1"),
        *("192.168.1.1", "0.0.0.0", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("2001:db8::1", "fd00::1", "fe80::1", "::", "::1", "ff02::1"),
    ],
)
def test_the_description_and_the_host_say_the_same(address: str) -> None:
    """The program on the host has nothing of ours, so the rule stands there a second time."""
    given = ipaddress.ip_address(address)
    assert stun.is_private(given) == reach.is_private(given)
    assert stun.is_no_host(given) == reach.is_no_host(given)
