"""FreeSWITCH's configuration, exchanged as a whole: the new release is put in place and applied by
the gentlest steps, or everything is left as it was.

This file alone travels to Linux hosts and runs there as ``freeswitch-release``: it needs what
Debian's python3-minimal has of Python 3.11. Windows hosts have the same steps taken from the
operator's machine, through a :class:`Door` of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = [
    "Change",
    "Door",
    "Linux",
    "No",
    "Releases",
    "Switch",
    "binds",
    "main",
    "origin",
    "seconds_to_wait",
]

CONFIG = "/etc/freeswitch"
FS_CLI_CONFIG = "/etc/fs_cli.conf"
CLI_CONFIG = ".fs_cli_conf"
UNIT = "freeswitch.service"
LOGS = "/var/log/freeswitch"
CERTS = "/var/lib/freeswitch/certs"
TRIAL = "/run/callcenter-trial"
"""File that is there while FreeSWITCH is started with a release that it has not accepted yet."""
RESTART_NEEDED = "/run/callcenter-restart"
ADVERTISED = "/run/callcenter-announced"
STUN_ANSWER = "/var/lib/callcenter/public-address.xml"
KAMAILIO_CONFIG = "/etc/kamailio/callcenter/kamailio.cfg"
KAMAILIO_ADVERTISED = "/etc/kamailio/callcenter/announced"
KAMAILIO_UNIT = "kamailio.service"
FIREWALL_RULES = "/etc/callcenter/firewall.nft"

KEPT = 5
"""Number of releases that stay on the host, for who wants to look back."""
RESUME = "callcenter-resume"
"""Group of FreeSWITCH's own timer that ends a drain which nobody ends."""
STOPPED = "callcenter_stopped_"
"""Global variable of FreeSWITCH's, with a profile's name behind it: when that was stopped."""
ENDS_SECONDS = 5
"""Seconds after which nothing is left of a profile that was stopped. They are two and a half."""
SLOW = 3
"""Factor of all limits where each question takes its time."""
ANSWER_SECONDS = 20
"""Seconds within which FreeSWITCH answers a question."""
FIRST_SECONDS = 60
"""Seconds that FreeSWITCH may take to answer after its start."""


class No(Exception):
    """FreeSWITCH, or its host, said no: lines for the operator."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Return what is said of it."""
        return tuple(str(line) for line in self.args)


class Change(NamedTuple):
    """Steps, and what they need, that make a running FreeSWITCH that of the new release."""

    actions: tuple[str, ...]
    """Steps, the gentlest first: words of :meth:`Switch.perform`."""
    undo: tuple[str, ...]
    """Steps that take back the gentle ones."""
    modules: tuple[str, ...]
    """Modules that must be loaded afterwards for the change to count."""
    profiles: tuple[str, ...]
    """Profiles that must be running."""
    live_calls: str
    """Word of the Site's ``maintenance``: drain, stop or drop."""
    drain_seconds: int

    @property
    def is_harsh(self) -> bool:
        """Tell whether a step can end calls."""
        return any(re.match(r"restart$|profile |stop ", one) for one in self.actions)


class Door(ABC):
    """A host's FreeSWITCH: how it is asked, and which release it reads."""

    quick = True
    """Fact that answers come fast enough to see a profile that is gone for two seconds."""

    @abstractmethod
    def ask(self, command: str) -> str:
        """Return FreeSWITCH's answer, stripped. Raises :class:`No` where there is none."""

    @abstractmethod
    def say(self, line: str) -> None:
        """Tell the operator."""

    @abstractmethod
    def is_running(self) -> bool:
        """Tell whether the service runs."""

    @abstractmethod
    def start(self) -> None:
        """Start the service, anew where it runs, or raise :class:`No`."""

    def started(self, good: bool) -> None:
        """Look after a start, where there is something to. ``good``: whether FreeSWITCH answers."""
        return

    def make_room(self) -> None:
        """Stop what has the port that the new release takes, where something has. Nobody has it
        until FreeSWITCH runs with that release."""
        return

    def give_back(self) -> None:
        """Give it the port again, once FreeSWITCH has left it."""
        return

    @abstractmethod
    def put(self) -> None:
        """Have FreeSWITCH read the new release from now on. It still runs with the former one,
        whose password it takes."""

    @abstractmethod
    def put_back(self) -> str | None:
        """Have it read the former one again, and name that; None where there was none. Its password
        is still that which it took before."""

    @abstractmethod
    def accept(self) -> None:
        """Write down that FreeSWITCH has accepted the new release."""

    @abstractmethod
    def follow(self) -> None:
        """Log in by the password of the release that FreeSWITCH reads."""

    @abstractmethod
    def has(self, path: str) -> bool:
        """Tell whether a file is in the release that FreeSWITCH reads."""

    def has_failed(self) -> bool:
        """Tell whether it will not come up any more."""
        return False

    def listens(self, at: str) -> bool:
        """Tell whether somebody listens at an address and port, where that can be seen."""
        return True

    def merged(self) -> Sequence[str]:
        """Return the lines of what FreeSWITCH has read, where that can be seen."""
        return ()


