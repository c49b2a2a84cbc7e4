"""Voicemail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services import pins
from callcenter.render.services._way import config
from callcenter.site import Extension, Site

__all__ = ["PROFILE", "files", "modules", "pin_hash"]

PROFILE = "default"
"""mod_voicemail's profile: a folder of the storage and a database are called after it."""


def modules(site: Site) -> tuple[str, ...]:
    """Name the module of voicemail itself."""
    return ("mod_voicemail",) if site.mailboxes else ()


def files(site: Site) -> Iterator[File]:
    """Yield the profile, and the dialplan that leads into mailboxes."""
    if not site.mailboxes:
        return
    values = {"profile": PROFILE, "voicemail": site.voicemail, "pin_calls": pins.CALLS}
    yield config("autoload_configs/voicemail.conf.xml", site, **values)
    yield config("dialplan/services/voicemails.xml", site, **values)


def pin_hash(site: Site, extension: Extension) -> str | None:
    """Return what mod_voicemail compares a typed PIN with, where the extension has a mailbox."""
    if extension.mailbox is None:
        return None
    text = f"{extension.number}:{site.domain}:{site.reveal(extension.mailbox.pin)}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
