"""T3: trunks are up, and nobody but a carrier or a permitted extension gets through.

Where a trunk leads to this machine, as in the lab, the carrier is one of the phones, and calls come
in and go out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import pytest

from callcenter.render.outbound import met
from callcenter.site import Agent, Did, Route, Site, Switch, ToExtension, ToQueue, Trunk
from tests.acceptance.conftest import all_free
from tests.acceptance.support.given import Given
from tests.acceptance.support.phones import CallFailed, Exchange, Phone
from tests.acceptance.support.strangers import stranger
from tests.acceptance.support.uses import Declaration, Grant, Resource, Uses, alone, some, uses
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, prove_both_ways
from tests.acceptance.test_t3_cdr import Records, awaited, records
from tests.acceptance.test_t3_queue import agents, logged_in, queue

__all__ = ["agents", "logged_in", "queue", "records"]

DIALLED = ("030555123", "01012345678", "0030555123", "+4930555123")
"""Numbers that a route may be for, one way or another."""

WORLD = "+431555000"
"""Beginning of the numbers of those who call from outside."""


@pytest.fixture(autouse=True)
def _trunks(site: Site) -> None:
    if not site.trunks:
        pytest.skip("the Site has no trunks")


def local_trunk(given: Given) -> Trunk | None:
    """Return the trunk whose carrier is this machine."""
    if not given.site.trunks or given.node.is_edge:
        return None
    address = given.local_address()
    return next((one for one in given.site.trunks if one.host == address), None)


def channel_used(given: Given) -> Uses:
    """One of the calls that the trunk may have at once."""
    found = local_trunk(given)
    if found is None:
        return Uses()
    channels = (given.resource("channel", f"{found.name} {n}") for n in range(found.channels))
    return some("channel", 1, channels)


def carrier_used(given: Given) -> Uses:
    """Return the carrier's port on this machine."""
    found = local_trunk(given)
    return alone(Resource("port", str(found.port))) if found else Uses()


@pytest.fixture
@uses(channel_used)
def trunk(given: Given) -> Trunk:
    """The trunk whose carrier is this machine."""
    if (found := local_trunk(given)) is None:
        pytest.skip("the carriers of the Site are real ones, which nothing here may call")
    return found


@pytest.fixture
@uses(carrier_used)
def carrier(trunk: Trunk) -> None:
    """Have the phones be where the trunk calls them."""


def played(trunk: Trunk, trunks: Iterable[Trunk]) -> bool:
    """Tell whether all of them lead to the carrier of that trunk: none is a real one."""
    return {(one.host, one.port) for one in trunks} == {(trunk.host, trunk.port)}


def route_over(given: Given, trunk: Trunk) -> tuple[Route, str, str] | None:
    """Return a route over that trunk alone, a number that fits it, and the number that is called
    then."""
    site = given.site
    for one in site.outbound:
        trunks = [site.named("trunks", name) for name in one.trunks]
        if trunks[0] == trunk and played(trunk, trunks):
            for dialled in DIALLED:
                if one.matches(dialled) and not site.outbound_limits.refused(one.called(dialled)):
                    return one, dialled, trunk.sent(one.called(dialled))
    return None


def who_may(given: Given, route: Route) -> str | None:
    """Return an extension that may call over a route, at nobody's cost."""
    may = (one for one in given.site.extensions if route.name in one.routes and not one.account)
    return next((one.number for one in may), None)


def caller_used(given: Given) -> Uses:
    """Return uses of an extension that may call over the route, and of one that may not."""
    trunk = local_trunk(given)
    found = route_over(given, trunk) if trunk else None
    if found is None:
        return Uses()
    may = who_may(given, found[0])
    may_not = [
        number
        for number in given.plain or given.free
        if found[0].name not in given.site.extension_by_number[number].routes
    ]
    return some("may not", 1, given.extensions(may_not)) | alone(
        *given.extensions([may] if may else [])
    )


@pytest.fixture
def route(given: Given, trunk: Trunk) -> tuple[Route, str, str]:
    """A route over that trunk, a number that fits it, and the number that is called then."""
    if (found := route_over(given, trunk)) is None:
        pytest.skip(f"no route leads over {trunk.name} alone")
    return found


@pytest.fixture
@uses(caller_used)
def caller(route: tuple[Route, str, str], given: Given, free: Collection[str]) -> str:
    """Who may call over that route, at nobody's cost."""
    if (found := who_may(given, route[0])) is None:
        pytest.skip("no extension may call outside without an account that pays for it")
    all_free(free, [found])
    return found


def did_to(site: Site, kind: type) -> Did:
    """Return a DID that leads to such a destination."""
    found = next((one for one in site.inbound if isinstance(one.to, kind)), None)
    if found is None:
        pytest.skip("no DID of the Site leads there")
    return found


