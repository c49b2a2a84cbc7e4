"""Callers from outside: the number that phones show, their names, and where some of them go."""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, Name
from callcenter.site.destinations import Destination
from callcenter.site.trunks import (
    E164,
    Country,
    NumberFormat,
    Prefix,
    Trunk,
    check_e164,
    heard,
    written,
)

__all__ = ["ANONYMOUS", "Caller", "CallerRule", "Callers", "read_book"]

ANONYMOUS = "anonymous"
"""Number of a caller who shows none."""

MAXIMUM_NAMES = 20_000
"""Lines of an address book: FreeSWITCH holds each in memory."""

MAXIMUM_LISTED = 200
"""Numbers of a rule; more are a group of the address book."""

_COLUMNS = (["number", "name"], ["number", "name", "group"])


def _shown_name(text: str) -> str:
    if not text or len(text) > 60:
        raise ValueError("is no name of 1 to 60 signs; shorten it")
    for sign in text:
        if unicodedata.category(sign)[0] not in "LMN" and sign not in " .,'&()/+-_":
            raise ValueError(
                f"holds {sign!r} (U+{ord(sign):04X}); use letters, digits, spaces and . , ' & ( ) "
                "/ + - _"
            )
    return text


CallerName = Annotated[str, AfterValidator(_shown_name)]
"""Name that phones show: letters of any script, digits, and a few signs."""


@dataclass(frozen=True)
class Caller:
    """An entry of the address book."""

    number: str
    """Number of E.164."""
    name: str
    """Name that phones show, or nothing: the number is shown."""
    group: str
    """Group that rules may name, or nothing."""


