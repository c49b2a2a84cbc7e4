"""Files of a switch beside FreeSWITCH's configuration: its unit, its releases, its services'."""

from __future__ import annotations

from callcenter.render import paths, users
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.freeswitch import CLI_CONFIG
from callcenter.render.services import SERVICES
from callcenter.site import Site

__all__ = ["configuration"]


def configuration(site: Site, *, realtime: bool, apart: bool = False) -> Tree:
    """Render how FreeSWITCH runs, how its releases change, what becomes of its logs, and what its
    services have beside it. ``realtime``: whether the host grants realtime scheduling. ``apart``:
    whether Kamailio is on another host."""
    values = {"site": site, "paths": paths, "realtime": realtime, "cli_config": CLI_CONFIG}
    values["apart"] = apart
    return Tree(
        [
            File(paths.USERS, plain("system/users.j2", users=users)),
            File(paths.RELEASE_TOOL, plain("system/freeswitch-release.j2", **values), 0o755),
            File(paths.UNIT_DROP_IN, plain("system/freeswitch-unit.conf.j2", **values)),
            File(paths.LOGROTATE, plain("system/logrotate.j2", **values)),
            *(file for service in SERVICES for file in service.on_host(site)),
        ]
    )
