"""The tiers of tests, and ``bin/test``, which runs them side by side.

python -m tests.suite [TIER...] [-- PYTEST ARGUMENTS]
"""

from __future__ import annotations

import fcntl
import glob
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

from lab import nspawn
from lab.system import PACKAGES as LAB
from lab.system import RUN, LabError, require, single

__all__ = ["GROUPS", "TIERS", "Group", "Outcome", "Suite", "Tier", "chosen", "main"]

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "reports"
KEPT = (REPORTS, ROOT / ".pytest_cache")
STATE = Path(os.environ.get("CALLCENTER_LAB_STATE", "/var/lib/callcenter-lab"))
FREESWITCH = Path(os.environ.get("FREESWITCH_APT", "/srv/freeswitch-apt"))

PACKAGES = "Debian's packages"
NO_FREESWITCH = f"no FreeSWITCH packages in {FREESWITCH} (or where FREESWITCH_APT says)"
NO_TESTS = 5
"""pytest's exit code where no test matches."""
OWN = ".bin-test-"
"""Begins the names of folders of runs; no lab is called so."""
PATIENCE = 60
"""Seconds for tests to end, and to remove what they have made, when the run is interrupted."""
SLOWEST = 3
TAIL = 40

HOSTS: Mapping[str, str] = {**LAB, **nspawn.PACKAGES}
SPEECH = {"bin/espeak-ng": "espeak-ng", "bin/sox": "sox"}
PHONES = {**SPEECH, "bin/sipp": "sip-tester"}
DOCKER = {"*bin/dockerd": "docker.io"}
BROWSER = {
    "bin/chromium": "chromium",
    "bin/chromedriver": "chromium-driver",
    "bin/certutil": "libnss3-tools",
}
WINE = {
    "bin/wine": "wine",
    "lib/wine/wine64": "wine64",
    "bin/wixl": "wixl",
    "bin/x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",
    "bin/make": "make",
    "bin/xz": "xz-utils",
    "sbin/sshd": "openssh-server",
    # What FreeSWITCH's Debian packages need where they are unpacked only.
    "lib/*/libcurl.so.4": "libcurl4",
    "lib/*/libedit.so.2": "libedit2",
    "lib/*/libltdl.so.7": "libltdl7",
    "lib/*/libodbc.so.2": "libodbc2",
    "lib/*/libopus.so.0": "libopus0",
    "lib/*/libspeex.so.1": "libspeex1",
    "lib/*/libspeexdsp.so.1": "libspeexdsp1",
    "lib/*/libsqlite3.so.0": "libsqlite3-0",
    "lib/*/libtiff.so.6": "libtiff6",
    "lib/libtpl.so.0": "libtpl0",
}


@dataclass(frozen=True)
class Tier:
    """A part of the suite that can be asked for by its name."""

    about: str
    """Summary of what it proves, for ``bin/test --help``."""
    run: tuple[str, ...]
    """Command lines, from the repository's root; the first that fails is the last. A line of pytest
    gets its reports and the user's arguments appended."""
    root: bool = False
    """Need to be run as root."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Debian packages by a file of each below /usr. A run in which no tier needs root installs
    none."""
    prepare: str = ""
    """A command line without which the tier is skipped, with its last line as the reason."""
    host: str = ""
    """A lab host that is made, deployed to by ``inventory``, and removed again."""
    inventory: str = ""
    """The inventory of the host."""
    freeswitch: bool = False
    """Need for FreeSWITCH's packages."""
    without: Tier | None = None
    """Tier that is run instead where those are lacking. Without one, this tier is skipped."""
    seconds: int = 1
    """Seconds that it takes, as measured: the longest is begun first."""
    cores: float = 1
    """Processor cores that it keeps busy, as measured."""
    hosts: int = 0
    """Lab hosts that it has up at once, at most."""
    report: str = ""
    """Name of its files in ``reports``, where it is not the tier's own."""
    note: str = ""
    """A word on what is run instead, for the summary."""
    only_by_name: bool = False
    """Exclusion from a run of all tiers, since others prove the same."""


@dataclass(frozen=True)
class Group:
    """A name for several tiers."""

    about: str
    """Summary of its purpose, for ``bin/test --help``."""
    tiers: tuple[str, ...]
    """Names of its tiers."""


