"""Load the packet filter so that a mistake in it cannot lock anybody out."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import logger
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from callcenter.render import File, Tree, paths
from roles.files import forget_units, payload_command, show_difference
from roles.firewall.facts import LOADED, Filter

__all__ = ["UNDO_SECONDS", "absent", "rules"]

UNDO_SECONDS = 45
"""Seconds after which the host takes the new rules back, unless a new connection has confirmed
them."""

_WORK = "/run/callcenter-firewall"
_UNDO = "callcenter-firewall-undo"
_TABLE = paths.FIREWALL_TABLE


@operation()
def rules(wanted: Tree, present: Filter) -> Generator[StringCommand | FunctionCommand, None, None]:
    """Make our table that of ``wanted``; other tables are left alone.

    The rules are loaded with a timer beside them that loads the former ones again. Only when a new
    login has come through are they written to disk and the timer stopped.

    + present: what was there before the deploy
    """
    difference = wanted.against(present.digests)
    if not difference and present.loaded and present.enabled:
        return
    show_difference(wanted, difference)
    script = _LOAD.format(
        work=_WORK, undo=_UNDO, table=_TABLE, seconds=UNDO_SECONDS, rules=paths.FIREWALL_RULES
    )
    names = [file.path for file in wanted]
    yield payload_command(wanted.archive(names, [File("apply", script.encode())]))
    yield FunctionCommand(_log_in_again, (), {})
    yield StringCommand(
        "sh",
        "-c",
        "'"
        + _KEEP.format(
            work=_WORK,
            undo=_UNDO,
            table=_TABLE,
            rules=paths.FIREWALL_RULES,
            unit=paths.FIREWALL_UNIT,
            loaded=LOADED,
            state=paths.STATE,
        )
        + "'",
    )


@operation()
def absent(present: Filter) -> Generator[StringCommand, None, None]:
    """Remove our table, its files and its unit, and nothing else."""
    if not (present.present or present.digests or present.enabled):
        return
    unit = f"/etc/systemd/system/{paths.FIREWALL_UNIT}"
    commands = [
        f"systemctl disable --quiet --now {paths.FIREWALL_UNIT} 2>/dev/null",
        f"nft delete table inet {_TABLE} 2>/dev/null",
        f"rm -f {paths.FIREWALL_RULES} {unit} {LOADED}",
        "systemctl daemon-reload",
        *forget_units([unit]),
    ]
    yield StringCommand("; ".join(commands))


def _log_in_again(state: State, host: Host) -> bool:
    """Log in once more. A connection that is up proves nothing: its packets are established
    already."""
    fresh = type(host.connector)(state, host)
    try:
        fresh.connect()
    except ConnectError as refused:
        logger.error(
            f"{host.print_prefix}No new login after the firewall's change ({refused}); the host "
            f"takes the former rules back within {UNDO_SECONDS} s"
        )
        return False
    fresh.disconnect()
    return True


_LOAD = """
set -eu
d=$1
command -v nft >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300 install \
        --no-install-recommends nftables
new="$d/files{rules}"
nft -c -f "$new"
# A run that was cut short has left rules which nobody confirmed: they are not what to go back to.
if systemctl is-active --quiet {undo}.timer && [ -e {work}/before.nft ]; then
    nft -f {work}/before.nft
fi
systemctl stop {undo}.timer 2>/dev/null || true
rm -rf {work}
mkdir -m 700 {work}
printf 'table inet {table}\\ndelete table inet {table}\\n' >{work}/before.nft
nft -s -t list table inet {table} >>{work}/before.nft 2>/dev/null || true
cp -a "$d/files/." {work}/files
systemd-run --quiet --collect --on-active={seconds} --timer-property=AccuracySec=1s \
    --unit={undo} nft -f {work}/before.nft
nft -f "$new"
"""

_KEEP = """
set -eu
if ! systemctl is-active --quiet {undo}.timer; then
    echo "the new login came too late: the former rules are back" >&2
    exit 1
fi
systemctl stop {undo}.timer
umask 022
mkdir -p /etc/callcenter {state}
for file in {rules} /etc/systemd/system/{unit}; do
    install -m 644 {work}/files$file $file.new
    mv $file.new $file
done
nft -s -t list table inet {table} | sha256sum >{loaded}
systemctl daemon-reload
systemctl enable --quiet {unit}
systemctl start {unit}
rm -rf {work}
"""
