"""Shape of a service: what its module may say, and what is so where it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any

from callcenter.render._actions import Action
from callcenter.render._files import File
from callcenter.site import Site, Switch

__all__ = ["NOTHING", "Service", "Unit", "service_of"]

NOTHING = "no call notices"
"""Cost of most steps."""


@dataclass(frozen=True)
class Unit:
    """A systemd unit of a service's, and what goes from the host with it."""

    path: str
    """File of the unit: a service, a timer with the service of its name, or a path."""
    reads: tuple[str, ...] = ()
    """Files for which it is started anew, besides its own."""
    state: str | None = None
    """Folder of what it alone has written down."""
    table: str | None = None
    """Table of the packet filter that it fills."""
    packages: tuple[str, ...] = ()
    """Packages that came for its sake, unless something else of the host needs them."""
    starts: bool = True
    """Start at boot and after each change; False for one that others start."""
    cost: str = NOTHING
    """Words for what is noticed of its restart."""


def _nothing(site: Site) -> tuple[Any, ...]:
    return ()


@dataclass(frozen=True)
class Service:
    """What a module here says of its service. Each is empty where it says nothing, and where the
    Site does not ask for the service: what is switched off is gone from the host."""

    name: str
    modules: Callable[[Site], tuple[str, ...]] = _nothing
    """FreeSWITCH's modules that it needs."""
    files: Callable[[Site], Iterator[File]] = field(default=lambda site: iter(()))
    """Files below the configuration folder."""
    on_host: Callable[[Site], Iterator[File]] = field(default=lambda site: iter(()))
    """Files elsewhere on a Linux host: programs, their settings, their units."""
    apart: Callable[[Site, Switch, Switch], Iterator[File]] = field(
        default=lambda site, switch, edge: iter(())
    )
    """Files of a switch behind an edge of another host, instead of those of the same path."""
    packages: Callable[[Site], tuple[str, ...]] = _nothing
    """Debian's packages that those programs need."""
    needs_linux: Callable[[Site], Iterator[str]] = field(default=lambda site: iter(()))
    """Fields that a Windows host cannot have, a line each, with the reason."""
    units: tuple[Unit, ...] = ()
    """Units among those files, in the order in which they start."""
    folders: tuple[str, ...] = ()
    """Files among them that tell systemd-tmpfiles which folders there are."""
    costs: Mapping[str, Action | None] = field(default_factory=dict)
    """Action by which FreeSWITCH reads a file (or a folder) of the configuration, where reloadxml
    alone (None) or something gentler than a restart does."""
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Ends of paths that hold a secret whole, and what a diff says instead."""


_SAID = {one.name for one in fields(Service)} - {"name"}
CONSTANTS = frozenset({"units", "folders", "costs", "hidden"})
"""Names that a module says in capitals."""


def service_of(module: ModuleType) -> Service:
    """Return what a module says. Raises TypeError where that is nothing."""
    names = {one: one.upper() if one in CONSTANTS else one for one in _SAID}
    said = {one: vars(module)[name] for one, name in names.items() if name in vars(module)}
    if not said:
        raise TypeError(f"{module.__name__} says nothing of a service")
    service = Service(module.__name__.rpartition(".")[2], **said)
    if not (isinstance(service.units, tuple) and all(isinstance(u, Unit) for u in service.units)):
        raise TypeError(f"{module.__name__}.UNITS is no tuple of units")
    return service