def seconds_to_wait(answer: str) -> int:
    """Read how long a profile must be up before it stops or restarts; 0 where it does so now.

    FreeSWITCH says it on its answer's second line (mod_sofia.c), and of one second in the singular.
    """
    said = re.search(r"^Please wait (\d+) seconds?\b", answer, re.MULTILINE)
    return int(said[1]) if said else 0


def binds(answer: str) -> list[str]:
    """Return addresses with ports that a profile binds, of what ``sofia status profile`` says."""
    out = []
    for line in re.findall(r"^(?:TLS-)?BIND-URL\s.*@(.*)$", answer, re.MULTILINE):
        # Where the profile announces another address, maddr says which one it binds.
        if own := re.match(r".*:(\d+);maddr=([0-9a-f.:]+)", line):
            host = f"[{own[2]}]" if ":" in own[2] else own[2]
            out.append(f"{host}:{own[1]}")
        else:
            out.append(line.partition(";")[0].strip())
    return out


def origin(refusal: str, merged: Sequence[str]) -> list[str]:
    """Name the template and the Site's field that a refusal is about, by the marks in the merged
    XML."""
    at = re.search(r"near line (\d+)", refusal)
    template = field = None
    for line in merged[: int(at[1])] if at else ():
        if found := re.search(r"<!-- template ([^ ]+)", line):
            template, field = found[1], None
        if found := re.search(r"field (.*) -->", line):
            field = found[1]
    return [
        *([f"it comes from templates/{template}"] if template else []),
        *([f"and from the Site's field {field}"] if field else []),
    ]


