"""Faxes: mod_spandsp."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter import paths
from callcenter.render._files import File
from callcenter.render.services._way import config
from callcenter.site import Site

__all__ = ["files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """What speaks T.30 and T.38."""
    return ("mod_spandsp",) if site.faxes else ()


def files(site: Site) -> Iterator[File]:
    """The module's settings, and the dialplan that receives."""
    if site.faxes:
        yield config("autoload_configs/spandsp.conf.xml", site, folder=paths.FAXES)
        yield config("dialplan/services/faxes.xml", site, folder=paths.FAXES, tool=paths.FAX_TOOL)
