"""Conferences: mod_conference, a profile for each."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import sounds
from callcenter.render._files import File
from callcenter.render.services._way import config
from callcenter.site import Site

__all__ = ["files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """mod_conference, and its tones."""
    return ("mod_conference", "mod_tone_stream") if site.conferences else ()


def files(site: Site) -> Iterator[File]:
    """The profiles, and the dialplan that leads into them."""
    if not site.conferences:
        return
    music = sounds.HOLD_MUSIC if site.hold_music is not None else None
    yield config(
        "autoload_configs/conference.conf.xml",
        site,
        music=music,
        reveal=lambda pin: pin and site.reveal(pin),
    )
    yield config("dialplan/services/conferences.xml", site)
