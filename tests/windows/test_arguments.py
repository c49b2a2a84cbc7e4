"""Quoting, as a real program of the host sees it; the rules are the plugin's own tests."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from scripts import HARD

from pyinfra_windows import powershell
from tests.windows.support.wine import Wine


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(HARD)
def test_a_real_program_gets_the_argument(wine: Wine, value: str) -> None:
    try:
        quoted = powershell.cmd_quote(value)
    except ValueError:
        return
    assert wine.argv(quoted) == value
