"""Numbers as people write them when they dial: signs between digits, and a ``#`` at the end, mean
nothing. One rule, for the dialplan and for whoever tells a call's way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from callcenter.site._plan import dialled_numbers

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = [
    "FORWARDERS",
    "GROUPS",
    "HASH",
    "PARAMETERS",
    "WRITTEN",
    "cleaned",
    "hash_ended",
    "without_parameters",
]

_SIGN = r"[ ().\-]"
GROUPS = 8
"""Groups of digits at most; more is no number that people write."""
# Each run is taken whole, so that no text costs more than its length.
WRITTEN = r"^[ (]*+(\+?[0-9*#]*+)" + rf"{_SIGN}*+([0-9*#]*+)" * (GROUPS - 1) + r"\z"
"""Number with signs between its groups or without, as PCRE reads it."""
HASH = r"^(\+?[0-9*#]{1,31})#\z"
"""Number that a # ends, as some phones send it to say that it is whole."""

PARAMETERS = r"^(\+?[0-9]{1,32})(?:;[A-Za-z0-9=+.-]{1,60}){1,8}\z"
"""Number with parameters behind it, such as those of number portability (RFC 4694)."""

FORWARDERS = {
    "sip_history_info": r"^(?:.*,)?[^<,]*<(?:sip|sips|tel):(\+?[0-9]{3,20})[@;>][^,]*,[^,]*\z",
    "sip_h_Diversion": r"^[^<]*<(?:sip|sips|tel):(\+?[0-9]{3,20})[@;>].*\z",
}
"""Variables of FreeSWITCH in which a carrier says who has sent a call on, and how: the last but one
of History-Info's, and the first of a Diversion's. A number is taken, and nothing else."""


def without_parameters(text: str) -> str:
    """Return a carrier's number without what stands behind it."""
    found = re.match(PARAMETERS.replace(r"\z", r"\Z"), text)
    return found[1] if found else text


def hash_ended(site: Site) -> list[str]:
    """List the Site's own numbers that end in #: with these it is part of them."""
    return sorted({number for _, number in dialled_numbers(site) if number.endswith("#")})


def cleaned(site: Site, text: str) -> str:
    """Return what the dialplan takes a dialled text for; one that is no number stays as it is."""
    if found := re.match(WRITTEN.replace(r"\z", r"\Z"), text):
        text = "".join(found.groups())
    found = re.match(HASH.replace(r"\z", r"\Z"), text)
    return found[1] if found and text not in hash_ended(site) else text
