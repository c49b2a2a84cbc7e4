"""Notices."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config
from callcenter.site import Site

__all__ = ["files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """Name the module that plays recorded announcements."""
    return ("mod_sndfile",) if site.notices else ()


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that plays each."""
    if site.notices:
        yield config("dialplan/services/notices.xml", site)
