"""deploy/callcenter.py with a Windows host, as an operator runs it: one call centre's life.

wine has no PowerShell, so the firewall is switched off where it must not be refused. What only
Windows' own programs can leave behind (sc config, sc failure, schtasks) makes the deploy stop on
wine; each stop is asserted, and then the registry is put as Windows would leave it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest

from callcenter import windows_paths as paths
from callcenter.render import windows as render
from callcenter.site import Extension, Firewall, LocalPackages, Media, Site, Switch
from roles.windows import facts
from tests.acceptance.support.phones import Exchange
from tests.windows.support.calls import connected, phone, still_talking
from tests.windows.support.machine import Machine, Run, msi

UNINSTALL = """
from callcenter import windows_paths as paths
from roles.windows import operations
operations.package(
    product_code=paths.PRODUCT_CODE, version="0", source="-", service=paths.SERVICE, present=False
)
"""
SERVICES = rf"HKLM\SYSTEM\CurrentControlSet\Services\{paths.SERVICE}"
TASKS = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\Tree"
# SERVICE_FAILURE_ACTIONS: one day, three restarts.
ACTIONS = "80510100000000000000000003000000140000000100000088130000010000003075000001000000" + (
    "60ea0000"
)


def site(machine: Machine, version: str = "1.10.11", more: str = "") -> str:
    """A Site's arguments."""
    return (
        f"'windows.callcenter.test', extensions=[*Extension.range(1000, 1004)], "
        f"packages=LocalPackages(version={version!r}), windows=Msi({msi(machine, version)!r}), "
        f"firewall=Firewall(enabled={machine.real}), media=Media(max_calls=100), {more}"
    )


def stopped(run: Run, at: str, why: str) -> None:
    """The run has done all before one operation, and nothing after it. ``why`` is what it says, or
    the host's last command."""
    assert run.code != 0
    assert "Traceback" not in run.output
    begun = re.findall(r"--> Starting operation: (.*?) *\n", run.output)
    assert begun, run.output
    assert at in begun[-1], run.output
    assert why in run.output or why in run.commands[-1], run.output


def complete(machine: Machine, wanted: str) -> Run:
    """Deploy to the end; on wine, past what only Windows can do."""
    run = machine.bring(wanted)
    if machine.real:
        assert run.code == 0, run.output
        return run
    stopped(run, "Service", "sc.exe config")
    machine.wine.as_windows_does(
        f"reg add {SERVICES} /v Start /t REG_DWORD /d 2 /f",
        f"reg add {SERVICES} /v FailureActions /t REG_BINARY /d {ACTIONS} /f",
    )
    if not machine.wine.line(f'reg query "{TASKS}\\{paths.RETENTION}"').returncode:
        return run
    stopped(machine.bring(wanted), "Logs are kept", "schtasks.exe has made no task")
    machine.wine.as_windows_does(f'reg add "{TASKS}\\{paths.RETENTION}" /f')
    return run


@pytest.fixture(autouse=True, scope="module")
def _nothing_before(machine: Machine) -> Iterator[None]:
    if not machine.real and machine.wine.no_freeswitch:
        pytest.skip(machine.wine.no_freeswitch)
    yield
    machine.deploy(UNINSTALL)
    if not machine.real:
        machine.wine.line(f'reg delete "{TASKS}\\{paths.RETENTION}" /f')


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """Phones beside the host."""
    with Exchange("10.77.0.1") as made:
        yield made


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
    broken = str(machine.wine.msi("1.10.11", installs=False))
    run = machine.bring(site(machine).replace(msi(machine, "1.10.11"), broken))
    stopped(run, "FreeSWITCH's MSI", "msiexec 1603: the installation failed")
    assert "INSTALL. Return value" in run.output, run.output
    assert not machine.exists(paths.PROGRAM)


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
        packages=LocalPackages(version="1.10.11"),
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
    _, listening = machine.line("netstat -an")
    assert not [one for one in listening if ":8021 " in one and "127.0.0.1:8021" not in one]


def test_a_second_run_changes_nothing_in_few_commands(machine: Machine) -> None:
    run = machine.bring(site(machine))
    assert run.code == 0, run.output
    assert run.changed == 0, run.output
    if not machine.real:
        assert 0 < len(run.commands) <= 12, run.commands


def test_an_edit_on_the_host_is_shown_and_put_right(machine: Machine) -> None:
    machine.put("<edited/>", paths.CONFIG + "\\freeswitch.xml")
    machine.put("<stray/>", paths.CONFIG + "\\stray.xml")
    shown = machine.bring(site(machine), "--dry", "--diff")
    assert "-<edited/>" in shown.output, shown.output
    assert machine.text(paths.CONFIG + "\\freeswitch.xml") == "<edited/>"
    run = machine.bring(site(machine))
    assert run.code == 0, run.output
    assert run.changed == 1
    assert "<edited/>" not in machine.text(paths.CONFIG + "\\freeswitch.xml")
    assert not machine.exists(paths.CONFIG + "\\stray.xml")


