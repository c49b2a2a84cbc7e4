"""Lua scripts of the operator's: mod_lua."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render.services._dialplan import config
from callcenter.site import Site

__all__ = ["FOLDER", "files", "modules"]

FOLDER = "scripts/own"
"""Folder apart from our own scripts."""


def modules(site: Site) -> tuple[str, ...]:
    """Name mod_lua."""
    return ("mod_lua",) if site.scripts else ()


def files(site: Site) -> Iterator[File]:
    """Yield the scripts as they are, and the dialplan that runs them."""
    if not site.scripts:
        return
    yield config("dialplan/services/scripts.xml", site, folder=f"{paths.CURRENT}/{FOLDER}")
    for script in site.scripts:
        yield File(f"{FOLDER}/{script.name}.lua", script.file.read_bytes(), 0o640)
