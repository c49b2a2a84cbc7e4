"""T3: busy lamps show who rings, who talks, and where a call is parked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from callcenter.site import Site, Switch
from tests.acceptance.conftest import local_address
from tests.acceptance.support.lamp import Lamp, lamp
from tests.acceptance.support.uses import uses
from tests.acceptance.test_t2_call import MakePhone, connect
from tests.acceptance.test_t3_parking import places


@pytest.fixture
def watch(
    site: Site,
    door: Switch,
    plain: list[str],
    hide: Callable[[str], str],
    tmp_path: Path,
) -> Iterator[Callable[[str], Lamp]]:
    """Subscribe to a number, as the fourth extension's phone."""
    if site.network.for_all[0] != "udp":
        pytest.skip("the subscriber speaks UDP alone")
    with ExitStack() as stack:

        def begin(number: str) -> Lamp:
            made: AbstractContextManager[Lamp] = lamp(
                tmp_path,
                number,
                user=plain[3],
                password=hide(site.reveal(site.extension_by_number[plain[3]].password)),
                domain=site.domain,
                address=local_address(door),
                server=f"{door.advertised_address}:{site.network.sip_port}",
            )
            return stack.enter_context(made)

        yield begin


def test_lamp_of_an_extension(
    plain: list[str], phone: MakePhone, watch: Callable[[str], Lamp]
) -> None:
    """A lamp is told that an extension rings, talks, and is free again"""
    caller, callee = phone(plain[0]), phone(plain[1])
    told = watch(plain[1])
    told.wait("none")
    call = caller.call(plain[1])
    ringing = callee.incoming()
    told.wait("early")
    ringing.answer()
    told.wait("confirmed")
    call.hangup()
    told.wait("terminated")


@uses(places)
def test_lamp_of_a_place(
    site: Site, alone: None, plain: list[str], phone: MakePhone, watch: Callable[[str], Lamp]
) -> None:
    """A lamp is told that a call waits in a place of the parking, and that it is gone"""
    if site.parking is None:
        pytest.skip("the Site has no parking")
    told = watch(f"park+{site.parking.first}")
    told.wait("terminated")
    call, answered = connect(phone(plain[0]), phone(plain[1]))
    answered.transfer(site.parking.first)
    told.wait("confirmed")
    call.hangup()
    told.wait("terminated")
