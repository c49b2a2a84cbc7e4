"""A lab of this run's own, and deploys by pyinfra's real command, as an operator types it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lab as lab_package
from callcenter.site import LocalPackages
from lab.lab import Lab, find
from tests.acceptance.support.phones import Exchange

ROOT = Path(__file__).resolve().parents[2]
PYINFRA = Path(sys.executable).with_name("pyinfra")

SITE = """
from callcenter.site import *

site = Site(
    domain="roles.callcenter.test",
    extensions=[*Extension.range(1000, 1009, ring_seconds=5)],
    network=Network(sip_from="anywhere"),
    firewall=Firewall(ssh_from="anywhere"),
    media=Media(max_calls=100),
    maintenance=Maintenance(live_calls="stop"),
    secret_file="{secrets}",
)
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    packages = LocalPackages()
    for item in items:
        if "lab" not in getattr(item, "fixturenames", ()):
            continue
        if os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="lab hosts need root"))
        elif not packages.index.is_file() and item.get_closest_marker("switchless") is None:
            reason = f"no FreeSWITCH packages in {packages.path} (or where FREESWITCH_APT says)"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab without hosts yet; this process is in its network."""
    made = find(f"roles-{os.getpid()}")
    try:
        made.up(())
        lab_package.enter(made.name)
        yield made
    finally:
        made.down()


@dataclass(frozen=True)
class Run:
    """One run of pyinfra."""

    code: int
    output: str
    plan: list[dict[str, Any]]
    totals: dict[str, int]
    commands: int
    """Remote commands and file transfers, as the hosts' sshd counted them."""

    @property
    def changes(self) -> int:
        """Operations that changed something."""
        return self.totals["success"]


class Operator:
    """Whoever types ``pyinfra inventories/NAME deploy/callcenter.py``."""

    def __init__(self, folder: Path, lab: Lab, hosts: tuple[str, ...]) -> None:
        self.folder, self.lab, self.hosts = folder, lab, hosts
        self.secrets = folder / "secrets.json"
        self.repository = ROOT
        self.inventory = folder / "site"
        (folder / "group_data").mkdir(parents=True)
        self.describe()
        for host in hosts:
            # The count of commands is sshd's own, so nothing that is sent can escape it. A restart
            # waits until sshd listens again; after a reload it refuses for a moment.
            self.ssh(
                host,
                "sed -i '/^LogLevel/d; s#^Subsystem.*#Subsystem sftp /usr/lib/openssh/sftp-server "
                "-l INFO#' /etc/ssh/sshd_config; echo 'LogLevel VERBOSE' >>/etc/ssh/sshd_config; "
                "systemctl restart ssh",
            )

    def describe(self, site: str = SITE, group: str = "switches", **host_data: Any) -> None:
        """Write the inventory and its Site, with ``{secrets}`` filled in."""
        entries = [
            (name, {**data, **host_data})
            for name, data in self.lab.inventory()
            if name in self.hosts
        ]
        self.inventory.write_text(
            f"from callcenter.site import hosts\n{group} = hosts(*{entries!r})\n"
        )
        text = site.replace("{secrets}", str(self.secrets))
        (self.folder / "group_data" / "site.py").write_text(text)

    def command(self, *options: str) -> list[str]:
        """The command line of a deploy."""
        return [str(PYINFRA), *options, str(self.inventory), "deploy/callcenter.py"]

    def environment(self) -> dict[str, str]:
        """What the command needs of the environment."""
        return {**os.environ, "PYTHONPATH": str(self.repository)}

    def start(self, *options: str) -> subprocess.Popen[str]:
        """A deploy that goes on while the test does something else."""
        return subprocess.Popen(
            self.command(*options),
            cwd=self.repository,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def deploy(self, *options: str) -> Run:
        """Run a deploy to its end (``-y --json`` unless told otherwise)."""
        before = self.commands_seen()
        done = subprocess.run(
            self.command(*(options or ("-y", "--json"))),
            cwd=self.repository,
            env=self.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        # The question itself is one command.
        seen = self.commands_seen() - before - len(self.hosts)
        plan: list[dict[str, Any]] = []
        totals: dict[str, int] = {}
        if "--json" in (options or ("--json",)) and done.stdout.startswith("{"):
            said = json.loads(done.stdout)
            plan, totals = said["plan"], (said.get("results") or {}).get("totals", {})
        return Run(done.returncode, done.stdout + done.stderr, plan, totals, seen)

    def succeed(self, *options: str) -> Run:
        """Deploy, and show all output if it fails."""
        run = self.deploy(*options)
        assert run.code == 0, run.output
        return run

    def commands_seen(self) -> int:
        """Commands and transfers that the hosts' sshd has logged so far."""
        pattern = re.compile(r"Starting session: command|open \".*\" flags .*WRITE")
        return sum(
            len(
                pattern.findall(
                    self.ssh(host, "journalctl --no-pager -o cat -t sshd -t sftp-server")
                )
            )
            for host in self.hosts
        )

    def ssh(self, host: str, command: str) -> str:
        """Run a command on a host that answers, and return what it printed."""
        done = subprocess.run(
            self.lab.ssh(host, [command]),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        # ssh's own failures, which nobody should take for the command's words.
        assert done.returncode != 255, done.stderr
        return done.stdout + done.stderr

    def own_repository(self) -> Path:
        """A fresh copy of the repository that a test may break."""
        copy = self.folder / "repository"
        shutil.rmtree(copy, ignore_errors=True)
        for name in ("callcenter", "roles", "templates", "deploy"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.repository = copy
        return copy


@pytest.fixture(scope="module")
def operator_of(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Operator]]:
    """Boot fresh hosts and give them an operator. They go with the module: a kernel has inotify
    instances for some twenty hosts only (fs.inotify.max_user_instances)."""

    def make(*hosts: str) -> Operator:
        lab.up(hosts)
        return Operator(tmp_path_factory.mktemp("operator"), lab, hosts)

    yield make
    lab.halt()


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """Phones beside the hosts."""
    with Exchange(lab.gateway) as made:
        yield made
