"""What tests of calls, and of refused and interrupted runs, have in common."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from callcenter.render import paths
from lab import nat, network
from lab.image import layers
from tests.acceptance.support.audio import assert_heard, assert_speech
from tests.acceptance.support.phones import Call, Codec, Exchange, Phone, Srtp, Transport
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.forks import Started
from tests.roles.conftest import EDGE, ROOT, Operator, Run

__all__ = [
    "AT",
    "CALLEE_HZ",
    "CALLER_HZ",
    "connected",
    "contacts",
    "forget_phones",
    "hold_and_resume",
    "interrupt",
    "listening",
    "logged",
    "name_server",
    "phone_of",
    "phones_at",
    "put_through",
    "refused",
    "sentence",
    "shown_until",
    "state_of",
    "still_talking",
    "until",
    "until_on",
    "verify",
    "watching",
]


T = TypeVar("T")

ADDRESS, SERVICE, POINTER = 1, 33, 35
"""Kinds of records: A, SRV, and NAPTR."""


_CHANGED = ("etc", "usr", "var/lib", "srv", "root")
"""Folders that a deploy may change for good."""
_OTHERS = re.compile(
    # Where phones are is written as they say it, and what calls leave behind after they end.
    rf"/var/lib/(?:systemd|freeswitch)/|/var/lib/kamailio|{re.escape(paths.CALLS)}"
)
"""Paths that change without a deploy."""


def state_of(operator: Operator, host: str) -> str:
    """Return all that a deploy could have changed for good."""
    asked = operator.ssh(
        host,
        "dpkg-query -W; nft -s -t list ruleset; "
        # A program that runs for a moment, each minute, is activating.
        "systemctl list-units --no-legend --plain --type=service --state=active,failed "
        "| grep -v ^user | sort",
    )
    return "\n".join([*sorted(_written(operator.lab.state / "hosts" / host)), asked])


def _written(disk: Path) -> Iterator[str]:
    """Yield what is in a host's own layer and differs from its image, which nobody changes: the
    host itself would go through all that is installed."""
    own, image = disk / "upper", layers((disk / "image").resolve())
    for top in _CHANGED:
        for folder, folders, files in os.walk(own / top):
            for name in (*folders, *files):
                path = Path(folder, name).relative_to(own)
                at = _described(own / path)
                below = (layer / path for layer in image if os.path.lexists(layer / path))
                # A file that was opened for writing is copied, also where nothing was written.
                if not _OTHERS.match(f"/{path}") and at != next(map(_described, below), None):
                    yield f"/{path} {at}"


def _described(path: Path) -> tuple[object, ...]:
    is_there = path.lstat()
    to = os.readlink(path) if path.is_symlink() else ""
    size = 0 if path.is_dir() else is_there.st_size
    return size, is_there.st_mode, is_there.st_uid, is_there.st_gid, is_there.st_mtime_ns, to


def refused(operator: Operator, *options: str, only: str | None = None) -> Run:
    """Return a run that fails before it has changed any host, or the only one that it is about."""
    hosts = operator.hosts if only is None else (only,)
    before = {host: state_of(operator, host) for host in hosts}
    limit = () if only is None else ("--limit", only)
    run = operator.deploy("-y", *options, *limit)
    assert run.code != 0, run.output
    assert "Traceback" not in run.output, run.output
    changed = {
        line
        for host in hosts
        for line in {*before[host].splitlines()} ^ {*state_of(operator, host).splitlines()}
    }
    assert not changed
    return run


def sentence(run: Run, host: str, begin: str) -> str:
    """Return the one line about a host that says why."""
    lines = [line for line in run.output.splitlines() if f"[{host}]" in line and begin in line]
    assert len(lines) == 1, run.output
    return lines[0]


_LISTEN = (
    "import os, signal, socket; s = socket.socket(socket.AF_INET, socket.SOCK_{kind}); "
    's.bind(("{address}", {port})); {listen}'
    "n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
    'n.connect(os.environ["NOTIFY_SOCKET"]); n.send(b"READY=1"); signal.pause()'
)


@contextmanager
def listening(
    operator: Operator, host: str, port: int, address: str = "0.0.0.0", kind: str = "STREAM"
) -> Iterator[None]:
    """Give a service of somebody else's on a host."""
    script = _LISTEN.format(
        kind=kind,
        address=address,
        port=port,
        listen="s.listen(); " if kind == "STREAM" else "",
    )
    name = f"other-{kind.lower()}-{port}"
    said = operator.ssh(
        host, f"systemd-run --quiet --unit={name} --property=Type=notify python3 -c '{script}'"
    )
    assert said == ""
    try:
        yield
    finally:
        operator.ssh(host, f"systemctl stop {name}")


