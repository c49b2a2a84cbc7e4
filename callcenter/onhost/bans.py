"""Shuts out addresses that guess passwords and PINs: failures to log in, counted by address.

This file alone travels to the host, and needs Python 3.11. It runs there as three programs:
``bans watch SETTINGS`` reads what FreeSWITCH and sshd say and decides, without any privilege;
``bans filter SETTINGS`` puts what the first has decided into the packet filter, and can do nothing
else that it is asked for; ``bans list`` and ``bans lift ADDRESS`` are the operator's, also
for an edge.
Where Kamailio stands before FreeSWITCH, it decides itself whose SIP it does not answer, since it
knows the user; what it says is read for guessing from many addresses, and for who has logged in.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

__all__ = [
    "OF_ONE",
    "OF_SEVERAL",
    "TABLE",
    "Ban",
    "Failure",
    "Guessers",
    "Login",
    "applied",
    "event_of",
    "main",
    "said_by_kamailio",
    "said_by_sshd",
    "said_by_voicemail",
    "source_of",
]

TABLE = "callcenter-bans"
"""Table of the packet filter that holds who is shut out, and nothing else."""
WINDOW = 600
"""Seconds within which failures count together, from the first."""
OF_ONE = 5
"""Failures that shut out an address where nobody has logged in."""
OF_SEVERAL, USERS = 10, 3
"""Failures of so many users that shut out an address where somebody has."""
PATIENCE = 60
"""Failures of fewer users that do: a phone with an old password makes one each half minute."""
KNOWN = 7200
"""Seconds for which a login speaks for its address."""
FIRST, LONGEST = 60, 86_400
"""Seconds of a ban; each is twice as long as the one before."""
STILL_COMING = 10
"""Seconds after a ban in which failures are those of guesses that had been sent before it."""
REMEMBERED = 172_800
"""Seconds after which a ban that was over is forgotten."""
DAY = 86_400
SLOWLY = 10
"""Different addresses within a day at which one user's failures are reported."""
SLOWLY_ALL = 20
"""The same, whoever the users are."""
MOST = 20_000
"""Addresses that are kept in mind; the oldest go first."""

PIN_FAILURES = 3
"""Failures that a call stands for which was ended for its wrong PINs."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def source_of(text: str) -> tuple[str, Address] | None:
    """Return whom an address stands for (IPv6: its /64), and the address; None where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped), address.ipv4_mapped
        network = ipaddress.ip_network((address, 64), strict=False)
        return str(network.network_address), address
    return str(address), address


def _spared(address: Address, never: Iterable[Network]) -> bool:
    return address.is_loopback or any(
        address in one for one in never if one.version == address.version
    )


@dataclass(frozen=True)
class Failure:
    """A wrong password or PIN."""

    address: str
    user: str
    kind: str
    weight: int = 1
    """Failures that it counts as. 0: whoever tells of it shuts out by itself."""


@dataclass(frozen=True)
class Login:
    """Somebody who has proved to be who he says."""

    address: str
    port: int


@dataclass(frozen=True)
class Ban:
    """An address that is shut out."""

    source: str
    seconds: int
    why: str


@dataclass
class _Count:
    since: float
    failures: int = 0
    users: dict[str, int] = field(default_factory=dict)


Kept = TypeVar("Kept")


def _keep(kept: dict[str, Kept], key: str, value: Kept) -> None:
    """Put a value at the end, and forget the oldest where there are too many."""
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > MOST:
        del kept[next(iter(kept))]


