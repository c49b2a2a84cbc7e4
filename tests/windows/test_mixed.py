"""A site of one Linux and one Windows switch: one command deploys both, or none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from callcenter.site import LocalPackages
from lab.lab import Lab
from tests.forks import Pyinfra
from tests.windows.support.machine import Machine
from tests.windows.support.site import complete, forget, site
from tests.windows.support.wine import Wine

LINUX = "cc1"


def both(machine: Machine) -> str:
    """Return a Site for both: the Linux host's packages have this version."""
    return site(machine, LocalPackages().version)


@pytest.fixture(scope="module")
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pyinfra: Pyinfra
) -> Iterator[Machine]:
    """The Windows host, with a Linux one beside it."""
    if os.environ.get("CALLCENTER_WINDOWS_HOST"):
        pytest.skip("the lab's Linux host is in a network that a real Windows host is not in")
    wine: Wine = request.getfixturevalue("wine")
    if wine.no_freeswitch:
        pytest.skip(wine.no_freeswitch)
    made = Machine("winssh", wine, tmp_path_factory.mktemp("mixed"), pyinfra)
    lab: Lab = request.getfixturevalue("lab")
    lab.up((LINUX,))
    host = next(one for one in lab.inventory() if one[0] == LINUX)
    made.others = (repr(host),)
    yield made
    made.others = ()
    forget(made)


def on_linux(lab: Lab, command: str) -> str:
    """Return what a command prints on the Linux host."""
    done = subprocess.run(
        lab.ssh(LINUX, [command]), capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


def state_of(lab: Lab) -> str:
    """Return all that a deploy could have changed for good."""
    return on_linux(
        lab,
        "dpkg-query -W; find /etc /usr /var/lib /srv /root -xdev ! -path '/var/lib/systemd/*' "
        "-printf '%p %s %m %u %l %T@\\n' | sort; nft list ruleset",
    )


@pytest.mark.parametrize("why", ["no MSI", "wrong login"])
def test_a_refused_windows_host_leaves_the_linux_host_untouched(
    machine: Machine, lab: Lab, why: str
) -> None:
    before = state_of(lab)
    if why == "no MSI":
        run = machine.bring(both(machine).replace("windows=Msi('/", "windows=Msi('/nowhere/"))
        said = "Nothing was changed, because preflight refused @winssh/127.0.0.1"
    else:
        run = machine.bring(both(machine), **machine.wrong_login())
        said = "Nothing was changed, because @winssh/127.0.0.1 could not be reached"
    assert run.code != 0
    assert said in run.output, run.output
    assert "Traceback" not in run.output
    assert state_of(lab) == before


def test_a_refused_linux_host_leaves_the_windows_host_untouched(machine: Machine) -> None:
    (linux,) = machine.others
    machine.others = (linux.replace("'address': '10.77.", "'address': '192.0.2.77', 'x': '10.77."),)
    try:
        run = machine.bring(both(machine))
    finally:
        machine.others = (linux,)
    assert run.code != 0
    assert "address 192.0.2.77 is on no interface" in run.output, run.output
    assert f"Nothing was changed, because preflight refused {LINUX}" in run.output, run.output
    assert not [line for line in run.commands if "msiexec" in line or " md " in line]


def test_one_command_deploys_both(machine: Machine, lab: Lab) -> None:
    complete(machine, both(machine))
    run = machine.bring(both(machine))
    assert (run.code, run.changed) == (0, 0), run.output
    for answer in (
        on_linux(lab, "fs_cli -x 'user_exists id 1004 windows.callcenter.test'"),
        machine.ask("user_exists id 1004 windows.callcenter.test"),
    ):
        assert answer.strip() == "true"
    linux = next(one.address for one in lab.hosts if one.name == LINUX)
    assert f"{linux}:5060" in on_linux(lab, "fs_cli -x 'sofia status'")
    assert f"{machine.address}:5060" in machine.ask("sofia status")
