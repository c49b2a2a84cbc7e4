"""Asks a STUN server (RFC 8489) which public address a switch behind NAT has, and keeps the answer.

FreeSWITCH could ask itself, but where nobody answered it would start without phones, and it would
not learn of a change. So it reads a file that this program writes, and never asks.

This file alone travels to the host and runs there as ``public-address SERVER PORT ADDRESS``: it
needs Python 3.11.
"""

from __future__ import annotations

import argparse
import fcntl
import ipaddress
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "PATIENT",
    "SOON",
    "Known",
    "Pace",
    "Unknown",
    "ask",
    "is_no_host",
    "is_private",
    "main",
    "mapped",
    "public",
    "recorded",
    "request",
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)


def is_private(address: Address) -> bool:
    """Tell whether nobody in the internet reaches it. Documentation's addresses are not global
    either, but examples must load, and a lab's internet is made of them."""
    return any(address in network for network in _PRIVATE if network.version == address.version)


def is_no_host(address: Address) -> bool:
    """Tell whether it is nobody's own."""
    return (
        address.is_unspecified
        or address.is_multicast
        or address.is_loopback
        or (address.version == 4 and address.is_reserved)
    )


class Unknown(Exception):
    """No public address was told, and why."""


@dataclass(frozen=True)
class Pace:
    """How often a request is sent, and how long the last one is waited for."""

    requests: int
    last: float
    """Length of the last wait, in units of the first; each wait but the last is twice the one
    before it."""
    first: float = 0.5
    """Seconds."""

    @property
    def waits(self) -> list[float]:
        """Seconds after each request."""
        doubled = (self.first * 2**n for n in range(self.requests - 1))
        return [*doubled, self.first * self.last]


PATIENT = Pace(7, 16)
"""RFC 8489's own: 39.5 s."""
SOON = Pace(5, 4)
"""Pace for those who wait for the answer: 9.5 s."""

_COOKIE = 0x2112A442
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111
_ERROR_CODE, _XOR_MAPPED_ADDRESS = 0x0009, 0x0020


def request(transaction: bytes) -> bytes:
    """Make a Binding request with nothing in it."""
    return struct.pack("!HHI12s", _REQUEST, 0, _COOKIE, transaction)


def mapped(answer: bytes, transaction: bytes) -> Address | None:
    """Return the address that an answer holds, or None: it is no answer to this request."""
    if len(answer) < 20:
        return None
    kind, length, cookie, whose = struct.unpack_from("!HHI12s", answer)
    ours = cookie == _COOKIE and whose == transaction
    if not ours or kind not in (_SUCCESS, _ERROR) or length % 4 or length != len(answer) - 20:
        return None
    at = 20
    while at < len(answer):
        name, size = struct.unpack_from("!HH", answer, at)
        value = answer[at + 4 : at + 4 + size]
        if len(value) < size:
            return None
        # Some servers add what was of use before RFC 5389; it means nothing here.
        if name == _XOR_MAPPED_ADDRESS and kind == _SUCCESS:
            return _unmasked(value, transaction)
        if name == _ERROR_CODE and kind == _ERROR and size >= 4:
            raise Unknown(f"it refuses to answer (error {value[2] % 8 * 100 + value[3] % 100})")
        at += 4 + (size + 3) // 4 * 4
    # MAPPED-ADDRESS is no substitute: routers that know SIP change addresses that they can read.
    raise Unknown("its answer has no XOR-MAPPED-ADDRESS; ask one of RFC 5389 or later")


def _unmasked(value: bytes, transaction: bytes) -> Address | None:
    mask = struct.pack("!I", _COOKIE) + transaction
    family = value[1] if len(value) > 1 else None
    if (family, len(value)) not in ((1, 8), (2, 20)):
        return None
    return ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask, strict=False)))


def public(address: Address) -> str:
    """Return an address that can be announced, or refuse it."""
    if address.version != 4 or is_no_host(address):
        raise Unknown(f"it says {address}, which is no host's IPv4 address")
    if is_private(address):
        raise Unknown(
            f"it says {address}, which is private: it, or another router, is between the switch's "
            "router and the internet"
        )
    return str(address)


