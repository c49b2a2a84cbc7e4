"""The acceptance tier can fail: what is broken on purpose turns it red."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.roles.conftest import EDGE, ROOT, SITE, Operator
from tests.roles.support import verify

HOST = "gate1"


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.succeed()
    return made


CALLS = "hang_up or every_extension"


def test_unbroken_is_green(operator: Operator, tmp_path: Path) -> None:
    done = verify(operator, CALLS, tmp_path / "report.html")
    assert done.returncode == 0, done.stdout


def test_broken_template_is_red(operator: Operator, tmp_path: Path) -> None:
    template = operator.own_repository() / "templates/freeswitch/dialplan/_ring.xml.j2"
    whole = template.read_text()
    # Well-formed, accepted by FreeSWITCH, and still no call gets through.
    template.write_text(whole.replace('application="bridge"', 'application="park"'))
    try:
        operator.succeed()
        report = tmp_path / "report.html"
        done = verify(operator, CALLS, report)
        assert done.returncode == 1, done.stdout
        assert "FAILED" in done.stdout
        # The report shows the conversation and what FreeSWITCH thought of it.
        assert "INVITE" in report.read_text()
        assert "park" in report.read_text()
    finally:
        operator.repository = ROOT
        operator.succeed()


def test_wrong_port_is_red(operator: Operator, tmp_path: Path) -> None:
    operator.describe(SITE.replace("Network(", "Network(sip_port=5070, "))
    try:
        done = verify(operator, "every_extension and udp or listeners", tmp_path / "report.html")
        assert done.returncode == 1
        # Where Kamailio and FreeSWITCH listen, and phones.
        assert done.stdout.count("FAILED tests/acceptance") == (3 if EDGE else 2), done.stdout
    finally:
        operator.describe()


def test_wrong_password_is_red(operator: Operator, tmp_path: Path) -> None:
    secrets = json.loads(operator.secrets.read_text())
    wrong = {**secrets, "extension/1009": "another-Passw0rd-than-deployed"}
    operator.secrets.write_text(json.dumps(wrong))
    try:
        report = tmp_path / "report.html"
        done = verify(operator, "every_extension", report)
        assert done.returncode == 1
        assert "403" in done.stdout
        assert wrong["extension/1009"] not in done.stdout + report.read_text()
    finally:
        operator.secrets.write_text(json.dumps(secrets))
