"""PgBouncer's package, without the service that it starts: the pool is a unit of our own."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import StringCommand, operation

from callcenter.render import paths
from roles.billing.facts import PoolInstalledHere

__all__ = ["no_package", "package"]


@operation()
def package(wanted: str, installed: Mapping[str, str]) -> Generator[StringCommand, None, None]:
    """Install it where it is lacking."""
    if wanted in installed:
        return
    yield StringCommand(
        "export DEBIAN_FRONTEND=noninteractive && "
        f"systemctl mask --quiet {wanted} && mkdir -p {paths.STATE} && touch {paths.POOL_OURS} && "
        "apt-get -qq -o DPkg::Lock::Timeout=300 update && "
        "apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "
        f"--no-install-recommends {wanted}"
    )


@operation()
def no_package(unwanted: str, installed: Mapping[str, str]) -> Generator[StringCommand, None, None]:
    """Remove it where a deploy had installed it."""
    if unwanted not in installed or not host.get_fact(PoolInstalledHere):
        return
    yield StringCommand(
        "export DEBIAN_FRONTEND=noninteractive && "
        "apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 purge "
        f"{unwanted} && systemctl unmask --quiet {unwanted} && rm -f {paths.POOL_OURS}"
    )