def ask(server: str, port: int, address: str, pace: Pace = PATIENT) -> str:
    """Return the public address that the server sees requests from ``address`` come from."""
    transaction = os.urandom(12)
    try:
        found = socket.getaddrinfo(server, port, socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as wrong:
        raise Unknown(f"its name leads to no IPv4 address ({wrong.strerror})") from None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.bind((address, 0))
            # From here on the kernel drops what others send.
            asking.connect(found[0][4])
            for wait in pace.waits:
                asking.send(request(transaction))
                ends = time.monotonic() + wait
                while (left := ends - time.monotonic()) > 0:
                    asking.settimeout(left)
                    try:
                        answer = asking.recv(2048)
                    except TimeoutError:
                        break
                    if (said := mapped(answer, transaction)) is not None:
                        return public(said)
        except OSError as wrong:
            raise Unknown(f"it cannot be asked from {address} ({wrong.strerror})") from None
    raise Unknown(f"nobody answered within {sum(pace.waits):.0f} s")


@dataclass(frozen=True)
class Known:
    """The last good answer."""

    address: str
    asked: str
    """Server, port, and the address that asked: who said it to whom."""

    def text(self) -> str:
        """Render it as FreeSWITCH reads it."""
        values = {"public_address": self.address, "public_address_by": self.asked}
        return "".join(
            f'<X-PRE-PROCESS cmd="set" data="{name}={value}"/>\n' for name, value in values.items()
        )


_SET = re.compile(r'<X-PRE-PROCESS cmd="set" data="(public_address(?:_by)?)=([^"]*)"/>')


def recorded(text: str) -> Known | None:
    """Read what a file of ours holds, or None where it is none."""
    values = dict(_SET.findall(text))
    try:
        address = public(ipaddress.ip_address(values["public_address"]))
        return Known(address, values["public_address_by"])
    except (KeyError, ValueError, Unknown):
        return None


def _write(file: Path, text: str) -> None:
    """Write so that nobody ever reads half of it, also after the power went."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        # The timer's run and that before a start may come together.
        fcntl.flock(folder, fcntl.LOCK_EX)
        with new.open("w") as out:
            os.fchmod(out.fileno(), 0o644)
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    finally:
        os.close(folder)


def main(arguments: Sequence[str]) -> int:
    """Ask once; the exit code is 1 where there was no answer, or it could not be announced."""
    parser = argparse.ArgumentParser(prog="public-address")
    parser.add_argument("server")
    parser.add_argument("port", type=int)
    parser.add_argument("address", help="the host's own, to ask from")
    parser.add_argument("--soon", action="store_true", help="give up after ten seconds")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="default: print the answer")
    what = "what is run with the last good answer"
    parser.add_argument("--announce", dest="tool", metavar="TOOL", help=what)
    given = parser.parse_args(arguments)
    name = f"{given.server}:{given.port}"
    failed: Unknown | None = None
    try:
        now = ask(given.server, given.port, given.address, SOON if given.soon else PATIENT)
    except Unknown as why:
        failed = why
    if given.keep is None:
        print(f"{name}: {failed}" if failed else now, file=sys.stderr if failed else sys.stdout)
        return 1 if failed else 0
    known = recorded(given.keep.read_text()) if given.keep.exists() else None
    if failed:
        rest = f"the public address stays {known.address}" if known else "none is known"
        print(f"{name}: {failed}; {rest}", file=sys.stderr, flush=True)
    else:
        before, known = known, Known(now, f"{given.server} {given.port} {given.address}")
        if before != known:
            was = f" (before: {before.address})" if before else ""
            print(f"{name}: the public address is {now}{was}", flush=True)
            _write(given.keep, known.text())
    code = 0
    if given.tool is not None and known is not None:
        code = subprocess.run([given.tool, "announce", known.address]).returncode
    return 1 if failed or code else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