def test_changes_with_a_call_up(machine: Machine, exchange: Exchange) -> None:
    """A gentle change costs no call; a harsh one stops, or waits for the call to end."""
    call, answered = connected(machine, exchange)
    gentle = site(machine, more="features=FeatureCodes(echo='9196'), ")
    gentle = gentle.replace("range(1000, 1004)", "range(1000, 1005)")
    run = machine.bring(gentle)
    assert run.code == 0, run.output
    assert run.changed == 1
    assert machine.ask("user_exists id 1005 windows.callcenter.test") == "true"
    still_talking(call, answered)

    harsh = gentle + "network=Network(sip_port=5070), "
    run = machine.bring(harsh + "maintenance=Maintenance(live_calls='stop')")
    stopped(run, "Configuration", "1 calls are up and this change needs: profile internal")
    assert "nothing was changed" in run.output
    still_talking(call, answered)
    run = machine.bring(harsh + "maintenance=Maintenance(drain_seconds=1)")
    stopped(run, "Configuration", "1 calls are still up after 1 s; nothing was changed")
    still_talking(call, answered)
    call.hangup()
    answered.wait_ended()
    run = machine.bring(harsh)
    assert run.code == 0, run.output
    assert f"@{machine.address}:5070" in machine.ask("sofia status profile internal")
    run = machine.bring(site(machine))
    assert run.code == 0, run.output
    assert f"@{machine.address}:5060" in machine.ask("sofia status profile internal")
    # It takes calls again.
    phone(exchange, machine, "1002").register()


def test_a_new_event_socket_password_and_port(machine: Machine) -> None:
    run = machine.bring(site(machine, more="event_socket=EventSocket(port=8022)"))
    assert run.code == 0, run.output
    assert "UP" in machine.ask("status")
    run = machine.bring(site(machine))
    assert run.code == 0, run.output
    assert "UP" in machine.ask("status")


def test_a_configuration_that_freeswitch_refuses_is_taken_back(machine: Machine) -> None:
    fact = facts.TreeDigests()
    before = fact.process(machine.line(fact.command(paths.CONFIG))[1])
    template = machine.own_repository() / "templates/freeswitch/directory/users.xml.j2"
    template.write_text(template.read_text().replace("</variables>", "", 1))
    try:
        run = machine.bring(site(machine))
    finally:
        del machine.repository
    stopped(run, "Configuration", "FreeSWITCH refused the configuration: +OK [[error")
    assert "the former configuration is back" in run.output, run.output
    assert fact.process(machine.line(fact.command(paths.CONFIG))[1]) == before
    assert machine.ask("user_exists id 1001 windows.callcenter.test") == "true"
    assert machine.bring(site(machine)).changed == 0


def test_the_log_is_rotated(machine: Machine) -> None:
    log = paths.LOGS + "\\freeswitch.log"
    good, lines = machine.line(f"call {paths.STATE}\\{paths.RETENTION}.cmd")
    assert good, lines
    assert machine.exists(log + ".1")
    machine.ask("log crit callcenter-after-rotation")
    assert "callcenter-after-rotation" in machine.text(log)
    assert "callcenter-after-rotation" not in machine.text(log + ".1")
    assert machine.line(f"call {paths.STATE}\\{paths.RETENTION}.cmd")[0]
    assert machine.exists(log + ".2")


def test_an_upgrade_keeps_the_configuration(machine: Machine) -> None:
    users = io.BytesIO()
    machine.connected.get_file(paths.CONFIG + "\\directory\\users\\10xx.xml", users)
    complete(machine, site(machine, "1.10.12"))
    after = io.BytesIO()
    machine.connected.get_file(paths.CONFIG + "\\directory\\users\\10xx.xml", after)
    assert after.getvalue() == users.getvalue()
    assert machine.ask("user_exists id 1004 windows.callcenter.test") == "true"
    run = machine.bring(site(machine, "1.10.12"))
    assert (run.code, run.changed) == (0, 0), run.output


def test_it_is_uninstalled(machine: Machine) -> None:
    run = machine.deploy(UNINSTALL)
    assert run.code == 0, run.output
    assert run.changed == 1
    assert not machine.exists(paths.PROGRAM)
    again = machine.deploy(UNINSTALL)
    assert (again.code, again.changed) == (0, 0)
