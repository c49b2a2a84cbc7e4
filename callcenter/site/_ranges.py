"""What YAML writes once for many: extensions and agents by a range."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from callcenter.site._model import Problem, SiteError
from callcenter.site._types import dialled
from callcenter.site.blocks import unfolded
from callcenter.site.extensions import MAXIMUM_RANGE, Extension

__all__ = ["EXPANDED", "RANGE", "agents", "extensions"]

RANGE = re.compile(r"([1-9][0-9]{1,14})-([1-9][0-9]{1,14})")
"""Range without a leading zero: Extension.range counts, and 0100 to 0119 would lose theirs."""


def extensions(given: object) -> object:
    """Expand what YAML writes for extensions: ``"1000-1019"`` for a range, and ``1000`` for one
    without options."""
    if not isinstance(given, list | tuple):
        return given
    out: list[object] = []
    for item in given:
        # Where it is to stand: what is refused later is counted in this list, too.
        index = len(out)
        alike: Any = item if isinstance(item, Mapping) else {"number": item}
        alike = {str(key): value for key, value in alike.items()}
        number = alike.pop("number", None)
        if isinstance(number, str) and "-" in number:
            if not (ends := RANGE.fullmatch(number.strip())):
                raise Problem(f"[{index}]", "is no range; use one such as '1000-1019'")
            try:
                out += Extension.range(int(ends[1]), int(ends[2]), **alike)
            except SiteError as refused:
                raise SiteError(
                    f"[{index}]" + line.removeprefix("Extension").removeprefix(".range")
                    for line in refused.problems
                ) from None
        elif isinstance(item, str | int) and not isinstance(item, bool):
            out.append({"number": dialled(item)})
        else:
            out.append(item)
    return out


def agents(given: object) -> object:
    """Expand what YAML writes for agents: the extensions ``"1000-1049"`` for a range."""
    if not isinstance(given, list | tuple):
        return given
    out: list[object] = []
    for item in given:
        index = len(out)
        extension = item.get("extension") if isinstance(item, Mapping) else None
        if not (isinstance(extension, str) and "-" in extension):
            out.append(item)
            continue
        if not (ends := RANGE.fullmatch(extension.strip())):
            raise Problem(f"[{index}].extension", "is no range; use one such as '1000-1049'")
        first, last = int(ends[1]), int(ends[2])
        if last < first:
            raise Problem(f"[{index}].extension", f"{first} is above {last}; put the lower first")
        if last - first >= MAXIMUM_RANGE:
            raise Problem(f"[{index}].extension", f"holds more than {MAXIMUM_RANGE} numbers")
        if item.get("outside") is not None:
            raise Problem(f"[{index}].outside", "is one agent's; write that one by itself")
        out += [{**item, "extension": str(number)} for number in range(first, last + 1)]
    return out


EXPANDED: Mapping[str, Callable[[object], object]] = {
    "extensions": extensions,
    "agents": agents,
    "inbound": unfolded,
}
"""Lists of which one item in YAML may be several."""
