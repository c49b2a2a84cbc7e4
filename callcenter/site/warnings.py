"""What of a Site is no fault and may surprise somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callcenter.site._plan import callers_lost, slow_numbers
from callcenter.site.served import ending_soon

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = ["warnings"]


def warnings(site: Site) -> list[str]:
    """List what is no fault and may surprise somebody, a line each."""
    slow = slow_numbers(site) if site.dialling == "digit-by-digit" else []
    return site.placed([*slow, *callers_lost(site), *ending_soon(site)])