def until(ask: Callable[[], T], right: T | Callable[[T], bool]) -> T:
    """Ask until the answer is right, and return it. ``right`` is the answer or tells of one."""

    def good(found: T) -> bool:
        return right(found) if callable(right) else found == right

    return eventually(ask, good, "the right answer")


def until_on(operator: Operator, host: str, condition: str) -> None:
    """Wait until a command succeeds on a host."""
    until(
        lambda: operator.ssh(host, f"{condition} && echo reached"),
        lambda said: said.endswith("reached\n"),
    )


def logged(operator: Operator, host: str, text: str) -> None:
    """Wait until the end of FreeSWITCH's log, which is written a moment late, holds a text."""
    log = "/var/log/freeswitch/freeswitch.log"
    until_on(operator, host, f"tail -n 200 {log} | grep -aqF {shlex.quote(text)}")


CALLER_HZ, CALLEE_HZ = 620, 1400


def phone_of(
    operator: Operator,
    host: str,
    exchange: Exchange,
    number: str,
    codecs: tuple[Codec, ...] = ("PCMU",),
    server: str | None = None,
    transport: Transport = "udp",
    srtp: Srtp | None = None,
    answers_itself: bool = False,
) -> Phone:
    """Return a registered phone of an extension of a host, which it reaches at its own address or
    at ``server``."""
    phone = exchange.phone(
        number,
        json.loads(operator.secrets.read_text())[f"extension/{number}"],
        domain="roles.callcenter.test",
        server=server or next(one.address for one in operator.lab.hosts if one.name == host),
        codecs=codecs,
        transport=transport,
        srtp=srtp,
        answers_itself=answers_itself,
    )
    phone.register()
    return phone


AT: Mapping[nat.Place, str] = {
    "internet": nat.INTERNET,
    "home": nat.HOME,
    "vpn": nat.VPN,
    "provider": nat.PROVIDER,
}


@contextmanager
def phones_at(
    lab: str, where: nat.Place, port: int | None = None, certificates: Path | None = None
) -> Iterator[Exchange]:
    """Phones in one place. ``certificates``: a folder with the carrier's own, and its authority."""
    with Exchange(
        AT[where],
        port=port,
        ca_file=certificates and certificates / "authority.pem",
        certificate=certificates and certificates / "carrier.pem",
        enter=partial(network.join, nat.place(lab, where)),
    ) as made:
        yield made


def contacts(call: Call) -> set[str]:
    """Return where the switch says that it is reached."""
    call.wait_message(lambda message: not message.sent and "@" in message.header("contact"))
    said = [message.header("contact") for message in call.messages if not message.sent]
    return {one.partition("@")[2].partition(":")[0] for one in said if "@" in one}


def forget_phones(operator: Operator, host: str, number: str) -> None:
    """Have a host forget where an extension's phones are."""
    known = f"fs_cli -x 'sofia profile internal flush_inbound_reg {number}@roles.callcenter.test'"
    operator.ssh(host, f"kamcmd ul.rm location s:{number}" if EDGE else known)


def verify(operator: Operator, only: str, report: Path) -> subprocess.CompletedProcess[str]:
    """Return the operator's third habit, on a few of its tests."""
    return operator.callcenter.run(
        [
            *(sys.executable, "-m", "pytest", "tests/acceptance", "-q", "-k", only),
            *("--inventory", operator.inventory, "--report", report),
        ],
        cwd=ROOT,
        environment=operator.environment(),
    )