# Nobody works with a lab's site.
CALLS = "--inventory inventories/{0} --phones all --calls-at-once 12"
PROOF = f"pytest tests/acceptance {CALLS} --report reports/{{1}}.html"
FIRST = f"pytest tests/acceptance/test_t[012]*.py {CALLS}"

# bin/test reads the names, and the line after each.
TIERS: dict[str, Tier] = {
    "lint": Tier(
        "style and format of the code, by ruff",
        ("ruff check .", "ruff format --check ."),
        # So short that the longest tier should not wait for it.
        cores=0.2,
        seconds=2,
    ),
    "types": Tier(
        "types of the code, by mypy",
        ("mypy",),
        # Less than it keeps busy, for so short a time: else the longest would wait for it.
        cores=0.7,
        seconds=20,
    ),
    "unit": Tier(
        "what needs no host",
        ("pytest tests/unit packages tests/windows/test_render.py -n 2",),
        packages={
            **SPEECH,
            "bin/age": "age",
            "bin/shellcheck": "shellcheck",
            "bin/curl": "curl",
            "sbin/nft": "nftables",
            "sbin/kamailio": "kamailio",
            "lib/*/kamailio/modules/tls.so": "kamailio-tls-modules",
            "lib/*/kamailio/modules/db_sqlite.so": "kamailio-sqlite-modules",
            "lib/*/kamailio/modules/websocket.so": "kamailio-websocket-modules",
            "bin/vagrant": "vagrant",
            "share/rubygems-integration/all/gems/vagrant-libvirt-*": "vagrant-libvirt",
        },
        # It would keep two busy by itself. Beside roles and Windows, which wait now and then, it
        # takes what these leave.
        cores=0.5,
        seconds=210,
    ),
    "smoke": Tier(
        "of acceptance the tiers T0 to T2, on one switch, or without packages on an edge",
        (FIRST.format("lab"),),
        root=True,
        packages={**HOSTS, **PHONES},
        host="cc1",
        inventory="lab",
        freeswitch=True,
        without=Tier(
            "",
            (FIRST.format("lab-edges"),),
            note=f"on an edge: {NO_FREESWITCH}",
            seconds=50,
            host="edge1",
            inventory="lab-edges",
            cores=0.5,
            hosts=1,
        ),
        cores=0.5,
        hosts=1,
        only_by_name=True,
        seconds=70,
    ),
    "lab": Tier(
        "the lab's own hosts and networks",
        ("pytest tests/lab -n 2 --dist loadfile",),
        root=True,
        packages={**HOSTS, **DOCKER, "sbin/nft": "nftables", "bin/pgrep": "procps"},
        cores=0.9,
        hosts=5,
        report="lab-tests",
        seconds=100,
    ),
    "roles": Tier(
        "deploys to lab hosts, each feature of a Site",
        # Five files at a time: each has hosts of its own. With four, two cores are idle a quarter
        # of the time after ten minutes; with six they do less for what they are busy with.
        ("pytest tests/roles -n 5 --dist loadfile --no-loadscope-reorder",),
        root=True,
        packages={
            **HOSTS,
            **PHONES,
            **DOCKER,
            "bin/gpg": "gnupg",
            "bin/openssl": "openssl",
            "bin/curl": "curl",
            # Of the dice in test_phone_tls.py.
            "bin/gcc": "gcc",
            "bin/pgrep": "procps",
            "sbin/nft": "nftables",
            "bin/turnserver": "coturn",
            "sbin/conntrack": "conntrack",
            **BROWSER,
            # Of the carrier in test_carriers.py.
            "sbin/kamailio": "kamailio",
            # Of the authority in test_certificates.py.
            "bin/pebble": "pebble",
            "sbin/knotd": "knot",
        },
        # Where it cannot be had, the tests that need it are skipped.
        prepare=". bin/_environment; examples_environment || true",
        freeswitch=True,
        without=Tier(
            "",
            ("pytest tests/roles -m switchless",),
            note=f"without a switch: {NO_FREESWITCH}",
            seconds=150,
            cores=0.7,
            hosts=3,
        ),
        # More where nobody is beside it; but Windows, which mostly waits, is to run meanwhile.
        cores=1.6,
        hosts=7,
        seconds=1600,
    ),
    "attack": Tier(
        "attacks on a switch and on an edge, by name, and what an intruder would gain",
        ("pytest tests/attack -n 3 --dist loadfile",),
        root=True,
        packages={**HOSTS, **PHONES, "bin/nmap": "nmap"},
        freeswitch=True,
        without=Tier(
            "",
            ("pytest tests/attack -m switchless -n 2 --dist loadfile",),
            note=f"on an edge alone: {NO_FREESWITCH}",
            seconds=120,
            cores=0.7,
            hosts=2,
        ),
        cores=0.9,
        hosts=3,
        seconds=375,
    ),
    "windows": Tier(
        "Windows hosts: wine's, or the one of CALLCENTER_WINDOWS_HOST",
        # One host at a time: with two, wine's service manager has not answered. Unit has what needs
        # no host; the plugin's own tests, of a few seconds, are in both.
        ("pytest tests/windows packages --ignore tests/windows/test_render.py",),
        root=True,
        packages={**HOSTS, **PHONES}
        if os.environ.get("CALLCENTER_WINDOWS_HOST")
        else {**HOSTS, **PHONES, **WINE},
        prepare="tests/windows/support/build-tar",
        # With one deploy at a time, its processes wait for each other. They go before others, or
        # this tier and attack, which comes after it, would take longer than all else.
        cores=0.4,
        hosts=1,
        seconds=1000,
    ),
    "acceptance": Tier(
        "what operators prove, on a switch: phones, calls, services",
        (PROOF.format("lab", "acceptance"),),
        root=True,
        packages={**HOSTS, **PHONES},
        host="cc1",
        inventory="lab",
        freeswitch=True,
        cores=0.5,
        hosts=1,
        seconds=200,
    ),
    "acceptance-edges": Tier(
        "what operators prove, without a switch: phones at Kamailio",
        (PROOF.format("lab-edges", "acceptance-edges"),),
        root=True,
        packages={**HOSTS, **PHONES},
        host="edge1",
        inventory="lab-edges",
        cores=0.5,
        hosts=1,
        seconds=60,
    ),
}

