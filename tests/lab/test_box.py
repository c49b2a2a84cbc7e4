"""A Vagrant box that boots by itself, under software emulation: minutes, hence only when asked."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from lab.box import GIGABYTES, box
from lab.image import RELEASES
from lab.lab import find

# Where Vagrant keeps the half of the key that everybody knows.
KEYS = sorted(Path("/usr/share").glob("rubygems-integration/all/gems/vagrant-*/keys/vagrant"))

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        not os.environ.get("CALLCENTER_BOX"),
        reason="takes minutes a release; CALLCENTER_BOX=yes runs it",
    ),
    pytest.mark.skipif(
        shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86 is not installed"
    ),
    pytest.mark.skipif(not KEYS, reason="vagrant, whose key opens the box, is not installed"),
]

BOOT_SECONDS = 600


@pytest.mark.parametrize("release", RELEASES)
def test_a_box_boots_and_lets_vagrant_in(release: str, tmp_path: Path) -> None:
    with tarfile.open(box(find().cache, release)) as packed:
        packed.extractall(tmp_path, filter="data")
    key = tmp_path / "key"
    key.write_bytes(KEYS[-1].read_bytes())
    key.chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    console = tmp_path / "console"
    machine = subprocess.Popen(
        [
            *("qemu-system-x86_64", "-accel", "tcg", "-smp", "2", "-m", "1024"),
            *("-display", "none", "-serial", f"file:{console}"),
            *("-drive", f"file={tmp_path}/box.img,if=virtio"),
            *("-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:22"),
            *("-device", "virtio-net,netdev=n"),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        # The forwarded port takes connections before anybody listens behind it.
        while not _banner(port):
            assert machine.poll() is None
            assert time.monotonic() < deadline, console.read_text(errors="replace")[-2000:]
            time.sleep(1)
        said = subprocess.run(
            [
                *("ssh", "-F", "none", "-i", str(key), "-p", str(port), "-o", "BatchMode=yes"),
                *("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known"),
                *("vagrant@127.0.0.1", "sudo id -u; . /etc/os-release; echo $VERSION_CODENAME;"),
                *("df --output=size -BG / | tail -n 1;", "systemctl is-system-running --wait"),
            ],
            capture_output=True,
            text=True,
            timeout=BOOT_SECONDS,
            check=False,
        )
    finally:
        machine.terminate()
        machine.wait()
    assert said.stdout.splitlines()[:2] == ["0", release], said.stdout + said.stderr
    size = re.search(r"(\d+)G", said.stdout)
    assert size is not None
    assert GIGABYTES - 1 <= int(size[1]) <= GIGABYTES
    assert said.stdout.splitlines()[-1] == "running"


def _banner(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as asked:
            return asked.recv(4) == b"SSH-"
    except OSError:
        return False
