"""deploy/callcenter.py with a Windows host, as an operator runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from callcenter import windows_paths as paths
from tests.windows.support.machine import Machine, Run
from tests.windows.test_suite import HEAD, msi

DEPLOY = Path(__file__).parents[2] / "deploy" / "callcenter.py"
SITE = """
from callcenter.site import Extension, Firewall, LocalPackages, Msi, Site

site = Site(
    domain="windows.callcenter.test",
    extensions=[*Extension.range(1000, 1004)],
    packages=LocalPackages(version="1.10.12"),
    firewall=Firewall(enabled=False),
    windows={windows},
)
"""


def deploy(machine: Machine, windows: str, *others: str) -> Run:
    data = machine.folder / "group_data"
    data.mkdir(exist_ok=True)
    (data / "all.py").write_text(SITE.format(windows=windows))
    machine.others = others
    try:
        return machine.deploy(DEPLOY.read_text())
    finally:
        machine.others = ()
        (data / "all.py").unlink()


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        ("None", "Site.windows: is missing, and this is a Windows host; give windows=Msi("),
        ("Msi('nowhere.msi')", "Site.windows.location: nowhere.msi is no file of this machine"),
    ],
)
def test_a_host_without_its_msi_is_refused_untouched(
    machine: Machine, windows: str, said: str
) -> None:
    run = deploy(machine, windows)
    assert run.code != 0
    assert said in run.output, run.output
    assert "Traceback" not in run.output
    assert run.changed == 0
    assert not [line for line in run.commands if "msiexec" in line or " md " in line]
    assert not machine.exists(paths.PROGRAM)


def test_a_refused_linux_host_keeps_the_windows_host_as_it_is(machine: Machine) -> None:
    """This machine beside it, with an address that it has not: preflight refuses it."""
    linux = "('@local', {'address': '192.0.2.77'})"
    run = deploy(machine, f"Msi({msi(machine, '1.10.12')!r})", linux)
    assert run.code != 0
    assert "address 192.0.2.77 is on no interface" in run.output, run.output
    assert "Nothing was changed, because preflight refused @local" in run.output, run.output
    assert not machine.exists(paths.PROGRAM)


def test_the_sites_version_is_installed(machine: Machine) -> None:
    run = deploy(machine, f"Msi({msi(machine, '1.10.12')!r})")
    try:
        assert "Traceback" not in run.output
        assert machine.exists(paths.PROGRAM), run.output
        # wine has no daily tasks, so that only a real host gets to the end.
        assert run.code == 0 or not machine.real, run.output
    finally:
        machine.deploy(f"{HEAD}\ninstalled('0', '-', present=False)\n")


def test_an_msi_of_another_version_is_told(machine: Machine, tmp_path: Path) -> None:
    wrong = tmp_path / "FreeSWITCH-1.10.12-Release-x64.msi"
    shutil.copy(msi(machine, "1.10.11"), wrong)
    run = deploy(machine, f"Msi({str(wrong)!r})")
    try:
        assert run.code != 0
        said = "the MSI holds version 1.10.11, not version 1.10.12; give that one"
        assert said in run.output, run.output
    finally:
        machine.deploy(f"{HEAD}\ninstalled('0', '-', present=False)\n")
