"""Images of hosts that were prepared once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import network
from lab.lab import Lab
from lab.prepared import HOST, prepared
from tests.lab.conftest import Command

pytestmark = pytest.mark.lab

PREPARE = (
    "touch /root/prepared /etc/ssh/prepared; rm /etc/debian_version; rm -r /etc/apt/preferences.d; "
    "mkdir /etc/apt/preferences.d; systemctl disable --quiet cron"
)
ASK = (
    "ls /root/prepared /etc/ssh/prepared; ls /etc/debian_version 2>&1; hostname; "
    "systemctl is-enabled cron; cat /etc/machine-id; cat /etc/ssh/ssh_host_ed25519_key.pub; "
    "systemctl is-system-running --wait"
)


def inside(lab: Lab, host: str, command: str) -> list[str]:
    done = [*network.within(lab.name), *lab.ssh(host, [command])]
    return subprocess.run(done, capture_output=True, text=True, check=False).stdout.splitlines()


def test_prepared_hosts_are_what_was_prepared_and_each_its_own(
    make: Callable[[], Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[str] = []

    def prepare(lab: Lab) -> None:
        times.append(lab.name)
        assert inside(lab, HOST, PREPARE) == []

    def go_further(lab: Lab) -> None:
        assert inside(lab, HOST, "touch /root/further") == []

    recipe = f"{PREPARE} of {tmp_path}"
    image = prepared(recipe, prepare)
    made = [image]
    try:
        assert prepared(recipe, prepare) == image
        assert len(times) == 1
        assert not Path("/var/lib/callcenter-lab", times[0]).exists()
        before = sorted(str(path) for path in image.rglob("*"))
        lab = make().lab
        lab.up(("one", "two"), prepared=image)
        one, two = (inside(lab, host, ASK) for host in ("one", "two"))
        for host, told in (("one", one), ("two", two)):
            assert told[:5] == [
                "/etc/ssh/prepared",
                "/root/prepared",
                "ls: cannot access '/etc/debian_version': No such file or directory",
                host,
                "disabled",
            ]
            assert told[-1] == "running"
        # Neither has the other's identity.
        assert set(one[5:7]).isdisjoint(two[5:7])
        inside(lab, "one", "rm /root/prepared; touch /root/own")
        assert inside(lab, "two", "ls /root") == ["prepared"]
        # As any host, they may be switched off and on.
        lab.switch_off("one")
        lab.up(("one",))
        assert inside(lab, "one", "ls /root") == ["own"]
        further = prepared(recipe, go_further, below=image)
        made.append(further)
        assert further != image
        lab.up(("three",), prepared=further)
        assert inside(lab, "three", "ls /root") == ["further", "prepared"]
        assert sorted(str(path) for path in image.rglob("*")) == before
    finally:
        subprocess.run(["rm", "-r", *map(str, made)], check=True)
