"""One installation's life, through each door: the same on wine and on a real host."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from callcenter import windows_paths as paths
from tests.windows.support.machine import Machine

HEAD = """
import json
from pathlib import Path
from pyinfra import host
from callcenter import windows_paths as paths
from callcenter.render import File, Tree
from roles.windows import operations

def conf(**files):
    named = ((name.replace("__", "/") + ".xml", text) for name, text in files.items())
    return Tree(File(name, text.encode()) for name, text in named)

def installed(version, msi, **options):
    operations.package(
        name="MSI", product_code=paths.PRODUCT_CODE, version=version, source=Path(msi),
        properties={"INSTALLLOCATION": paths.INSTALLATION},
        features=["ProductFeature", "ProductFeatureConf", "ProductFeatureSounds"],
        service=paths.SERVICE, **options,
    )

def configured(**files):
    operations.tree(name="Configuration", folder=paths.CONFIG, wanted=conf(**files))
"""
FIRST = {"freeswitch": "<a/>\n", "directory__default": "<users/>\n"}


def msi(machine: Machine, version: str) -> str:
    """An MSI of a version: wixl's, or the given ones of a real host's run."""
    if machine.real:
        given = json.loads(os.environ["CALLCENTER_WINDOWS_MSI"])
        if version not in given:
            pytest.skip(f"CALLCENTER_WINDOWS_MSI has no {version}")
        return str(given[version])
    return str(machine.wine.msi(version))


def full(machine: Machine, version: str = "1.10.11", **files: str) -> str:
    """A deploy of everything that both wine and Windows have."""
    started = 'operations.service(name="Service", service=paths.SERVICE'
    # sc config and sc failure do nothing real on wine.
    started += ")" if machine.real else ", automatic=False, recover=False)"
    return (
        f"{HEAD}\ninstalled({version!r}, {msi(machine, version)!r})\n"
        f"configured(**{files or FIRST!r})\n{started}\n"
    )


@pytest.fixture(autouse=True, scope="module")
def _nothing_before(machine: Machine) -> Iterator[None]:
    yield
    machine.deploy(f"{HEAD}\ninstalled('0', '-', present=False)\n")


def test_it_is_installed_configured_and_started(machine: Machine) -> None:
    run = machine.deploy(full(machine))
    assert run.code == 0, run.output
    assert run.changed == 3, run.output
    assert machine.text(paths.CONFIG + "\\directory\\default.xml") == "<users/>\n"
    assert not machine.exists(paths.INSTALLATION + "\\mod\\mod_h264.dll")


def test_a_second_run_changes_nothing_in_few_commands(machine: Machine) -> None:
    run = machine.deploy(full(machine))
    assert run.code == 0, run.output
    assert run.changed == 0, run.output
    if not machine.real:
        assert 0 < len(run.commands) <= 12, run.commands


def test_what_differs_is_changed_and_what_is_unknown_goes(machine: Machine) -> None:
    machine.put("<stray/>", paths.CONFIG + "\\stray.xml")
    run = machine.deploy(full(machine, freeswitch="<b/>\n", directory__default="<users/>\n"))
    assert run.code == 0, run.output
    assert run.changed == 1, run.output
    assert machine.text(paths.CONFIG + "\\freeswitch.xml") == "<b/>\n"
    assert not machine.exists(paths.CONFIG + "\\stray.xml")


def test_an_edit_on_the_host_is_put_right(machine: Machine) -> None:
    machine.deploy(full(machine))
    machine.put("<edited/>", paths.CONFIG + "\\freeswitch.xml")
    assert machine.deploy(full(machine)).changed == 1
    assert machine.text(paths.CONFIG + "\\freeswitch.xml") == "<a/>\n"


def test_an_upgrade_keeps_the_configuration(machine: Machine) -> None:
    run = machine.deploy(full(machine, "1.10.12"))
    assert run.code == 0, run.output
    assert machine.text(paths.CONFIG + "\\freeswitch.xml") == "<a/>\n"
    assert machine.deploy(full(machine, "1.10.12")).changed == 0


def test_a_failed_installation_shows_its_log_and_a_later_run_mends_it(machine: Machine) -> None:
    # There is no drive Q, so that the installer itself fails.
    nowhere = HEAD.replace("paths.INSTALLATION", repr("Q:\\nowhere"))
    machine.deploy(f"{HEAD}\ninstalled('0', '-', present=False)\n")
    run = machine.deploy(f"{nowhere}\ninstalled('1.10.12', {msi(machine, '1.10.12')!r})\n")
    assert run.code != 0
    assert "msiexec 1603: the installation failed" in run.output, run.output
    assert "Action " in run.output, run.output
    assert machine.deploy(full(machine, "1.10.12")).code == 0


def test_a_busy_installer_is_waited_for(machine: Machine) -> None:
    """wine's installer is never busy, so a program of ours says so in its place, then lets the
    real one through. The waiting, and what comes after, are real."""
    if machine.real:
        pytest.skip("a real host's installer is not ours to replace")
    machine.deploy(f"{HEAD}\ninstalled('0', '-', present=False)\n")
    install = f"{HEAD}\ninstalled('1.10.12', {msi(machine, '1.10.12')!r}, busy_seconds=%s)\n"
    with machine.wine.busy(times=100) as left:
        run = machine.deploy(install % 0)
        assert left() == 99
    assert run.code != 0
    assert "another installation was still running after 0 s; try again" in run.output, run.output
    assert not machine.exists(paths.PROGRAM)
    with machine.wine.busy(times=1) as left:
        run = machine.deploy(install % 60)
        assert left() == 0
    assert run.code == 0, run.output
    assert "another installation is running; waiting for it" in run.output
    assert machine.exists(paths.PROGRAM)


def test_it_is_uninstalled(machine: Machine) -> None:
    run = machine.deploy(f"{HEAD}\ninstalled('0', '-', present=False)\n")
    assert run.code == 0, run.output
    assert run.changed == 1
    assert not machine.exists(paths.PROGRAM)
    again = machine.deploy(f"{HEAD}\ninstalled('0', '-', present=False)\n")
    assert (again.code, again.changed) == (0, 0)


def test_firewall_rules_come_and_go(machine: Machine) -> None:
    if not machine.has_powershell():
        pytest.skip("firewall rules need PowerShell, and the one here is not real")
    rules = f"""{HEAD}
from roles.windows.facts import FirewallRule
rules = [FirewallRule("callcenter-test", "udp", ("16384-32767",), paths.PROGRAM, ("10.0.0.0/8",))]
operations.firewall_rules(name="Rules", group="callcenter-test", wanted=%s)
"""
    assert machine.deploy(rules % "rules").changed == 1
    assert machine.deploy(rules % "rules").changed == 0
    assert machine.deploy(rules % "[]").changed == 1
