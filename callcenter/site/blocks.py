"""Blocks of DIDs as YAML writes them: ``+49301234000-099``, to one destination or to extensions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callcenter.site._model import Problem, SiteError
from callcenter.site.trunks import Did

__all__ = ["EXTENSIONS", "NUMBERS", "unfolded"]

NUMBERS = re.compile(r"(\+[1-9][0-9]{5,14})-([0-9]{1,14})")
EXTENSIONS = re.compile(r"([1-9][0-9]{1,14})-([1-9][0-9]{1,14})")


def unfolded(given: object) -> object:
    """Return a list of DIDs with its blocks written out, a DID each or a range."""
    if not isinstance(given, list | tuple):
        return given
    out: list[object] = []
    for item in given:
        # Where it is to stand: what is refused later is counted in this list, too.
        out += _written_out(f"[{len(out)}]", item)
    return out


def _written_out(path: str, item: object) -> Iterator[object]:
    if not isinstance(item, Mapping):
        yield item
        return
    did: dict[str, Any] = {str(key): value for key, value in item.items()}
    number, to = did.get("number"), did.get("to")
    count = 1
    if isinstance(number, str) and "-" in number:
        did["number"], did["last"], count = _block(f"{path}.number", number, did)
    extensions = to.get("extension") if isinstance(to, Mapping) else None
    if not (isinstance(extensions, str) and "-" in extensions):
        yield did
        return
    assert isinstance(to, Mapping)
    if more := [str(key) for key in to if key != "extension"]:
        raise Problem(f"{path}.to", f"has {more[0]}, too; give one destination")
    if not (ends := EXTENSIONS.fullmatch(extensions.strip())):
        raise Problem(f"{path}.to", "is no range of extensions; use one such as '1000-1099'")
    first, last = int(ends[1]), int(ends[2])
    if last < first:
        raise Problem(f"{path}.to", f"{last} is below {first}; put the lower one first")
    if last - first + 1 != count:
        words = "1 number" if count == 1 else f"{count} numbers"
        raise Problem(
            f"{path}.to",
            f"{words} cannot be those of {last - first + 1} extensions; give as many of both",
        )
    try:
        yield from Did.block(did["number"], did["last"], first=first, trunk=did.get("trunk"))
    except SiteError as refused:
        raise SiteError(
            f"{path}.number" + line.removeprefix("Did.block") for line in refused.problems
        ) from None


def _block(path: str, number: str, did: Mapping[str, Any]) -> tuple[str, str, int]:
    if not (ends := NUMBERS.fullmatch(number.strip())):
        raise Problem(path, "is no range; use one such as '+49301234000-099'")
    if did.get("last") is not None:
        raise Problem(path, "is a range, and last is given, too; keep one of them")
    first, tail = ends[1], ends[2]
    end = first[len(first) - len(tail) :]
    if len(tail) >= len(first) - 1:
        raise Problem(
            path,
            f"ends in {tail}, which has as many digits as the whole number; use one such as "
            "'+49301234000-099'",
        )
    if int(tail) <= int(end):
        raise Problem(path, f"{end}-{tail} is no range; put the lower end first")
    return first, first[: -len(tail)] + tail, int(tail) - int(end) + 1
