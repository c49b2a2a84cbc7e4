"""Faxes: mod_spandsp."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._way import config
from callcenter.site import Site

__all__ = ["ARRIVED_SCRIPT", "files", "modules"]

ARRIVED_SCRIPT = "scripts/fax-arrived.lua"
"""Script that tells a unit of the host that a fax has arrived."""
JITTER_MS = 400
"""Milliseconds by which a fax's tones may be late. Without a jitter buffer FreeSWITCH fills in
silence for a packet that is late and then plays it as well: the tones slip, and the modem is lost.
T.30 waits 3 s for an answer, so both ways together leave it time enough."""


def modules(site: Site) -> tuple[str, ...]:
    """Name the modules that speak T.30 and T.38, and that report a fax that has arrived."""
    return ("mod_lua", "mod_spandsp") if site.faxes else ()


def files(site: Site) -> Iterator[File]:
    """Yield the module's settings, and the dialplan that receives."""
    if site.faxes:
        yield config("autoload_configs/spandsp.conf.xml", site, folder=paths.FAXES)
        script = f"{paths.CURRENT}/{ARRIVED_SCRIPT}"
        yield config(
            "dialplan/services/faxes.xml",
            site,
            folder=paths.FAXES,
            script=script,
            jitter_ms=JITTER_MS,
        )
        yield File(
            ARRIVED_SCRIPT, plain(f"freeswitch/{ARRIVED_SCRIPT}.j2", folder=paths.FAXES), 0o640
        )
