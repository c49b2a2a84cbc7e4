"""PINs that callers type: attempts are counted over calls, since a call has three, and another is
cheap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from callcenter.render._files import File
from callcenter.render.services._dialplan import config
from callcenter.site import Site

__all__ = ["CALLS", "OWN", "TRIES", "files"]

TRIES: Final = 12
"""Wrong PINs within an hour, until a right one comes."""
CALLS: Final = TRIES // 3
"""Calls of as many: mod_voicemail counts its attempts itself, three a call."""
OWN: Final = "own-"
"""Begins the name by which an owner's attempts at the own mailbox are counted."""


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan for a call that has had too many PIN attempts."""
    if site.mailboxes or any(room.pin for room in site.conferences):
        yield config("dialplan/services/pins.xml", site)