class Guessers:
    """Counts of failures. Knows nothing of sockets, files or the packet filter."""

    def __init__(self, never: Iterable[str] = ()) -> None:
        self._never: list[Network] = [ipaddress.ip_network(one) for one in never]
        self._counts: dict[str, _Count] = {}
        self._known: dict[str, float] = {}
        self.bans: dict[str, tuple[int, float]] = {}
        """Bans of each address: their number, and the end of the last."""
        self._banned: dict[str, float] = {}
        self._slow: dict[str, dict[str, float]] = {}

    def spares(self, address: Address) -> bool:
        """Return True for an address of the Site's own networks, a carrier's, or the host's."""
        return _spared(address, self._never)

    def logged_in(self, login: Login, now: float) -> str | None:
        """Note a login; whose it is, where the packet filter must know of it."""
        found = source_of(login.address)
        if found is None or self.spares(found[1]):
            return None
        _keep(self._known, found[0], now)
        return found[0]

    def failed(self, failure: Failure, now: float) -> Ban | None:
        """Count a failure; the ban that it leads to."""
        found = source_of(failure.address)
        if found is None or self.spares(found[1]):
            return None
        source, _ = found
        if 0 <= now - self._banned.get(source, -STILL_COMING) < STILL_COMING:
            return None
        count = self._counts.get(source)
        if count is None or not 0 <= now - count.since < WINDOW:
            count = _Count(now)
            _keep(self._counts, source, count)
        count.failures += failure.weight
        user = f"{failure.kind} {failure.user}"
        if len(count.users) < 100:
            count.users[user] = count.users.get(user, 0) + failure.weight
        known = self._known.get(source)
        if known is None or not 0 <= now - known < KNOWN:
            guesses = count.failures >= OF_ONE
        elif len(count.users) >= USERS:
            guesses = count.failures >= OF_SEVERAL
        else:
            guesses = count.failures >= PATIENCE
        if not guesses:
            return None
        del self._counts[source]
        times, until = self.bans.pop(source, (0, 0.0))
        if now - until > REMEMBERED:
            times = 0
        times += 1
        seconds = min(FIRST * 2 ** min(times - 1, 20), LONGEST)
        _keep(self.bans, source, (times, now + seconds))
        _keep(self._banned, source, now)
        users = ", ".join(sorted(count.users)[:5])
        return Ban(source, seconds, f"{count.failures} failures: {users}")

    def slowly(self, failure: Failure, now: float) -> list[str]:
        """Count the different addresses of a day's failures; whose they are where they are many:
        an extension's, or everybody's (``all``). An address counts once."""
        found = source_of(failure.address)
        if found is None or self.spares(found[1]):
            return []
        out = []
        own = failure.user if failure.kind in ("REGISTER", "INVITE", "page") else f"{failure.kind}"
        for whose, many in ((own.lower(), SLOWLY), ("all", SLOWLY_ALL)):
            if re.fullmatch(r"[a-z0-9-]{1,32}", whose) is None:
                continue
            if whose not in self._slow and len(self._slow) >= 2_000:
                continue
            seen = self._slow.setdefault(whose, {})
            for one in [one for one, at in seen.items() if not 0 <= now - at < DAY]:
                del seen[one]
            is_new = found[0] not in seen
            _keep(seen, found[0], now)
            if is_new and len(seen) >= many:
                out.append(whose)
        return out


_USER = re.compile(r"[A-Za-z0-9._*#+-]{1,64}")
_PORT = re.compile(r"[0-9]{1,5}")
EVENTS = ("sofia::register", "sofia::register_failure", "callcenter::pin")
"""Subclasses of FreeSWITCH's events that are read."""


def _user(text: str) -> str:
    return text if _USER.fullmatch(text) else "?"


def event_of(headers: Mapping[str, str]) -> Failure | Login | None:
    """Read an event of FreeSWITCH. Its values travel encoded: none makes another."""
    name = headers.get("Event-Subclass")
    if name == "sofia::register_failure":
        address = headers.get("network-ip", "")
        if headers.get("registration-type") == "INVITE":
            # It names who is called, and not who calls.
            return Failure(address, "?", "INVITE")
        return Failure(address, _user(headers.get("to-user", "")), "REGISTER")
    if name == "sofia::register" and _PORT.fullmatch(port := headers.get("network-port", "")):
        return Login(headers.get("network-ip", ""), int(port))
    if name == "callcenter::pin":
        # Behind an edge all calls come from the edge's address; the dialplan keeps the phone's.
        address = headers.get("variable_phone_address") or headers.get("Caller-Network-Addr", "")
        user = headers.get("variable_acting", "")
        return Failure(address, _user(user), "PIN", PIN_FAILURES)
    return None


