"""The jobs of examples/ci on a real host, from a merge request to the nightly check."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from callcenter.render import paths
from tests.examples import FILES, ROOT, run, scripts
from tests.roles.conftest import SITE, Operator

HOST = "cc1"
KEPT_OUT = shutil.ignore_patterns(".*", "__pycache__", "reports")


class Project:
    """A clone of the team's repository on a runner, with the inventory of a lab host."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.folder = operator.folder / "clone"
        shutil.copytree(ROOT, self.folder, ignore=KEPT_OUT)
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "INVENTORY": str(operator.inventory),
            "DEPLOY": "deploy/callcenter.py",
        }

    def job(self, tool: str, job: str) -> tuple[int, str]:
        """Run a job up to the first script that fails; the login is the inventory's own."""
        said = ""
        for text in scripts(tool)[job]:
            if "ssh-agent" in text or "ssh-add" in text or ".ssh" in text:
                continue
            done = run(tool, text, self.folder, self.environment)
            said += done.stdout + done.stderr
            if done.returncode:
                return done.returncode, said
        return 0, said


@pytest.fixture(scope="module")
def project(operator_of: Callable[..., Operator]) -> Project:
    operator = operator_of(HOST)
    # Without a secret_file: the runner keeps none.
    operator.describe(SITE.replace('    secret_file="{secrets}",\n', ""))
    return Project(operator)


def test_from_a_merge_request_to_the_nightly_check(project: Project) -> None:
    code, said = project.job("github", "plan")
    assert code == 1
    assert "a secret of the Site is not in the CI's store" in said

    [made] = (project.folder / ".secrets").glob("*.json")
    values: dict[str, str] = json.loads(made.read_text())
    shutil.rmtree(made.parent)
    for name, value in values.items():
        variable = "".join(sign if sign.isalnum() else "_" for sign in name.upper())
        project.environment[f"CALLCENTER_SECRET_{variable}"] = value

    plans = []
    for tool in FILES:
        code, said = project.job(tool, "plan")
        assert code == 0, said
        plan = (project.folder / "plan.txt").read_text()
        assert "+++ directory/users/10xx.xml" in plan
        assert "FreeSWITCH: activate | Configuration" in plan.partition("--> Detected changes")[2]
        assert [name for name, value in values.items() if value in said + plan] == []
        assert 'name="a1-hash" value="***"' in plan
        plans.append(plan)

    code, said = project.job("gitlab", "deploy")
    assert code == 0, said
    # An a1-hash is as good as the password, on this Site.
    shown = project.operator.ssh(HOST, f"grep -rhoE '[0-9a-f]{{32}}' {paths.APPLIED}/directory")
    hashes = shown.split()
    assert len(hashes) >= 10
    assert [one for one in hashes if any(one in plan for plan in plans)] == []

    for tool in FILES:
        code, said = project.job(tool, "drift")
        assert code == 0, said
        assert "no drift" in said

    # One tier of it: the whole has tests of its own.
    project.environment["PYTEST_ADDOPTS"] = "-k t1_register"
    code, said = project.job("github", "verify")
    assert code == 0, said
    reports = project.folder / "reports"
    [suite] = ElementTree.parse(reports / "acceptance.xml").getroot().iter("testsuite")
    assert int(suite.get("tests", 0)) > int(suite.get("skipped", 0))
    assert "<html" in (reports / "acceptance.html").read_text()

    edited = f"{paths.APPLIED}/autoload_configs/switch.conf.xml"
    project.operator.ssh(HOST, f'sed -i \'/max-sessions/s/value="200"/value="7777"/\' {edited}')
    # It says yes to a deploy, and must not say yes for us.
    project.environment["PYINFRA_YES"] = "1"
    for tool in FILES:
        code, said = project.job(tool, "drift")
        assert code == 1
        assert "[cc1] --- autoload_configs/switch.conf.xml" in said
        assert "cc1: would be changed by: FreeSWITCH: activate | Configuration" in said
