"""Calls that the Site itself sends outside, in an extension's name."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services import _names as names
from callcenter.render.services._dialplan import config
from callcenter.render.services._expressions import emergency_numbers
from callcenter.render.services.trunks import own_numbers
from callcenter.site import Site
from callcenter.site._outside import asks

__all__ = ["files", "modules"]


def modules(site: Site) -> tuple[str, ...]:
    """Name the module by which a number that rings among others goes through the dialplan."""
    return ("mod_loopback",) if asks(site) else ()


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that leads from a destination to an extension's routes."""
    if site.outbound:
        yield config(
            "dialplan/services/sent_outside.xml",
            site,
            named=f"(?:{'|'.join(one[:-1] for one in (names.OUTSIDE, names.ASKED))})-",
            number=_number(site),
            own_numbers=own_numbers(site.inbound),
            history=any(trunk.forwarded_in == "history-info" for trunk in site.trunks),
        )


def _number(site: Site) -> str:
    """Return the expression of a number that a call may be sent to: any but one for help."""
    urgent = emergency_numbers(site)
    return (rf"(?!(?:{urgent})\z)" if urgent else "") + r"(\+?\d{2,20})"