_FROM = r" from (?P<address>[0-9a-f.:]{2,45}) port (?P<port>[0-9]{1,5})"
# A stranger's user name may hold anything, so only what stands behind it is believed.
_SSH_FAILED = (
    re.compile(
        r"Failed (?:password|keyboard-interactive/pam) for "
        rf"(?:invalid user )?(?P<user>.{{0,300}}){_FROM} ssh2",
        re.DOTALL,
    ),
    re.compile(rf"Invalid user (?P<user>.{{0,300}}){_FROM}", re.DOTALL),
    re.compile(
        r"Connection (?:closed|reset) by authenticating user (?P<user>.{0,300}) "
        r"(?P<address>[0-9a-f.:]{2,45}) port (?P<port>[0-9]{1,5}) \[preauth\]",
        re.DOTALL,
    ),
)
_SSH_ACCEPTED = re.compile(
    rf"Accepted [a-z/-]{{1,30}} for [^ ]{{1,64}}{_FROM} ssh2(?:: .{{0,200}})?"
)


def said_by_sshd(message: str) -> Failure | Login | None:
    """Read a line of sshd's."""
    if found := _SSH_ACCEPTED.fullmatch(message):
        return Login(found["address"], int(found["port"]))
    for form in _SSH_FAILED:
        if found := form.fullmatch(message):
            return Failure(found["address"], _user(found["user"]), "ssh")
    return None


# What stands before it is Kamailio's own: the level, and for what a script says its mark.
_KAMAILIO = re.compile(
    r"(?:[A-Z]{4,8}: )?(?:\{[^{}]{0,40}\} )?(?:<script>: )?callcenter: (?:"
    r"refused (?P<refused>\S{2,47}): wrong password or user, as (?P<user>.{0,64})"
    r"|login (?P<login>\S{2,47}) (?P<port>[0-9]{1,5}))"
)


def said_by_kamailio(message: str) -> Failure | Login | None:
    """Read a line of Kamailio's."""
    found = _KAMAILIO.fullmatch(message.strip())
    if found is None:
        return None
    address = (found["refused"] or found["login"]).strip("[]")
    if found["login"]:
        return Login(address, int(found["port"]))
    return Failure(address, _user(found["user"]), "REGISTER", 0)


# Its addresses are the web server's, and its users digits alone.
_VOICEMAIL = re.compile(
    r"refused (?P<address>\S{2,45}): wrong password or user, as (?P<user>.{0,64})"
)


def said_by_voicemail(message: str) -> Failure | None:
    """Read a line of the program that shows voice messages on a page."""
    if found := _VOICEMAIL.fullmatch(message):
        return Failure(found["address"], _user(found["user"]), "page")
    return None


_ASKED = re.compile(
    rb"(?:ban (?P<source>[0-9a-f.:]{2,45})|login (?P<phone>[0-9a-f.:]{2,45}) (?P<port>[0-9]{1,5}))"
    rb" (?P<seconds>[0-9]{1,6})"
)


def applied(asked: bytes, never: Iterable[Network]) -> str:
    """Return the packet filter's commands for one request, or nothing where it is none."""
    found = _ASKED.fullmatch(asked)
    if found is None:
        return ""
    whose = source_of((found["source"] or found["phone"]).decode())
    if whose is None or int(found["seconds"]) == 0:
        return ""
    source, address = whose
    if _spared(address, never):
        return ""
    seconds = int(found["seconds"])
    if found["source"]:
        return _added(f"banned{address.version}", source, seconds)
    if not 0 < int(found["port"]) < 65536:
        return ""
    return _added(f"known{address.version}", source, seconds) + _added(
        f"logins{address.version}", f"{address} . {int(found['port'])}", seconds
    )


