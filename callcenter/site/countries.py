"""Countries and the numbers in them, as Google's libphonenumber knows them."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import phonenumbers
from phonenumbers import PhoneMetadata, ValidationResult

__all__ = [
    "Dialling",
    "country_of",
    "dialling",
    "example",
    "impossible",
    "is_beginning",
    "is_country",
    "premium",
]

_WRONG = {
    ValidationResult.TOO_SHORT: "has too few digits for +{}",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "has too few digits for +{}, as without an area code",
    ValidationResult.TOO_LONG: "has too many digits for +{}",
    ValidationResult.INVALID_LENGTH: "has as many digits as no number of +{}",
}


def impossible(number: str) -> str | None:
    """Return why a number of E.164 cannot be one, or None. Whether it is given to anybody is not
    asked: countries open new ranges sooner than lists do."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException as wrong:
        if wrong.error_type == wrong.INVALID_COUNTRY_CODE:
            return "begins with no country's code, such as +49"
        return "is no number of its country; give it whole"
    words = _WRONG.get(phonenumbers.is_possible_number_with_reason(parsed))
    return f"{words.format(parsed.country_code)}; give it whole" if words else None


def is_beginning(prefix: str) -> bool:
    """Return True where numbers of a country, or of an international service, begin so."""
    digits = prefix.removeprefix("+")
    return any(
        str(code).startswith(digits) or digits.startswith(str(code))
        for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    )


def country_of(prefix: str) -> str:
    """Return the country's code with which numbers of a beginning begin. A beginning of several
    countries is itself."""
    digits = prefix.removeprefix("+")
    known = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    whole = next((digits[:n] for n in (1, 2, 3) if int(digits[:n]) in known), digits)
    return f"+{whole}"


def example(country: str) -> str | None:
    """Return a number of E.164 of a country, or None where its code is that of none."""
    region = phonenumbers.region_code_for_country_code(int(country.removeprefix("+")))
    made = phonenumbers.example_number(region)
    kind = phonenumbers.PhoneNumberFormat.E164
    return str(phonenumbers.format_number(made, kind)) if made is not None else None


def is_country(prefix: str) -> bool:
    """Return True where a beginning is a country's code, and no more."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(prefix.removeprefix("+")), ())
    return any(region != phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY for region in regions)


@dataclass(frozen=True)
class Dialling:
    """Digits that one dials in a country before a number."""

    own: str
    """Digits before a number of the country, without the country's code: its trunk prefix, or
    nothing."""
    abroad: str
    """Digits before a number of another country, with that one's code."""
    bare: str | None
    """Numbers of the country that stand alone, without code and trunk prefix: an expression that
    Python and PCRE read alike. None: there are no such."""


_BARE = {"39": "0[0-9]{5,10}|3[0-9]{8,9}", "86": "1[3-9][0-9]{9}"}
"""Numbers that stand alone where lengths do not tell: Italy's, which are as long as others with
their country, and China's mobiles, which lack the trunk prefix of all others there."""


@functools.cache
def dialling(country: str) -> Dialling:
    """Return how numbers are dialled in the country of a code, such as ``+49``."""
    code = country.removeprefix("+")
    region = phonenumbers.region_code_for_country_code(int(code))
    known: Any = PhoneMetadata.metadata_for_region(region)
    abroad = (known.preferred_international_prefix or known.international_prefix or "00").replace(
        "~", ""
    )
    if code == "1":
        # Ten digits reach every number of the plan; a 1 before them is taken as well.
        return Dialling("", abroad, "[2-9][0-9]{9}")
    own = known.national_prefix or ""
    if not own:
        lengths = known.general_desc.possible_length
        alone = _BARE.get(code, f"[0-9]{{{min(lengths)},{max(lengths)}}}")
        return Dialling("", abroad, alone)
    return Dialling(own, abroad, _BARE.get(code))


