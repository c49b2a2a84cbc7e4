"""deploy/callcenter.py with a Windows host, as an operator runs it: one installation through each
door, on wine and on a real host."""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterator

import pytest

from callcenter.render import windows as render
from callcenter.render import windows_paths as paths
from callcenter.site import Extension, Firewall, LocalPackages, Media, Network, Site, Switch
from pyinfra_windows import facts
from tests.windows.support.machine import Machine, msi
from tests.windows.support.site import UNINSTALL, complete, forget, site, stopped


@pytest.fixture(autouse=True, scope="module")
def _nothing_before(machine: Machine) -> Iterator[None]:
    if not machine.real and machine.wine.no_freeswitch:
        pytest.skip(machine.wine.no_freeswitch)
    yield
    forget(machine)


ONE_DOOR = pytest.mark.parametrize("machine", ["winrm"], indirect=True, scope="session")
"""Connector for what does not depend on the way in."""

REFUSED = [
    ("windows=None", {}, "Site.windows: is missing, and this is a Windows host; give windows=Msi("),
    (
        "windows=Msi('nowhere.msi')",
        {},
        "Site.windows.location: nowhere.msi is no file of this machine",
    ),
    ("", {"address": "192.0.2.77"}, "address 192.0.2.77 is on no interface; it has "),
    (
        "firewall=Firewall(ssh_from=['192.0.2.0/24'])",
        {},
        "Site.firewall.ssh_from: needs a Linux host",
    ),
    ("firewall=Firewall()", {}, "its powershell.exe does not work, and firewall rules need it"),
]


@ONE_DOOR
@pytest.mark.parametrize(("more", "data", "said"), REFUSED)
def test_a_host_that_cannot_carry_the_site_is_refused_untouched(
    machine: Machine, more: str, data: dict[str, str], said: str
) -> None:
    if machine.real and "powershell" in said:
        pytest.skip("a real host's PowerShell works")
    field = more.partition("=")[0]
    given = re.sub(rf"\b{field}=\w+\(.*?\), ", "", site(machine)) + more if more else site(machine)
    run = machine.bring(given, **data)
    assert run.code != 0
    assert said in run.output, run.output
    assert "Traceback" not in run.output
    assert run.changed == 0
    assert not [line for line in run.commands if "msiexec" in line or " md " in line]
    assert not machine.exists(paths.PROGRAM)


def test_a_wrong_password_changes_nothing(machine: Machine) -> None:
    run = machine.bring(site(machine), **machine.wrong_login())
    assert run.code != 0
    assert "No hosts remaining" in run.output or "could not" in run.output.lower(), run.output
    assert re.search("does not accept the login|Authentication", run.output), run.output
    assert "Traceback" not in run.output
    assert "not-the-password" not in run.output
    assert not machine.exists(paths.PROGRAM)


def test_an_installation_that_fails_shows_the_end_of_its_log(machine: Machine) -> None:
    if machine.real:
        pytest.skip("FreeSWITCH's own MSI does not fail at will")
    broken = str(machine.wine.msi(machine.versions[0], installs=False))
    run = machine.bring(site(machine).replace(msi(machine, machine.versions[0]), broken))
    stopped(run, "FreeSWITCH's MSI", "msiexec 1603: the installation failed")
    assert "INSTALL. Return value" in run.output, run.output
    assert not machine.exists(paths.PROGRAM)


@ONE_DOOR
def test_an_msi_of_another_version_is_told(machine: Machine) -> None:
    if machine.real:
        pytest.skip("would install an old version for nothing")
    wrong = site(machine).replace("version='1.10.11'", "version='1.10.12'")
    run = machine.bring(wrong)
    stopped(run, "FreeSWITCH's MSI", "the MSI holds version 1.10.11, not version 1.10.12; give")
    machine.deploy(UNINSTALL)


def test_a_busy_installer_is_waited_for(machine: Machine) -> None:
    """wine's installer is never busy, so a program of ours says so in its place, then lets the
    real one through. The waiting, and what comes after, are real."""
    if machine.real:
        pytest.skip("a real host's installer is not ours to replace")
    assert not machine.exists(paths.PROGRAM)
    with machine.wine.busy(times=1) as left:
        run = machine.bring(site(machine))
        assert left() == 0
    assert "another installation is running; waiting for it" in run.output, run.output
    stopped(run, "Service", "sc.exe config")
    assert machine.exists(paths.PROGRAM)