def _added(name: str, element: str, seconds: int) -> str:
    # One that is there keeps its time, unless it goes first; and what goes must be there.
    one = f"element inet {TABLE} {name} {{ {element}"
    return f"add {one} }}\ndelete {one} }}\nadd {one} timeout {seconds}s }}\n"


def _nft(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/usr/sbin/nft", *arguments], input=text, capture_output=True, text=True, check=False
    )


def serve_filter(settings: Mapping[str, object]) -> None:
    """Do what is asked for, until the service is stopped."""
    never = [ipaddress.ip_network(str(one)) for one in _list(settings["never"])]
    path = Path(str(settings["socket"]))
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asked:
        asked.bind(str(path))
        path.chmod(0o660)
        _ready()
        while True:
            text = applied(asked.recv(200), never)
            asked.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(200):
                    text += applied(asked.recv(200), never)
            asked.setblocking(True)
            if text and (done := _nft("-f", "-", text=text)).returncode:
                print(f"<3>nft: {done.stderr.strip()[:500]}", file=sys.stderr)


class _EventSocket:
    """A login of our own at FreeSWITCH's Event Socket; it comes again when FreeSWITCH does."""

    def __init__(self, port: int, password: str) -> None:
        self._port, self._password = port, password
        self.socket: socket.socket | None = None
        self._unread = b""

    def connect(self) -> socket.socket | None:
        """Try once."""
        try:
            self.socket = socket.create_connection(("127.0.0.1", self._port), 5)
        except OSError:
            return None
        self._unread = b""
        self._send(f"userauth {LOGIN}@event_socket:{self._password}")
        self._send(f"event plain CUSTOM {' '.join(EVENTS)}")
        return self.socket

    def _send(self, command: str) -> None:
        assert self.socket is not None
        with contextlib.suppress(OSError):
            self.socket.sendall(f"{command}\n\n".encode())

    def events(self) -> Iterator[Mapping[str, str]]:
        """Return what has come since. ``socket`` is None afterwards where the connection has
        ended."""
        assert self.socket is not None
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.socket.close()
            self.socket = None
            return
        self._unread += data
        while True:
            head, end, rest = self._unread.partition(b"\n\n")
            if not end:
                return
            headers = _headers(head)
            length = int(headers.get("Content-Length", "0"))
            if len(rest) < length:
                return
            self._unread = rest[length:]
            said = headers.get("Reply-Text", "")
            if said.startswith("-ERR"):
                print(f"<3>FreeSWITCH refuses the login: {said}", file=sys.stderr)
            if headers.get("Content-Type") == "text/event-plain":
                yield _headers(rest[:length])


LOGIN = "callcenter_bans"
"""Name that no program of a Site's can have: it has an underscore."""


def _headers(data: bytes) -> dict[str, str]:
    lines = (line.partition(": ") for line in data.decode(errors="replace").split("\n"))
    return {name: unquote(value) for name, colon, value in lines if colon}


def _list(given: object) -> list[object]:
    assert isinstance(given, list)
    return given


def _ready() -> None:
    """Tell systemd that the work has begun."""
    if (path := os.environ.get("NOTIFY_SOCKET")) is not None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(b"READY=1", path.replace("@", "\0", 1) if path[0] == "@" else path)


def reported(whose: str, address: str) -> str:
    """Return a line for the unit that mails, as FreeSWITCH writes them: alarm.py reads it."""
    at = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"{at}.000000 [WARNING] bans Inbound limit (guesses) of {whose} hit by a call {address}"


