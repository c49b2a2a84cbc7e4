"""Recordings of calls."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._dialplan import config, records
from callcenter.render.services._shape import Unit
from callcenter.site import Site

__all__ = ["UNITS", "files", "modules", "on_host"]

UNITS = (Unit(f"{paths.RETENTION}.timer"),)


def modules(site: Site) -> tuple[str, ...]:
    """Name the module that writes WAV files."""
    return ("mod_sndfile",) if records(site) else ()


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that begins a recording where the caller or the called says so."""
    if records(site):
        said = ((site.recording.pause, "pause"), (site.recording.resume, "resume"))
        yield config(
            "dialplan/services/recordings.xml",
            site,
            folder=paths.RECORDINGS,
            keys=[(key, name) for key, name in said if key is not None],
        )


def on_host(site: Site) -> Iterator[File]:
    """Yield what deletes old recordings."""
    # find counts whole days, and leaves out those of which less than one more is over.
    values = {"site": site, "paths": paths, "older_than": site.recording.keep_days - 1}
    for kind in ("service", "timer") if records(site) else ():
        yield File(f"{paths.RETENTION}.{kind}", plain(f"system/retention.{kind}.j2", **values))