class Switch:
    """FreeSWITCH behind a door, and the steps that change its release."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.ask = door.ask
        self._paused = False

    def apply(self, change: Change) -> None:
        """Make FreeSWITCH run with the new release, or raise :class:`No` with all as it was."""
        door = self.door
        running = door.is_running()
        try:
            if running and change.is_harsh:
                self.quiet(change.live_calls, change.drain_seconds, change.actions[-1])
            try:
                door.make_room()
            except No as wrong:
                door.give_back()
                raise No(*wrong.lines, "nothing was changed") from None
            door.put()
            try:
                if running:
                    for action in change.actions:
                        self.perform(action)
                    door.follow()
                else:
                    self._start()
                self.check(change)
            except (No, OSError) as wrong:
                self._tell(wrong)
                raise self._undone(change, gently=running and not change.is_harsh) from None
            door.accept()
        finally:
            self.resume()

    def _undone(self, change: Change, *, gently: bool) -> No:
        """Apply the former release once more; return what is said of it."""
        former = self.door.put_back()
        try:
            return self._former(former, change, gently=gently)
        finally:
            self.door.give_back()

    def _former(self, former: str | None, change: Change, *, gently: bool) -> No:
        if former is None:
            return No("FreeSWITCH does not run with this release, and there is no former one")
        # As far as the steps were done at all.
        if gently and self.door.is_running():
            for action in ("reloadxml", *change.undo):
                with contextlib.suppress(No):
                    self.perform(action)
        else:
            try:
                self._start()
            except No as further:
                self._tell(further)
        return No(f"{former} is back")

    def _tell(self, wrong: No | OSError) -> None:
        for line in wrong.lines if isinstance(wrong, No) else (str(wrong),):
            self.door.say(line)

    def _start(self) -> None:
        good = False
        try:
            self.door.start()
            self.door.follow()
            self.awake()
            good = True
        finally:
            self.door.started(good)

    def awake(self) -> None:
        """Wait until FreeSWITCH answers, or raise :class:`No`."""
        ends = time.monotonic() + FIRST_SECONDS
        while not self.door.has_failed() and time.monotonic() < ends:
            with contextlib.suppress(No):
                if "is ready" in self.ask("status"):
                    return
            time.sleep(0.5)
        raise No("FreeSWITCH does not answer after its start")

    def check(self, change: Change) -> None:
        """Make sure that every module and profile of the release is there and running."""
        if self.door.quick:
            lacking = [one for one in change.modules if not self._has_module(one)]
        else:
            table = self.ask("show modules")
            known = {word for line in table.splitlines() for word in line.strip().split(",")}
            lacking = [one for one in change.modules if one not in known]
        for module in lacking:
            raise No(f"{module} is not loaded")
        for profile in change.profiles:
            if not self.within(0 if self.door.quick else 20, self._runs, profile):
                raise No(f"sofia profile {profile} is not running")

    def perform(self, action: str) -> None:
        """Take one step, or raise :class:`No`."""
        try:
            self._perform(action)
        except No as wrong:
            raise No(*wrong.lines, f"failed: {action}") from None

    def _perform(self, action: str) -> None:
        word, _, rest = action.partition(" ")
        if word == "reloadxml":
            answer = self.ask(word)
            if answer != "+OK [Success]":
                said = f"FreeSWITCH refused the configuration: {answer}"
                raise No(said, *origin(answer, self.door.merged()))
        elif word == "restart":
            self._start()
        elif action == "reload mod_event_socket":
            # Its reload ends the connection that asks for it, and changes the password.
            self._try(f"bgapi {action}")
            self.door.follow()
            self.awake()
        elif word in ("load", "unload", "reload"):
            self._module(action, word, rest)
        elif word == "rescan":
            self._rescan(rest)
        elif word == "start":
            self._await_its_end(rest)
            self._try(f"sofia profile {rest} start")
            _must(self.within(30, self._bound, rest))
        elif word == "stop":
            said = self._old_enough(rest, word)
            _must(self.within(20, self._gone, rest), said)
            self.ask(f"global_setvar {STOPPED}{rest}={self.ask('strepoch')}")
        elif word == "profile":
            self._reopen(rest)
        elif word == "gateway":
            self.gateway(*rest.split())
        elif word in ("fsctl", "reloadacl", "voicemail", "distributor_ctl", "callcenter_config"):
            answer = self.ask(action)
            # A tier or agent that is there already is what was wanted.
            there = word == "callcenter_config" and "already exist" in answer
            _must(there or bool(re.search(r"^\+OK", answer, re.MULTILINE)), answer)
        else:
            raise No(f"unknown action {action}")

    def _try(self, command: str) -> str:
        """Return the answer, or nothing: what has become of it is asked for afterwards."""
        try:
            return self.ask(command)
        except No:
            return ""

    def _module(self, action: str, word: str, module: str) -> None:
        if action == "unload mod_pgsql":
            # The core still holds connections that only the module can close.
            _must(self.within(90, self._is_idle))
        # load prints +OK of its reload first even when the load fails: its presence counts.
        self._try(action)
        _must(self._has_module(module) == (word != "unload"))

    def _has_module(self, module: str) -> bool:
        return self.ask(f"module_exists {module}") == "true"

    def _is_idle(self) -> bool:
        return "database_interface" not in self.ask("db_cache status")

    def _rescan(self, profile: str) -> None:
        answer = self.ask(f"sofia profile {profile} rescan")
        _must("scan" in answer.lower(), answer)

    def gateway(self, profile: str, name: str) -> None:
        """Have one gateway go, and come back where the release has it."""
        # With the one that emergency calls try when it is down.
        for each in (name, f"{name}.urgent"):
            self._try(f"sofia profile {profile} killgw {each}")
            if not self.within(20, self._is_missing, each):
                raise No(f"gateway {each} does not go")
        self._rescan(profile)
        at = f"gateways/{'tls/' if profile.startswith('tls-') else ''}{name}.xml"
        if self.door.has(at) and not self.within(20, lambda: not self._is_missing(name)):
            raise No(f"gateway {name} does not come")

    def _is_missing(self, gateway: str) -> bool:
        answer = self.ask(f"sofia status gateway {gateway}")
        return re.search(r"^Invalid Gateway", answer, re.MULTILINE) is not None

    def _reopen(self, profile: str) -> None:
        """Have a profile go, come back and bind, all in the background.

        Not stop and start: a start before the last thread of the old profile has ended is said to
        have worked, and then nothing is there.
        """
        said = self._old_enough(profile, "restart")
        went = self.within(20, self._gone if self.door.quick else self._is_young, profile)
        if not went:
            raise No(f"sofia profile {profile} does not restart: {said}")
        # It waits up to 32 s for what a silent carrier owes it.
        if not self.within(45, self._bound, profile):
            raise No(f"sofia profile {profile} does not come back: {said}")

    def _old_enough(self, profile: str, word: str) -> str:
        """Stop or restart a profile; FreeSWITCH does neither in its first ten seconds."""
        said = self._try(f"sofia profile {profile} {word}")
        if wait := seconds_to_wait(said):
            time.sleep(wait)
            said = self._try(f"sofia profile {profile} {word}")
        return said

    def _await_its_end(self, profile: str) -> None:
        """Wait until a profile of that name has ended, where one was stopped just now: FreeSWITCH
        knows it no more, and has not forgotten it, so it would not know the new one either."""
        stopped, now = self._try(f"global_getvar {STOPPED}{profile}"), self._try("strepoch")
        # A clock that was set back meanwhile makes nobody wait until then.
        if stopped.isdecimal() and now.isdecimal() and int(stopped) <= int(now):
            time.sleep(max(0, int(stopped) + ENDS_SECONDS - int(now)))

    def _gone(self, profile: str) -> bool:
        return not binds(self.ask(f"sofia status profile {profile}"))

    def _is_young(self, profile: str) -> bool:
        """Tell whether a profile has come anew: it is gone for two seconds, which slow questions
        may all miss. While it is gone FreeSWITCH knows none of that name; the new one is too young
        to restart, and says so."""
        return seconds_to_wait(self.ask(f"sofia profile {profile} restart")) > 0

    def _bound(self, profile: str) -> bool:
        at = binds(self.ask(f"sofia status profile {profile}"))
        return bool(at) and all(map(self.door.listens, at)) and self._runs(profile)

    def _runs(self, profile: str) -> bool:
        lines = (line.split() for line in self.ask("sofia status").splitlines())
        return any(line[:2] == [profile, "profile"] and "RUNNING" in line for line in lines)

    def within(self, seconds: float, question: Callable[..., bool], *words: str) -> bool:
        """Ask until the answer is yes: FreeSWITCH has no way to tell by itself."""
        ends = time.monotonic() + seconds * (1 if self.door.quick else SLOW)
        while True:
            with contextlib.suppress(No):
                if question(*words):
                    return True
            if time.monotonic() >= ends:
                return False
            time.sleep(0.25)

    def calls(self) -> int:
        """Return how many calls are up."""
        found = re.search(r"^(\d+) total", self.ask("show calls count"), re.MULTILINE)
        return int(found[1]) if found else 0

    def quiet(self, live_calls: str, drain_seconds: int, why: str) -> None:
        """Return when calls may be ended, as the Site says, or raise :class:`No`.

        After a drain FreeSWITCH takes no new calls until it is told to :meth:`resume`.
        """
        if live_calls == "drain":
            try:
                self._drain(drain_seconds)
            except BaseException:
                self.resume()
                raise
        elif live := self.calls():
            if live_calls == "stop":
                raise No(
                    f"{live} calls are up and this change needs: {why}; nothing was changed "
                    "(maintenance.live_calls is stop)"
                )
            self.door.say(f"ending {live} live calls, as maintenance.live_calls says")

    def _drain(self, seconds: int) -> None:
        # That of a drain which was killed would end this one.
        self.ask(f"sched_del {RESUME}")
        # First, so that whatever becomes of us FreeSWITCH takes calls again.
        self.ask(f"sched_api +{seconds + 10} {RESUME} fsctl resume inbound")
        self._paused = True
        self.ask("fsctl pause inbound")
        begun = due = time.monotonic()
        while live := self.calls():
            now = time.monotonic()
            if now - begun >= seconds:
                raise No(
                    f"{live} calls are still up after {seconds} s; nothing was changed "
                    "(maintenance.drain_seconds)"
                )
            if now >= due:
                self.door.say(f"waiting for {live} calls to end")
                due = now + 30
            time.sleep(1)

    def resume(self) -> None:
        """Take new calls again after a drain. A FreeSWITCH that was started anew, or is gone, has
        forgotten it."""
        if not self._paused:
            return
        self._paused = False
        # What went wrong before is what counts, and FreeSWITCH's own timer is left.
        with contextlib.suppress(Exception):
            self.ask("fsctl resume inbound")
            self.ask(f"sched_del {RESUME}")


def _must(done: bool, answer: str = "") -> None:
    if not done:
        raise No(*([answer] if answer else []))


class Releases:
    """The releases of a Linux host: a folder each, and links to the one that FreeSWITCH reads and
    to the last that it has accepted."""

    def __init__(self, config: Path) -> None:
        self.folder = config / "releases"
        self.current = config / "current"
        self.applied = config / "applied"
        self._lock: int | None = None

    @staticmethod
    def named(link: Path) -> str:
        """Return the name of the release that a link leads to, or nothing."""
        try:
            return os.path.basename(os.readlink(link))
        except OSError:
            return ""

    def point(self, link: Path, release: str) -> None:
        """Have a link lead to a release, in one moment."""
        new = f"{link}.new"
        _gone(new)
        os.symlink(f"{self.folder.name}/{release}", new)
        os.rename(new, link)

    def lock(self) -> None:
        """Wait until nobody else changes a release, and keep others from it."""
        self._lock = os.open(self.folder / ".lock", os.O_WRONLY | os.O_CREAT, 0o640)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def prepare(self, given: Path, old: str) -> str:
        """Make the new release of the old one and of what differs; return its name."""
        manifest = (given / "manifest").read_bytes()
        new = self.folder / ".new"
        _run("rm", "-rf", str(new))
        if old and (self.folder / old).is_dir():
            _run("cp", "-a", str(self.folder / old), str(new))
        else:
            new.mkdir()
        for path in _lines(given / "removed"):
            _gone(f"{new}/{path}")
        (given / "files").mkdir(exist_ok=True)
        _run("cp", "-a", f"{given}/files/.", str(new))
        _run("chmod", "-R", "u=rwX,g=rX,o=", str(new))
        _run("find", str(new), "-mindepth", "1", "-type", "d", "-empty", "-delete")
        for line in manifest.decode().splitlines():
            digest, path = line.split("  ", 1)
            if digest != _digest(new / path):
                raise No(f"{path}: the release did not arrive whole; nothing was changed")
        return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{_sum(manifest)[:8]}"

    def keep(self, name: str) -> None:
        """Give what was prepared its name, once the disk has it."""
        new, release = self.folder / ".new", self.folder / name
        _run("sync", "-f", str(new))
        _run("rm", "-rf", str(release))
        new.rename(release)

    def prune(self) -> None:
        """Remove all but the last releases, and those that links lead to."""
        held = {self.named(self.current), self.named(self.applied)}
        names = sorted((one for one in os.listdir(self.folder) if one[0] != "."), reverse=True)
        for name in names[KEPT:]:
            if name not in held:
                _run("rm", "-rf", str(self.folder / name))

    def settle(self) -> str | None:
        """Have FreeSWITCH read what it has accepted; return what it would have read else."""
        current, good = self.named(self.current), self.named(self.applied)
        if not good or current == good:
            return None
        self.point(self.current, good)
        return current


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(file: Path) -> str:
    try:
        return _sum(file.read_bytes())
    except OSError:
        return ""


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _run(*words: str) -> None:
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=True)


def _enable() -> None:
    """Have systemd start the service at each boot. It reads all units only to take away a mask."""
    asked = ["systemctl", "is-enabled", UNIT]
    state = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if state.startswith("masked"):
        _run("systemctl", "unmask", "--runtime", "--quiet", UNIT)
    if state != "enabled":
        _run("systemctl", "enable", "--no-reload", "--quiet", UNIT)


def _share_key() -> None:
    """Have FreeSWITCH's first start make one key, and not a second for MSRP, which nobody speaks:
    each, of 4,096 bits, takes a processor seconds."""
    for words in (("mkdir", "-m", "700", CERTS), ("ln", "-s", "dtls-srtp.pem", f"{CERTS}/wss.pem")):
        # Not as root: the folder lies in FreeSWITCH's own.
        _run("runuser", "-u", "freeswitch", "--", *words)


def _does(*words: str) -> bool:
    """Tell whether a command succeeds, which says nothing by itself."""
    quiet = subprocess.DEVNULL
    return subprocess.run(words, stdin=quiet, stdout=quiet, stderr=quiet).returncode == 0


def _is_active() -> bool:
    return _does("systemctl", "is-active", "--quiet", UNIT)


def _gone(file: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(file)


def _say(line: str) -> None:
    # An operator who has gone does not keep us from the end.
    with contextlib.suppress(OSError):
        print(f"callcenter: {line}", file=sys.stderr, flush=True)


_LOGIN = re.compile(r"^(host|port|password) => (.*)$", re.MULTILINE)


def _message(said: BinaryIO) -> tuple[str, str]:
    """Read a message of the Event Socket's: its headers, and its text."""
    headers = b""
    while not headers.endswith(b"\n\n"):
        line = said.readline()
        if not line:
            raise ConnectionError("the Event Socket has ended")
        headers += line
    length = re.search(rb"^Content-Length: (\d+)", headers, re.MULTILINE)
    text = said.read(int(length[1])) if length else b""
    return headers.decode(errors="replace"), text.decode(errors="replace")


