"""A lab of this run's own, and deploys by pyinfra's real command, as an operator types it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pytest

import lab as lab_package
from callcenter import render
from callcenter.client import npm
from callcenter.render import paths
from callcenter.site import LocalPackages, Site
from lab import network
from lab.image import RELEASES
from lab.lab import Lab
from lab.prepared import HOST, prepared
from roles.freeswitch import packages
from roles.host import State
from tests.acceptance.support.phones import Exchange
from tests.forks import COMMAND, Callcenter, Pyinfra, Started
from tests.labs import fresh, kept, watched
from tests.roles.prepare import names_in
from tests.roles.shells import Shell
from tests.supply import wanted
from tests.times import spent

ROOT = Path(__file__).resolve().parents[2]
INSTALL = ROOT / "tests/roles/install.py"

EDGE = os.environ.get("CALLCENTER_TEST_EDGE") != "0"
"""Kamailio before each switch of these tests, unless the environment says that there is none."""

BEHIND, ALONE = 'sip_from="anywhere"', 'edge=False, sip_from=["10.0.0.0/8"]'
"""Network of a Site with an edge, and of one without."""

SITE = f"""
from callcenter.site import *

site = Site(
    domain="roles.callcenter.test",
    extensions=[*Extension.range(1000, 1009, ring_seconds=5)],
    network=Network({BEHIND if EDGE else ALONE}),
    firewall=Firewall(ssh_from="anywhere"),
    media=Media(max_calls=100),
    maintenance=Maintenance(live_calls="stop"),
    secret_file="{{secrets}}",
)
"""


KEYS = (
    f"set -e; umask 077; mkdir {paths.CERTS}; cd {paths.CERTS}; "
    "openssl req -x509 -newkey rsa:4096 -nodes -keyout key -out dtls-srtp.pem -days 30 "
    "-subj /CN=FreeSWITCH 2>/dev/null; cat key >>dtls-srtp.pem; rm key; "
    "cp dtls-srtp.pem wss.pem; chown -R freeswitch:freeswitch ."
)
"""Shell line that makes the keys that FreeSWITCH makes at its first start, and wherever it finds
shorter ones: that takes a processor some seconds."""

PREPARE = ROOT / "tests/roles/prepare.py"
TESTS_OWN = ("bind9-dnsutils", "curl", "linphone-cli", "openssl", "sudo", "firewalld", "ufw")
"""Packages of Debian's that tests install by themselves. What is neither here nor what a Site may
need, hosts of these tests cannot locate."""

KNOWN = f"touch {paths.APT_LISTS}"
"""Shell line after which a deploy takes the lists of packages that are in its host's image, which
are of this day: of what it has read a host knows until its next boot."""

FIRST = (
    "molecule",
    "deploy",
    "far_edges",
    "billing",
    "phone_tls",
    "caps",
    "way_in",
    "features",
    "fax",
    "nat",
    "web_phone",
    "dialplan",
    "trunks",
    "voicemail",
    "gates",
    "cdr",
    "firewall",
    "outside",
    "certificates",
    "queues",
    "ci_examples",
    "stun",
    "carrier_calls",
    "edges",
    "ringing",
    "trunk_tls",
    "agents_calls",
    "fax_tls",
    "sources",
    "applications",
    "limits",
    "logins",
    "media",
    "preflight",
    "emergency",
    "provisioning",
    "http_applications",
)
"""The files that take longest, so that no worker begins one when the others have done."""


def in_order(items: list[pytest.Item], seed: int | None) -> list[pytest.Item]:
    """Return all items, file by file: the longest first, or in an order that ``seed`` decides."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = list(files)
    if seed is not None:
        random.Random(seed).shuffle(order)
    else:
        names = [f"test_{name}" for name in FIRST]
        order.sort(key=lambda path: names.index(path.stem) if path.stem in names else len(names))
    return [item for path in order for item in files[path]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    own = in_order(
        [item for item in items if item.path.parent == here], config.getoption("shuffle")
    )
    ordered = iter(own)
    items[:] = [next(ordered) if item.path.parent == here else item for item in items]
    packages = LocalPackages()
    for item in items:
        if "lab" not in getattr(item, "fixturenames", ()):
            continue
        if os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="lab hosts need root"))
        elif not packages.index.is_file() and item.get_closest_marker("switchless") is None:
            reason = f"no FreeSWITCH packages in {packages.path} (or where FREESWITCH_APT says)"
            item.add_marker(pytest.mark.skip(reason=reason))


