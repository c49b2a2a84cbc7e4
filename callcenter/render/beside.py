"""Files of a switch beside FreeSWITCH's configuration: its unit, its releases, its services'."""

from __future__ import annotations

import inspect

from callcenter.onhost import release
from callcenter.render import paths, users
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.services import SERVICES
from callcenter.site import Site, Switch

__all__ = ["configuration"]


def configuration(
    site: Site, *, realtime: bool, inside: tuple[Switch, Switch] | None = None
) -> Tree:
    """Render how FreeSWITCH runs, how its releases change, what becomes of its logs, and what its
    services have beside it. ``realtime``: whether the host grants realtime scheduling. ``inside``:
    this host and Kamailio's, where that is another one."""
    values = {"site": site, "paths": paths, "realtime": realtime, "apart": inside is not None}
    files = {file.path: file for service in SERVICES for file in service.on_host(site)}
    if inside is not None:
        files |= {file.path: file for one in SERVICES for file in one.apart(site, *inside)}
    return Tree(
        [
            File(paths.USERS, plain("system/users.j2", users=users)),
            File(paths.RELEASE_TOOL, _release_tool(), 0o755),
            File(paths.UNIT_DROP_IN, plain("system/freeswitch-unit.conf.j2", **values)),
            File(paths.LOGROTATE, plain("system/logrotate.j2", **values)),
            *files.values(),
        ]
    )


def _release_tool() -> bytes:
    return b"#!/usr/bin/python3 -I\n" + inspect.getsource(release).encode()