GROUPS: dict[str, Group] = {
    "quick": Group(
        "lint, types, unit and smoke: whether a change holds",
        ("lint", "types", "unit", "smoke"),
    ),
}

CORES = 1.25 * (os.cpu_count() or 1)
"""Tiers run side by side while they keep fewer busy: who computes leaves gaps, too."""
LAB_HOSTS = 12
"""Lab hosts for which a kernel has inotify instances (fs.inotify.max_user_instances). One more
waits until another is gone."""


class Refused(ValueError):
    """The command line asks for what there is not."""


def chosen(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the tiers that a command line asks for, and pytest's arguments."""
    cut = words.index("--") if "--" in words else len(words)
    names: set[str] = set()
    for word in words[:cut]:
        if word not in TIERS and word not in GROUPS:
            known = ", ".join([*TIERS, *GROUPS])
            raise Refused(f"{word!r} is no tier; use {known}, and -- before pytest's arguments")
        names.update(GROUPS[word].tiers if word in GROUPS else (word,))
    if not names:
        names = {name for name, tier in TIERS.items() if not tier.only_by_name}
    return [name for name in TIERS if name in names], list(words[cut + 1 :])


@dataclass
class Outcome:
    """Result of a tier."""

    name: str
    state: str = "ran"
    """``ran``, ``FAILED`` or ``skipped``."""
    why: str = ""
    """The reason where it was skipped or failed."""
    note: str = ""
    """Remark for the summary, where it ran."""
    seconds: float = 0
    work: float = 0
    """Seconds of a processor, of its own programs; lab hosts are not among them."""
    counts: str = ""
    """Numbers of tests that passed, failed and were skipped."""
    slowest: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the tier in the summary."""
        if self.state == "skipped":
            return f"skipped  {self.name}: {self.why}"
        said = ", ".join(part for part in (self.counts, self.why, self.note) if part)
        return f"{self.state:8} {self.name:17}{self.seconds:5.0f} s  {said}".rstrip()


def read(junit: Path, outcome: Outcome) -> None:
    """Add to an outcome what a tier's JUnit report tells."""
    try:
        [suite] = ElementTree.parse(junit).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError, ValueError):
        return
    number = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    failed = number["failures"] + number["errors"]
    passed = number["tests"] - failed - number["skipped"]
    told = {"passed": passed, "failed": failed, "skipped": number["skipped"]}
    outcome.counts = ", ".join(f"{count} {word}" for word, count in told.items() if count)
    if not passed and not failed and outcome.state == "ran":
        reason = suite.find("./testcase/skipped")
        why = (reason.get("message") or "") if reason is not None else "no test matches"
        outcome.state, outcome.why = "skipped", why
    cases = sorted(suite.iter("testcase"), key=lambda case: -float(case.get("time", 0)))
    outcome.slowest = [
        f"{float(case.get('time', 0)):6.1f} s  {case.get('classname')}::{case.get('name')}"
        for case in cases[:SLOWEST]
        if float(case.get("time", 0)) >= 1
    ]


