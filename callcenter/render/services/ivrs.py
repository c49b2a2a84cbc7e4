"""IVR menus."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config, transfer_to
from callcenter.site import Destination, Ivr, Site

__all__ = ["COSTS", "files", "modules"]

COSTS = {"autoload_configs/ivr.conf.xml": None}


def modules(site: Site) -> tuple[str, ...]:
    """Name the modules of recorded announcements, and of the tone after a wrong key."""
    return ("mod_tone_stream",) if site.ivrs else ()


def files(site: Site) -> Iterator[File]:
    """Yield the menus, and the dialplan that leads into them and on."""
    if not site.ivrs:
        return
    yield config(
        "autoload_configs/ivr.conf.xml",
        site,
        digits=digits,
        command=command,
        milliseconds=lambda seconds: seconds * 1000,
    )
    yield config("dialplan/services/ivrs.xml", site)


def digits(site: Site, ivr: Ivr) -> int:
    """Count the keys that a caller can press in a row."""
    options = max((len(keys) for keys in ivr.options), default=1)
    numbers = max(len(one.number) for one in site.extensions) if ivr.direct_dial else 1
    return max(options, numbers)


def command(destination: Destination) -> str:
    """Return the application and its argument, as a menu's entry has them."""
    return " ".join(transfer_to(destination))
