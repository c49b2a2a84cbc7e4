"""The Docker daemon of the tests: the one that answers here, else one of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lab import docker as driver
from lab.image import RELEASES, image
from lab.lab import find

LOCAL = "unix:///var/run/docker.sock"


def answers(address: str) -> bool:
    """Tell whether a daemon does."""
    docker = pytest.importorskip("docker")
    try:
        docker.DockerClient(base_url=address).close()
    except docker.errors.DockerException:
        return False
    return True


@contextmanager
def dockerd(data: Path) -> Iterator[str]:
    """Give a daemon that changes nothing of this machine's network, and its address. The test is
    skipped where it does not start."""
    program = shutil.which("dockerd")
    if program is None:
        pytest.skip("no Docker daemon answers, and dockerd is not installed")
    if os.geteuid() != 0:
        pytest.skip("no Docker daemon answers, and dockerd needs root")
    # A short path, for there are sockets in it.
    with tempfile.TemporaryDirectory(dir="/run", ignore_cleanup_errors=True) as run:
        log = Path(run, "log")
        command = [
            program,
            *(f"--host=unix://{run}/socket", f"--data-root={data}", f"--exec-root={run}/exec"),
            *(f"--pidfile={run}/pid", "--bridge=none", "--iptables=false", "--ip-forward=false"),
        ]
        with log.open("w") as out:
            daemon = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 30
            while not answers(f"unix://{run}/socket"):
                if daemon.poll() is not None or time.monotonic() > deadline:
                    said = log.read_text().strip().splitlines()[-1:]
                    pytest.skip(f"dockerd does not start here: {' '.join(said)}")
                # dockerd tells systemd alone when it is ready; its answer is the sign.
                time.sleep(0.05)
            yield f"unix://{run}/socket"
        finally:
            daemon.terminate()
            daemon.wait(60)


@pytest.fixture(scope="session")
def docker_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The daemon that this session's commands use."""
    given = os.environ.get("DOCKER_HOST") or LOCAL
    if answers(given):
        yield given
        return
    with dockerd(tmp_path_factory.mktemp("docker")) as address, pytest.MonkeyPatch.context() as set:
        set.setenv("DOCKER_HOST", address)
        _runs_containers(address)
        yield address


def _runs_containers(address: str) -> None:
    # In a container or a chroot the daemon starts, but not what it is for.
    docker = pytest.importorskip("docker")
    with closing(docker.DockerClient(base_url=address)) as client:
        try:
            base = driver._image(client, image(find().cache, RELEASES[0]))
            client.containers.run(base, ["true"], remove=True, network_mode="none")
        except docker.errors.DockerException as refused:
            said = getattr(refused, "explanation", None) or refused
            pytest.skip(f"Docker runs no containers here: {said}")
