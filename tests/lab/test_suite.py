"""Labs of bin/test: its own are removed when it ends, and nobody else's are."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.lab import Lab
from tests.lab.conftest import Command
from tests.lab.test_hosts import traces, until
from tests.suite import OWN, ROOT

pytestmark = pytest.mark.lab

BEGUN = """
import os, sys
from pathlib import Path
from tests import suite
suite.STATE = Path(sys.argv[1])
tier = suite.Tier("", ("python -m lab up", "sleep 1000"), root=True)
with suite.labs() as state:
    made = {"CALLCENTER_LAB_STATE": str(state)}
    suite.Suite({"one": tier}, reports=Path(sys.argv[2]), environment=made).run()
"""
NEXT = """
import sys
from pathlib import Path
from tests import suite
suite.STATE = Path(sys.argv[1])
with suite.labs():
    pass
"""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_the_labs_of_a_run_that_is_ended_go_and_somebodys_stays(
    make: Callable[[], Command], tmp_path: Path, by: signal.Signals
) -> None:
    somebodys = make()
    somebodys("up")
    # Not where the run is that this test is part of; that of a lab is no overlay's.
    state = somebodys.lab.state / "runs"
    words = [str(state), str(tmp_path / "reports")]
    with subprocess.Popen([sys.executable, "-c", BEGUN, *words], cwd=ROOT) as process:
        own = state / f"{OWN}{process.pid}"
        lab = Command(Lab(f"test-{process.pid}-0", own / f"test-{process.pid}-0", Path("/nowhere")))
        try:
            until(lambda: (lab.lab.state / "hosts/cc1/booted").exists() or process.poll())
            assert process.poll() is None
            process.send_signal(by)
            process.wait(60)
        finally:
            process.kill()
    if by == signal.SIGKILL:
        assert traces(lab), "nobody is left who could take it down"
        subprocess.run([sys.executable, "-c", NEXT, *words], cwd=ROOT, check=True)
    assert traces(lab) == []
    assert list(state.iterdir()) == []
    assert somebodys("status") == "cc1\t10.77.0.11\tup\n"
