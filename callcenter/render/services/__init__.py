"""What a call can reach besides a phone: one module a service, all of one shape.

Each has ``modules(site)``, the FreeSWITCH modules that it needs, and ``files(site)``, its part of
the configuration. Both are empty where the Site does not ask for it, so that what is switched off
is gone from the host.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final, Protocol, runtime_checkable

from callcenter.render._files import File
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


@runtime_checkable
class Service(Protocol):
    """The shape of the modules here."""

    def modules(self, site: Site) -> tuple[str, ...]:
        """List FreeSWITCH's modules that the service needs, none where it is off."""

    def files(self, site: Site) -> Iterator[File]:
        """Yield its files below the configuration folder."""


def _services() -> Iterator[Service]:
    for name in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        if name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{name}")
        if not isinstance(module, Service):
            raise TypeError(f"{module.__name__} has not the shape of a service")
        yield module


SERVICES: Final[tuple[Service, ...]] = tuple(_services())
"""Modules of the services, by name."""
