"""Labs that are booted for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.groups import Group
from tests.acceptance.support.waiting import PATIENCE
from tests.lab.conftest import Command

pytestmark = pytest.mark.lab

CAP_SYS_TIME = 25


def pids(command: Command, part: str = "") -> set[int]:
    return Group(f"hosts/{command.lab.name}/{part}").pids


def mounts(path: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if f"{path}/" in line]  # fmt: skip


def outer_network() -> str:
    """Return all that the outer network namespace holds, but counters and lifetimes."""
    parts = (
        ["ip", "-o", "link"],
        ["ip", "-4", "-o", "address"],
        ["ip", "route", "show", "table", "all"],
        ["ip", "rule"],
        ["nft", "--stateless", "list", "ruleset"],
    )
    return "".join(subprocess.check_output(part, text=True) for part in parts)


def traces(command: Command) -> list[str]:
    """Return all that is on this machine of a lab."""
    lab = command.lab
    found = [str(pid) for pid in pids(command)]
    found += mounts(lab.state)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            # A container's own mounts tell whose it is, whatever its processes are called.
            root = (process / "mountinfo").read_bytes().partition(b"\n")[0]
        except OSError:
            continue
        started = any(
            f"{lab.state}/".encode() in word or f"/{lab.namespace}".encode() in word
            for word in words
        )
        if started or f"upperdir={lab.state}/".encode() in root:
            found.append(f"{process.name}: {words}")
    places = ("/run/netns/{0}", "/run/systemd/nspawn/propagate/cc1.{0}", "{1}")
    for place in places:
        path = Path(place.format(lab.namespace, lab.state))
        found += [str(path)] if path.exists() else []
    return found


def until(event: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that tells nobody when it happens."""
    deadline = time.monotonic() + seconds
    while not event():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def end_up_when(
    command: Command,
    event: Callable[[], object],
    *words: str,
    by: signal.Signals = signal.SIGKILL,
) -> tuple[int, str]:
    """End an ``up`` as soon as the event has happened; its exit code and what it said."""
    process = subprocess.Popen(
        [*command.words, "up", *words, "cc1", "cc2"],
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in its background has them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        until(lambda: event() or process.poll() is not None)
        assert process.poll() is None, process.communicate()[1]
        process.send_signal(by)
        said = process.communicate(timeout=PATIENCE)[1]
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


def test_an_interrupted_up_says_what_to_do(make: Callable[[], Command]) -> None:
    command = make()
    booting = command.lab.state / "hosts/cc1/console.log"
    assert end_up_when(command, booting.exists, by=signal.SIGINT) == (
        130,
        "lab: interrupted; run it again to go on, or down to clean up\n",
    )
    command("down")
    assert traces(command) == []


def test_a_full_disk(
    make: Callable[[], Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLCENTER_LAB_STATE", str(tmp_path))
    command = make()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "small", tmp_path], check=True)
    try:
        refused = command.run("up")
        assert refused.returncode == 1
        assert "No space left on device" in refused.stderr
        room = f"make room for {command.lab.state} or {command.lab.cache}, and run it again"
        assert f"lab: {room}, or down to clean up\n" in refused.stderr
        command("down")
        assert traces(command) == []
    finally:
        subprocess.run(["umount", "--recursive", tmp_path], check=True)


def test_up_prints_a_line_a_host(up: Command) -> None:
    assert up("status") == "cc1\t10.77.0.11\tup\ncc2\t10.77.0.12\tup\n"


def test_ssh_lets_in_by_the_key_of_the_lab_only(up: Command) -> None:
    assert up("ssh", "cc1", "--", "whoami; hostname; cat /etc/hosts").split() == (
        ["root", "cc1", "127.0.0.1", "localhost", "10.77.0.11", "cc1"]
    )
    told = ["-o", "PreferredAuthentications=password,keyboard-interactive"]
    words = up.lab.ssh("cc1", ["true"])
    refused = up.run("exec", "--", words[0], *told, *words[1:])
    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr


def test_hosts_run_systemd_and_reach_each_other(up: Command) -> None:
    assert up("ssh", "cc1", "systemctl is-system-running --wait") == "running\n"
    up("ssh", "cc1", "bash -c '</dev/tcp/10.77.0.12/22'")


def test_exec_runs_in_the_network_of_the_lab(up: Command) -> None:
    shown = up("exec", "--", "ip", "-o", "-4", "address")
    assert "10.77.0.1/24" in shown
    assert "lab0" not in subprocess.check_output(["ip", "link"], text=True)


def test_packages_install_through_the_cache(up: Command) -> None:
    install = "apt-get update -qq && apt-get install -qq -y tree >/dev/null && tree --version"
    assert "tree v" in up("ssh", "cc1", install)
    routes = up("ssh", "cc1", "getent ahosts deb.debian.org || echo no name server")
    assert routes == "no name server\n"


def test_a_second_up_changes_nothing(up: Command) -> None:
    before = pids(up, "cc1/supervisor"), up("ssh", "cc1", "cat /proc/sys/kernel/random/boot_id")
    started = time.monotonic()
    up("up", "cc1", "cc2")
    assert time.monotonic() - started < 10
    after = pids(up, "cc1/supervisor"), up("ssh", "cc1", "cat /proc/sys/kernel/random/boot_id")
    assert after == before


def test_a_host_sets_neither_the_clock_nor_the_kernel(up: Command) -> None:
    status = up("ssh", "cc1", "cat /proc/1/status")
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd"))
    assert not int(bounding.split()[1], 16) >> CAP_SYS_TIME & 1
    before = time.time() - time.monotonic()
    refused = up.run("ssh", "cc1", "date -s 2001-01-01")
    assert refused.returncode == 1
    assert "Operation not permitted" in refused.stderr
    assert abs(time.time() - time.monotonic() - before) < 1
    assert up.run("ssh", "cc1", "sysctl -w kernel.panic=33").returncode != 0
    assert Path("/proc/sys/kernel/panic").read_text() != "33\n"
    up("ssh", "cc1", "sysctl -w net.ipv4.ip_forward=1")


def test_services_of_one_name_on_two_hosts_do_not_meet(up: Command) -> None:
    start = "systemd-run -q --unit=twin -p CPUSchedulingPolicy=rr sh -c '%s'"
    up("ssh", "cc2", start % "sleep 1000 & sleep 1000")
    # systemd has to find the second process by its cgroup when the first one ends.
    up("ssh", "cc1", start % "sleep 1000 & exec sleep 0.1")
    until(lambda: "inactive" in up.run("ssh", "cc1", "systemctl is-active twin").stdout, 10)
    assert up.run("ssh", "cc1", "pgrep sleep").stdout == ""
    assert len(up("ssh", "cc2", "pgrep sleep").split()) == 2
    up("ssh", "cc2", "systemctl stop twin")


def test_entering_is_for_this_process_and_repeatable(up: Command) -> None:
    program = f"""
import os, socket, lab
for _ in range(2):
    made = lab.enter({up.lab.name!r})
    print(os.stat("/proc/self/ns/net").st_ino, made.gateway, made.hosts[0].address)
socket.create_connection((made.hosts[0].address, made.hosts[0].ssh_port), timeout={PATIENCE})
"""
    shown = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
    inode = os.stat(f"/run/netns/{up.lab.namespace}").st_ino
    assert shown == [f"{inode} 10.77.0.1 10.77.0.11"] * 2
    assert os.stat("/proc/self/ns/net").st_ino != inode


def test_refusals_say_what_to_do(up: Command) -> None:
    unknown = up.run("ssh", "cc9")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        f"lab: lab '{up.lab.name}' has no host 'cc9'; it has: cc1, cc2\n",
    )
    other = up.run("up", "cc1", "--release", "trixie")
    assert other.returncode == 1
    assert "cc1 is there as bookworm-" in other.stderr
    assert "run down first" in other.stderr


