"""Applications of the operator's: FreeSWITCH's outbound Event Socket."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._way import config
from callcenter.site import EventSocketUser, Site

__all__ = ["events", "files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """mod_event_socket, which every switch has."""
    return ()


def files(site: Site) -> Iterator[File]:
    """The dialplan that hands calls over and leads on, and the programs that may log in."""
    if site.applications:
        yield config("dialplan/services/applications.xml", site)
    if site.event_socket.users:
        users = [(one, site.reveal(one.password), events(one)) for one in site.event_socket.users]
        yield config("directory/event_socket.xml", site, users=users)


def events(user: EventSocketUser) -> str:
    """What it may subscribe to as FreeSWITCH reads it: after CUSTOM come subclasses alone."""
    custom = [event for event in user.events if "::" in event]
    own = [event for event in user.events if "::" not in event]
    return " ".join([*own, *(["CUSTOM", *custom] if custom else [])])
