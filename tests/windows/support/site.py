"""The call centre that tests deploy to the host, with what wine cannot do put in its place.

wine has no PowerShell, so the firewall is switched off where it must not be refused. What only
Windows' own programs can leave behind (sc config, sc failure, schtasks) makes the deploy stop on
wine; each stop is asserted, and then the registry is put as Windows would leave it.
"""

from __future__ import annotations

import re

from callcenter.render import windows_paths as paths
from tests.windows.support.machine import Machine, Run, msi

__all__ = ["UNINSTALL", "complete", "forget", "site", "stopped"]

UNINSTALL = """
from callcenter.render import windows_paths as paths
from pyinfra_windows import operations
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


def site(machine: Machine, version: str = "", more: str = "") -> str:
    """Return a Site's arguments; the oldest version, if none is given."""
    version = version or machine.versions[0]
    return (
        f"'windows.callcenter.test', extensions=[*Extension.range(1000, 1004)], "
        f"packages=LocalPackages(version={version!r}), windows=Msi({msi(machine, version)!r}), "
        f"network=Network(edge=False, sip_from=['10.0.0.0/8']), "
        f"firewall=Firewall(enabled={machine.real}), media=Media(max_calls=100), {more}"
    )


def stopped(run: Run, at: str, why: str) -> None:
    """Make sure that the run has done all before one operation, and nothing after it. ``why`` is
    what it says, or the host's last command."""
    assert run.code != 0
    assert "Traceback" not in run.output
    operations = re.split(r"--> Starting operation: ", run.output)[1:]
    failed = [one for one in operations if re.search(r"^ +\[@win.*\] Error", one, re.MULTILINE)]
    assert len(failed) == 1, run.output
    assert at in failed[0].splitlines()[0], run.output
    done_after = [one for one in operations[operations.index(failed[0]) + 1 :] if "[@win" in one]
    assert all(re.search(r"\[@win.*\] Skipped", one) for one in done_after), run.output
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
    stopped(machine.bring(wanted), "Retention of logs", "schtasks.exe")
    machine.wine.as_windows_does(f'reg add "{TASKS}\\{paths.RETENTION}" /f')
    return run


def forget(machine: Machine) -> None:
    """Uninstall, and take back what was put into the registry."""
    run = machine.deploy(UNINSTALL)
    assert run.code == 0, run.output
    if not machine.real:
        machine.wine.line(f'reg delete "{TASKS}\\{paths.RETENTION}" /f')
