"""What nobody calls unless the Site says otherwise."""

from __future__ import annotations

import pytest

from callcenter.site.trunks import PREMIUM, OutboundLimits


def test_none_is_part_of_another() -> None:
    assert len(set(PREMIUM)) == len(PREMIUM)
    for one in PREMIUM:
        assert [other for other in PREMIUM if one.startswith(other)] == [one]


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