_ABROAD_IN_PLAN = ("AS", "CA", "GU", "MP", "PR", "US", "VI")
"""Countries of the North American plan (+1) to which a call costs as within it."""

_FREE_OF_ALL = ("800", "808")
"""International services that cost no more than a call: freephone and shared cost."""

_LONGEST = 5
"""Digits within a country after which a range is either premium rate or not."""


@functools.cache
def premium(country: str) -> tuple[str, ...]:
    """Return how the numbers begin, of a country's code or an international service's, whose price
    is not that of a call: premium rate, British personal numbers, satellites, and the islands
    within +1. A beginning that ordinary numbers have as well is left out."""
    code = country.removeprefix("+")
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    if regions is None:
        # Several countries begin so, such as +4 in a list of what may be called.
        codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
        below = [f"+{one}" for one in sorted(codes) if str(one).startswith(code)]
        return tuple(dear for one in below for dear in premium(one))
    if regions == (phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY,):
        return () if code in _FREE_OF_ALL else (f"+{code}",)
    dear: set[str] = set()
    usual: list[str] = []
    areas: set[str] = set()
    for region in regions:
        known: Any = PhoneMetadata.metadata_for_region(region)
        if code == "1" and region not in _ABROAD_IN_PLAN:
            # All numbers of an island: its areas, which are in its plan's expression.
            areas |= {area for area in _beginnings(known.leading_digits, 3) if len(area) == 3}
            continue
        for kind in (known.premium_rate, known.personal_number if code == "44" else None):
            dear |= set(_beginnings(kind and kind.national_number_pattern, _LONGEST))
        kinds = (known.fixed_line, known.mobile, known.toll_free, known.voip, known.uan)
        usual += [kind.national_number_pattern for kind in kinds if kind is not None]
    heads = areas | {one[:length] for one in dear for length in range(1, len(one) + 1)}
    ordinary = {one for pattern in usual for one in _beginnings(pattern, _LONGEST, heads)}
    found = areas - ordinary
    for head in sorted(heads - ordinary, key=lambda one: (len(one), one)):
        if not head.startswith(tuple(found)):
            found.add(head)
    return tuple(f"+{code}{one}" for one in sorted(found))


def _beginnings(
    pattern: str | None, length: int, among: Collection[str] | None = None
) -> Iterator[str]:
    """Yield the digits with which numbers of an expression begin, ``length`` at most; with
    ``among`` all shorter beginnings, too, and those alone."""
    if pattern and pattern != "NA":
        parsed: Any = re._parser.parse(pattern)  # type: ignore[attr-defined]
        yield from _walk(list(parsed), "", length, among)


def _walk(parts: list[Any], done: str, length: int, among: Collection[str] | None) -> Iterator[str]:
    if among is not None and done:
        if done not in among:
            return
        yield done
    if not parts or len(done) == length:
        if among is None:
            yield done
        return
    (kind, given), rest = parts[0], parts[1:]
    branches: list[tuple[list[Any], str]]
    match str(kind):
        case "LITERAL":
            branches = [([], chr(given))]
        case "IN":
            branches = [([], sign) for sign in _signs(given)]
        case "SUBPATTERN":
            branches = [(list(given[3]), "")]
        case "BRANCH":
            branches = [(list(branch), "") for branch in given[1]]
        case "MAX_REPEAT":
            least, most, what = given
            counts = {min(one, length) for one in range(least, min(most, least + length) + 1)}
            branches = [(list(what) * count, "") for count in sorted(counts)]
        case name:
            raise AssertionError(f"libphonenumber has {name} in an expression: it is new here")
    for before, sign in branches:
        yield from _walk([*before, *rest], done + sign, length, among)


def _signs(members: Any) -> Iterator[str]:
    for kind, given in members:
        match str(kind):
            case "LITERAL":
                yield chr(given)
            case "RANGE":
                yield from map(chr, range(given[0], given[1] + 1))
            case _:
                # A digit of any kind.
                yield from "0123456789"
