"""Lab hosts as Docker containers, of the same image and in the same network as systemd-nspawn's.

Docker gives no realtime scheduling and no kernel settings, not even net.*; a host that reboots
stays off until the next ``up``, for its way into the lab's network goes with it.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from callcenter.render import shell
from lab import network
from lab.host import disk, files, listen, machine, notices
from lab.system import RUN, LabError, single, tail, write

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

__all__ = ["PACKAGES", "boot", "check", "halt", "init", "running"]

PACKAGES: Mapping[str, str] = {}

LABEL = "callcenter-lab"
SOCKET = "unix:///var/run/docker.sock"
NOTICES = "/run/lab-ready"
ROOM_MEGABYTES = 1000

# Beside Docker's own, of which none sets the clock or loads a module.
CAPABILITIES = [
    # systemd mounts, and makes namespaces for its services.
    "SYS_ADMIN",
    # systemd-networkd sets the address, the role the packet filter.
    "NET_ADMIN",
    # root sees whose a socket is, as the preflight and the tests of any host ask.
    "SYS_PTRACE",
]


def _kept(state: Path) -> Path:
    return state / "docker"


def _address(state: Path) -> str:
    # The daemon that has the lab's hosts, whatever the environment says now.
    kept = _kept(state)
    return kept.read_text() if kept.exists() else os.environ.get("DOCKER_HOST") or SOCKET


@contextmanager
def _daemon(state: Path) -> Iterator[DockerClient]:
    try:
        import docker
        from docker.errors import APIError, DockerException
        from requests import RequestException
    except ImportError:
        raise LabError("the docker driver needs a Python package; run pip install docker") from None
    address = _address(state)
    if not address.startswith("unix://"):
        raise LabError(
            f"DOCKER_HOST is {address}, and the lab needs Docker on this machine; unset it, or "
            "set it to unix://..."
        )
    try:
        client = docker.DockerClient(base_url=address)
    except DockerException:
        other = "set DOCKER_HOST to another"
        if _kept(state).exists():
            other = f"remove {state} if it is gone for good, with the lab's containers"
        raise LabError(
            f"no Docker daemon answers at {address.removeprefix('unix://')}; start it (systemctl "
            f"start docker), or {other}, and try again"
        ) from None
    try:
        yield client
    except (DockerException, RequestException) as refused:
        said = (isinstance(refused, APIError) and refused.explanation) or str(refused)
        full = "no space left on device" in said
        mend = "make room in Docker's data-root" if full else "mend that"
        raise LabError(f"Docker refused: {said}; {mend}, and run up again, or down") from None
    finally:
        client.close()


def check(state: Path) -> None:
    """Refuse a Docker whose containers this machine cannot connect to the lab's network."""
    with _daemon(state) as docker:
        about = docker.info()
        if any("rootless" in option for option in about["SecurityOptions"] or ()):
            raise LabError(
                "this Docker is rootless, and its containers cannot join the lab's network; set "
                f"DOCKER_HOST to root's, such as {SOCKET}"
            )
        if not Path(about["DockerRootDir"]).is_dir():
            raise LabError("this Docker runs on another machine; the lab needs one on this")


def running(name: str, state: Path, host: str) -> bool:
    """Tell whether the host's container is there and came up."""
    if disk(state, host) is None:
        return False
    with _daemon(state) as docker:
        return any(
            container.name == machine(name, host) and container.status == "running"
            for container in _containers(docker, name)
        )


def init(name: str, state: Path, host: str) -> int:
    """Return the process that is the first in a running host."""
    with _daemon(state) as docker:
        return int(docker.containers.get(machine(name, host)).attrs["State"]["Pid"])


def _containers(docker: DockerClient, name: str) -> list[Container]:
    # One that goes away meanwhile is none.
    return docker.containers.list(
        all=True, filters={"label": f"{LABEL}={name}"}, ignore_removed=True
    )


def boot(name: str, state: Path, host: str, address: str, image: Path) -> None:
    """Boot a host and wait until its services are up. Its container is made anew of ``image``,
    unless it came up before."""
    folder = state / "hosts" / host
    with _daemon(state) as docker, listen(name, host) as ready:
        there = {container.name: container for container in _containers(docker, name)}
        container = there.get(machine(name, host))
        if disk(state, host) is None:
            if container is not None:
                container.remove(force=True, v=True)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "image").symlink_to(image)
            write(_kept(state), _address(state))
            container = _make(docker, name, state, host, image)
            container.put_archive("/", _archive(files(state, host, address)))
        elif container is None:
            raise LabError(f"the container of {host} is gone; run down, then up")
        container.start()
        container.reload()
        pid = container.attrs["State"]["Pid"]
        if pid:  # else it ended already
            network.plug(name, pid, address)
        ready.wait(host, pid, lambda: tail(container.logs().decode(errors="replace")))
    (folder / "booted").touch()


def _make(docker: DockerClient, name: str, state: Path, host: str, image: Path) -> Container:
    from docker.types import Mount

    return docker.containers.create(
        _image(docker, image),
        [*shell.words(__file__, "init")],
        name=machine(name, host),
        hostname=host,
        labels={LABEL: name},
        cap_add=CAPABILITIES,
        # Docker's profile denies root in a container any mount.
        security_opt=["apparmor=unconfined"],
        cgroupns="private",
        network_mode="none",
        tmpfs={"/run": ""},
        mounts=[Mount(NOTICES, str(notices(name, host)), type="bind")],
        environment={"container": "docker", "NOTIFY_SOCKET": NOTICES, "TERM": "dumb"},
        # Else systemd has no console to say on what goes wrong.
        tty=True,
        # What systemd takes for a power button.
        stop_signal="SIGRTMIN+3",
    )


def _image(docker: DockerClient, image: Path) -> Image:
    """Return Docker's copy of an image, made if it is not there (some seconds)."""
    # "localhost" is no registry to ask for it; podman has no other tag for an import.
    named = f"localhost/{LABEL}-{image.name}"
    tagged = {"reference": f"{named}:latest"}
    with single(RUN / "docker-images.lock"):
        if found := docker.images.list(filters=tagged):
            return found[0]
        root = docker.info()["DockerRootDir"]
        free = shutil.disk_usage(root).free // 2**20
        if free < ROOM_MEGABYTES:
            raise LabError(
                f"{root} has {free} MB free and Docker's copy of an image needs "
                f"{ROOM_MEGABYTES}; make room, or set Docker's data-root to another disk"
            )
        command = ["tar", "-C", str(image), "--create", "--numeric-owner", "--xattrs", "."]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
            said = docker.api.import_image(
                src=tar.stdout, stream_src=True, repository=named, tag="latest"
            )
        found = docker.images.list(filters=tagged)
        if tar.returncode or not found:
            for half in found:
                docker.images.remove(str(half.id), force=True)
            raise LabError(f"could not import {image} to Docker:\n{tail(said)}")
        return found[0]


def _archive(texts: dict[str, tuple[str, int]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        keys = tarfile.TarInfo("root/.ssh")
        keys.type, keys.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(keys)
        for path, (text, mode) in texts.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), mode
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def halt(name: str, state: Path) -> None:
    """End all hosts of a lab, at once, and remove their containers. Images stay."""
    if _kept(state).exists():  # else no container was begun
        with _daemon(state) as docker:
            for container in _containers(docker, name):
                container.remove(force=True, v=True)
    hosts = state / "hosts"
    for folder in hosts.iterdir() if hosts.is_dir() else ():
        notices(name, folder.name).unlink(missing_ok=True)
        shutil.rmtree(folder)
