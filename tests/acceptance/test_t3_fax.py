"""T3: a fax answers with the tone by which fax machines know each other."""

from __future__ import annotations

import pytest

from callcenter.site import Site
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.given import Given
from tests.acceptance.support.uses import Uses, alone, uses
from tests.acceptance.test_t2_call import MakePhone

CED_HZ = 2100
"""ITU-T T.30: the called station's identification."""


def first_fax(given: Given) -> Uses:
    """Return the fax with a number."""
    names = [fax.name for fax in given.site.faxes if fax.number]
    return alone(*(given.resource("faxes", name) for name in names[:1]))


@uses(first_fax)
def test_a_fax_answers(site: Site, numbers: list[str], phone: MakePhone) -> None:
    number = next((fax.number for fax in site.faxes if fax.number), None)
    if number is None:
        pytest.skip("the Site has no fax with a number")
    call = phone(numbers[0]).call(number)
    call.wait_established()
    assert_heard(call, CED_HZ, 0.5)
    call.hangup()
