"""Labs of Docker containers, booted for real."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lab import docker as driver
from lab.image import RELEASES, image
from lab.lab import find
from lab.system import LabError
from tests.dockerd import docker_host, dockerd  # noqa: F401
from tests.lab.conftest import Command
from tests.lab.test_hosts import end_up_when, outer_network, traces, until

docker = pytest.importorskip("docker")

pytestmark = pytest.mark.lab

UP = ("up", "--driver", "docker")
BOTH = "cc1\t10.77.0.11\tup\ncc2\t10.77.0.12\tup\n"

DOCKERS_OWN = 0xA80425FB
NET_ADMIN, SYS_PTRACE, SYS_ADMIN = 1 << 12, 1 << 19, 1 << 21


def client() -> Any:
    """Docker, as the commands of the test find it."""
    return closing(docker.DockerClient(base_url=os.environ.get("DOCKER_HOST")))


def containers(command: Command) -> dict[str, str]:
    """Status by name of the containers that are this lab's."""
    with client() as asked:
        label = {"label": f"callcenter-lab={command.lab.name}"}
        found = asked.containers.list(all=True, filters=label, ignore_removed=True)
        return {container.name: container.status for container in found}


def left(command: Command) -> list[str]:
    """Return all that is on this machine of a lab."""
    notices = [
        str(path) for path in Path("/run/callcenter-lab").glob(f"*.{command.lab.namespace}.*")
    ]
    return [*traces(command), *containers(command), *notices]


@pytest.fixture(scope="module")
def up(docker_host: str) -> Iterator[Command]:  # noqa: F811
    """A lab with cc1 and cc2 for tests that leave them as they are."""
    command = Command(find(f"t{os.getpid()}-docker"))
    try:
        command(*UP, "cc1", "cc2")
        yield command
    finally:
        command("down")


def test_hosts_run_systemd_and_reach_each_other(up: Command) -> None:
    assert up("status") == BOTH
    assert up("ssh", "cc1", "systemctl is-system-running --wait") == "running\n"
    up("ssh", "cc1", "bash -c '</dev/tcp/10.77.0.12/22'")


def test_hosts_are_as_those_of_nspawn(up: Command) -> None:
    show = (
        "hostname; cat /etc/hostname /etc/hosts; wc -c </etc/resolv.conf; id -un; stat -c %a .ssh"
    )
    assert up("ssh", "cc1", show).split() == (
        ["cc1", "cc1", "127.0.0.1", "localhost", "10.77.0.11", "cc1", "0", "root", "700"]
    )
    install = "apt-get update -qq && apt-get install -qq -y tree >/dev/null && tree --version"
    assert "tree v" in up("ssh", "cc1", install)


def test_a_second_up_changes_nothing(up: Command) -> None:
    show = "cut -d' ' -f22 /proc/1/stat"  # when its systemd started
    before = up("ssh", "cc1", show)
    started = time.monotonic()
    assert up("up", "cc1", "cc2") == BOTH
    assert time.monotonic() - started < 10
    assert up("ssh", "cc1", show) == before


def test_a_host_has_few_rights(up: Command) -> None:
    mask = up("ssh", "cc1", "sed -n s/CapBnd://p /proc/1/status").strip()
    assert int(mask, 16) == DOCKERS_OWN | NET_ADMIN | SYS_PTRACE | SYS_ADMIN
    before = time.time() - time.monotonic()
    refused = up.run("ssh", "cc1", "date -s 2001-01-01")
    assert "Operation not permitted" in refused.stderr
    assert abs(time.time() - time.monotonic() - before) < 1
    assert up.run("ssh", "cc1", "sysctl -w kernel.panic=33").returncode != 0
    assert Path("/proc/sys/kernel/panic").read_text() != "33\n"


def test_a_lab_keeps_its_driver(up: Command) -> None:
    refused = up.run("up", "--driver", "nspawn")
    assert (refused.returncode, refused.stderr) == (
        1,
        f"lab: lab '{up.lab.name}' is there with the docker driver; run down first, or give the "
        "new one another name, by --name\n",
    )
    other = up.run("up", "cc1", "--release", "trixie")
    assert "cc1 is there as bookworm-" in other.stderr


def test_a_lab_of_debian_13_beside_another(up: Command, make: Callable[[], Command]) -> None:
    outer = outer_network()
    command = make()
    assert command(*UP, "--release", "trixie") == "cc1\t10.77.0.11\tup\n"
    assert command("ssh", "cc1", "systemctl is-system-running --wait") == "running\n"
    assert outer_network() == outer
    command("down")
    assert left(command) == []
    assert up("ssh", "cc1", "apt-get update -qq && echo on").endswith("on\n")


@pytest.mark.parametrize("verb", ["poweroff", "reboot"])
@pytest.mark.usefixtures("docker_host")
def test_a_host_that_went_off_keeps_its_disk(make: Callable[[], Command], verb: str) -> None:
    command = make()
    command(*UP)
    command.run("ssh", "cc1", f"touch /root/mine; systemctl {verb}")
    until(lambda: command("status") == "cc1\t10.77.0.11\tdown\n")
    assert command("up") == "cc1\t10.77.0.11\tup\n"
    assert command("ssh", "cc1", "ls /root; cat /etc/hosts").split()[:3] == (
        ["mine", "127.0.0.1", "localhost"]
    )


