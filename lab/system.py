"""What the lab needs of the machine: root, programs, locks."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["RUN", "LabError", "as_root", "require", "run", "single", "tail", "write"]

RUN = Path("/run/callcenter-lab")


class LabError(RuntimeError):
    """The lab cannot do what was asked; the message says what to do."""


def run(command: Sequence[str], *, say: str) -> str:
    """Run a program to its end and return what it printed. ``say`` begins the message if it
    fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError(f"{say}: {command[0]} is not installed") from None
    if done.returncode:
        raise LabError(f"{say}:\n{tail(done.stderr or done.stdout)}")
    return done.stdout


def tail(text: str, lines: int = 8) -> str:
    """Return the last lines of what a program said."""
    return "\n".join(text.strip().splitlines()[-lines:])


def write(path: Path, text: str) -> None:
    """Write a file so that nobody finds half of it, also after a kill."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


@contextmanager
def single(path: Path) -> Iterator[None]:
    """Hold a lock file; whoever comes second waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def as_root() -> None:
    """Refuse to go on as anyone else."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes network namespaces; run it with sudo")


PACKAGES = {
    "bin/mmdebstrap": "mmdebstrap",
    "bin/socat": "socat",
    "sbin/ip": "iproute2",
    "bin/ssh": "openssh-client",
    "sbin/apt-cacher-ng": "apt-cacher-ng",
    "share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}

# apt-cacher-ng's own service is not wanted on this machine: the lab starts one of its own.
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = (
    "#!/bin/sh\n# Left by an interrupted start of the call centre lab: delete it.\nexit 101\n"
)


def require(packages: Mapping[str, str] = PACKAGES) -> None:
    """Install Debian packages that are lacking (those of the lab itself, unless told otherwise),
    given by a file of each below /usr. None of their services is started."""
    as_root()
    with single(RUN / "packages.lock"):
        if POLICY.is_file() and POLICY.read_text() == POLICY_TEXT:
            POLICY.unlink()
        lacking = [name for file, name in packages.items() if not any(Path("/usr").glob(file))]
        if not lacking:
            return
        made = not POLICY.exists()
        if made:
            POLICY.write_text(POLICY_TEXT)
            POLICY.chmod(0o755)
        apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        wait = ["-o", "DPkg::Lock::Timeout=300"]
        try:
            say = f"could not install {', '.join(lacking)}; mend apt and try again"
            run([*apt, "update"], say=say)
            run([*apt, *wait, "install", "-y", "--no-install-recommends", *lacking], say=say)
        finally:
            if made:
                POLICY.unlink()
