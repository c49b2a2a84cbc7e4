"""Kamailio's package and service."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from callcenter.render import Tree, paths
from callcenter.render.kamailio import FURTHER, PACKAGES, RESTARTED_FOR, TABLES, TLS_FILES
from roles.kamailio.facts import KamailioState

__all__ = ["absent", "no_others", "packages", "running"]


@operation()
def packages(
    wanted: Sequence[str], installed: Mapping[str, str]
) -> Generator[StringCommand, None, None]:
    """Install what is lacking. Masked meanwhile: Debian's package would start with its example."""
    lacking = [name for name in wanted if name not in installed]
    if not lacking:
        return
    yield StringCommand(
        f"systemctl mask --runtime --quiet {paths.KAMAILIO_UNIT} && "
        "export DEBIAN_FRONTEND=noninteractive && "
        "apt-get -qq -o DPkg::Lock::Timeout=300 update && "
        "apt-get -y -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends "
        f"{' '.join(lacking)} && {_GROUP}"
    )


_PURGE = "DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300 purge"

# Tables and key were written before the group was there, where a run was cut short.
_GROUP = (
    f"if [ -d {paths.KAMAILIO} ]; then chgrp kamailio "
    + " ".join([*(f"{paths.KAMAILIO}/{name}" for name in TABLES.values()), paths.KAMAILIO_TLS_KEY])
    + " 2>/dev/null; fi; true"
)


@operation()
def no_others(
    wanted: Sequence[str], installed: Mapping[str, str]
) -> Generator[StringCommand, None, None]:
    """Remove the packages of ways by which phones do not come any more."""
    if own := [name for name in FURTHER if name in installed and name not in wanted]:
        yield StringCommand(f"{_PURGE} {' '.join(own)}")


@operation()
def absent(installed: Mapping[str, str]) -> Generator[StringCommand, None, None]:
    """Stop Kamailio, and remove its packages and where phones are."""
    known = (*PACKAGES, *FURTHER)
    own = [name for name in known if name.startswith("kamailio") and name in installed]
    purge = f"{_PURGE} {' '.join(own)}"
    yield StringCommand(
        f"systemctl disable --now --quiet {paths.KAMAILIO_UNIT} 2>/dev/null; "
        f"{purge if own else 'true'} && "
        f"rm -f {paths.KAMAILIO_LOCATION} {paths.KAMAILIO_CALLS} {paths.KAMAILIO_ADVERTISED}"
    )


@operation()
def running(wanted: Tree, watched: Sequence[str]) -> Generator[StringCommand, None, None]:
    """Start Kamailio with ``wanted``; reload where only extensions differ, restart where more does.

    Calls that are up go on either way, since phones send their voice to each other.
    """
    present = host.get_fact(KamailioState)
    stale = {path for path in watched if present.applied.get(path) != wanted[path].digest}
    unit, config = paths.KAMAILIO_UNIT, paths.KAMAILIO_CONFIG
    if present.running and present.enabled and not stale:
        return
    if present.running and present.enabled and not stale & {*RESTARTED_FOR}:
        asked = [f"htable.reload {name}" for name in TABLES.values()]
        asked += ["tls.reload"] if stale & {*TLS_FILES} else []
        reload = " && ".join(f"kamcmd {one} >/dev/null" for one in asked)
        digests = f"sha256sum {' '.join(watched)}"
        yield StringCommand(f"{reload} && {digests} >{paths.KAMAILIO_APPLIED}")
        return
    # The old process serves on unless the new configuration can be read.
    yield StringCommand(
        f"systemctl unmask --runtime --quiet {unit}; systemctl daemon-reload; "
        f"if ! said=$(kamailio -c -f {config} 2>&1); then "
        'printf "%s\\n" "$said" | tail -n 20 >&2; exit 1; fi; '
        f"systemctl enable --quiet {unit} && systemctl restart {unit} || "
        f"{{ journalctl -u {unit} -n 20 --no-pager >&2; exit 1; }}"
    )
