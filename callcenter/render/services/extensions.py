"""Extensions as destinations, and what happens to calls that nobody answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config, leads_on, records
from callcenter.site import Extension, Site

__all__ = ["a1_hash", "files", "hash_of"]


def a1_hash(site: Site, extension: Extension) -> str:
    """Return RFC 2617's HA1: enough to check a phone's digest, and useless as a password
    elsewhere."""
    return hash_of(site, extension, site.reveal(extension.password))


def hash_of(site: Site, extension: Extension, password: str) -> str:
    """Return the hash by which a password of an extension is known: SIP's, and TURN's (RFC 8489,
    9.2.2)."""
    text = f"{extension.number}:{site.domain}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that rings an extension for a service."""
    busy = "(?:USER_BUSY|CALL_REJECTED)"
    # What Kamailio names where an extension has no phone.
    absent = "USER_NOT_REGISTERED" + ("|SUBSCRIBER_ABSENT" if site.network.edge else "")
    causes = {"busy": busy, "not_registered": f"(?:{absent})"}
    yield config(
        "dialplan/services/extensions.xml",
        site,
        leads_on=leads_on(site),
        records=records(site),
        busy=busy,
        causes={
            field: cause
            for field, cause in causes.items()
            if any(getattr(one, field) is not None for one in site.extensions)
        },
    )
