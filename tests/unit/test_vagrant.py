"""The Vagrantfile as Vagrant reads it, and the inventory of its machines. None is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from callcenter.cli.check import check
from callcenter.client.inventory import load
from callcenter.render.where import needs_linux
from callcenter.site.where import one_ledger

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "lab/topologies"
TOPOLOGIES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def vagrant(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["vagrant", *words],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if "VAGRANT" not in name},
            "VAGRANT_HOME": str(folder / "home"),
            "VAGRANT_DOTFILE_PATH": str(folder / "dot"),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


FORKING = """
unless $forked
  $forked = true
  ours = JSON.parse(File.read(File.join(__dir__, "cases.json"))).find do |name, variables|
    given = fork
    if given
      Process.wait(given)
      File.write(File.join(__dir__, "#{name}.code"), $?.exitstatus)
      next
    end
    ENV.update(variables)
    $stdout.reopen(File.join(__dir__, "#{name}.out"), "w")
    $stderr.reopen(File.join(__dir__, "#{name}.err"), "w")
    true
  end
  exit! unless ours
end
load %s
"""
"""A Vagrantfile that loads ours for each case in a process of its own, once Vagrant has begun."""


def several(
    folder: Path, *words: str, cases: Mapping[str, Mapping[str, str]]
) -> dict[str, subprocess.CompletedProcess[str]]:
    """Run a command for each case's variables, and start Vagrant once for all of them."""
    of_cases = folder / words[0]
    of_cases.mkdir()
    (of_cases / "Vagrantfile").write_text(FORKING % json.dumps(str(ROOT / "Vagrantfile")))
    (of_cases / "cases.json").write_text(json.dumps(cases))
    begun = vagrant(folder / "home", *words, VAGRANT_CWD=str(of_cases))

    def said(name: str) -> str:
        path = of_cases / name
        return path.read_text() if path.exists() else begun.stdout + begun.stderr

    return {
        name: subprocess.CompletedProcess(
            words, int(said(f"{name}.code")), said(f"{name}.out"), said(f"{name}.err")
        )
        for name in cases
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vagrant's own folder, which it sets up once."""
    return tmp_path_factory.mktemp("vagrant")


@pytest.fixture(scope="module")
def libvirt(home: Path) -> None:
    """Vagrant's plugin for libvirt, which must be there."""
    if "vagrant-libvirt" not in vagrant(home, "plugin", "list").stdout:
        pytest.skip("vagrant-libvirt is not installed")


Said = Mapping[str, subprocess.CompletedProcess[str]]

WRONG = {
    "missing": (
        None,
        "is not there; use edges, mixed, one, six, windows, or a YAML file's path",
    ),
    "no YAML": ("cc1: [", "is no YAML"),
    "list": ("- cc1", "must be a mapping of names to mappings"),
    "name": ("cc_1: {release: bookworm}", "cc_1: is no machine's name"),
    "release": ("cc1: {release: buster}", "cc1.release: must be bookworm, trixie or windows"),
    "key": (
        "cc1: {release: trixie, ram: 9}",
        "cc1: has ram; use release, memory, cpus, box",
    ),
    "memory": (
        "cc1: {release: trixie, memory: 1G}",
        "cc1.memory: must be a number, 512 or more",
    ),
    "Windows alone": ("win1: {release: windows}", "must have one to six Linux machines"),
    "seven": (
        "".join(f"cc{n}: {{release: bookworm}}\n" for n in range(7)),
        "must have one to six Linux machines",
    ),
}
"""Topologies that are refused, each with the words that say why."""


@pytest.fixture(scope="module")
def valid_with_libvirt(libvirt: None, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """Return what Vagrant says of each topology of the lab."""
    cases = {
        one: {"CALLCENTER_VAGRANT_TOPOLOGY": one, "VAGRANT_DEFAULT_PROVIDER": "libvirt"}
        for one in TOPOLOGIES
    }
    return several(tmp_path_factory.mktemp("libvirt"), "validate", cases=cases)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """The folder of the wrong topologies, and what is said of each."""
    folder = tmp_path_factory.mktemp("wrong")
    for name, (text, _) in WRONG.items():
        if text is not None:
            (folder / f"{name}.yaml").write_text(text)
    cases = {name: {"CALLCENTER_VAGRANT_TOPOLOGY": str(folder / f"{name}.yaml")} for name in WRONG}
    return folder, several(folder, "status", cases=cases)


@pytest.mark.skipif(shutil.which("vagrant") is None, reason="vagrant is not installed")
class TestVagrantfile:
    @pytest.mark.parametrize("topology", TOPOLOGIES)
    def test_is_valid_with_libvirt(self, topology: str, valid_with_libvirt: Said) -> None:
        done = valid_with_libvirt[topology]
        assert done.returncode == 0, done.stdout + done.stderr
        assert "validated successfully" in done.stdout

    def test_is_valid_with_virtualbox(self, home: Path, tmp_path: Path) -> None:
        """One machine of each kind that a topology of the lab has."""
        wishes: list[dict[str, Any]] = []
        for one in TOPOLOGIES:
            for wish in yaml.safe_load((FOLDER / f"{one}.yaml").read_text()).values():
                if wish not in wishes:
                    wishes.append(wish)
        topology = tmp_path / "kinds.yaml"
        topology.write_text(yaml.safe_dump({f"m{n}": wish for n, wish in enumerate(wishes)}))
        # Without VirtualBox, all but the lines of its own block is checked.
        part = () if shutil.which("VBoxManage") else ("--ignore-provider",)
        done = vagrant(
            home,
            "validate",
            *part,
            CALLCENTER_VAGRANT_TOPOLOGY=str(topology),
            VAGRANT_DEFAULT_PROVIDER="virtualbox",
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("name", WRONG)
    def test_a_wrong_topology_is_refused(self, name: str, wrong: tuple[Path, Said]) -> None:
        folder, said = wrong
        topology, done, (_, words) = folder / f"{name}.yaml", said[name], WRONG[name]
        assert done.returncode != 0
        assert f"{topology}: " in done.stderr or f"{topology} " in done.stderr
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 3

    @pytest.mark.skipif(shutil.which("VBoxManage") is not None, reason="VirtualBox is installed")
    def test_a_provider_that_is_not_installed_is_refused(self, home: Path) -> None:
        done = vagrant(home, "up", "--provider", "virtualbox")
        assert done.returncode != 0
        assert "\nvirtualbox: is not installed; install it, or use libvirt" in done.stderr

    def test_an_unknown_provider_is_refused(self, home: Path) -> None:
        done = vagrant(home, "up", "--provider=hyperv")
        assert done.returncode != 0
        assert "use libvirt or virtualbox" in done.stderr

    def test_a_box_that_was_not_built_is_refused(self, libvirt: None, tmp_path: Path) -> None:
        # Of its own, since it is for one provider from here on.
        done = vagrant(tmp_path, "up", "--provider", "libvirt", CALLCENTER_LAB_CACHE=str(tmp_path))
        assert done.returncode != 0
        box = tmp_path / "boxes" / "callcenter-bookworm.box"
        assert f"{box} is not there; run: python -m lab box --release bookworm" in done.stderr


def noted(folder: Path, **groups: str) -> None:
    """Write what the Vagrantfile notes of machines that are up."""
    data: dict[str, Any] = {
        name: {
            "address": f"192.168.121.{number}",
            "ssh_hostname": f"192.168.121.{number}",
            "ssh_port": 22,
            "ssh_user": "vagrant",
        }
        for number, name in enumerate(groups, 11)
    }
    of = {name: [group, "vagrant"] for name, group in groups.items()}
    of = {name: [*some, "windows"] if name.startswith("win") else some for name, some in of.items()}
    (folder / "@vagrant.json").write_text(json.dumps({"groups": of, "data": data}))


class TestInventory:
    @pytest.fixture(autouse=True)
    def operators_folder(self, own_folder: Path) -> Path:
        shutil.copytree(ROOT / "inventories", own_folder / "inventories")
        return own_folder

    def test_says_what_it_lacks(self) -> None:
        [line] = check(Path("inventories/vagrant"))
        assert line == "@vagrant.json: is not there; run vagrant up, from this folder"

    def test_has_the_labs_site(self, operators_folder: Path) -> None:
        noted(operators_folder, cc1="switches", cc2="switches")
        found = load("inventories/vagrant")
        assert [host.switch.bind_address for host in found.hosts] == [
            "192.168.121.11",
            "192.168.121.12",
        ]
        assert found.site.domain == "lab.callcenter.test"
        # Neither would know what is spent on the other.
        assert one_ledger(found.site, 2) == []

    def test_needs_no_switch(self, operators_folder: Path) -> None:
        noted(operators_folder, edge1="edges")
        found = load("inventories/vagrant")
        assert [host.is_edge for host in found.hosts] == [True]
        assert found.site.media.mode == "bypass"

    def test_knows_the_windows_machine(self, operators_folder: Path) -> None:
        noted(operators_folder, cc1="switches", win1="switches")
        found = load("inventories/vagrant")
        assert [host.switch.is_windows for host in found.hosts] == [False, True]
        assert found.site.windows is not None
        assert needs_linux(found.site) == []

    def test_pyinfras_own_connector_finds_the_same_site(self) -> None:
        own = ROOT / "group_data" / "vagrant.py"
        assert own.resolve() == ROOT / "inventories" / "group_data" / "vagrant.py"
