"""The Vagrantfile as Vagrant reads it, and the inventory of its machines. None is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from callcenter.cli.check import check
from callcenter.client.inventory import load
from callcenter.render.where import needs_linux
from callcenter.site.where import one_ledger

ROOT = Path(__file__).parents[2]
TOPOLOGIES = sorted(path.stem for path in (ROOT / "lab/topologies").glob("*.yaml"))


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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vagrant's own folder, which it sets up once."""
    return tmp_path_factory.mktemp("vagrant")


@pytest.fixture(scope="module")
def libvirt(home: Path) -> None:
    """Vagrant's plugin for libvirt, which must be there."""
    if "vagrant-libvirt" not in vagrant(home, "plugin", "list").stdout:
        pytest.skip("vagrant-libvirt is not installed")


@pytest.mark.skipif(shutil.which("vagrant") is None, reason="vagrant is not installed")
class TestVagrantfile:
    @pytest.mark.parametrize("topology", TOPOLOGIES)
    def test_is_valid_with_libvirt(self, topology: str, libvirt: None, home: Path) -> None:
        done = vagrant(
            home,
            "validate",
            CALLCENTER_VAGRANT_TOPOLOGY=topology,
            VAGRANT_DEFAULT_PROVIDER="libvirt",
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("topology", TOPOLOGIES)
    def test_is_valid_with_virtualbox(self, topology: str, home: Path) -> None:
        # Without VirtualBox, all but the lines of its own block is checked.
        part = () if shutil.which("VBoxManage") else ("--ignore-provider",)
        done = vagrant(
            home,
            "validate",
            *part,
            CALLCENTER_VAGRANT_TOPOLOGY=topology,
            VAGRANT_DEFAULT_PROVIDER="virtualbox",
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (None, "is not there; use edges, mixed, one, six, windows, or a YAML file's path"),
            ("cc1: [", "is no YAML"),
            ("- cc1", "must be a mapping of names to mappings"),
            ("cc_1: {release: bookworm}", "cc_1: is no machine's name"),
            ("cc1: {release: buster}", "cc1.release: must be bookworm, trixie or windows"),
            ("cc1: {release: trixie, ram: 9}", "cc1: has ram; use release, memory, cpus, box"),
            ("cc1: {release: trixie, memory: 1G}", "cc1.memory: must be a number, 512 or more"),
            ("win1: {release: windows}", "must have one to six Linux machines"),
            (
                "".join(f"cc{n}: {{release: bookworm}}\n" for n in range(7)),
                "must have one to six Linux machines",
            ),
        ],
    )
    def test_a_wrong_topology_is_refused(
        self, text: str | None, words: str, home: Path, tmp_path: Path
    ) -> None:
        topology = tmp_path / "mine.yaml"
        if text is not None:
            topology.write_text(text)
        done = vagrant(home, "status", CALLCENTER_VAGRANT_TOPOLOGY=str(topology))
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
