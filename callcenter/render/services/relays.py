"""Calls whose voice passes the switch as it comes, undecoded: ``proxy`` of the media modes."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config
from callcenter.site import Site

__all__ = ["files"]


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that every such call runs before it rings anybody."""
    if "proxy" in (site.media.mode, *(route.media for route in site.outbound)):
        yield config("dialplan/services/relays.xml", site)
