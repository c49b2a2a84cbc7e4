"""Conferences: mod_conference, a profile for each."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator

from markupsafe import Markup

from callcenter.render import sounds
from callcenter.render._files import File
from callcenter.render.services import _names as names
from callcenter.render.services import paging_groups, pins
from callcenter.render.services._dialplan import config
from callcenter.site import Conference, Site

__all__ = ["COSTS", "files", "modules"]

COSTS = {"autoload_configs/conference.conf.xml": None}
"""Read when the first conference comes."""


def modules(site: Site) -> tuple[str, ...]:
    """Name mod_conference, and the module of its tones."""
    return ("mod_conference", "mod_tone_stream") if site.conferences else ()


def files(site: Site) -> Iterator[File]:
    """Yield the profiles, of pages as well, and the dialplan that leads into conferences."""
    if site.conferences or site.paging_groups:
        music = sounds.HOLD_MUSIC if site.hold_music is not None else None
        page = paging_groups.PROFILE
        yield config(
            "autoload_configs/conference.conf.xml",
            site,
            rooms=[(room, room.announce == "words") for room in site.conferences],
            music=music,
            page=page,
        )
    if not site.conferences:
        return
    yield config(
        "dialplan/services/conferences.xml",
        site,
        rooms=[(room, _counted(room)) for room in site.conferences],
        pins=functools.partial(pin_hashes, site),
        salt=functools.partial(_salt, site),
        pin_tries=pins.TRIES,
    )


def pin_hashes(site: Site, room: Conference) -> Iterator[tuple[str, str]]:
    """Yield the hash of each PIN of a conference, with what mod_conference is told of who types
    it."""
    for pin, flags in ((room.moderator_pin, "+flags{moderator}"), (room.pin, "")):
        if pin is not None:
            text = f"{_salt(site, room)}:{site.reveal(pin)}"
            yield hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), flags


def _counted(room: Conference) -> Markup:
    """Return what counts attempts at a conference's PIN: callers by one trunk, or from inside, lock
    out nobody else."""
    return Markup(f"pin {names.service('conferences', room.name)}/${{trunk}}")


def _salt(site: Site, room: Conference) -> str:
    return f"{room.name}@{site.domain}"
