"""What a change does to calls, and what becomes of one that FreeSWITCH refuses: real phones on the
host's real FreeSWITCH. One door: what is sent is the same through both."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from callcenter.render import windows_paths as paths
from pyinfra_windows import facts
from tests.acceptance.support.phones import Exchange
from tests.forks import Pyinfra
from tests.windows.support.calls import connected, phone, still_talking
from tests.windows.support.machine import ROOT, Machine, Real
from tests.windows.support.site import complete, forget, site, stopped
from tests.windows.support.wine import Wine


@pytest.fixture(scope="module")
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pyinfra: Pyinfra
) -> Iterator[Machine]:
    """The host with the call centre on it."""
    folder = tmp_path_factory.mktemp("release")
    if os.environ.get("CALLCENTER_WINDOWS_HOST"):
        made: Machine = Real("winssh", folder, pyinfra)
    else:
        wine: Wine = request.getfixturevalue("wine")
        if wine.no_freeswitch:
            pytest.skip(wine.no_freeswitch)
        made = Machine("winssh", wine, folder, pyinfra)
    complete(made, site(made))
    yield made
    forget(made)


@pytest.fixture
def exchange(machine: Machine) -> Iterator[Exchange]:
    """Phones beside the host."""
    with Exchange(machine.beside) as made:
        yield made


SERVICES = (
    "ivrs=[Ivr('main', say('Welcome. Press 1.'), number=6000, wait_seconds=2, attempts=1, "
    "options={'1': ring_group('all'), '0': extension(1003)}, otherwise=extension(1003))], "
    "ring_groups=[RingGroup('all', ['1001'], number=6100, ring_seconds=5)], "
)


def test_the_acceptance_tests_prove_the_windows_host(machine: Machine, tmp_path: Path) -> None:
    """T0 through Testinfra over our connector; phones that register, call, and press keys."""
    assert machine.bring(site(machine, more=SERVICES)).code == 0
    junit = tmp_path / "junit.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "tests/acceptance", "-q", "--tb=short"),
            *("--inventory", machine.inventory(), "--phones", "all", "--calls-at-once", "12"),
            *("-p", "no:cacheprovider", "--junitxml", str(junit)),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    cases = list(ElementTree.parse(junit).iter("testcase"))
    assert sum(case.find("skipped") is None for case in cases) > 20, done.stdout
    # What wine has not is skipped with its reason, and nothing else of T0 is.
    skipped = [
        why.get("message", "")
        for case in cases
        for why in case.iter("skipped")
        if "test_t0_windows" in case.get("classname", "")
    ]
    assert all("needs PowerShell" in why or "netstat" in why for why in skipped), skipped


def test_changes_with_a_call_up(machine: Machine, exchange: Exchange) -> None:
    """A gentle change costs no call; a harsh one stops, or waits for the call to end."""
    call, answered = connected(machine, exchange)
    gentle = site(machine, more="features=FeatureCodes(echo='9196'), ")
    gentle = gentle.replace("range(1000, 1004)", "range(1000, 1005)")
    run = machine.bring(gentle)
    assert (run.code, run.changed) == (0, 1), run.output
    assert machine.ask("user_exists id 1005 windows.callcenter.test") == "true"
    still_talking(call, answered)

    harsh = gentle.replace("Network(", "Network(sip_port=5070, ")
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
    # It takes registrations again.
    phone(exchange, machine, "1002", port=5070)


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
