"""Applications of the operator's: FreeSWITCH's outbound Event Socket."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config
from callcenter.site import Site

__all__ = ["files"]


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that hands calls over and leads on."""
    if site.applications:
        yield config("dialplan/services/applications.xml", site)
