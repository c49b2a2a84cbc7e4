"""What a call can reach besides a phone: one module a service, all of one shape.

Each has ``modules(site)``, the FreeSWITCH modules that it needs, and ``files(site)``, its part of
the configuration. Both are empty where the Site does not ask for it, so that what is switched off
is gone from the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from callcenter.render._files import File
from callcenter.render.services import (
    applications,
    billing,
    callers,
    caps,
    cdrs,
    codecs,
    conferences,
    extensions,
    faxes,
    features,
    hours,
    http_applications,
    ivrs,
    notices,
    parking,
    pins,
    queues,
    recordings,
    relays,
    ring_groups,
    scripts,
    sent_outside,
    trunks,
    voicemails,
)
from callcenter.render.services._way import (
    BROWSER,
    CONTEXT,
    PHONE_SRTP,
    WEB,
    action,
    codes,
    leads_on,
    legs,
    name_of,
    numbers,
    records,
)
from callcenter.render.services.voicemails import pin_hash
from callcenter.site import Site

__all__ = [
    "BROWSER",
    "CONTEXT",
    "PHONE_SRTP",
    "SERVICES",
    "WEB",
    "Service",
    "action",
    "codes",
    "leads_on",
    "legs",
    "name_of",
    "numbers",
    "records",
]
__all__ += ["pin_hash"]


class Service(Protocol):
    """The shape of the modules here."""

    def modules(self, site: Site) -> tuple[str, ...]:
        """List FreeSWITCH's modules that the service needs, none where it is off."""

    def files(self, site: Site) -> Iterator[File]:
        """Yield its files below the configuration folder."""


SERVICES: Final[tuple[Service, ...]] = (
    applications,
    billing,
    callers,
    caps,
    cdrs,
    codecs,
    conferences,
    extensions,
    faxes,
    features,
    hours,
    http_applications,
    ivrs,
    notices,
    parking,
    pins,
    queues,
    recordings,
    relays,
    ring_groups,
    scripts,
    sent_outside,
    trunks,
    voicemails,
)
