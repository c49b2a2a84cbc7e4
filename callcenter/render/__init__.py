"""Site and host to files. Pure: knows nothing of pyinfra and asks no host."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from callcenter.render._files import Difference, File, Tree

if TYPE_CHECKING:
    from callcenter.render import (
        acme,
        apt,
        beside,
        freeswitch,
        kamailio,
        packet_filter,
        pool,
        postgresql,
        public_address,
        services,
        turn,
        web,
        windows,
    )

__all__ = [
    "Difference",
    "File",
    "Tree",
    "acme",
    "apt",
    "beside",
    "freeswitch",
    "kamailio",
    "packet_filter",
    "pool",
    "postgresql",
    "public_address",
    "services",
    "turn",
    "web",
    "windows",
]


def __getattr__(name: str) -> ModuleType:
    """Return a part when it is first asked for: all of them bring along all that a Site may say,
    which takes longer than most of what needs but one."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
