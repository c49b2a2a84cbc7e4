"""The lab's parts that need no host and no root."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

import lab
from lab import groups, image, network, packages, system
from lab.__main__ import main, parser
from lab.lab import Lab, find

HYBRID = """\
27 21 0:24 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
28 27 0:25 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
36 27 0:33 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
37 27 0:34 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = """\
29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
60 22 0:26 / /somewhere/else rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
"""


@pytest.mark.parametrize(
    ("mountinfo", "expected"),
    [
        (HYBRID, ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]),
        (UNIFIED, ["/sys/fs/cgroup"]),
        ("", []),
    ],
)
def test_hierarchies_are_those_of_systemd(mountinfo: str, expected: list[str]) -> None:
    assert [str(path) for path in groups.hierarchies(mountinfo)] == expected


def test_mirrors_are_the_machines_own() -> None:
    own = packages.mirrors(
        "Debian http://mirror.example/debian/\nDebian http://mirror.example/debian/\n"
        "cloud-sdk https://packages.example/apt/\nNode Source https://deb.example/\n"
    )
    assert own == {
        "Debian": "http://mirror.example/debian",
        "Debian-Security": "http://deb.debian.org/debian-security",
    }


def test_mirrors_that_a_cache_cannot_read_are_left_out() -> None:
    own = packages.mirrors("Debian https://mirror.example/debian/\n")
    assert own["Debian"] == "http://deb.debian.org/debian"


@pytest.mark.parametrize(
    "words", ["--name n ssh cc1 -- ls -- -l", "ssh --name n cc1 -- ls -- -l", "ssh cc1 ls -- -l"]
)
def test_name_stands_before_the_verb_or_after_it(words: str) -> None:
    given = parser().parse_args(words.split())
    assert given.name == ("n" if "--name" in words else None)
    assert given.host == "cc1"
    assert given.command[given.command[:1] == ["--"] :] == ["ls", "--", "-l"]


def test_up_has_one_host_unless_told() -> None:
    assert parser().parse_args(["up"]).hosts == ["cc1"]
    assert parser().parse_args(["up", "a", "b"]).hosts == ["a", "b"]


def test_name_comes_from_the_argument_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLCENTER_LAB", raising=False)
    assert find().name == "lab"
    monkeypatch.setenv("CALLCENTER_LAB", "other")
    assert find().name == "other"
    assert find("mine").name == "mine"
    assert find("mine").namespace == "callcenter-mine"


@pytest.mark.parametrize("name", ["Lab", "../x", "a b", "-x", "x" * 22])
def test_names_that_make_no_name_are_refused(name: str) -> None:
    with pytest.raises(lab.LabError, match="is no name for a lab"):
        find(name)


@pytest.mark.parametrize("host", ["Cc1", "a/b", ""])
def test_names_that_make_no_host_are_refused(host: str) -> None:
    with pytest.raises(lab.LabError, match="is no host name"):
        find("pure").up((host,))


def test_hosts_are_those_with_a_whole_entry_by_address(tmp_path: Path) -> None:
    for host, entry in {"b": 11, "a": 100, "half": None}.items():
        folder = tmp_path / "hosts" / host
        folder.mkdir(parents=True)
        if entry:
            (folder / "known_host").write_text(f"10.77.0.{entry} ssh-ed25519 AAAA\n")
    made = Lab("pure", tmp_path, tmp_path)
    assert [(host.name, host.address, host.up) for host in made.hosts] == [
        ("b", "10.77.0.11", False),
        ("a", "10.77.0.100", False),
    ]
    assert made.inventory()[0] == (
        "b",
        {
            "address": "10.77.0.11",
            "ssh_hostname": "10.77.0.11",
            "ssh_user": "root",
            "ssh_port": 22,
            "ssh_key": str(tmp_path / "key"),
            "ssh_known_hosts_file": str(tmp_path / "hosts/b/known_host"),
            "ssh_strict_host_key_checking": "yes",
        },
    )
    with pytest.raises(lab.LabError, match="no host 'c'; it has: b, a"):
        made.ssh("c", [])


