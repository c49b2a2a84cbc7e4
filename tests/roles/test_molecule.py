"""``molecule test`` on the lab's hosts, as a team that lives in Molecule types it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from callcenter.site import LocalPackages
from lab.lab import Lab
from tests.dockerd import docker_host  # noqa: F401
from tests.labs import fresh
from tests.roles.conftest import ROOT

MOLECULE = shutil.which("molecule", path=str(Path(sys.executable).parent))

pytestmark = [
    pytest.mark.skipif(MOLECULE is None, reason="molecule is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="lab hosts need root"),
    pytest.mark.skipif(
        not LocalPackages().index.is_file(),
        reason=f"no FreeSWITCH packages in {LocalPackages().path} (or where FREESWITCH_APT says)",
    ),
]


VERIFIED = {"nspawn": "-k test_t1", "default": "-k 'not test_t3'"}
"""Acceptance tests that a scenario runs here, where it is the scenario that is tested. A tier of
their own proves all of them on the lab's host of systemd-nspawn, and none does on Docker's."""


def molecule(scenario: str, lab: Lab, **environment: str) -> subprocess.CompletedProcess[str]:
    environment["CALLCENTER_MOLECULE_LAB"] = lab.name
    environment["PYTEST_ADDOPTS"] = VERIFIED[scenario]
    # Molecule starts Ansible by its name.
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        [str(MOLECULE), "test", "--scenario-name", scenario],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "400", **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def left(lab: Lab) -> list[str]:
    """Return what is left of a scenario's lab."""
    places = [lab.state, Path("/run/netns", lab.namespace)]
    return [str(path) for path in places if path.exists()]


@pytest.mark.parametrize("scenario", ["nspawn", "default"])
def test_it_passes_and_leaves_nothing(scenario: str, request: pytest.FixtureRequest) -> None:
    if scenario == "default":
        request.getfixturevalue("docker_host")
    lab = fresh("molecule-")
    passed = molecule(scenario, lab)
    shown = passed.stdout + passed.stderr
    assert passed.returncode == 0, shown
    # The first converge changed something, by pyinfra's own count; the second did not.
    assert "changed=1" in shown
    assert "idempotence: Executed: Successful" in shown
    assert left(lab) == []


def test_a_failed_converge_leaves_nothing(tmp_path: Path) -> None:
    """Of one scenario: that it destroys what failed is Molecule's doing, and both destroy by the
    same playbook."""
    lab = fresh("molecule-")
    failed = molecule("nspawn", lab, FREESWITCH_APT=str(tmp_path))
    shown = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert f"there are no FreeSWITCH packages in {tmp_path}" in shown
    assert left(lab) == []
