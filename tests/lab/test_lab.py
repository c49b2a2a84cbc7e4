"""Lab hosts boot, are alone, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import network
from lab.lab import Lab, find
from lab.system import LabError, ours

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="lab hosts need root")

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str, name: str) -> subprocess.CompletedProcess[str]:
    """``python -m lab`` as typed."""
    return subprocess.run(
        [sys.executable, "-m", "lab", "--name", name, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.fixture(scope="module")
def up() -> Iterator[Lab]:
    name = f"t{os.getpid()}a"
    made = command("up", "one", "two", name=name)
    try:
        assert made.returncode == 0, made.stderr
        yield find(name)
    finally:
        command("down", name=name)


def leftovers(lab: Lab) -> list[str]:
    """All that a lab could have left on this machine."""
    mounts = Path("/proc/mounts").read_text()
    return [
        *(f"process {pid}" for pid in ours(f"{lab.state}/")),
        *(["a mount"] if f"{lab.state}/" in mounts else []),
        *(["a namespace"] if network.exists(lab.name) else []),
        *(["its folder"] if lab.state.exists() else []),
    ]


def test_status_names_each_host(up: Lab) -> None:
    lines = command("status", name=up.name).stdout.splitlines()
    assert lines == ["one\t10.77.0.11\tup", "two\t10.77.0.12\tup"]


def test_hosts_run_systemd_and_reach_each_other(up: Lab) -> None:
    state = command("ssh", "one", "systemctl is-system-running", name=up.name)
    assert state.stdout.strip() == "running"
    other = command(
        "ssh", "one", "ping -c1 -W2 10.77.0.12 || bash -c '</dev/tcp/10.77.0.12/22'", name=up.name
    )
    assert other.returncode == 0, other.stderr


def test_packages_install_without_internet(up: Lab) -> None:
    done = command(
        "ssh",
        "two",
        "apt-get update -qq && apt-get install -y -qq tree && tree --version",
        name=up.name,
    )
    assert done.returncode == 0, done.stderr
    assert "tree v" in done.stdout


def test_second_up_changes_nothing(up: Lab) -> None:
    before = ours(f"{up.state}/")
    assert command("up", "one", "two", name=up.name).returncode == 0
    assert ours(f"{up.state}/") == before


def test_host_cannot_set_the_clock(up: Lab) -> None:
    before = time.time()
    done = command("ssh", "one", "date -s 2001-01-01", name=up.name)
    assert done.returncode != 0
    assert time.time() - before < 60


def test_hosts_differ_in_keys_and_machine_id(up: Lab) -> None:
    seen = [
        command("ssh", host, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub", name=up.name)
        for host in ("one", "two")
    ]
    assert seen[0].stdout != seen[1].stdout


def test_two_labs_side_by_side(up: Lab) -> None:
    other = find(f"t{os.getpid()}b")
    try:
        assert command("up", "three", name=other.name).returncode == 0
        # The same address in both, and each answers for itself.
        names = [
            command("ssh", host, "hostname", name=one.name).stdout.strip()
            for one, host in ((up, "one"), (other, "three"))
        ]
        assert names == ["one", "three"]
        assert [host.address for host in other.hosts] == ["10.77.0.11"]
    finally:
        command("down", name=other.name)
    assert leftovers(other) == []
    assert command("ssh", "one", "true", name=up.name).returncode == 0


def test_killed_up_is_cleaned_and_repeated() -> None:
    name = f"t{os.getpid()}c"
    lab = find(name)
    try:
        going = subprocess.Popen(
            [sys.executable, "-m", "lab", "--name", name, "up", "h1", "h2", "h3"], cwd=ROOT
        )
        # As soon as the first host is there, in the middle of the others.
        while not ours(f"{lab.state}/hosts/") and going.poll() is None:
            time.sleep(0.005)
        going.kill()
        going.wait()
        assert command("down", name=name).returncode == 0
        assert leftovers(lab) == []
        assert command("up", "h1", name=name).returncode == 0
        assert command("ssh", "h1", "true", name=name).returncode == 0
    finally:
        command("down", name=name)
    assert leftovers(lab) == []


def test_interrupted_up_is_finished_by_the_next() -> None:
    name = f"t{os.getpid()}d"
    lab = find(name)
    try:
        going = subprocess.Popen(
            [sys.executable, "-m", "lab", "--name", name, "up", "h1", "h2"], cwd=ROOT
        )
        while not network.exists(name) and going.poll() is None:
            time.sleep(0.005)
        going.kill()
        going.wait()
        assert command("up", "h1", "h2", name=name).returncode == 0
        assert [host.up for host in lab.hosts] == [True, True]
    finally:
        command("down", name=name)


def test_what_is_not_up_says_how_to_bring_it_up() -> None:
    done = command("exec", "--", "true", name="nobody")
    assert done.returncode == 1
    assert "python -m lab up --name nobody" in done.stderr


@pytest.mark.parametrize("host", ["Cc1", "a/b", ""])
def test_names_that_cannot_be_are_refused(host: str) -> None:
    with pytest.raises(LabError, match="no host name"):
        find("fine").up((host,))


def test_outer_network_is_untouched(up: Lab) -> None:
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    assert "lab0" not in links
    assert "vb-" not in links
