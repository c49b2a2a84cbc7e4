"""Have an authority asked for a certificate."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from callcenter.render import paths, users
from roles.certificates.facts import AcmeState

__all__ = ["GONE", "obtained"]

_UNIT = paths.ACME_UNIT.rpartition("/")[2]

GONE = (
    f"systemctl stop {_UNIT}.timer {_UNIT}.service 2>/dev/null || :; "
    f"rm -f /etc/systemd/system/timers.target.wants/{_UNIT}.timer; systemctl daemon-reload; "
    f"rm -rf {paths.ACME} {paths.ACME_STATE} /var/lib/systemd/timers/stamp-{_UNIT}.timer; "
    f"userdel {users.ACME} 2>/dev/null || :"
)
"""Shell line that ends what asks for certificates, and removes what was given."""


@operation()
def obtained(wanted: str) -> Generator[StringCommand, None, None]:
    """Get a certificate where there is none, or one of another authority or name, and have a timer
    renew it.

    + wanted: a digest of who is asked for what
    """
    present = host.get_fact(AcmeState)
    is_there = present.name.startswith(f"{wanted}-") and not present.is_over
    if is_there and present.timer:
        return
    # A certificate that is there is not asked for again: the timer does that.
    ask = (
        ""
        if is_there
        else f"since=$(date +%s); systemctl start {_UNIT}.service || {{ "
        f"journalctl -u {_UNIT} --since=@$since -o cat --no-pager >&2; exit 1; }}; "
    )
    yield StringCommand(f"{ask}systemctl enable --quiet --now {_UNIT}.timer")