def test_labs_side_by_side_have_the_same_addresses(make: Callable[[], Command]) -> None:
    outer = outer_network()
    labs = make(), make()
    running = [
        subprocess.Popen([*command.words, "up"], stdout=subprocess.PIPE, text=True)
        for command in labs
    ]
    assert [process.communicate()[0] for process in running] == ["cc1\t10.77.0.11\tup\n"] * 2
    show = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"
    assert labs[0]("ssh", "cc1", show) != labs[1]("ssh", "cc1", show)
    assert outer_network() == outer
    labs[0]("down")
    assert labs[1]("ssh", "cc1", "apt-get update -qq && echo on").endswith("on\n")


def test_two_ups_at_once_make_one_lab(make: Callable[[], Command]) -> None:
    command = make()
    running = [
        subprocess.Popen([*command.words, "up"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[0] for process in running] == ["cc1\t10.77.0.11\tup\n"] * 2


def test_a_host_that_went_off_keeps_its_disk(make: Callable[[], Command]) -> None:
    command = make()
    command("up")
    command.run("ssh", "cc1", "touch /root/mine; systemctl poweroff")
    until(lambda: not pids(command))
    assert command("status") == "cc1\t10.77.0.11\tdown\n"
    assert command("up") == "cc1\t10.77.0.11\tup\n"
    assert command("ssh", "cc1", "ls /root") == "mine\n"
    boot = command("ssh", "cc1", "cat /proc/sys/kernel/random/boot_id")
    command.run("ssh", "cc1", "systemctl reboot")
    seen = "cat /proc/sys/kernel/random/boot_id /root/mine"
    until(lambda: command.run("ssh", "cc1", seen).stdout not in ("", boot))


def test_down_leaves_nothing(make: Callable[[], Command]) -> None:
    command = make()
    command("down")
    command("up", "cc1", "cc2")
    assert traces(command)
    command("down")
    assert traces(command) == []
    absent = command.run("exec", "true")
    assert "is not up" in absent.stderr


def test_down_finds_a_host_whose_nspawn_was_killed(make: Callable[[], Command]) -> None:
    command = make()
    command("up")
    (nspawn,) = pids(command, "cc1/supervisor")
    os.kill(nspawn, signal.SIGKILL)
    until(lambda: not pids(command, "cc1/supervisor"))
    assert pids(command), "the host lives on without it"
    command("down")
    assert traces(command) == []


MOMENTS = {
    "its network is made": "/run/netns/{0.namespace}",
    "its key is made": "{0.state}/key",
    "the disk is made": "{0.state}/hosts/cc1/image",
    "the disk is mounted": "{0.state}/hosts/cc1/root/etc",
    "nspawn begins": "/sys/fs/cgroup/*/callcenter-lab-*/hosts/{0.name}/cc1/supervisor",
    "the host boots": "/sys/fs/cgroup/*/callcenter-lab-*/hosts/{0.name}/cc1/payload/init.scope",
    "the host is up": "{0.state}/hosts/cc1/booted",
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("verb", ["up", "down"])
def test_a_killed_up_is_gone_on_with_or_cleaned(
    make: Callable[[], Command], moment: str, verb: str
) -> None:
    command = make()
    pattern = MOMENTS[moment].format(command.lab).removeprefix("/")
    patterns = {pattern, pattern.replace("cgroup/*/", "cgroup/")}  # where v1 is too, or v2 only
    end_up_when(command, lambda: any(any(Path("/").glob(one)) for one in patterns))
    if verb == "up":
        both = "cc1\t10.77.0.11\tup\ncc2\t10.77.0.12\tup\n"
        assert command("up", "cc1", "cc2") == both
        assert command("ssh", "cc1", "systemctl is-system-running --wait") == "running\n"
    command("down")
    assert traces(command) == []


def test_a_killed_build_takes_its_builder_along(
    make: Callable[[], Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLCENTER_LAB_CACHE", str(tmp_path))
    command = make()

    def builders() -> list[str]:
        ours = ["pgrep", "--full", f"{tmp_path}/images/.*building"]
        return subprocess.run(ours, capture_output=True, text=True, check=False).stdout.split()

    end_up_when(command, lambda: any(tmp_path.glob("images/*.building/etc/apt")))
    until(lambda: not builders(), 1)
    command("down")
    assert traces(command) == []
    assert mounts(tmp_path) == []