def connected(operator: Operator, host: str, exchange: Exchange) -> tuple[Call, Call]:
    """Two extensions of a host in a call; each plays a tone of its own and hears the other's."""
    caller, callee = (phone_of(operator, host, exchange, number) for number in ("1000", "1001"))
    return put_through(caller, callee, "1001")


def put_through(caller: Phone, callee: Phone, number: str) -> tuple[Call, Call]:
    """Return a call of a number that rings a phone; each plays a tone of its own and hears the
    other's."""
    call = caller.call(number)
    answered = callee.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    # Before that FreeSWITCH ends a call that is transferred, as nobody could by hand.
    assert_heard(call, CALLEE_HZ, 0.2)
    assert_heard(answered, CALLER_HZ, 0.2)
    return call, answered


def still_talking(call: Call, answered: Call) -> None:
    """Make sure that the call is up and both sides hear each other now."""
    for side, tone in ((call, CALLEE_HZ), (answered, CALLER_HZ)):
        assert not side.ended
        side.forget()
        assert_heard(side, tone, 1)


def hold_and_resume(holder: Call, other: Call) -> None:
    """Put the other side on hold until it hears the music, and off again. FreeSWITCH begins the
    music a moment after it has confirmed the hold, and never ends what begins after the resume."""
    holder.hold()
    other.forget()
    assert_speech(other, 0.3)
    holder.resume()


@contextmanager
def name_server(
    at: str,
    known: Mapping[str, str],
    services: Mapping[str, tuple[int, str]] | None = None,
    pointers: Mapping[str, tuple[str, str]] | None = None,
) -> Iterator[None]:
    """Answer for these addresses, for services by port and name (RFC 1035, RFC 2782), for pointers
    by their kind and where they lead (RFC 3403), and know nothing else: sofia-sip does not read
    /etc/hosts."""

    def labels(name: str) -> bytes:
        return b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\0"

    class Answers(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            question, reply_on = self.request
            end = question.index(b"\0", 12) + 5
            asked = b".".join(re.findall(rb"[a-z]+", question[12 : end - 5])).decode()
            (kind,) = struct.unpack(">H", question[end - 4 : end - 2])
            data = b""
            if kind == ADDRESS and asked in known:
                data = socket.inet_aton(known[asked])
            elif kind == SERVICE and services is not None and asked in services:
                port, target = services[asked]
                data = struct.pack(">3H", 0, 0, port) + labels(target)
            elif kind == POINTER and pointers is not None and asked in pointers:
                service, target = pointers[asked]
                texts = [b"s", service.encode(), b""]
                data = struct.pack(">2H", 10, 10) + b"".join(bytes([len(t)]) + t for t in texts)
                data += labels(target)
            answer = b""
            if data:
                answer = b"\xc0\x0c" + struct.pack(">2HIH", kind, 1, 60, len(data)) + data
            head = question[:2] + b"\x85\x80" + struct.pack(">4H", 1, int(bool(data)), 0, 0)
            reply_on.sendto(head + question[12:end] + answer, self.client_address)

    with socketserver.ThreadingUDPServer((at, 53), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@contextmanager
def watching(operator: Operator, *words: str) -> Iterator[Started]:
    """Give a command of ours as typed, while it goes on, and no longer than a test may wait."""
    begun = operator.callcenter.begun(*words, "--site", operator.inventory, together=True)
    with begun as process:
        limit = threading.Timer(PATIENCE, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()


def interrupt(process: Started) -> None:
    """Send a command, and the programs that it has begun, what Ctrl-C does. Python alone may be
    about to read, and would heed it once there is something."""
    own = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, check=True)
    for number in (process.pid, *map(int, own.stdout.split())):
        os.kill(number, signal.SIGINT)


def shown_until(process: Started, wanted: str) -> str:
    """Return what a command prints until it has said something."""
    shown = ""
    assert process.stdout
    while wanted not in shown:
        line = process.stdout.readline()
        assert line, shown
        shown += line
    return shown
