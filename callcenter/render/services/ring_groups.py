"""Ring groups."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._way import config, records
from callcenter.site import Site

__all__ = ["files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """FreeSWITCH's base is enough."""
    return ()


def files(site: Site) -> Iterator[File]:
    """The dialplan that rings each group."""
    if site.ring_groups:
        yield config("dialplan/services/ring_groups.xml", site, records=records(site))
