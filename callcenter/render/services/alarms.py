"""Alarms by mail: a limit of calls outside was hit, or many addresses guess passwords."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from callcenter.onhost import alarm
from callcenter.render import paths, users
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._mailer import MAILER
from callcenter.render.services._shape import Unit
from callcenter.site import Site

__all__ = ["UNITS", "needs_linux", "on_host"]

UNITS = tuple(
    Unit(unit, (paths.ALARM_TOOL,), state=folder, packages=(MAILER,))
    for unit, folder in (
        (paths.ALARM_UNIT, paths.ALARM),
        (paths.BANS_ALARM_UNIT, paths.BANS_ALARM),
    )
)


def on_host(site: Site) -> Iterator[File]:
    """Yield what mails that a limit was hit, or that passwords are guessed from many addresses."""
    limits, guesses = site.outbound_limits.alarm, site.guessers.alarm
    if limits is not None or guesses is not None:
        yield File(paths.ALARM_TOOL, inspect.getsource(alarm).encode(), 0o755)
    if limits is not None:
        what = "Mail that a limit of calls was hit"
        yield _unit(site, paths.ALARM_UNIT, paths.ALARM, what, limits, users.FREESWITCH)
    if guesses is not None:
        what = "Mail that passwords are guessed"
        yield _unit(site, paths.BANS_ALARM_UNIT, paths.BANS_ALARM, what, guesses, users.BANS)


def _unit(site: Site, path: str, folder: str, what: str, to: str, writer: str) -> File:
    assert site.smtp is not None
    made = plain(
        "system/alarm.service.j2",
        site=site,
        paths=paths,
        users=users,
        mailer=MAILER,
        what=what,
        writer=writer,
        folder=folder.removeprefix("/var/lib/"),
        # A percent sign means something to systemd.
        sender=site.smtp.sender.replace("%", "%%"),
        to=to.replace("%", "%%"),
    )
    return File(path, made)


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.outbound_limits.alarm is not None:
        yield (
            "Site.outbound_limits.alarm: needs a Linux host, where a service mails it; leave it out"
        )
    if site.guessers.alarm is not None:
        yield "Site.guessers.alarm: needs a Linux host, where a service mails it; leave it out"
