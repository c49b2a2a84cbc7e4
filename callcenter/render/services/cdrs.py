"""Call detail records: each leg of a call as a file in the spool, which a service delivers."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render.services._way import config
from callcenter.site import Site

__all__ = ["files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """Name the module that writes them."""
    return ("mod_json_cdr",) if site.cdr is not None else ()


def files(site: Site) -> Iterator[File]:
    """Yield the settings that tell where it writes them to."""
    if site.cdr is not None:
        yield config("autoload_configs/json_cdr.conf.xml", site, spool=paths.CALLS_SPOOL)
