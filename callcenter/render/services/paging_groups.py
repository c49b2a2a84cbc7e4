"""Paging groups: a conference for each page, in which only the caller is heard."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._dialplan import config
from callcenter.site import Site

__all__ = ["PAGE_SCRIPT", "PROFILE", "files", "modules"]

PAGE_SCRIPT = "scripts/page.lua"
"""Script that names the phones that are free, and ends a page that reaches nobody."""

PROFILE = "_page"
"""Profile of these conferences, whose name no conference of the Site's can have."""

ANSWER_SECONDS = 4
"""Seconds that a phone has to answer by itself. One that is not willing to rings so long."""


def modules(site: Site) -> tuple[str, ...]:
    """Name mod_conference, the module of its tone, and that of the script."""
    return ("mod_conference", "mod_tone_stream", "mod_lua") if site.paging_groups else ()


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that opens a page, and the script. conferences.py yields the profile."""
    if not site.paging_groups:
        return
    script = f"{paths.CURRENT}/{PAGE_SCRIPT}"
    yield config("dialplan/services/paging_groups.xml", site, script=script, profile=PROFILE)
    made = plain(
        f"freeswitch/{PAGE_SCRIPT}.j2",
        site=site,
        seconds=ANSWER_SECONDS,
        late=ANSWER_SECONDS + 2,
        script=script,
    )
    yield File(PAGE_SCRIPT, made, 0o640)
