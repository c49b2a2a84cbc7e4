"""What nobody calls unless the Site says otherwise."""

from __future__ import annotations

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from callcenter.site.countries import premium
from callcenter.site.trunks import OutboundLimits

EVERYWHERE = [f"+{code}" for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)]


def test_none_is_part_of_another() -> None:
    found = [dear for country in EVERYWHERE for dear in premium(country)]
    assert len(found) > 200
    for one in found:
        assert [other for other in found if one.startswith(other)] == [one]


@pytest.mark.parametrize("kind", ["FIXED_LINE", "MOBILE", "TOLL_FREE", "PREMIUM_RATE"])
def test_libphonenumbers_own_examples(kind: str) -> None:
    """No ordinary number of any country is denied, and premium rate is, but where both begin so."""
    allowed = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, getattr(PhoneNumberType, kind))
        if example is None:
            continue
        number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        country = f"+{example.country_code}"
        if OutboundLimits(countries=[country]).refused(number) is None:
            allowed.append(region)
        elif kind != "PREMIUM_RATE":
            # All of an island within +1, and nothing else.
            assert country == "+1", number
    if kind == "PREMIUM_RATE":
        assert len(allowed) < 25, allowed


def test_a_list_of_ones_own_is_all() -> None:
    limits = OutboundLimits(countries=["+49"], denied=["+49180"])
    assert limits.refused("+499001234567") is None
    assert limits.refused("+491801234567") == "outbound_limits.denied has +49180"


@pytest.mark.parametrize(
    "number",
    [
        # Satellites, international premium rate, Jamaica, Dominican Republic, 0 900, 09, 0871,
        # 070, 0899, 899, 900 in Switzerland, 0930, 0906, 168 in China.
        *("+881621234567", "+979112345678", "+18765551234", "+18295551234", "+19005551234"),
        *("+499001234567", "+449012345678", "+448712345678", "+447012345678", "+33899123456"),
        *("+39899123456", "+41900123456", "+43930123456", "+31906123456", "+8616812345"),
    ],
)
def test_denied(number: str) -> None:
    refused = OutboundLimits(countries=["+1", "+3", "+4", "+8", "+9"]).refused(number)
    assert refused is not None
    assert refused.startswith("outbound_limits.denied has +")


@pytest.mark.parametrize(
    "number",
    [
        # New York, Toronto, Puerto Rico, Berlin, Reading (0118), a British mobile, Paris, Salerno
        # (089), Umeå (090), Dublin, Zurich, Vienna, a Chinese mobile (166), Amsterdam, Ghent.
        *("+12125551234", "+14165551234", "+17875551234", "+4930123456", "+441181234567"),
        *("+447912345678", "+33123456789", "+39089123456", "+4690123456", "+35315001234"),
        *("+41441234567", "+431234567", "+8616612345678", "+31201234567", "+3292345678"),
    ],
)
def test_ordinary_numbers_are_not_denied(number: str) -> None:
    assert OutboundLimits(countries=["+1", "+3", "+4", "+8"]).refused(number) is None