@dataclass(frozen=True)
class Images:
    """Images that hosts of tests are booted from."""

    bare: Path
    """Image of a host on which nothing of a Site's was installed."""
    plain_switch: Path
    """Image of a host on which the packages of ``SITE`` are installed, by the role itself, and
    nothing is configured; the bare one where there are no FreeSWITCH packages."""


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Images that are made once a day, and serve all tests of it."""
    index = LocalPackages().index
    there = index.is_file()
    known = [*wanted(), *TESTS_OWN]
    if there:
        needs = set(names_in(index.read_text()))
        known += sorted(one for one in needs if one.startswith("lib"))

    def spare(lab: Lab) -> None:
        with PREPARE.open() as program:
            _inside(lab, shlex.join(["python3", "-", *known]), program)

    day = time.strftime("%Y-%m-%d")
    bare = prepared("\n".join([day, *known, PREPARE.read_text()]), spare)
    if not there:
        return Images(bare, bare)
    scope: dict[str, Any] = {}
    exec(SITE, scope)
    site: Site = scope["site"]
    code = (ROOT / f"roles/{name}/operations.py" for name in ("files", "freeswitch", "kamailio"))
    made_of = [
        KEYS,
        *packages(site, State()),
        *render.kamailio.packages(site),
        *(file.content.decode() for file in render.apt.configuration(site, RELEASES[0])),
        *(hashlib.sha256(path.read_bytes()).hexdigest() for path in (index, INSTALL, *code)),
    ]

    def install(lab: Lab) -> None:
        inventory = tmp_path_factory.mktemp("plain") / "site"
        write_inventory(
            inventory, lab.inventory(), SITE.replace("{secrets}", f"{inventory}.secrets")
        )
        units = f"{paths.UNIT} {paths.KAMAILIO_UNIT}"
        off = f"systemctl unmask --runtime --quiet {units}; systemctl disable --quiet {units}"
        subprocess.run(
            [*network.within(lab.name), str(COMMAND), "-y", str(inventory), str(INSTALL)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        # Without a configuration they would fail, or begin with another's, at each boot.
        _inside(lab, f"{off}; {KEYS}")

    return Images(bare, prepared("\n".join(made_of), install, below=bare))


def _inside(lab: Lab, command: str, read: IO[str] | None = None) -> None:
    words = [*network.within(lab.name), *lab.ssh(HOST, [command])]
    subprocess.run(words, stdin=read or subprocess.DEVNULL, check=True)


@pytest.fixture(scope="session")
def lab(images: Images, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab without hosts yet; this process is in its network."""
    with watched(fresh("roles-"), request) as made:
        made.up(())
        # From within the network no image is made, and nothing is fetched.
        npm.lacking()
        lab_package.enter(made.name)
        yield made


def write_inventory(
    inventory: Path,
    entries: list[tuple[str, dict[str, Any]]],
    site: str,
    group: str | Mapping[str, str] = "switches",
) -> None:
    """Write an inventory and its Site. ``group`` is that of all hosts, or of each by its name."""
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for entry in entries:
        own = group if isinstance(group, str) else group[entry[0]]
        groups.setdefault(own, []).append(entry)
    lines = [f"{one} = hosts(*{many!r}, group={one!r})\n" for one, many in groups.items()]
    inventory.write_text("".join(["from callcenter.site import hosts\n", *lines]))
    (data := inventory.parent / "group_data").mkdir(exist_ok=True)
    (data / "site.py").write_text(site)


@dataclass(frozen=True)
class Run:
    """One run of pyinfra."""

    code: int
    output: str
    plan: list[dict[str, Any]]
    totals: dict[str, int]
    counted: int | None
    """Remote commands and file transfers, as the hosts' sshd counted them, where somebody asked."""

    @property
    def commands(self) -> int:
        """Remote commands and file transfers."""
        assert self.counted is not None, "deploy with counted=True"
        return self.counted

    @property
    def changes(self) -> int:
        """Operations that changed something."""
        return self.totals["success"]