def test_root_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(lab.LabError, match="sudo"):
        lab.enter("pure")
    assert main(["up"]) == 1
    assert capsys.readouterr().err == (
        "lab: the lab needs root: it makes network namespaces; run it with sudo\n"
    )


def test_entering_a_lab_that_is_not_up_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(lab.LabError, match="lab 'pure' is not up; run bin/lab, or python -m lab"):
        lab.enter("pure")


def test_going_on_from_within_a_lab_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "callcenter-x").symlink_to("/proc/self/ns/net")
    monkeypatch.setattr(network, "_SPACES", tmp_path)
    with pytest.raises(lab.LabError, match="in the network of callcenter-x"):
        network.outside()


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    held = tmp_path / "lock"
    take = ["flock", "--nonblock", str(held), "true"]
    with system.single(held):
        assert subprocess.run(take, check=False).returncode == 1
    assert subprocess.run(take, check=False).returncode == 0


def test_a_failed_program_shows_the_end_of_what_it_said() -> None:
    talk = "import sys; print(*range(99), sep='\\n', file=sys.stderr); sys.exit(3)"
    with pytest.raises(lab.LabError) as refused:
        system.run([sys.executable, "-c", talk], say="no luck")
    assert str(refused.value).splitlines() == ["no luck:", *map(str, range(91, 99))]
    with pytest.raises(lab.LabError, match="no luck: no-such-program is not installed"):
        system.run(["no-such-program"], say="no luck")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A policy-rc.d and locks that are not this machine's."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(system, "RUN", tmp_path)
    monkeypatch.setattr(system, "POLICY", tmp_path / "policy-rc.d")
    return tmp_path / "policy-rc.d"


def test_what_a_killed_installation_left_is_removed(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    monkeypatch.setattr(system, "PACKAGES", {})
    machine.write_text("#!/bin/sh\nexit 0\n")
    system.require()
    assert machine.exists(), "one of this machine's own"
    machine.write_text(system.POLICY_TEXT)
    system.require()
    assert not machine.exists()


def test_only_what_lacks_is_installed_and_no_service_started(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    seen = []

    def run(command: list[str], *, say: str) -> str:
        seen.append(command)
        assert machine.read_text().endswith("exit 101\n")
        if "install" in command:
            raise lab.LabError(say)
        return ""

    monkeypatch.setattr(system, "run", run)
    with pytest.raises(lab.LabError, match="could not install lacking; mend apt"):
        system.require({"bin/env": "coreutils", "bin/no-such": "lacking"})
    assert [command[-1] for command in seen] == ["update", "lacking"]
    assert not machine.exists()


def test_an_image_is_built_once_under_another_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built: list[Path] = []

    def run(command: list[str], *, say: str) -> str:
        if "mmdebstrap" in command:
            built.extend(Path(word) for word in command if word.endswith(".building"))
            assert not list(tmp_path.glob("images/*.building")), "what a killed build left is gone"
            (built[-1] / "etc/dpkg/dpkg.cfg.d").mkdir(parents=True)
        return ""

    monkeypatch.setattr(image, "run", run)
    monkeypatch.setattr(packages, "run", run)
    (tmp_path / "images" / "bookworm-0.building" / "etc").mkdir(parents=True)
    first = image.image(tmp_path, "bookworm")
    assert image.image(tmp_path, "bookworm") == first
    assert image.image(tmp_path, "trixie") != first
    assert len(built) == 2
    assert first.is_dir()
    assert not list(tmp_path.glob("images/*.building"))


def test_a_full_disk_is_told_before_the_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(2**40, 2**40, 5 * 2**20))
    with pytest.raises(lab.LabError, match=r"has 5 MB free and an image needs .* make room"):
        image.image(tmp_path, "bookworm")


def test_unknown_releases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(lab.LabError, match="woody is no release of the lab; use bookworm or trix"):
        image.image(tmp_path, "woody")
