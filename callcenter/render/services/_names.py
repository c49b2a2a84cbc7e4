"""Names in the dialplan's context of services that more than one file has to know: where a call is
sent there, in the extension that takes it, and where its record is read."""

from __future__ import annotations

from typing import Final

from callcenter.onhost.delivery import ASKED, EMERGENCY, NOTIFIED, ROUTE
from callcenter.site.destinations import word_of

__all__ = [
    "AGENT",
    "ASKED",
    "CAPPED",
    "CAP_HOURS",
    "CHECK_ANY_VOICEMAIL",
    "CHECK_VOICEMAIL",
    "EMERGENCY",
    "EXTENSION",
    "FORWARD",
    "HANG_UP",
    "INTERCOM",
    "LIMIT",
    "NIGHT",
    "NOTIFIED",
    "OUTSIDE",
    "PAGE",
    "PARK_ANYWHERE",
    "PARK_IN",
    "ROUTE",
    "TAKE_FROM",
    "VOICEMAIL",
    "beginning",
    "service",
]


def beginning(field: str) -> str:
    """Return what names begin with that a field of destinations or codes leads to."""
    return f"{field.replace('_', '-')}-"


def service(kind: str, name: str) -> str:
    """Return the name of one of the Site's services: ``service("queues", "sales")``."""
    return f"{beginning(word_of(kind))}{name}"


EXTENSION: Final = beginning("extension")
VOICEMAIL: Final = beginning("voicemail")
HANG_UP: Final = beginning("hang_up")
OUTSIDE: Final = beginning("outside")
FORWARD: Final = beginning("forward")
INTERCOM: Final = beginning("intercom")
AGENT: Final = "agent-"
NIGHT: Final = "night-"
PAGE: Final = "page-"
PARK_IN: Final = "park-in-"
TAKE_FROM: Final = "take-from-"
PARK_ANYWHERE: Final = "park-anywhere"
CHECK_VOICEMAIL: Final = "check-voicemail"
CHECK_ANY_VOICEMAIL: Final = "check-any-voicemail"
CAP_HOURS: Final = "cap-hours-"
CAPPED: Final = "capped-"
LIMIT: Final = "limit-"
