"""Public address of a host, where a STUN server is asked for it."""

from __future__ import annotations

import inspect

from callcenter.onhost import stun
from callcenter.render import paths
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.site import Switch

__all__ = ["asks", "configuration", "tool"]


def asks(switch: Switch) -> str:
    """Return what the tool that asks a STUN server is given: whom, and from which address."""
    assert switch.stun_server is not None
    server, port = switch.stun_server
    return f"{server} {port} {switch.bind_address}"


def tool() -> bytes:
    """Return the program that asks."""
    return b"#!/usr/bin/python3 -I\n" + inspect.getsource(stun).encode()


def configuration(switch: Switch) -> Tree:
    """Render the files of what asks a STUN server, before each start of FreeSWITCH and each minute,
    where the host has one to ask."""
    if switch.stun is None:
        return Tree([])
    values = {"paths": paths, "asks": asks(switch)}
    return Tree(
        [
            File(paths.STUN_TOOL, tool(), 0o755),
            File(paths.STUN_DROP_IN, plain("system/stun-unit.conf.j2", **values)),
            *(
                File(f"{paths.STUN}.{kind}", plain(f"system/stun.{kind}.j2", **values))
                for kind in ("service", "timer")
            ),
        ]
    )
