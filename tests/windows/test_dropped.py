"""A connection that breaks in the middle: nothing is half done, and the next run mends it."""

from __future__ import annotations

import io
import os
import threading
import time

import pytest

from pyinfra_windows.connectors import Refused
from tests.windows.support.machine import Machine, Run
from tests.windows.support.proxy import Wire
from tests.windows.support.site import complete, forget, site


def wire(machine: Machine, limit: int | None = None) -> tuple[Wire, dict[str, int]]:
    """Return a wire to the host, and the host data that uses it."""
    if machine.real:
        pytest.skip("a real host's certificate and port are its own")
    key = "ssh_port" if machine.door == "winssh" else "winrm_port"
    made = Wire(machine.data[key], limit)
    return made, {key: made.port}


def test_a_broken_upload_leaves_the_old_file(machine: Machine) -> None:
    target = rf"C:\broken {machine.door}\kept.bin"
    assert machine.connected.put_file(io.BytesIO(b"old"), target)
    cut, data = wire(machine, limit=600_000)
    broken = machine.connector(**data)
    broken.connect()
    with pytest.raises(Refused, match=r"lost|broke off"):
        broken.put_file(io.BytesIO(os.urandom(3_000_000)), target)
    cut.cut()
    back = io.BytesIO()
    assert machine.connected.get_file(target, back)
    assert back.getvalue() == b"old"
    assert machine.connected.put_file(io.BytesIO(b"new"), target)
    assert machine.connected.get_file(target, io.BytesIO())


def test_a_broken_installation_is_mended_by_the_next_run(machine: Machine) -> None:
    cut, data = wire(machine)
    if machine.wine.no_freeswitch:
        pytest.skip(machine.wine.no_freeswitch)
    forget(machine)
    before = len(machine.wine.commands())
    runs: list[Run] = []
    deploying = threading.Thread(
        target=lambda: runs.append(machine.bring(site(machine), **data)), daemon=True
    )
    deploying.start()
    ends = time.monotonic() + 60
    # The installer is called, and not one of its own lines.
    while not any("msi.cmd" in line for line in machine.wine.commands()[before:]):
        assert time.monotonic() < ends, machine.wine.commands()[before:]
        deploying.join(0.02)
    cut.cut()
    deploying.join(90)
    assert runs
    assert runs[0].code != 0, runs[0].output
    assert "lost" in runs[0].output, runs[0].output
    assert "Traceback" not in runs[0].output
    complete(machine, site(machine))
    assert machine.ask("user_exists id 1001 windows.callcenter.test") == "true"
    run = machine.bring(site(machine))
    assert (run.code, run.changed) == (0, 0), run.output
    forget(machine)
