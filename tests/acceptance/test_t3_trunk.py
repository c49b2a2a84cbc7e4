"""T3: trunks are up, and nobody but a carrier or a permitted extension gets through.

Where a trunk leads to this machine, as in the lab, the carrier is one of the phones, and calls come
in and go out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from callcenter.site import Agent, Did, Route, Site, Switch, ToExtension, ToQueue, Trunk
from tests.acceptance.conftest import all_free, local_address
from tests.acceptance.support.phones import CallFailed, Exchange, Phone
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, prove_both_ways
from tests.acceptance.test_t3_cdr import Records, awaited, records
from tests.acceptance.test_t3_queue import agents, logged_in, queue

__all__ = ["agents", "logged_in", "queue", "records"]

DIALLED = ("030555123", "01012345678", "0030555123", "+4930555123")
"""What a route may be for, one way or another."""

WORLD = "+431555000"
"""Who calls from outside."""


@pytest.fixture(autouse=True)
def _trunks(site: Site) -> None:
    if not site.trunks:
        pytest.skip("the Site has no trunks")


@pytest.fixture
def trunk(site: Site, switch: Switch) -> Trunk:
    """The trunk whose carrier is this machine."""
    address = local_address(switch)
    found = next((one for one in site.trunks if one.host == address), None)
    if found is None:
        pytest.skip("the carriers of the Site are real ones, which nothing here may call")
    return found


def played(trunk: Trunk, trunks: Iterable[Trunk]) -> bool:
    """Whether all of them lead to the carrier of that trunk: none is a real one."""
    return {(one.host, one.port) for one in trunks} == {(trunk.host, trunk.port)}


@pytest.fixture
def route(site: Site, trunk: Trunk) -> tuple[Route, str, str]:
    """A route over that trunk, a number that fits it, and the number that is called then."""
    for one in site.outbound:
        trunks = [site.named("trunks", name) for name in one.trunks]
        if trunks[0] == trunk and played(trunk, trunks):
            for dialled in DIALLED:
                if one.matches(dialled) and not site.outbound_limits.refused(one.called(dialled)):
                    return one, dialled, trunk.sent(one.called(dialled))
    pytest.skip(f"no route leads over {trunk.name} alone")


@pytest.fixture
def caller(route: tuple[Route, str, str], site: Site, free: list[str]) -> str:
    """Who may call over that route, at nobody's cost."""
    found = next(
        (one.number for one in site.extensions if route[0].name in one.routes and not one.account),
        None,
    )
    if found is None:
        pytest.skip("no extension may call outside without an account that pays for it")
    all_free(free, [found])
    return found


def did_to(site: Site, kind: type) -> Did:
    """A DID that leads to such a destination."""
    found = next((one for one in site.inbound if isinstance(one.to, kind)), None)
    if found is None:
        pytest.skip("no DID of the Site leads there")
    return found


def outside(exchange: Exchange, switch: Switch, site: Site) -> Phone:
    """Somebody who calls from outside over the trunk."""
    return exchange.phone(WORLD, domain=f"{switch.bind_address}:{site.network.trunk_port}")


def test_trunks_are_up(site: Site, fs_cli: Callable[[str], str], exchange: Exchange) -> None:
    """Every trunk with an account is registered, and every one that is asked answers"""
    for one in site.trunks:
        shown = fs_cli(f"sofia status gateway {one.name}")
        if one.username is not None:
            assert "REGED" in shown, shown
        elif one.host != exchange.address:
            assert "Status  \tUP" in shown, shown
        else:
            assert f"{one.host}:{one.port}" in shown, shown


def test_strangers_call_nobody(site: Site, switch: Switch, exchange: Exchange) -> None:
    """Without a password nobody reaches a number, inside or outside"""
    stranger = exchange.phone(
        "stranger", domain=f"{switch.announced_address}:{site.network.sip_port}"
    )
    for number in ("030555123", "0030555123", "112", site.extensions[0].number):
        with pytest.raises(CallFailed) as refused:
            stranger.call(number).wait_established()
        assert refused.value.code in (401, 403, 407), refused.value


def test_in_to_an_extension(
    site: Site, switch: Switch, exchange: Exchange, trunk: Trunk, phone: MakePhone
) -> None:
    """A call from outside rings the extension of its number, and both are heard"""
    did = did_to(site, ToExtension)
    assert isinstance(did.to, ToExtension)
    called = phone(did.to.extension)
    call = outside(exchange, switch, site).call(did.number)
    answered = called.incoming().answer()
    assert answered.number.startswith(WORLD)
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    answered.hangup()
    assert call.wait_ended().by == "them"


def test_in_to_a_queue(
    site: Site,
    switch: Switch,
    exchange: Exchange,
    trunk: Trunk,
    logged_in: tuple[Agent, Phone],
) -> None:
    """A call from outside waits in the queue of its number, and the agent is heard"""
    did = did_to(site, ToQueue)
    call = outside(exchange, switch, site).call(did.last or did.number)
    call.wait_established()
    answered = logged_in[1].incoming(timeout=15).answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    call.hangup()
    answered.wait_ended()


def test_in_to_no_number(site: Site, switch: Switch, exchange: Exchange, trunk: Trunk) -> None:
    """From outside no number is reached that is no DID, and none leads out again"""
    world = outside(exchange, switch, site)
    for number in (site.extensions[0].number, "030555123", "+4989555123"):
        with pytest.raises(CallFailed) as refused:
            world.call(number).wait_established()
        assert refused.value.code == 603, refused.value


def test_out(
    site: Site,
    exchange: Exchange,
    trunk: Trunk,
    route: tuple[Route, str, str],
    caller: str,
    phone: MakePhone,
    free: list[str],
) -> None:
    """Who may calls outside, with the caller ID that the Site says; who may not is refused"""
    described, dialled, called = route
    may = next(one for one in site.extensions if one.number == caller)
    may_not = next((one for one in site.extensions if described.name not in one.routes), None)
    if may_not is None:
        pytest.skip("each extension may call outside")
    all_free(free, [may_not.number])
    world = exchange.phone(called)
    call = phone(may).call(dialled)
    answered = world.incoming().answer()
    assert answered.number.startswith(may.caller_id or trunk.caller_id or "anonymous")
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    call.hangup()
    answered.wait_ended()
    with pytest.raises(CallFailed) as refused:
        phone(may_not).call(dialled).wait_established()
    assert refused.value.code == 403


def test_records_of_trunk_calls(
    site: Site,
    switch: Switch,
    exchange: Exchange,
    trunk: Trunk,
    route: tuple[Route, str, str],
    caller: str,
    phone: MakePhone,
    records: Records,
) -> None:
    """Calls by a trunk leave their records, with its name, in and out"""
    did = did_to(site, ToExtension)
    assert isinstance(did.to, ToExtension)
    called = phone(did.to.extension)
    call = outside(exchange, switch, site).call(did.number)
    answered = called.incoming().answer()
    call.wait_established()
    answered.hangup()
    call.wait_ended()
    found = awaited(records, WORLD)
    assert (found["direction"], found["trunk"]) == ("in", trunk.name)
    assert (found["dialled"], found["answered_by"]) == (did.number, did.to.extension)

    _, dialled, sent = route
    carrier = exchange.phone(sent)
    call = phone(caller).call(dialled)
    carrier.incoming().answer()
    call.wait_established()
    call.hangup()
    found = awaited(records, caller)
    assert (found["direction"], found["trunk"]) == ("out", trunk.name)
    assert found["dialled"] == dialled
