"""Notices: announcements with a name, for callers to hear and for people to be called with."""

from __future__ import annotations

from dataclasses import KW_ONLY

from callcenter.site._model import model
from callcenter.site._types import Name, Number
from callcenter.site.destinations import Destination
from callcenter.site.sounds import Announcement

__all__ = ["Notice"]


@model
class Notice:
    """An announcement that is a destination, and that ``python -m callcenter notify`` calls people
    with."""

    name: Name
    """Name that destinations call it by."""
    announcement: Announcement
    """Announcement that is heard."""
    _: KW_ONLY
    number: Number | None = None
    """Number that extensions dial to hear it. Default: other parts of the Site alone reach it."""
    otherwise: Destination | None = None
    """Destination of the call when all was heard. Default: it ends."""