class Watch:
    """Reads FreeSWITCH and the journal, and tells the packet filter."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._guessers = Guessers(str(one) for one in _list(settings["never"]))
        self._filter = str(settings["socket"])
        self._state = Path(str(settings["state"]))
        self._report = Path(str(settings["report"])) if settings.get("report") else None
        self._told: dict[str, float] = {}
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._freeswitch = None
        if settings.get("port"):
            password = Path(str(settings["password"])).read_text().removeprefix("password ").strip()
            self._freeswitch = _EventSocket(int(str(settings["port"])), password)
        with contextlib.suppress(OSError, ValueError, TypeError):
            kept = json.loads(self._state.read_text())
            self._guessers.bans = {str(a): (int(n), float(t)) for a, (n, t) in kept.items()}

    def take(self, found: Failure | Login | None, now: float) -> None:
        """Act on what was read."""
        if isinstance(found, Login):
            source = self._guessers.logged_in(found, now)
            one = f"{found.address} {found.port}"
            # Phones register again and again.
            if source is not None and not 0 <= now - self._told.get(one, 0.0) < KNOWN / 4:
                _keep(self._told, one, now)
                self._ask(f"login {one} {KNOWN}")
        elif found is not None:
            if found.kind == "PIN":
                print(f"<5>a call of {found.user} was ended for wrong PINs", file=sys.stderr)
            ban = self._guessers.failed(found, now) if found.weight else None
            if ban is not None:
                self._ask(f"ban {ban.source} {ban.seconds}")
                print(f"<5>banned {ban.source} for {ban.seconds} s: {ban.why}", file=sys.stderr)
                self._keep()
            for whose in self._guessers.slowly(found, now):
                self._tell(whose, found)

    def _ask(self, what: str) -> None:
        try:
            self._out.sendto(what.encode(), self._filter)
        except OSError as wrong:
            print(f"<3>the packet filter's unit is away: {wrong}", file=sys.stderr)

    def _keep(self) -> None:
        new = self._state.with_suffix(".new")
        try:
            new.write_text(json.dumps(self._guessers.bans))
            new.replace(self._state)
        except OSError as wrong:
            print(f"<3>{self._state} cannot be written: {wrong}", file=sys.stderr)

    def _tell(self, whose: str, failure: Failure) -> None:
        """Write a line for the unit that mails."""
        print(f"<4>{whose} is guessed at from many addresses: {failure.address}", file=sys.stderr)
        if self._report is None:
            return
        try:
            if self._report.exists() and self._report.stat().st_size > 1_000_000:
                self._report.replace(f"{self._report}.1")
            with self._report.open("a") as opened:
                opened.write(f"{reported(whose, failure.address)}\n")
        except OSError as wrong:
            print(f"<3>{self._report} cannot be written: {wrong}", file=sys.stderr)

    def run(self) -> None:
        """Go on until the service is stopped; an end of the journal ends it."""
        # What root's processes of sshd's name, and those of two units, say on this machine.
        here = f"_MACHINE_ID={Path('/etc/machine-id').read_text().strip()}"
        of_sshd = ["_UID=0", here]
        journal = subprocess.Popen(
            [
                # Without --merge it would ask for the boot's id, which a unit does not see.
                *("/usr/bin/journalctl", "--merge", "-f", "-n", "0", "-o", "json"),
                *("--output-fields=MESSAGE,_COMM,_SYSTEMD_UNIT", *of_sshd, "_COMM=sshd"),
                *("+", *of_sshd, "_COMM=sshd-session"),
                *("+", here, f"_SYSTEMD_UNIT={KAMAILIO}.service", "_COMM=kamailio"),
                *("+", here, f"_SYSTEMD_UNIT={VOICEMAIL}"),
            ],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        assert journal.stdout is not None
        os.set_blocking(journal.stdout.fileno(), False)
        unread = b""
        with selectors.DefaultSelector() as waiting:
            waiting.register(journal.stdout, selectors.EVENT_READ)
            _ready()
            while True:
                events = self._freeswitch
                if events is not None and events.socket is None:
                    connected = events.connect()
                    if connected is not None:
                        waiting.register(connected, selectors.EVENT_READ)
                away = events is not None and events.socket is None
                for key, _ in waiting.select(1 if away else None):
                    if key.fileobj is journal.stdout:
                        data = journal.stdout.read(65536)
                        if not data:
                            return
                        *lines, unread = (unread + data).split(b"\n")
                        for line in lines:
                            self.take(_journal(line), time.time())
                        continue
                    assert events is not None
                    for headers in events.events():
                        self.take(event_of(headers), time.time())
                    if events.socket is None:
                        waiting.unregister(key.fileobj)


def _journal(line: bytes) -> Failure | Login | None:
    try:
        said = json.loads(line)
        message, program = said["MESSAGE"], said["_COMM"]
        unit = said.get("_SYSTEMD_UNIT")
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(message, str):
        return None
    if unit == VOICEMAIL:
        return said_by_voicemail(message)
    return said_by_kamailio(message) if program == KAMAILIO else said_by_sshd(message)


KAMAILIO = "kamailio"
"""Name of the program, of its unit and of its user."""
VOICEMAIL = "callcenter-voicemail-page.service"
"""Unit of the program that shows voice messages on a page."""


def _kamailio(*words: str) -> str | None:
    """Ask a Kamailio of this host; None where there is none, or it does not answer."""
    asked = ["/usr/sbin/kamcmd", "-s", f"unixs:/run/{KAMAILIO}/kamailio_ctl", *words]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


_ITEM = re.compile(r"name: (?P<who>[A-Za-z0-9._*#+@:-]{2,110})\s+value: (?P<until>[0-9]{1,12})")


def _by_kamailio() -> dict[str, int]:
    """Return what Kamailio does not answer, an address or a user there, and for how many seconds
    more."""
    answer = _kamailio("htable.dump", "banned") or ""
    now = int(time.time())
    return {one["who"]: max(int(one["until"]) - now, 0) for one in _ITEM.finditer(answer)}


def shown() -> dict[str, int]:
    """Return the addresses that are shut out, or a user there, and for how many seconds more."""
    out = _by_kamailio()
    for address, seconds in _by_filter().items():
        out[address] = max(seconds, out.get(address, 0))
    return out


def _by_filter() -> dict[str, int]:
    """Return the addresses that the packet filter shuts out, and for how many seconds more."""
    out: dict[str, int] = {}
    for version in (4, 6):
        done = _nft("-j", "list", "set", "inet", TABLE, f"banned{version}")
        if done.returncode:
            if _kamailio("core.version") is not None:
                # An edge without a switch has no such list.
                return out
            raise SystemExit(f"the packet filter has no list of bans: {done.stderr.strip()[:200]}")
        for item in json.loads(done.stdout)["nftables"]:
            for one in item.get("set", {}).get("elem", ()):
                out[one["elem"]["val"]] = int(one["elem"]["expires"])
    return out


def lift(text: str) -> None:
    """Let an address in again, with all users there; refuse one that is not shut out."""
    found = source_of(text)
    kept = [one for one in _by_kamailio() if found and one.rpartition("@")[2] == str(found[1])]
    for one in kept:
        _kamailio("htable.delete", "banned", f"s:{one}")
    if found is None or found[0] not in _by_filter():
        if not kept:
            raise SystemExit(f"{text} is not shut out")
        return
    element = f"inet {TABLE} banned{found[1].version} {{ {found[0]} }}"
    done = _nft("-f", "-", text=f"delete element {element}\n")
    if done.returncode:
        raise SystemExit(done.stderr.strip()[:200])


def main(what: str, *more: str) -> None:
    """Run one of the programs."""
    if what == "list":
        print(json.dumps(shown()))
    elif what == "lift":
        lift(*more)
    else:
        settings = json.loads(Path(*more).read_text())
        if what == "filter":
            serve_filter(settings)
        else:
            Watch(settings).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