class Suite:
    """One run of some tiers."""

    def __init__(
        self,
        tiers: Mapping[str, Tier],
        arguments: Sequence[str] = (),
        *,
        freeswitch: bool = True,
        reports: Path = REPORTS,
        environment: Mapping[str, str] | None = None,
        install: Callable[[Mapping[str, str]], None] = require,
    ) -> None:
        self.tiers, self.arguments = dict(tiers), list(arguments)
        self.freeswitch, self.reports, self.install = freeswitch, reports, install
        self.environment = {**os.environ, **(environment or {})}
        self.outcomes: list[Outcome] = []
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self) -> int:
        """Run all of them; the exit code."""
        begun = time.monotonic()
        self.reports.mkdir(exist_ok=True)
        waiting = self._possible()
        alone = len(waiting) == 1
        packages: dict[str, str] = {}
        if any(tier.root for tier in waiting.values()):
            for tier in waiting.values():
                packages.update(tier.packages)
        running: dict[Future[Outcome], tuple[str, Tier]] = {}
        with ThreadPoolExecutor(len(waiting) + 1) as pool, self._interruptible():
            if packages:
                running[pool.submit(self._install, packages)] = (PACKAGES, Tier("", ()))
            while waiting or running:
                for name, tier in list(waiting.items()):
                    if (packages and tier.packages) or not _fits(tier, running.values()):
                        continue
                    del waiting[name]
                    beside = ", ".join(other for other, _ in running.values())
                    print(
                        f"-- {name} begins" + (f", beside {beside}" if beside else ""), flush=True
                    )
                    running[pool.submit(self._tier, name, tier, alone)] = (name, tier)
                # A signal that comes just before the waiting begins is heeded only after it.
                for future in wait(running, timeout=1, return_when=FIRST_COMPLETED).done:
                    name, _ = running.pop(future)
                    outcome = future.result()
                    if name != PACKAGES:
                        self._ended(outcome, alone)
                        continue
                    if outcome.why:
                        for lacking in [one for one in waiting if waiting[one].packages]:
                            self.outcomes.append(Outcome(lacking, "FAILED", outcome.why))
                            del waiting[lacking]
                    packages = {}
                if self._stopped:
                    waiting.clear()
        return self._summary(time.monotonic() - begun)

    def _possible(self) -> dict[str, Tier]:
        """Return the tiers that can be run, or what is run instead."""
        found: dict[str, Tier] = {}
        for name, tier in self.tiers.items():
            if not tier.freeswitch or self.freeswitch:
                found[name] = tier
            elif tier.without is not None:
                found[name] = replace(tier.without, root=tier.root, packages=tier.packages)
            else:
                self.outcomes.append(Outcome(name, "skipped", NO_FREESWITCH))
        return dict(sorted(found.items(), key=lambda item: -item[1].seconds))

    def _install(self, packages: Mapping[str, str]) -> Outcome:
        try:
            self.install(packages)
        except LabError as wrong:
            return Outcome(PACKAGES, "FAILED", str(wrong).splitlines()[0])
        return Outcome(PACKAGES)

    def _tier(self, name: str, tier: Tier, alone: bool) -> Outcome:
        begun = time.monotonic()
        outcome = Outcome(name, note="" if self.freeswitch else tier.note)
        junit = self.reports / f"{tier.report or name}.xml"
        junit.unlink(missing_ok=True)
        log = self._log(name)
        done = threading.Event()
        with log.open("wb") as out, ThreadPoolExecutor(1) as pool:
            pool.submit(_follow, log, done, _shown if alone else _Failures(name))
            try:
                self._steps(tier, junit, out, outcome)
            finally:
                done.set()
        read(junit, outcome)
        outcome.seconds = time.monotonic() - begun
        return outcome

    def _steps(self, tier: Tier, junit: Path, out: BinaryIO, outcome: Outcome) -> None:
        """Run a tier's command lines up to the first that fails."""
        name = outcome.name
        # Not the lab that somebody may have up, nor that of a tier beside it.
        lab = f"test-{os.getpid()}-{list(self.tiers).index(name)}"
        environment = {**self.environment, "CALLCENTER_LAB": lab}
        before = f"root/{name}" if os.geteuid() == 0 and tier.root else name
        options = ["-q", "-o", f"cache_dir=.pytest_cache/{before}", "--junitxml", str(junit)]

        def run(*words: str) -> int:
            return self._command(words, out, environment, outcome, root=tier.root)

        if tier.prepare and run("sh", "-c", tier.prepare, "bin/test"):
            outcome.state, outcome.why = "skipped", _last_line(self._log(name))
            return
        lines = list(tier.run)
        if tier.host:
            deploy = f"pyinfra -y inventories/{tier.inventory} deploy/callcenter.py"
            lines = [f"python -m lab up {tier.host}", deploy, *lines]
        try:
            for line in lines:
                words = shlex.split(line)
                if words[0] == "pytest":
                    words = [*_expanded(words), *options, *self.arguments]
                code = run(*words)
                if words[0] == "pytest" and code == NO_TESTS:
                    continue
                if code or self._stopped:
                    outcome.state = "FAILED"
                    outcome.why = "interrupted" if self._stopped else f"exit code {code}: {line}"
                    return
        finally:
            if tier.host:
                self._command(["python", "-m", "lab", "down"], out, environment, outcome, last=True)

    def _command(
        self,
        words: Sequence[str],
        out: BinaryIO,
        environment: Mapping[str, str],
        outcome: Outcome,
        *,
        root: bool = True,
        last: bool = False,
    ) -> int:
        """Run a program to its end, and add its work to the outcome."""
        if self._stopped and not last:
            return 1
        # It is told when this process has been killed, and so takes away what it has made.
        before = ["setpriv", "--pdeathsig", "INT", *_owner(root)]
        process = subprocess.Popen(
            [*before, *words],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._processes.add(process)
        if self._stopped and not last:
            os.killpg(process.pid, signal.SIGINT)
        _, status, used = os.wait4(process.pid, 0)
        self._processes.discard(process)
        process.returncode = os.waitstatus_to_exitcode(status)
        outcome.work += used.ru_utime + used.ru_stime
        return process.returncode

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """End the tiers where this process is told to end: they take down what they have made."""

        def stop(number: int, frame: object) -> None:
            # Those who are told twice, or have not ended in time, end at once.
            by = signal.SIGKILL if self._stopped else signal.SIGINT
            self._stopped = True
            for process in list(self._processes):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, by)
            signal.alarm(PATIENCE)

        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
        before = [signal.signal(number, stop) for number in signals]
        try:
            yield
        finally:
            signal.alarm(0)
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)

    def _log(self, name: str) -> Path:
        return self.reports / f"{name}.log"

    def _ended(self, outcome: Outcome, shown: bool) -> None:
        self.outcomes.append(outcome)
        if not shown:
            print(f"== {outcome.name}")
            print(self._log(outcome.name).read_text(errors="replace"), end="")
        print(f"-- {outcome.line()}", flush=True)

    def _summary(self, seconds: float) -> int:
        ran = [outcome for outcome in self.outcomes if outcome.state != "skipped"]
        failed = [outcome for outcome in ran if outcome.state == "FAILED"]
        for outcome in failed:
            if self._log(outcome.name).exists():
                text = self._log(outcome.name).read_text(errors="replace")
                print(
                    f"== the end of {self._log(outcome.name)}", *text.splitlines()[-TAIL:], sep="\n"
                )
        print("== slowest tests")
        for outcome in ran:
            for line in outcome.slowest:
                print(f"{outcome.name:17}{line}")
        print("== tiers")
        for name in self.tiers:
            for outcome in self.outcomes:
                if outcome.name == name:
                    print(outcome.line())
        one_by_one = sum(outcome.seconds for outcome in ran)
        work = sum(outcome.work for outcome in ran)
        load = os.getloadavg()[0]
        print(
            f"{len(ran)} tiers in {seconds:.0f} s, one after the other {one_by_one:.0f} s; "
            f"{work:.0f} s of processor without the lab's hosts; load {load:.1f}; "
            f"a million additions take {_pace():.2f} s",
            flush=True,
        )
        if not ran:
            print("bin/test: nothing ran", file=sys.stderr)
        return 130 if self._stopped else int(not ran or bool(failed))


