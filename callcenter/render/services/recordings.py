"""Recordings of calls."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render.services._way import config, records
from callcenter.site import Site

__all__ = ["files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """Name the module that writes WAV files."""
    return ("mod_sndfile",) if records(site) else ()


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that begins a recording where the caller or the called says so."""
    if records(site):
        yield config("dialplan/services/recordings.xml", site, folder=paths.RECORDINGS)
