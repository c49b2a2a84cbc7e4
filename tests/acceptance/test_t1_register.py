"""T1: every phone can register, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callcenter.site import Site, Switch
from tests.acceptance.support.given import Given
from tests.acceptance.support.phones import Exchange, Phone, RegistrationRefused
from tests.acceptance.support.strangers import stranger
from tests.acceptance.support.uses import Uses, alone, uses
from tests.acceptance.support.waiting import eventually

WRONG = "not-the-password-of-anybody"


def every_extension(given: Given) -> Uses:
    """Return all of them."""
    return alone(*given.extensions(given.site.extension_by_number))


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@uses(every_extension)
def test_every_extension_registers(site: Site, phone: Callable[..., Phone], transport: str) -> None:
    """Every extension registers by digest"""
    if transport not in dict(site.network.listeners):
        pytest.skip(f"the Site does not enable {transport}")
    for extension in site.extensions:
        made = phone(extension, transport=transport)
        made.unregister()


def test_registration_is_known(
    numbers: list[str], site: Site, phone: Callable[..., Phone], fs_cli: Callable[[str], str]
) -> None:
    """The switch knows where a registered phone is, and forgets it when it leaves"""
    made = phone(numbers[0])
    question = f"sofia_contact */{numbers[0]}@{site.domain}"
    # Told by an edge, it knows a moment later.
    eventually(
        lambda: fs_cli(question), lambda said: f"sip:{numbers[0]}@" in said, "where the phone is"
    )
    made.unregister()
    eventually(lambda: fs_cli(question), lambda said: "not_registered" in said, "that it is gone")


def test_wrong_password(numbers: list[str], phone: Callable[..., Phone]) -> None:
    """A wrong password is refused with 403"""
    with pytest.raises(RegistrationRefused) as refused:
        phone(numbers[0], password=WRONG)
    assert refused.value.code == 403


def test_unknown_user(site: Site, exchange: Exchange, door: Switch) -> None:
    """A user that the Site does not name is refused"""
    unknown = exchange.phone(
        stranger(),
        WRONG,
        domain=site.domain,
        server=door.advertised_address,
        transport=site.network.for_all[0],
        port=site.network.for_all[1],
    )
    with pytest.raises(RegistrationRefused) as refused:
        unknown.register()
    assert refused.value.code == 403


def test_call_without_password(numbers: list[str], phone: Callable[..., Phone]) -> None:
    """A call by somebody without the password is refused, and the callee's phone stays silent"""
    callee = phone(numbers[1])
    intruder = phone(numbers[0], register=False, password=WRONG)
    call = intruder.call(numbers[1])
    ended = call.wait_ended()
    assert ended.code in (403, 407)
    # Whatever was sent to the callee is there before the answer to what it asks next.
    callee.unregister()
    assert [m.label for m in callee.messages if m.method == "INVITE"] == []