def _pace() -> float:
    """Measure how fast this machine computes, by which runs of other days are to be compared."""
    begun = time.process_time()
    added = 0
    for number in range(1_000_000):
        added += number
    return time.process_time() - begun


def _fits(tier: Tier, running: Collection[tuple[str, Tier]]) -> bool:
    """Tell whether a tier can run beside others."""
    others = [other for _, other in running]
    cores = sum(other.cores for other in others) + tier.cores
    hosts = sum(other.hosts for other in others) + tier.hosts
    return not others or (cores <= CORES and hosts <= LAB_HOSTS)


def _expanded(words: Sequence[str]) -> list[str]:
    """Return a command's words, patterns of files replaced by the files."""
    found: list[str] = []
    for word in words:
        found += sorted(glob.glob(word, root_dir=ROOT)) if "*" in word else [word]
    return found


def _owner(root: bool) -> list[str]:
    """Return the words that run a program as whoever called sudo, unless it needs root."""
    user = os.environ.get("SUDO_UID")
    if root or os.geteuid() != 0 or not user:
        return []
    group, home = os.environ["SUDO_GID"], pwd.getpwuid(int(user)).pw_dir
    return [f"--reuid={user}", f"--regid={group}", "--init-groups", "env", f"HOME={home}"]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it could not be prepared"