class Linux(Door):
    """FreeSWITCH of this host, asked by its Event Socket."""

    def __init__(self, releases: Releases) -> None:
        self.releases = releases
        self.old = releases.named(releases.applied)
        self.new = ""
        self.home = releases.applied.resolve()
        """Folder of the release whose password the running FreeSWITCH takes."""
        self.closing: Path | None = None
        """File of the packet filter's rules by which FreeSWITCH has Kamailio's port, where it takes
        that. It is empty where there is no packet filter."""

    def ask(self, command: str) -> str:
        """Return FreeSWITCH's answer, stripped. Raises :class:`No` where there is none."""
        # As fs_cli asks, by its login. A change asks a dozen times, and each would be a program.
        login = dict(_LOGIN.findall(_text(str(self.home / CLI_CONFIG))))
        try:
            at = login["host"], int(login["port"])
            with (
                socket.create_connection(at, ANSWER_SECONDS) as there,
                there.makefile("rb") as said,
            ):
                _message(said)
                there.sendall(f"auth {login['password']}\n\n".encode())
                if "+OK" in _message(said)[0]:
                    there.sendall(f"api {command}\n\n".encode())
                    return _message(said)[1].strip()
        except TimeoutError:
            raise No(f"FreeSWITCH does not answer {command!r}") from None
        except (OSError, KeyError):
            # Nobody listens, FreeSWITCH ended while it was asked, or the release has no login.
            pass
        raise No(f"FreeSWITCH cannot be asked {command!r}")

    def say(self, line: str) -> None:
        """Tell the operator."""
        _say(line)

    def is_running(self) -> bool:
        """Tell whether the service runs."""
        return _is_active()

    def has_failed(self) -> bool:
        """Tell whether systemd has given it up."""
        return _does("systemctl", "is-failed", "--quiet", UNIT)

    def log_in(self) -> None:
        """Find out whose password FreeSWITCH takes, where a run was cut off in the middle."""
        if self.releases.current.resolve() == self.home:
            return
        try:
            self.ask("status")
        except No:
            self.follow()

    def start(self) -> None:
        """Start the service with a release that it may not have accepted."""
        Path(TRIAL).touch()
        _does("systemctl", "reset-failed", UNIT)
        try:
            _run("systemctl", "restart", UNIT)
        except subprocess.CalledProcessError:
            raise No("FreeSWITCH does not start") from None

    def started(self, good: bool) -> None:
        """Look after a start: what FreeSWITCH and systemd said of one that failed is shown."""
        _gone(TRIAL)
        if good:
            _gone(RESTART_NEEDED)
        else:
            for words in (
                ("journalctl", "-u", UNIT, "-n", "20", "--no-pager"),
                ("tail", "-n", "20", f"{LOGS}/freeswitch.log"),
            ):
                subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr)

    def make_room(self) -> None:
        """Stop Kamailio, and let its phones in no more. After a power cut both are as before."""
        if self.closing is None:
            return
        if not _does("systemctl", "stop", KAMAILIO_UNIT) or not self._filtered(self.closing):
            raise No("Kamailio does not make room")

    def give_back(self) -> None:
        """Start Kamailio, and let its phones in again."""
        if self.closing is None:
            return
        opened = self._filtered(Path(FIREWALL_RULES))
        if not _does("systemctl", "start", KAMAILIO_UNIT) or not opened:
            self.say("Kamailio does not come back")

    def _filtered(self, rules: Path) -> bool:
        """Tell whether the packet filter, where there is one, has these rules now."""
        assert self.closing is not None
        return not self.closing.stat().st_size or _does("nft", "-f", str(rules))

    def put(self) -> None:
        """Have FreeSWITCH read the new release from now on."""
        self.releases.point(self.releases.current, self.new)

    def put_back(self) -> str | None:
        """Have it read the last one that it has accepted."""
        if not self.old:
            return None
        self.releases.point(self.releases.current, self.old)
        return f"release {self.old}"

    def accept(self) -> None:
        """Write down that FreeSWITCH has accepted the new release."""
        if self.closing is not None:
            # First, so that no boot finds FreeSWITCH at a port that phones are let in to.
            if rules := self.closing.read_bytes():
                new = Path(f"{FIREWALL_RULES}.new")
                new.write_bytes(rules)
                new.chmod(0o644)
                new.rename(FIREWALL_RULES)
            _run("systemctl", "disable", "--quiet", KAMAILIO_UNIT)
        self.releases.point(self.releases.applied, self.new)

    def follow(self) -> None:
        """Log in by the password of the release that FreeSWITCH reads."""
        self.home = self.releases.current.resolve()

    def has(self, path: str) -> bool:
        """Tell whether a file is in the release that FreeSWITCH reads."""
        return (self.releases.current / path).exists()

    def listens(self, at: str) -> bool:
        """Tell whether somebody listens at an address and port."""
        done = subprocess.run(["ss", "-Hlntu", "src", at], capture_output=True)
        return bool(done.stdout.strip())

    def merged(self) -> Sequence[str]:
        """Return the lines of the configuration as FreeSWITCH has read it."""
        try:
            file = Path(LOGS, "freeswitch.xml.fsxml")
            return file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ()


