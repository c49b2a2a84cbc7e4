"""The inventories as an operator types them. No host is asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callcenter.__main__ import main
from callcenter.cli.check import check
from callcenter.render import freeswitch
from callcenter.site import Switch
from tests.forks import COMMAND, ROOT, Forks

SECRETS = {
    "CALLCENTER_SECRET_SIGNALWIRE": "pat_Horse7battery1",
    "CALLCENTER_SECRET_ESL": "esl-Horse7battery2",
    "CALLCENTER_SECRET_EXTENSION_1000": "phone-Horse7battery3",
}


@pytest.fixture
def operators_folder(own_folder: Path) -> Path:
    """A copy of what an operator edits: no test leaves secrets in the repository."""
    for name in ("inventories", "deploy"):
        shutil.copytree(ROOT / name, own_folder / name)
    return own_folder


Pyinfra = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def pyinfra() -> Iterator[Pyinfra]:
    """pyinfra's command, in a folder; nothing of Windows is imported before it is needed."""
    forks = Forks(
        ["pyinfra_cli.main", "pyinfra.connectors.ssh", "callcenter.render"], unread=SECRETS
    )

    def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return forks.run(
            [COMMAND, *arguments],
            cwd=folder,
            environment={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            timeout=60,
        )

    yield run
    forks.close()


def test_debug_inventory_shows_the_site_and_no_secret(
    operators_folder: Path, pyinfra: Pyinfra
) -> None:
    done = pyinfra(operators_folder, "inventories/prod", "debug-inventory", **SECRETS)
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    assert "cc1.example.net" in shown
    assert "secret('signalwire')" in shown
    assert [value for value in SECRETS.values() if value in shown] == []
    # Looking makes nothing.
    assert not (operators_folder / ".secrets").exists()


def test_a_refused_site_stops_before_any_host_is_asked(
    operators_folder: Path, pyinfra: Pyinfra
) -> None:
    data = operators_folder / "inventories" / "group_data" / "prod.py"
    data.write_text(data.read_text().replace("sip_port=5060", "sip_port=506"))
    done = pyinfra(operators_folder, "inventories/prod", "deploy/callcenter.py", "--yes")
    shown = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Network.sip_port: must be 1024 or more" in shown
    assert "Connected" not in shown


def test_an_inventory_without_a_switch_stops_before_any_host_is_asked(
    operators_folder: Path,
    pyinfra: Pyinfra,
) -> None:
    (operators_folder / "inventories" / "prod").write_text(
        "from callcenter.site import hosts\nswitches = hosts()\n"
    )
    done = pyinfra(operators_folder, "inventories/prod", "deploy/callcenter.py", "--yes")
    assert done.returncode != 0
    assert "an inventory needs at least one host" in done.stdout + done.stderr


class TestCheck:
    """``python -m callcenter check inventories/prod``."""

    def test_is_content_with_the_example(
        self, operators_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert check(operators_folder / "inventories" / "prod", secrets=False) == []
        monkeypatch.setenv("CALLCENTER_SECRET_SIGNALWIRE", "the-token-7")
        assert check(operators_folder / "inventories" / "prod") == []

    def test_finds_what_is_wrong_in_the_groups_data(self, operators_folder: Path) -> None:
        data = operators_folder / "inventories" / "group_data" / "prod.py"
        data.write_text(data.read_text().replace('"Europe/Berlin"', '"Europe/Atlantis"'))
        [line] = check(operators_folder / "inventories" / "prod")
        assert line.startswith(f"{data}:22: Site.timezone: 'Europe/Atlantis' is no IANA time zone")

    def test_finds_what_is_wrong_in_the_hosts(self, operators_folder: Path) -> None:
        inventory = operators_folder / "inventories" / "prod"
        inventory.write_text(inventory.read_text().replace("203.0.113.10", "10.0.0.1"))
        [line] = check(inventory)
        assert re.match(
            rf"{re.escape(str(inventory))}:[0-9]+: "
            r"switches\['cc1.example.net'\].public_ip: 10.0.0.1 is private",
            line,
        )

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("switches = [", "is no Python at line 1"),
            ("switches = []", "has no host"),
            (None, "cannot be read"),
        ],
    )
    def test_says_what_is_no_inventory(
        self, text: str | None, words: str, operators_folder: Path
    ) -> None:
        inventory = operators_folder / "inventories" / "prod"
        inventory.unlink()
        if text is not None:
            inventory.write_text(text)
        [line] = check(inventory)
        assert words in line

    def test_says_where_a_site_belongs(self, operators_folder: Path) -> None:
        folder = operators_folder / "inventories"
        (folder / "prod").rename(folder / "other")
        [line] = check(folder / "other")
        assert line.endswith(f"has no site; write one in {folder / 'group_data' / 'other'}.py")


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("inventories/prdo", "inventories/prdo is not there; inventories/prod is"),
        ("prod", "prod is not there; inventories/prod is"),
        ("inventories", "inventories is a folder; name a file of it, such as inventories/prod"),
        ("nohost.invalid", "is neither an inventory nor a host; there are inventories/lab, "),
        ("site.yaml", "site.yaml is no inventory; name the one whose hosts it describes"),
    ],
)
def test_a_deploy_that_looks_at_no_host_fails(
    named: str, words: str, operators_folder: Path, pyinfra: Pyinfra
) -> None:
    """pyinfra alone would end well, or run YAML as Python"""
    shutil.copy(ROOT / "config.py", operators_folder)
    done = pyinfra(operators_folder, "-y", named, "deploy/callcenter.py")
    assert done.returncode == 1
    lines = (done.stdout + done.stderr).splitlines()
    assert "--> Loading inventory..." not in lines
    assert not [line for line in lines if "Traceback" in line]
    assert words in lines[-1]


