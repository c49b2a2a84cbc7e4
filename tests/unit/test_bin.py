"""What a newcomer types first."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="bin/lab asks for root first")
def test_lab_without_packages_names_the_three_ways(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "bin/lab"],
        env={**os.environ, "FREESWITCH_APT": str(tmp_path / "nothing")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert f"no FreeSWITCH packages in {tmp_path / 'nothing'}" in done.stderr
    assert re.findall(r"^  ([123])\. ", done.stderr, re.MULTILINE) == ["1", "2", "3"]
    for word in ("FREESWITCH_APT", "SignalWire(token=", "AptRepository(url="):
        assert word in done.stderr


def test_ci_runs_the_readmes_command() -> None:
    assert "bin/test" in (ROOT / ".ci/run").read_text()
    assert re.search(r"^    bin/lab .*\n    bin/test ", (ROOT / "README.md").read_text(), re.M)


@pytest.mark.parametrize("name", ["lab", "test", "_environment"])
def test_scripts_are_posix_shell(name: str) -> None:
    done = subprocess.run(
        ["sh", "-n", ROOT / "bin" / name], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
