"""Where announcements are on a host."""

from __future__ import annotations

import hashlib

from callcenter.site import Announcement

__all__ = ["path"]


def path(announcement: Announcement) -> str:
    """The file that FreeSWITCH plays."""
    name = hashlib.sha256(repr(announcement).encode()).hexdigest()[:16]
    return f"/var/lib/callcenter/sounds/{name}.wav"
