"""FreeSWITCH's configuration for a Windows host: the Linux tree, with its paths mapped."""

from __future__ import annotations

import re
from typing import Final

from callcenter.render import freeswitch, paths, windows_paths
from callcenter.render._files import File, Tree
from callcenter.render._templates import xml_escape
from callcenter.render.services.scripts import FOLDER
from callcenter.site import Site, Switch

__all__ = ["PATHS", "configuration"]

# FreeSWITCH takes slashes on Windows, and its XML needs no escape for them.
PATHS: Final = {
    linux: there.replace("\\", "/") + "/"
    for linux, there in {
        f"{paths.CURRENT}/": windows_paths.CONFIG,
        # Of the mail program alone, which no Windows host has.
        "/etc/callcenter/": windows_paths.STATE,
        f"{paths.RECORDINGS}/": windows_paths.RECORDINGS,
        "/run/freeswitch/": windows_paths.DATABASE,
    }.items()
}
"""Folders of the Linux tree, and what stands in their place. There is no RAM disk."""

_KNOWN = re.compile("|".join(map(re.escape, PATHS)))
_ABSOLUTE = re.compile(r"(?<![\w/.<-])/(?:dev|etc|run|srv|usr|var)/[\w./-]*")


def configuration(site: Site, switch: Switch, edge: Switch | None = None) -> Tree:
    """Render the tree below FreeSWITCH's ``conf``. A path that nobody has mapped is refused.
    ``edge``: Kamailio's host before it, where it has one."""
    return Tree(
        file
        if file.path.startswith(("sounds/", f"{FOLDER}/"))
        else File(file.path, _mapped(file.text).encode(), file.mode)
        for file in freeswitch.configuration(site, switch, edge)
    )


def _mapped(text: str) -> str:
    mapped = _KNOWN.sub(lambda found: xml_escape(PATHS[found[0]]), text)
    if (left := _ABSOLUTE.search(mapped)) is not None:
        raise ValueError(f"{left[0]} has no place on Windows; add it to PATHS")
    return mapped