def _follow(log: Path, done: threading.Event, tell: Callable[[str], None]) -> None:
    """Tell of a log as it grows."""
    with log.open(errors="replace") as text:
        ended = False
        while not ended:
            ended = done.wait(0.2)
            tell(text.read())


def _shown(text: str) -> None:
    print(text, end="", flush=True)


class _Failures:
    """Names of a tier's failed tests, printed as they come in its log (see tests/failures.py)."""

    def __init__(self, tier: str) -> None:
        self._tier = tier
        self._begun = ""
        self._over = False

    def __call__(self, text: str) -> None:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            # What follows is pytest's own list, and what tests have printed.
            self._over = self._over or bool(re.fullmatch("=+ (FAILURES|ERRORS) =+", line))
            if not self._over and line.startswith(("FAILED ", "ERROR ")):
                print(f"-- {self._tier}: {line}", flush=True)


@contextmanager
def labs() -> Iterator[Path]:
    """Give a folder for the state of this run's labs. Those that are left in it are removed at the
    end, and so are those of runs that were killed."""
    lock = RUN / "tests.lock"
    with single(lock):
        for left in STATE.glob(f"{OWN}*"):
            _remove(left)
        own = STATE / f"{OWN}{os.getpid()}"
        own.mkdir(parents=True)
        held = os.open(own / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield own
    finally:
        os.close(held)
        with single(lock):
            _remove(own)


def _remove(folder: Path) -> None:
    """Remove the labs in a run's folder, unless the run is still there."""
    held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        for state in folder.glob("*/"):
            command = [sys.executable, "-m", "lab", "--name", state.name, "down"]
            environment = {**os.environ, "CALLCENTER_LAB_STATE": str(folder)}
            if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
                # A Docker daemon of the tests' own has taken the hosts along, but not the network.
                shutil.rmtree(state)
                subprocess.run(command, cwd=ROOT, env=environment, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def main(words: Sequence[str]) -> int:
    """Run what a command line asks for."""
    asks = words[:1] == ["--needs-root"]
    try:
        names, arguments = chosen(words[asks:])
    except Refused as refused:
        print(f"bin/test: {refused}", file=sys.stderr)
        return 2
    tiers = {name: TIERS[name] for name in names}
    needs_root = any(tier.root for tier in tiers.values())
    if asks:
        return int(not needs_root)
    suite = Suite(tiers, arguments, freeswitch=(FREESWITCH / "Packages").is_file())
    # The clone's owner is to write there, too, whoever comes first.
    for folder in KEPT:
        folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        _give(*KEPT)
    if not needs_root:
        return suite.run()
    try:
        with labs() as state:
            suite.environment["CALLCENTER_LAB_STATE"] = str(state)
            return suite.run()
    finally:
        _give(*KEPT)


def _give(*folders: Path) -> None:
    """Give what root has made in a clone to the clone's owner."""
    owner = ROOT.stat()
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