def apply(releases: Releases, given: Path) -> None:
    """Make FreeSWITCH run with the release that a folder describes, or raise :class:`No`.

    The folder holds ``files`` (new and changed ones), ``removed``, ``manifest`` (what sha256sum
    says of the whole release), ``actions`` and ``undo`` (one a line), ``policy``, ``modules`` and
    ``profiles``; and ``closing``, the packet filter's rules, where Kamailio makes room.
    """
    releases.folder.mkdir(parents=True, exist_ok=True)
    _run("chgrp", "freeswitch", str(releases.folder))
    _run("ln", "-sfn", f"{releases.applied}/{CLI_CONFIG}", FS_CLI_CONFIG)
    _enable()
    releases.lock()
    if not os.path.exists(CERTS):
        _share_key()
    door = Linux(releases)
    if (closing := given / "closing").exists():
        door.closing = closing
    door.new = releases.prepare(given, door.old)
    _run("chown", "-R", "root:freeswitch", str(releases.folder / ".new"))
    releases.keep(door.new)
    policy = dict(line.split("=", 1) for line in _lines(given / "policy"))
    change = Change(
        # What was changed by hand, or left by a run that was cut off, is read anew in any case.
        actions=tuple(dict.fromkeys(("reloadxml", *_lines(given / "actions")))),
        undo=tuple(_lines(given / "undo")),
        modules=tuple(_lines(given / "modules")),
        profiles=tuple(_lines(given / "profiles")),
        live_calls=policy["live_calls"],
        drain_seconds=int(policy["drain_seconds"]),
    )
    if door.is_running():
        door.log_in()
    Switch(door).apply(change)
    releases.prune()


