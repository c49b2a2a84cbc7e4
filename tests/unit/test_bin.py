"""What a newcomer types first."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_ci_runs_the_readmes_command() -> None:
    assert "bin/test" in (ROOT / ".ci/run").read_text()
    assert re.search(r"^    bin/lab .*\n    bin/test ", (ROOT / "README.md").read_text(), re.M)


@pytest.mark.parametrize("name", ["lab", "prove", "test", "_environment"])
def test_scripts_are_posix_shell(name: str) -> None:
    done = subprocess.run(
        ["sh", "-n", ROOT / "bin" / name], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
