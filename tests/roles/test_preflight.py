"""Two hosts, one of them wrong: one clear line, and nothing changes on either."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callcenter.render.debian import closure, index_of
from callcenter.site import LocalPackages
from roles.freeswitch.operations import local_archive
from tests.roles.conftest import Operator, Run
from tests.roles.support import listening, refused, sentence, state_of

GOOD, BAD, OTHER = "pre1", "pre2", "pre3"


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of(GOOD, BAD, bare=True)


@pytest.fixture(autouse=True)
def _as_described(operator: Operator) -> None:
    operator.describe()


def describe(operator: Operator, **hosts: dict[str, Any]) -> None:
    """Write the inventory with further or other data of some hosts; None takes an entry out."""
    entries = dict(entry for entry in operator.lab.inventory() if entry[0] in operator.hosts)
    for name, data in hosts.items():
        entries[name] = {
            key: value
            for key, value in {**entries.get(name, {}), **data}.items()
            if value is not None
        }
    operator.inventory.write_text(
        f"from callcenter.site import hosts\nswitches = hosts(*{list(entries.items())!r})\n"
    )


def said(run: Run, begin: str, host: str = BAD) -> str:
    return sentence(run, host, begin)


def good_host_is_told(run: Run) -> None:
    assert BAD in said(run, "Nothing was changed", GOOD)


def test_address_of_another(operator: Operator) -> None:
    describe(operator, **{BAD: {"address": "10.77.0.240"}})
    run = refused(operator)
    line = said(run, "address 10.77.0.240 is on no interface")
    own = next(host.address for host in operator.lab.hosts if host.name == BAD)
    assert f"it has {own}" in line
    good_host_is_told(run)


def test_public_address_behind_nat(operator: Operator) -> None:
    describe(operator, **{BAD: {"address": None, "public_ip": "203.0.113.10"}})
    run = refused(operator)
    own = next(host.address for host in operator.lab.hosts if host.name == BAD)
    line = said(run, "public_ip 203.0.113.10 is on no interface")
    assert f"set address={own!r}" in line
    assert "behind NAT" in line
    good_host_is_told(run)


@pytest.mark.parametrize(
    ("kind", "address", "port", "what"),
    [
        ("DGRAM", "0.0.0.0", 5060, "port 5060/udp (network.sip_port) is taken by python3"),
        ("STREAM", "0.0.0.0", 5060, "port 5060/tcp (network.sip_port) is taken by python3"),
        ("STREAM", "127.0.0.1", 8021, "port 8021/tcp (event_socket.port) is taken by python3"),
    ],
)
def test_port_of_another_service(
    operator: Operator, kind: str, address: str, port: int, what: str
) -> None:
    with listening(operator, BAD, port, address, kind):
        run = refused(operator)
    assert "another port in the Site" in said(run, what)
    good_host_is_told(run)


def test_port_on_another_address_is_nobodys_business(operator: Operator) -> None:
    with listening(operator, BAD, 5060, "127.0.0.2"):
        run = operator.succeed("--dry")
    assert "is taken" not in run.output


def test_clock_that_is_wrong(operator: Operator) -> None:
    # The lab's hosts may not set their clock, so here it is what they say that is wrong.
    operator.ssh(
        BAD,
        'printf \'#!/bin/sh\\nexec /usr/bin/date -d "1 hour" "$@"\\n\' >/usr/local/bin/date; '
        "chmod 755 /usr/local/bin/date",
    )
    try:
        run = refused(operator)
    finally:
        operator.ssh(BAD, "rm /usr/local/bin/date")
    # Less what its answer took.
    line = said(run, "its clock is 3")
    assert re.search(r"is 3[56]\d\d s ahead of this machine's", line)
    assert "timedatectl" in line
    good_host_is_told(run)


def test_host_that_is_not_there(operator: Operator) -> None:
    like = dict(operator.lab.inventory())[GOOD]
    describe(operator, gone={**like, "address": "10.77.0.240", "ssh_hostname": "10.77.0.240"})
    run = refused(operator)
    assert "10.77.0.240" in said(run, "connect", "gone")
    line = said(run, "Nothing was changed", GOOD)
    assert "gone" in line
    assert "--exclude gone" in line
    said(run, "Nothing was changed", BAD)


def test_operator_may_go_on_without_a_host(operator: Operator) -> None:
    like = dict(operator.lab.inventory())[GOOD]
    describe(
        operator,
        gone={**like, "address": "10.77.0.240", "ssh_hostname": "10.77.0.240"},
        # So that it is preflight, and not the deploy, that ends this run.
        **{BAD: {"address": "10.77.0.241"}},
    )
    run = refused(operator, "--exclude", "gone")
    assert "gone" not in said(run, "Nothing was changed", GOOD)


def test_key_that_does_not_fit(operator: Operator, tmp_path: Path) -> None:
    key = tmp_path / "other-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    describe(operator, **{BAD: {"ssh_key": str(key)}})
    run = refused(operator)
    line = said(run, "Authentication error")
    assert str(key) in line
    good_host_is_told(run)


def test_system_that_is_not_supported(operator: Operator) -> None:
    operator.ssh(
        BAD,
        "cp /usr/lib/os-release /run/os-release && sed -i -e 's/^ID=.*/ID=ubuntu/' "
        "-e 's/^VERSION_CODENAME=.*/VERSION_CODENAME=noble/' /usr/lib/os-release",
    )
    try:
        run = refused(operator)
    finally:
        operator.ssh(BAD, "cp /run/os-release /usr/lib/os-release")
    assert "use Debian 12 and Debian 13" in said(run, "it runs ubuntu noble")
    good_host_is_told(run)


def test_disk_that_is_full(operator: Operator) -> None:
    describe(operator)
    before = state_of(operator, GOOD)
    operator.ssh(BAD, "mount -t tmpfs -o size=100m tmpfs /var")
    try:
        run = operator.deploy("-y")
        left = operator.ssh(BAD, "find /var -type f")
    finally:
        operator.ssh(BAD, "umount --lazy /var")
    assert run.code != 0
    assert "500 are needed" in said(run, "/var has 100 MB free")
    assert left == ""
    assert state_of(operator, GOOD) == before
    good_host_is_told(run)


def test_freeswitch_of_somebody_else(operator_of: Callable[..., Operator]) -> None:
    operator = operator_of(OTHER, bare=True)
    source = LocalPackages()
    names = ["freeswitch", "freeswitch-conf-vanilla", "freeswitch-systemd"]
    kind = operator.ssh(OTHER, "dpkg --print-architecture").strip()
    chosen = closure(index_of(source.path), names, source.version, kind, "bookworm")
    install = (
        "mkdir /root/theirs && tar -x -C /root/theirs && export DEBIAN_FRONTEND=noninteractive && "
        "apt-get update -qq && apt-get install -y --no-install-recommends /root/theirs/*.deb && "
        "systemctl reset-failed freeswitch; systemctl start freeswitch"
    )
    subprocess.run(
        operator.lab.ssh(OTHER, [install]),
        input=local_archive(chosen, source.path),
        capture_output=True,
        check=True,
    )
    asked = "systemctl show -p MainPID freeswitch"
    process = operator.ssh(OTHER, asked)
    assert process != "MainPID=0\n"
    operator.describe()
    run = refused(operator)
    line = sentence(run, OTHER, "a FreeSWITCH that no deploy of this project has described runs")
    assert "systemctl disable --now freeswitch.service" in line
    assert operator.ssh(OTHER, asked) == process


def test_several_things_wrong_are_said_at_once(operator: Operator) -> None:
    describe(operator, **{BAD: {"address": "10.77.0.240"}})
    with listening(operator, BAD, 8021):
        run = refused(operator)
    said(run, "is on no interface")
    said(run, "event_socket.port")


@pytest.fixture(scope="module")
def users(operator: Operator) -> None:
    """On each host one login that may do nothing, one that may ask, and one that may all."""
    for host in operator.hosts:
        operator.ssh(
            host,
            "for user in nobody-much asker deployer; do useradd -m -s /bin/sh $user; "
            "cp -r /root/.ssh /home/$user/; chown -R $user: /home/$user/.ssh; done; "
            "echo 'nobody-much:known-To-them' | chpasswd; "
            "printf 'Defaults passwd_tries=1\\nasker ALL=(ALL) ALL\\n' >/etc/sudoers.d/asker; "
            "echo 'deployer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deployer",
        )


@pytest.mark.usefixtures("users")
def test_login_that_is_not_root(operator: Operator) -> None:
    describe(operator, **{BAD: {"ssh_user": "nobody-much"}})
    run = refused(operator)
    line = said(run, "the login is not root")
    assert "ssh_user='root'" in line
    assert "--sudo" in line
    good_host_is_told(run)
    dry_run_is_refused(operator, BAD)


def dry_run_is_refused(operator: Operator, host: str) -> None:
    """Fail unless a dry run of one host ends with the line that says why."""
    run = operator.deploy("--dry", "--limit", host)
    said(run, "the login is not root", host)
    assert run.code == 1
    assert "Traceback" not in run.output
    assert "Detected changes" not in run.output


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("user", "why"),
    [("nobody-much", "is not in the sudoers file"), ("asker", "incorrect password")],
)
def test_sudo_that_is_not_granted(operator: Operator, user: str, why: str) -> None:
    # The password is given: without one and without a terminal, pyinfra has nobody to ask.
    describe(
        operator, **{BAD: {"ssh_user": user, "_sudo": True, "_sudo_password": "known-To-them"}}
    )
    run = refused(operator)
    said(run, why)
    # What could not be looked at is not guessed about.
    assert "unknown system" not in run.output
    good_host_is_told(run)


@pytest.mark.usefixtures("users")
def test_sudo_deploys_like_root(operator: Operator) -> None:
    describe(operator, **{GOOD: {"ssh_user": "deployer"}})
    operator.succeed("-y", "--json", "--sudo", "--limit", GOOD)
    assert "RUNNING" in operator.ssh(GOOD, "fs_cli -x 'sofia status'")
    # By the inventory just as well, and nothing is the login's own.
    describe(operator, **{GOOD: {"ssh_user": "deployer", "_sudo": True}})
    run = operator.succeed("-y", "--json", "--limit", GOOD)
    assert run.changes == 0, run.output
    assert operator.ssh(GOOD, "find /etc /usr /var /tmp -user deployer") == ""
    describe(operator, **{GOOD: {"ssh_user": "nobody-much"}})
    dry_run_is_refused(operator, GOOD)
    describe(operator)
    assert operator.succeed("-y", "--json", "--limit", GOOD).changes == 0
