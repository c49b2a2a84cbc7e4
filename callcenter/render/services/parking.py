"""Parking: mod_valet_parking, one lot."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config
from callcenter.site import Site

__all__ = ["files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """Name mod_valet_parking."""
    return ("mod_valet_parking",) if site.parking is not None else ()


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that parks calls and hands them out."""
    if site.parking is not None:
        yield config("dialplan/services/parking.xml", site, lot=f"parking@{site.domain}")