@pytest.mark.usefixtures("docker_host")
def test_a_container_that_was_removed_by_hand(make: Callable[[], Command]) -> None:
    command = make()
    command(*UP)
    with client() as asked:
        asked.containers.get(f"cc1.{command.lab.namespace}").remove(force=True)
    assert command("status") == "cc1\t10.77.0.11\tdown\n"
    refused = command.run("up")
    assert (refused.returncode, refused.stderr) == (
        1,
        "lab: the container of cc1 is gone; run down, then up\n",
    )
    command("down")
    assert left(command) == []


MOMENTS: dict[str, Callable[[Command], object]] = {
    "a container is asked for": lambda command: (command.lab.state / "docker").exists(),
    "it is made": containers,
    "it gets its files": lambda command: (command.lab.state / "hosts/cc1/known_host").exists(),
    "the host boots": lambda command: "running" in containers(command).values(),
}


@pytest.mark.parametrize(
    ("moment", "verb"),
    [
        ("a container is asked for", "down"),
        ("it is made", "down"),
        ("it is made", "up"),
        ("it gets its files", "up"),
        ("the host boots", "down"),
        ("the host boots", "up"),
    ],
)
@pytest.mark.usefixtures("docker_host")
def test_a_killed_up_is_gone_on_with_or_cleaned(
    make: Callable[[], Command], moment: str, verb: str
) -> None:
    command = make()
    end_up_when(command, lambda: MOMENTS[moment](command), *UP[1:])
    if verb == "up":
        assert command("up", "cc1", "cc2") == BOTH
        assert command("ssh", "cc1", "systemctl is-system-running --wait") == "running\n"
    command("down")
    assert left(command) == []


@pytest.mark.usefixtures("docker_host")
def test_an_interrupted_up_says_what_to_do(make: Callable[[], Command]) -> None:
    command = make()
    booting = MOMENTS["the host boots"]
    assert end_up_when(command, lambda: booting(command), *UP[1:], by=signal.SIGINT) == (
        130,
        "lab: interrupted; run it again to go on, or down to clean up\n",
    )
    command("down")
    assert left(command) == []


def test_a_killed_import_leaves_no_image(
    tmp_path: Path, make_with: Callable[[Path], Command]
) -> None:
    command = make_with(tmp_path)
    base = image(command.lab.cache, RELEASES[0])

    def imports() -> str:
        ours = ["pgrep", "--full", f"tar -C {base} --create"]
        return subprocess.run(ours, capture_output=True, text=True, check=False).stdout

    end_up_when(command, imports, *UP[1:])
    until(lambda: not imports(), 5)
    command("down")
    assert left(command) == []
    with client() as asked:
        assert asked.images.list(all=True) == []


@pytest.fixture
def make_with(
    docker_host: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Path], Command]]:
    """A lab on a daemon of its own, with its data in a folder; both are gone after the test."""
    ends: list[Callable[[], object]] = []

    def one(data: Path) -> Command:
        daemon = dockerd(data)
        monkeypatch.setenv("DOCKER_HOST", daemon.__enter__())
        ends.append(lambda: daemon.__exit__(None, None, None))
        command = Command(find(f"t{os.getpid()}-own"))
        ends.append(lambda: command("down"))
        return command

    yield one
    for end in reversed(ends):
        end()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    disk = tmp_path / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "small", disk], check=True)
    yield disk
    subprocess.run(["umount", "--recursive", disk], check=True)


def test_a_full_disk_of_dockers(
    small_disk: Path, make_with: Callable[[Path], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = make_with(small_disk)
    refused = command.run(*UP)
    assert refused.returncode == 1
    assert f"lab: {small_disk} has " in refused.stderr
    assert "make room, or set Docker's data-root to another disk" in refused.stderr
    command("down")
    assert left(command) == []

    # One that fills while the image is imported.
    monkeypatch.setattr(driver, "ROOM_MEGABYTES", 0)
    base = image(command.lab.cache, RELEASES[0])
    with (
        pytest.raises(LabError, match="no space left on device; make room in Docker's data-root"),
        driver._daemon(command.lab.state) as asked,
    ):
        driver._image(asked, base)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("unix:///run/nobody.sock", "no Docker daemon answers at /run/nobody.sock; start it"),
        ("tcp://192.0.2.1:2375", "DOCKER_HOST is tcp://192.0.2.1:2375, and the lab needs Docker"),
    ],
)
def test_without_a_daemon_nothing_is_begun(
    make: Callable[[], Command], monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    command = make()
    refused = command.run(*UP)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"lab: {says}")
    assert traces(command) == []


@pytest.mark.usefixtures("docker_host")
def test_a_daemon_that_went_away(
    tmp_path: Path, make: Callable[[], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = make()
    with dockerd(tmp_path) as address, monkeypatch.context() as used:
        used.setenv("DOCKER_HOST", address)
        command(*UP)
    for verb in ("status", "up", "down"):
        refused = command.run(verb)
        assert refused.returncode == 1
        assert f"no Docker daemon answers at {address.removeprefix('unix://')}" in refused.stderr
        assert f"or remove {command.lab.state} if it is gone for good" in refused.stderr
    subprocess.run(["rm", "-r", command.lab.state], check=True)
    command("down")
    assert traces(command) == []
