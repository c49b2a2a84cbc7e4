"""Countries and the lengths of their numbers, as Google's libphonenumber knows them."""

from __future__ import annotations

import phonenumbers
from phonenumbers import ValidationResult

__all__ = ["impossible", "is_beginning"]

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