def test_it_is_installed_and_freeswitch_runs_with_the_sites_configuration(machine: Machine) -> None:
    complete(machine, site(machine))
    assert not machine.exists(paths.INSTALLATION + "\\mod\\mod_h264.dll")
    described = Site(
        "windows.callcenter.test",
        extensions=[*Extension.range(1000, 1004)],
        media=Media(max_calls=100),
        packages=LocalPackages(version=machine.versions[0]),
        network=Network(edge=False, sip_from=["10.0.0.0/8"]),
        firewall=Firewall(enabled=machine.real),
        secret_file=machine.secrets,
    )
    tree = render.configuration(described, Switch(machine.name, address=machine.address))
    fact = facts.TreeDigests()
    _, lines = machine.line(fact.command(paths.CONFIG))
    assert not tree.against(fact.process(lines))
    assert machine.ask("reloadxml") == "+OK [Success]"
    assert f"@{machine.address}:5060" in machine.ask("sofia status profile internal")
    assert machine.ask("user_exists id 1004 windows.callcenter.test") == "true"
    assert machine.ask("user_exists id 1005 windows.callcenter.test") == "false"
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex((machine.address, 8021)) != 0, "the Event Socket is open"


def test_a_second_run_changes_nothing_in_few_commands(machine: Machine) -> None:
    run = machine.bring(site(machine))
    assert run.code == 0, run.output
    assert run.changed == 0, run.output
    if not machine.real:
        assert 0 < len(run.commands) <= 12, run.commands


def test_a_change_is_applied_by_the_gentlest_action(machine: Machine) -> None:
    run = machine.bring(site(machine).replace("range(1000, 1004)", "range(1000, 1005)"))
    assert run.code == 0, run.output
    assert run.changed == 1
    assert machine.ask("user_exists id 1005 windows.callcenter.test") == "true"
    if not machine.real:
        asked = [one for one in run.commands if "fs_cli" in one]
        assert any('-x "reloadxml"' in one for one in asked)
        assert not [one for one in run.commands if "net stop" in one or " restart" in one]


@ONE_DOOR
def test_an_edit_on_the_host_is_shown_and_put_right(machine: Machine) -> None:
    machine.put("<edited/>", paths.CONFIG + "\\freeswitch.xml")
    machine.put("<stray/>", paths.CONFIG + "\\dialplan\\stray.xml")
    shown = machine.bring(site(machine), "--dry", "--diff")
    assert "-<edited/>" in shown.output, shown.output
    assert machine.text(paths.CONFIG + "\\freeswitch.xml") == "<edited/>"
    run = machine.bring(site(machine))
    assert run.code == 0, run.output
    assert run.changed == 1
    assert "<edited/>" not in machine.text(paths.CONFIG + "\\freeswitch.xml")
    assert not machine.exists(paths.CONFIG + "\\dialplan\\stray.xml")


@ONE_DOOR
def test_an_upgrade_keeps_the_configuration(machine: Machine) -> None:
    """Its parts go through both doors elsewhere: to uninstall, to install, to configure."""
    if len(machine.versions) < 2:
        pytest.skip("CALLCENTER_WINDOWS_MSI names one version only")
    # Whatever a test before has changed.
    run = machine.bring(site(machine))
    assert run.code == 0, run.output
    users = io.BytesIO()
    machine.connected.get_file(paths.CONFIG + "\\directory\\users\\10xx.xml", users)
    complete(machine, site(machine, machine.versions[-1]))
    after = io.BytesIO()
    machine.connected.get_file(paths.CONFIG + "\\directory\\users\\10xx.xml", after)
    assert after.getvalue() == users.getvalue()
    assert machine.ask("user_exists id 1004 windows.callcenter.test") == "true"
    run = machine.bring(site(machine, machine.versions[-1]))
    assert (run.code, run.changed) == (0, 0), run.output


def test_it_is_uninstalled(machine: Machine) -> None:
    run = machine.deploy(UNINSTALL)
    assert run.code == 0, run.output
    assert run.changed == 1
    assert not machine.exists(paths.PROGRAM)
    again = machine.deploy(UNINSTALL)
    assert (again.code, again.changed) == (0, 0)
