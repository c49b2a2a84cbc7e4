"""Regular expressions of numbers, as the dialplan has them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from callcenter.site import Site

__all__ = ["emergency_numbers", "literal", "one_of", "whole"]


def literal(number: str) -> str:
    """Return the expression of a number itself: * and # are dialled, too."""
    return re.sub(r"([*#])", r"[\1]", number)


def whole(pattern: str) -> str:
    """Return an expression of a Site's with the end that nothing passes: PCRE's ``$`` lets a line
    break follow."""
    return pattern.removesuffix("$") + r"\z"


def emergency_numbers(site: Site) -> str:
    """Return the expression of the Site's emergency numbers, or an empty one."""
    return one_of(one.number for one in site.emergency)


def one_of(known: Iterable[str]) -> str:
    """Return the expression of any of some numbers."""
    return "|".join(literal(one) for one in known)