def did_used(*kinds: type) -> Declaration:
    """Return a declaration of what such a DID leads to, if the carrier is this machine."""

    def of(given: Given) -> Uses:
        to = [one.to for one in given.site.inbound if isinstance(one.to, kinds)]
        return given.reached(*to[:1]) if local_trunk(given) else Uses()

    return of


@pytest.fixture
def world(exchange: Exchange, switch: Switch, site: Site, trunk: Trunk, granted: Grant) -> Phone:
    """Somebody who calls from outside over the trunk: somebody else in each channel."""
    [channel] = granted.names("channel")
    number = WORLD + channel.rpartition(" ")[2]
    return exchange.phone(number, domain=f"{switch.trunk_bind_address}:{site.network.trunk_port}")


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


def test_strangers_call_nobody(site: Site, door: Switch, exchange: Exchange) -> None:
    """Without a password nobody reaches a number, inside or outside"""
    own = f"{door.advertised_address}:{site.network.sip_port}"
    if site.network.edge:
        # It answers nobody who does not even know the domain.
        caller = exchange.phone(
            stranger(),
            domain=site.domain,
            server=door.advertised_address,
            transport=site.network.for_all[0],
            port=site.network.for_all[1],
        )
    else:
        caller = exchange.phone(stranger(), domain=own)
    for number in ("030555123", "0030555123", "112", site.extensions[0].number):
        with pytest.raises(CallFailed) as refused:
            caller.call(number).wait_established()
        assert refused.value.code in (401, 403, 407), refused.value


@uses(did_used(ToExtension))
def test_in_to_an_extension(site: Site, trunk: Trunk, world: Phone, phone: MakePhone) -> None:
    """A call from outside rings the extension of its number, and both are heard"""
    did = did_to(site, ToExtension)
    assert isinstance(did.to, ToExtension)
    called = phone(did.to.extension)
    call = world.call(did.number)
    answered = called.incoming().answer()
    assert answered.number.startswith(met(site, trunk.name, world.user, did).shown)
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    answered.hangup()
    assert call.wait_ended().by == "them"


@uses(did_used(ToQueue))
def test_in_to_a_queue(
    site: Site, trunk: Trunk, world: Phone, logged_in: tuple[Agent, Phone]
) -> None:
    """A call from outside waits in the queue of its number, and the agent is heard"""
    did = did_to(site, ToQueue)
    call = world.call(did.last or did.number)
    call.wait_established()
    answered = logged_in[1].incoming().answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    call.hangup()
    answered.wait_ended()


def test_in_to_no_number(site: Site, world: Phone) -> None:
    """From outside no number is reached that is no DID, and none leads out again"""
    for number in (site.extensions[0].number, "030555123", "+4989555123"):
        with pytest.raises(CallFailed) as refused:
            world.call(number).wait_established()
        assert refused.value.code == 603, refused.value


def test_out(
    site: Site,
    exchange: Exchange,
    trunk: Trunk,
    carrier: None,
    route: tuple[Route, str, str],
    caller: str,
    phone: MakePhone,
    granted: Grant,
) -> None:
    """Who may calls outside, with the caller ID that the Site says; who may not is refused"""
    _, dialled, called = route
    may = next(one for one in site.extensions if one.number == caller)
    may_not = granted.names("may not")
    if not may_not:
        pytest.skip("each extension that --phones names may call outside")
    world = exchange.phone(called)
    call = phone(may).call(dialled)
    answered = world.incoming().answer()
    own = may.caller_id or trunk.caller_id
    assert answered.number.startswith(trunk.shown(own) if own else "anonymous")
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    call.hangup()
    answered.wait_ended()
    with pytest.raises(CallFailed) as refused:
        phone(may_not[0]).call(dialled).wait_established()
    assert refused.value.code == 403


@uses(did_used(ToExtension))
def test_records_of_trunk_calls(
    site: Site,
    exchange: Exchange,
    trunk: Trunk,
    carrier: None,
    world: Phone,
    route: tuple[Route, str, str],
    caller: str,
    phone: MakePhone,
    records: Records,
) -> None:
    """Calls by a trunk leave their records, with its name, in and out"""
    did = did_to(site, ToExtension)
    assert isinstance(did.to, ToExtension)
    called = phone(did.to.extension)
    call = world.call(did.number)
    answered = called.incoming().answer()
    call.wait_established()
    answered.hangup()
    call.wait_ended()
    found = awaited(records, world.user)
    assert (found["direction"], found["trunk"]) == ("in", trunk.name)
    assert (found["dialled"], found["answered_by"]) == (did.number, did.to.extension)

    _, dialled, sent = route
    there = exchange.phone(sent)
    call = phone(caller).call(dialled)
    there.incoming().answer()
    call.wait_established()
    call.hangup()
    found = awaited(records, caller)
    assert (found["direction"], found["trunk"]) == ("out", trunk.name)
    assert found["dialled"] == dialled
