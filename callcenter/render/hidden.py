"""Files that a diff does not show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from callcenter.render import paths
from callcenter.render.services import SERVICES

__all__ = ["HIDDEN"]

HIDDEN: Final[Mapping[str, str]] = {
    ".wav": "sound",
    ".key": "private key",
    ".phone": "settings of a phone, with what it logs in by",
    paths.TURN_USERS: "keys of TURN",
    "/jssip.js": "JsSIP",
    paths.ACME_HOOK_SECRET: "secret of the DNS hook",
    **{end: words for service in SERVICES for end, words in service.hidden.items()},
}
"""Ends of paths, and what a diff says instead."""
