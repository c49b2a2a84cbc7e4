"""What a call can reach besides a phone: one module a service, all of one shape, which
:class:`Service` describes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final

from callcenter.render.services import billing, event_socket, mail
from callcenter.render.services._dialplan import CONTEXT, SRTP_SUITES, WEB, legs, name_of
from callcenter.render.services._shape import Service, Unit, service_of
from callcenter.render.services.extensions import a1_hash, hash_of
from callcenter.render.services.voicemails import pin_hash

__all__ = [
    "CONTEXT",
    "SERVICES",
    "SRTP_SUITES",
    "WEB",
    "Service",
    "Unit",
    "billing",
    "event_socket",
    "legs",
    "mail",
    "name_of",
]
__all__ += ["a1_hash", "hash_of", "pin_hash"]


def _services() -> Iterator[Service]:
    for name in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        if not name.startswith("_"):
            yield service_of(importlib.import_module(f"{__name__}.{name}"))


SERVICES: Final[tuple[Service, ...]] = tuple(_services())
"""The services, by name."""