def read_book(file: Path) -> tuple[Caller, ...]:
    """Return the entries of an address book, or the refusal of its field, with the line."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines, strict=True)
            return _entries(file, rows)
    except OSError:
        raise Problem("address_book", f"{file} cannot be read; give a CSV file") from None
    except UnicodeDecodeError:
        raise Problem("address_book", f"{file} is no UTF-8 text; save it as such") from None


def _entries(file: Path, rows: object) -> tuple[Caller, ...]:
    reader = iter(rows)  # type: ignore[call-overload]
    out: dict[str, tuple[int, Caller]] = {}
    try:
        head = [cell.strip().lower() for cell in next(reader, [])]
        if head not in _COLUMNS:
            raise Problem(
                "address_book", f"{file} line 1: begin with 'number,name' or 'number,name,group'"
            )
        for cells in reader:
            line = rows.line_num  # type: ignore[attr-defined]
            if not any(cell.strip() for cell in cells):
                continue
            caller = _entry(f"{file} line {line}", head, cells)
            if caller.number in out:
                raise Problem(
                    "address_book",
                    f"{file} line {line}: {caller.number} is already in line "
                    f"{out[caller.number][0]}; keep one of them",
                )
            out[caller.number] = line, caller
            if len(out) > MAXIMUM_NAMES:
                raise Problem(
                    "address_book",
                    f"{file} line {line}: is one more than {MAXIMUM_NAMES} entries; shorten it",
                )
    except csv.Error as wrong:
        line = rows.line_num  # type: ignore[attr-defined]
        raise Problem(
            "address_book", f"{file} line {line}: is no CSV ({wrong}); mend its quotes"
        ) from None
    if not out:
        raise Problem("address_book", f"{file} names nobody; add a line, or leave it out")
    return tuple(caller for _, caller in out.values())


def _entry(where: str, head: list[str], cells: list[str]) -> Caller:
    if len(cells) != len(head):
        raise Problem(
            "address_book", f"{where}: has {len(cells)} cells; give {len(head)}: {','.join(head)}"
        )
    number, name, group = [*(cell.strip() for cell in cells), ""][:3]
    # As people write numbers; what is left must be one.
    number = re.sub(r"[ ()./\-]", "", number)
    try:
        check_e164(number)
    except ValueError as wrong:
        raise Problem("address_book", f"{where}: number {wrong}") from None
    if group and not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", group):
        raise Problem(
            "address_book",
            f"{where}: group is no name; use small letters, digits and -, such as 'vip'",
        )
    if name:
        try:
            _shown_name(name)
        except ValueError as wrong:
            raise Problem("address_book", f"{where}: name {wrong}") from None
    elif not group:
        raise Problem("address_book", f"{where}: has neither name nor group; give one")
    return Caller(number, name, group)


@model
class CallerRule:
    """Treatment of some callers. The first rule that fits a call is taken, and no other."""

    name: Name
    """Name of the rule, for ``route`` and FreeSWITCH's log."""
    _: KW_ONLY
    numbers: Annotated[Many[E164], Field(max_length=MAXIMUM_LISTED)] = ()
    """Callers by number, 200 at most; more are a group of the address book."""
    prefixes: Many[Prefix] = ()
    """Callers by how their numbers begin, such as ``+49900``."""
    groups: Many[Name] = ()
    """Callers by their group in the address book."""
    anonymous: Annotated[bool, Field(strict=True)] = False
    """Callers who show no number."""
    unlisted: Annotated[bool, Field(strict=True)] = False
    """Callers who are not in the address book, anonymous ones too."""
    called: Many[E164] = ()
    """Calls to these numbers of ``inbound`` alone, each as it stands there. Default: to all."""
    to: Destination | None = None
    """Destination of their calls, instead of the DID's: ``hang_up("CALL_REJECTED")`` blocks them.
    Default: the DID's."""
    shown_as: CallerName | None = None
    """Name that phones show for them. Default: that of the address book, or the number."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.numbers or self.prefixes or self.groups or self.anonymous or self.unlisted):
            raise Problem(
                "numbers",
                "is empty, so the rule fits nobody; give numbers, prefixes, groups, "
                "anonymous or unlisted",
            )
        if self.to is None and self.shown_as is None:
            raise Problem("to", "is missing, so nothing would happen; give it, or shown_as")
        if self.unlisted and (self.numbers or self.prefixes or self.groups or self.anonymous):
            raise Problem("unlisted", "fits these, too, or excludes them; make them rules apart")
        for field in ("numbers", "prefixes", "groups", "called"):
            given = getattr(self, field)
            for index, one in enumerate(given):
                if one in given[:index]:
                    raise Problem(f"{field}[{index}]", f"{one} is listed twice; list it once")
        for index, number in enumerate(self.numbers):
            if (one := next((p for p in self.prefixes if number.startswith(p)), None)) is not None:
                raise Problem(
                    f"numbers[{index}]", f"{number} is in prefixes as {one}; leave it out"
                )
        return self

    def fits(self, caller: str, entry: Caller | None, called: str) -> bool:
        """Return True where it is the rule of a caller's call to a DID's number."""
        if self.called and called not in self.called:
            return False
        if self.unlisted:
            return entry is None
        if caller == ANONYMOUS:
            return self.anonymous
        in_group = entry is not None and entry.group in self.groups
        return caller in self.numbers or caller.startswith(tuple(self.prefixes)) or in_group


@model
class Callers:
    """Numbers and names of callers from outside, as phones show them, and where some of them go."""

    _: KW_ONLY
    national: Country | None = None
    """Country of numbers that a carrier sends without one, where its trunk says no other
    (``Trunk.national``), and the country of ``number_format``. Default: those numbers are shown as
    they came."""
    number_format: NumberFormat = "+"
    """Way in which phones show a caller's number, so that their call lists call back by a route:
    ``+49…``, ``0049…``, ``49…``, or ``national``: within the country of ``national`` as one dials
    there, else as abroad."""
    number_prefix: Annotated[str, Field(pattern=r"^[0-9*]{0,4}$")] = ""
    """Digits that phones dial before a number outside, shown in front of it, such as a 0."""
    address_book: Path | None = None
    """Names of callers: a CSV file on this machine, ``number,name`` or ``number,name,group`` in its
    first line, and numbers of E.164."""
    rules: Many[CallerRule] = ()
    """Treatment of some callers, in the order in which it is looked at."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.number_format == "national" and self.national is None:
            raise Problem("national", "is missing beside number_format; name the country")
        if self.number_prefix and self.number_format == "+":
            raise Problem(
                "number_prefix", "cannot stand before a +; use number_format '00' or 'national'"
            )
        book = self.book
        groups = {one.group for one in book}
        seen: set[str] = set()
        for index, rule in enumerate(self.rules):
            if rule.name in seen:
                raise Problem(
                    f"rules[{index}].name", f"{rule.name!r} is given twice; name each once"
                )
            seen.add(rule.name)
            if (rule.groups or rule.unlisted) and self.address_book is None:
                field = "groups" if rule.groups else "unlisted"
                raise Problem(f"rules[{index}].{field}", "needs an address_book; give it")
            for place, group in enumerate(rule.groups):
                if group not in groups:
                    raise Problem(
                        f"rules[{index}].groups[{place}]",
                        f"{group!r} is no group of {self.address_book}; write it into its lines",
                    )
        return self

    @cached_property
    def book(self) -> tuple[Caller, ...]:
        """Entries of the address book."""
        return read_book(self.address_book) if self.address_book is not None else ()

    @cached_property
    def by_number(self) -> dict[str, Caller]:
        """Look-up of the address book by number of E.164."""
        return {one.number: one for one in self.book}

    def country_of(self, trunk: Trunk) -> str | None:
        """Return the country of numbers that a trunk sends without one."""
        return trunk.national or self.national

    def number(self, trunk: Trunk, sent: str) -> str | None:
        """Return the number of E.164 that a carrier means, ``anonymous``, or None."""
        if not re.fullmatch(r"\+?[0-9]{3,20}", sent):
            return ANONYMOUS
        return heard(sent, self.country_of(trunk))

    def shown(self, number: str) -> str:
        """Return a number of E.164 as phones show it."""
        return self.number_prefix + written(number, self.number_format, self.national)