@pytest.mark.skipif(not shutil.which("ssh"), reason="ssh is not installed")
def test_the_address_that_only_a_host_knows_is_asked_of_it(
    operators_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    inventory = operators_folder / "inventories" / "prod"
    inventory.write_text(
        "from callcenter.site import hosts\n"
        "switches = hosts(('nobody.invalid', {'address': '10.0.0.5', 'stun': 'stun.example.net'}))"
    )
    assert main(["phone", str(inventory), "--password"]) == 0
    assert main(["phone", str(inventory)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("nobody.invalid: the address that it announces is not known (")
    assert "deploy it first" in said


class TestWindows:
    """A host behind one of the Windows connectors, from a clone that nobody installed."""

    @pytest.mark.parametrize(("door", "needed"), [("winrm", "pypsrp"), ("winssh", None)])
    def test_its_connector_is_known_without_the_extra(
        self, door: str, needed: str | None, operators_folder: Path, pyinfra: Pyinfra
    ) -> None:
        (operators_folder / "inventories" / "prod").write_text(
            "import sys\nsys.modules['pypsrp'] = sys.modules['requests'] = None\n"
            "from callcenter.site import hosts\n"
            f"switches = hosts(('@{door}/127.0.0.1', {{'address': '10.0.0.5', 'ssh_port': 1}}))\n"
        )
        done = pyinfra(operators_folder, "inventories/prod", "deploy/callcenter.py", "--yes")
        shown = " ".join((done.stdout + done.stderr).split())
        assert done.returncode != 0
        assert "Invalid connector" not in shown
        assert "Traceback" not in shown
        if needed:
            assert "(pip install pypsrp), or use @winssh" in shown
        else:
            assert "Could not connect" in shown

    def test_a_site_without_one_does_not_load_them(
        self, operators_folder: Path, pyinfra: Pyinfra
    ) -> None:
        inventory = operators_folder / "inventories" / "prod"
        inventory.write_text(
            inventory.read_text()
            + "\nimport atexit, sys\n"
            + "atexit.register(lambda: print('loaded', 'pyinfra_windows' in sys.modules))"
        )
        done = pyinfra(operators_folder, "inventories/prod", "debug-inventory", **SECRETS)
        assert "loaded False" in done.stdout

    def test_the_example_is_right(
        self, operators_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CALLCENTER_WINDOWS_HOST", "10.0.0.5")
        assert check(operators_folder / "inventories" / "lab-windows") == []

    def test_the_example_says_what_it_lacks(
        self, operators_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CALLCENTER_WINDOWS_HOST", raising=False)
        [line] = check(operators_folder / "inventories" / "lab-windows")
        assert line.startswith("CALLCENTER_WINDOWS_HOST: is not set")


@pytest.mark.parametrize("name", ["lab", "lab-edges", "lab-far-edges", "lab-windows", "prod"])
def test_every_inventorys_site_renders(operators_folder: Path, name: str) -> None:
    data = operators_folder / f"inventories/group_data/{name}.py"
    scope: dict[str, Any] = {"__file__": str(data)}
    exec(data.read_text(), scope)
    tree = freeswitch.configuration(scope["site"], Switch("cc1", address="192.0.2.1"))
    assert "directory/default.xml" in [file.path for file in tree]


def test_a_model_that_is_refused_is_told_with_its_line(operators_folder: Path) -> None:
    """Tell the path, since trunks look alike, and whatever else is wrong in the file."""
    data = operators_folder / "inventories" / "group_data" / "prod.py"
    data.write_text(
        "from callcenter.site import *\n"
        'site = Site(domain="a.b", extensions=[1000], trunks=[\n'
        '    Trunk("a", host="192.0.2.1"),\n'
        '    Trunk("b", host="sip.b.net", networks=[]),\n'
        "])\n"
    )
    [line] = check(operators_folder / "inventories" / "prod")
    assert line.startswith(f"{data}:4: Site.trunks[1].networks: ")
    data.write_text(
        "from callcenter.site import *\n"
        "site = Site(domain=7, extensions=[\n"
        '    *Extension.range(1000, 1009, ring_seconds="x"),\n'
        "    Extension(1010, voicemale=True),\n"
        "], network=Network(\n"
        '    sip_port="x",\n'
        "))\n"
        "first = site.extensions[0].number\n"
    )
    assert [
        line.partition(": ")[2].split(":")[0] for line in check(data.parent.parent / "prod")
    ] == [
        "Site.extensions[0].ring_seconds",
        "Site.extensions[10].voicemale",
        "Site.network.sip_port",
        "Site.domain",
    ]
    (operators_folder / "inventories/prod.yaml").write_text("domain: a_b\nextensions: [1000]\n")
    data.write_text(
        "from pathlib import Path\nfrom callcenter.site import Site\n"
        'site = Site.load(Path(__file__).parents[1] / "prod.yaml")\n'
    )
    [line] = check(operators_folder / "inventories" / "prod")
    assert line.startswith(f"{operators_folder}/inventories/prod.yaml:1:9: Site.domain: ")