class Operator:
    """Whoever types ``pyinfra inventories/NAME deploy/callcenter.py``."""

    def __init__(
        self,
        folder: Path,
        lab: Lab,
        hosts: tuple[str, ...],
        pyinfra: Pyinfra,
        callcenter: Callcenter,
    ) -> None:
        self.folder, self.lab, self.hosts = folder, lab, hosts
        self.pyinfra, self.callcenter = pyinfra, callcenter
        self.secrets = folder / "secrets.json"
        self.repository = ROOT
        self.inventory = folder / "site"
        self._shells: dict[str, list[Shell]] = {}
        self.describe()
        for host in hosts:
            self.ssh(host, KNOWN)

    def describe(
        self, site: str = SITE, group: str | Mapping[str, str] = "switches", **host_data: Any
    ) -> None:
        """Write the inventory and its Site, with ``{secrets}`` filled in."""
        entries = [
            (name, {**data, **host_data})
            for name, data in self.lab.inventory()
            if name in self.hosts
        ]
        write_inventory(
            self.inventory, entries, site.replace("{secrets}", str(self.secrets)), group
        )

    def command(self, *options: str) -> list[str]:
        """Return the command line of a deploy."""
        return [str(COMMAND), *options, str(self.inventory), "deploy/callcenter.py"]

    def environment(self) -> dict[str, str]:
        """Return what the command needs of the environment."""
        return {**os.environ, "PYTHONPATH": str(self.repository)}

    def start(self, *options: str) -> Started:
        """Return a deploy that goes on while the test does something else."""
        spent["deploys"] += 1
        return self.pyinfra.of(self.repository).start(
            self.command(*options),
            cwd=self.repository,
            environment=self.environment(),
            together=True,
        )

    def deploy(self, *options: str, counted: bool = False) -> Run:
        """Run a deploy to its end (``-y --json`` unless told otherwise), and count what it does
        there, which is a question to each host before and after."""
        spent["deploys"] += 1
        before = self.commands_seen() if counted else None
        done = self.pyinfra.of(self.repository).run(
            self.command(*(options or ("-y", "--json"))),
            cwd=self.repository,
            environment=self.environment(),
        )
        seen = None if before is None else self.commands_seen() - before
        plan: list[dict[str, Any]] = []
        totals: dict[str, int] = {}
        if "--json" in (options or ("--json",)) and done.stdout.startswith("{"):
            said = json.loads(done.stdout)
            plan, totals = said["plan"], (said.get("results") or {}).get("totals", {})
        return Run(done.returncode, done.stdout + done.stderr, plan, totals, seen)

    def succeed(self, *options: str, counted: bool = False) -> Run:
        """Deploy, and show all output if it fails."""
        run = self.deploy(*options, counted=counted)
        assert run.code == 0, run.output
        return run

    def commands_seen(self) -> int:
        """Commands and transfers that the hosts' sshd has logged so far: nothing that is sent can
        escape it. A shell, of which this asks, is no command."""
        pattern = re.compile(r"Starting session: command|open \".*\" flags .*WRITE")
        # What sshd has said may wait for the journal.
        asked = "journalctl --sync && journalctl --no-pager -o cat -t sshd -t sftp-server"
        return sum(len(pattern.findall(self.ssh(host, asked))) for host in self.hosts)

    def ssh(self, host: str, command: str) -> str:
        """Run a command on a host that answers, and return what it printed. Commands that follow
        each other go over one login: a login costs ten times what most commands do."""
        idle = self._shells.setdefault(host, [])
        shell = idle.pop() if idle else None
        if shell is None or shell.has_ended:
            shell = Shell(self.lab.ssh(host, []))
        said = shell.run(command)
        idle.append(shell)
        return said

    def close(self) -> None:
        """End the logins that are left."""
        for shell in chain.from_iterable(self._shells.values()):
            shell.close()

    def own_repository(self) -> Path:
        """Return a fresh copy of the repository that a test may break."""
        copy = self.folder / "repository"
        shutil.rmtree(copy, ignore_errors=True)
        for name in ("callcenter", "packages", "roles", "templates", "deploy"):
            # With what Python has compiled of it, which still fits all that the test leaves alone.
            shutil.copytree(ROOT / name, copy / name)
        self.repository = copy
        return copy


@contextmanager
def operators(
    lab: Lab,
    images: Images,
    pyinfra: Pyinfra,
    callcenter: Callcenter,
    folders: pytest.TempPathFactory,
    session: pytest.Session,
) -> Iterator[Callable[..., Operator]]:
    """Boot fresh hosts and give them an operator, until it is left."""
    made = []

    def make(*hosts: str, bare: bool = False) -> Operator:
        lab.up(hosts, prepared=images.bare if bare else images.plain_switch)
        spent["hosts"] += len(hosts)
        made.append(Operator(folders.mktemp("operator"), lab, hosts, pyinfra, callcenter))
        return made[-1]

    yield make
    for operator in made:
        operator.close()
    if not kept(session):
        lab.halt()


@pytest.fixture(scope="module")
def operator_of(
    lab: Lab,
    images: Images,
    pyinfra: Pyinfra,
    callcenter: Callcenter,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Operator]]:
    """Boot fresh hosts and give them an operator: on which the packages of ``SITE`` are installed,
    or bare ones. They go with the module: a kernel has inotify instances for some twelve hosts only
    (fs.inotify.max_user_instances)."""
    with operators(lab, images, pyinfra, callcenter, tmp_path_factory, request.session) as make:
        yield make


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """Phones beside the hosts."""
    with Exchange(lab.gateway) as made:
        yield made