def advertise(releases: Releases, address: str) -> None:
    """Have FreeSWITCH tell phones and carriers outside this public address, or raise :class:`No`.

    No call ends, as a rescan binds nothing anew.
    """
    main_process = subprocess.run(
        ["systemctl", "show", "--property", "MainPID", "--value", UNIT],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    seen = f"{address} {main_process} {releases.named(releases.applied)}\n"
    if not _is_active() or _text(ADVERTISED) == seen:
        return
    releases.lock()
    switch = Switch(Linux(releases))
    switch.awake()
    for file in sorted(releases.applied.glob("sip_profiles/*.xml")):
        if "$${public_address}" in file.read_text(encoding="utf-8"):
            _advertise(switch, releases, file.stem, address)
    if "=>address" in _text(KAMAILIO_CONFIG):
        public(address)
        _run("kamcmd", "htable.reload", os.path.basename(KAMAILIO_ADVERTISED))
        _say(f"Kamailio announces {address} from now on")
    Path(ADVERTISED).write_text(seen)


def _advertise(switch: Switch, releases: Releases, profile: str, address: str) -> None:
    def shown(name: str) -> str:
        answer = switch.ask(f"sofia status profile {profile}")
        found = re.search(rf"^{name}\s+(\S+)", answer, re.MULTILINE)
        return found[1] if found else ""

    if (before := shown("Ext-SIP-IP")) != address:
        _say(f"{profile} announces {address} from now on (before: {before})")
        switch.perform("reloadxml")
        switch.perform(f"rescan {profile}")
        if shown("Ext-SIP-IP") != address:
            raise No(f"{profile} does not announce {address}")
    # A carrier in the local network is told the other one.
    right = (address, shown("SIP-IP"))
    for gateway in _gateways(releases.applied, profile):
        # A rescan leaves alone what is registered with a carrier, and what a carrier is told.
        lines = switch.ask(f"sofia status gateway {gateway}").splitlines()
        contacts = [line for line in lines if line.startswith("Contact")]
        if not any(f"@{one}:" in line for line in contacts for one in right):
            switch.perform(f"gateway {profile} {gateway}")


def _gateways(release: Path, profile: str) -> list[str]:
    own = "*" if profile == "external" else f"tls/{profile.removeprefix('tls-')}"
    return sorted(file.stem for file in release.glob(f"gateways/{own}.xml"))


def public(address: str | None) -> None:
    """Write the public address where Kamailio reads it; None: what the STUN server said last."""
    if address is None:
        found = re.search(r'data="public_address=([0-9.]*)"', _text(STUN_ANSWER))
        address = found[1] if found else ""
    new = Path(f"{KAMAILIO_ADVERTISED}.new")
    new.write_text(
        "key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n"
        f"address:0:0:{address}:0\n"
    )
    new.chmod(0o644)
    new.rename(KAMAILIO_ADVERTISED)


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError:
        return ""


def settle(releases: Releases) -> None:
    """Have FreeSWITCH start with the last release that it accepted, unless one is on trial."""
    if not os.path.exists(TRIAL) and (refused := releases.settle()):
        good = releases.named(releases.applied)
        _say(f"release {refused} was never accepted; starting with {good}")


def _stopped(number: int, _: object) -> None:
    sys.exit(1)


USAGE = """usage: freeswitch-release
    apply FOLDER      the release that FOLDER describes
    announce ADDRESS  phones and carriers outside are told this public address from now on
    public            before each start of Kamailio: where it reads the public address
    settle            before each start: FreeSWITCH reads the last release that it accepted"""


def main(words: Sequence[str]) -> int:
    """Do what the words say; return the exit code."""
    os.umask(0o027)
    for one in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(one, _stopped)
    releases = Releases(Path(CONFIG))
    try:
        match words:
            case ["apply", folder]:
                apply(releases, Path(folder))
            case ["announce", address]:
                advertise(releases, address)
            case ["public"]:
                public(None)
            case ["settle"]:
                settle(releases)
            case _:
                print(USAGE, file=sys.stderr)
                return 1
    except No as wrong:
        for line in wrong.lines:
            _say(line)
        return 1
    except (OSError, subprocess.CalledProcessError) as wrong:
        _say(str(wrong))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
