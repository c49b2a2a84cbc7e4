"""Values of the dialplan's templates: what several fields of a Site decide together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callcenter.render import directory, from_carriers, from_phones, sip_profiles
from callcenter.render.services import outbound, ring_groups
from callcenter.render.services._gateways import gateways
from callcenter.site import (
    Emergency,
    Extension,
    FeatureCodes,
    Media,
    Network,
    OutboundLimits,
    Recording,
    RingGroup,
    Route,
    Site,
    Switch,
    Trunk,
    outside,
)
from callcenter.site.secrets import Secret

SECRET = Secret(literal="third-Horse-7battery")
ROUTE = Route("out", pattern=r"^00\d{5,14}$", strip=2, prefix="+", trunks=["a", "b"])


def trunk(name: str, **fields: Any) -> Trunk:
    return Trunk(name, host=f"192.0.2.{ord(name) - 96}", caller_id="+4930123400", **fields)


def site(**fields: Any) -> Site:
    given: dict[str, Any] = {
        "domain": "cc.example.net",
        "extensions": [Extension("1000", routes=["out"]), Extension("1001", record=True)],
        "trunks": [trunk("a"), trunk("b")],
        "outbound": [ROUTE],
        "outbound_limits": OutboundLimits(countries=["+49"]),
    }
    return Site(**(given | fields))


def reached(made: Site) -> outbound.Reached:
    return outbound.reached(made, made.outbound[0])


@pytest.mark.parametrize("weights", [None, [1, 0], [0, 1], [1, 1]])
def test_the_last_trunk_is_waited_for(weights: list[int] | None) -> None:
    """The others are given up when they are silent, whether they are drawn or not."""
    made = reached(site(outbound=[replace(ROUTE, weights=weights)]))
    assert len(made.drawn) == sum(map(bool, weights or ()))
    assert [bool(one.silence) for one in (*made.drawn, *made.rest)] == [True, False]


def test_a_trunks_tone_is_not_the_next_ones() -> None:
    """The second of them rings by itself, and takes away what the first has set."""
    made = reached(site(trunks=[trunk("a", ringback="gb"), trunk("b")]))
    assert [bool(one.tone) for one in made.rest] == [True, False]
    assert [one.is_toneless for one in made.rest] == [False, True]
    assert [one.is_toneless for one in reached(site()).rest] == [False, False]


def test_a_short_number_is_sent_as_it_is() -> None:
    rules = [{"pattern": r"^\+49(\d+)$", "replacement": "0$1"}]
    trunks = [trunk("a", called_out=rules, caller_out=rules), trunk("b")]
    short = Route("out", pattern="^(?:10086)$", short=True, trunks=["a", "b"])
    by_rule = reached(site(trunks=trunks)).rest[0].rewrites
    assert [str(one) for one in by_rule] == ["called-by-a-+$1", "caller-by-a-${outside_number}"]
    own = reached(site(trunks=trunks, outbound=[short])).rest[0].rewrites
    assert [str(one) for one in own] == ["caller-by-a-${outside_number}"]


def group(made: Site, strategy: str) -> ring_groups.Rung:
    return ring_groups.rung(
        made,
        RingGroup(
            "sales",
            ["1000", "1001"],
            outside=[outside("00491701234567", by="1000")],
            strategy=strategy,  # type: ignore[arg-type]
        ),
    )


NO_EDGE = Network(edge=False, sip_from=["10.0.0.0/8"])


def test_a_group_in_turn_is_a_bridge_each() -> None:
    made = group(site(network=NO_EDGE), "in-turn")
    assert len(made.bridges) == 3
    assert made.contacts == ()
    assert made.in_turn
    assert made.is_recorded


def test_a_group_together_is_one_bridge() -> None:
    """Without Kamailio each member's phones are listed before; Kamailio knows them itself."""
    made = group(site(network=NO_EDGE), "together")
    assert len(made.contacts) == 2
    assert made.bridges == (
        "${phones},[loopback_bowout=false]loopback/asked-1000-00491701234567/services/XML",
    )
    behind = group(site(), "together")
    assert behind.contacts == ()
    assert [one.count("sofia/internal/") for one in behind.bridges] == [2]


@pytest.mark.parametrize(
    ("fields", "codecs"),
    [
        ({}, ("PCMA",)),
        ({"recording": Recording(stereo=False)}, ()),
        ({"media": Media(codecs=["PCMA"])}, ()),
        ({"media": Media(codecs=["OPUS"])}, ()),
        ({"extensions": [Extension("1000", routes=["out"])]}, ()),
    ],
)
def test_which_calls_do_without_stereo(fields: dict[str, Any], codecs: tuple[str, ...]) -> None:
    given = {"media": Media(codecs=["OPUS", "PCMA"]), "recording": Recording(stereo=True)}
    assert from_phones.mono_codecs(site(**(given | fields))) == codecs


def test_trunks_of_one_address_are_told_apart_by_account() -> None:
    """Those that register and share an address are looked for by it first."""

    def shared(name: str, host: str) -> Trunk:
        return Trunk(name, host=host, username=name, password=Secret(literal=f"pass-{name}"))

    made = site(trunks=[trunk("a"), shared("b", "192.0.2.9"), shared("c", "192.0.2.9")])
    found = [(one.trunk.name, one.by_account) for one in from_carriers.arrivals(made)]
    assert found == [("b", True), ("c", True), ("a", False), ("b", False), ("c", False)]


def named(**fields: Any) -> Trunk:
    return Trunk("a", host="sip.example.net", networks=["192.0.2.0/24"], **fields)


def test_a_gateway_for_help_is_never_marked_as_down() -> None:
    """Gateway asks for nothing, so that nothing says that the carrier is away."""
    one = named(username="a", password=SECRET)
    usual, late = gateways(one, urgent=True)
    assert (usual.registers, late.registers) == (True, False)
    assert usual.ping_seconds is not None
    assert late.ping_seconds is None
    assert usual.name != late.name
    assert [one.name for one in gateways(one, urgent=False)] == [usual.name]


def test_where_a_gateway_sends() -> None:
    """Name that is looked up in the DNS has no port; behind a proxy the carrier's name stays the
    carrier's."""
    by_name = next(gateways(named(), urgent=False))
    assert (by_name.proxy, by_name.outbound_proxy, by_name.register_proxy) == (
        "sip.example.net",
        "",
        "",
    )
    by_six = next(gateways(Trunk("a", host="2001:db8::1"), urgent=False))
    assert by_six.proxy == "[2001:db8::1]:5060"
    made = next(gateways(named(outbound_proxy="192.0.2.7", transport="tcp"), urgent=False))
    assert made.proxy == "sip.example.net"
    assert made.outbound_proxy == made.register_proxy == "192.0.2.7:5060;transport=tcp"


def test_nobody_rings_who_is_not_to_be_disturbed() -> None:
    made = site(features=FeatureCodes(do_not_disturb="*78", do_not_disturb_off="*79"))
    assert "do-not-disturb" in directory.dial_string(made)
    assert "do-not-disturb" not in directory.dial_string(site())


def test_a_number_for_help_is_told_only_where_somebody_may_call_it() -> None:
    """The centre calls back where the Site has such a number."""
    one = Extension("1000", routes=["out"], caller_id="+4930123410")
    help_ = Emergency("112", trunks=["a"])
    told = dict(directory.user(site(extensions=[one], emergency=[help_]), one, False).variables)
    assert told["emergency_number"] == "+4930123410"
    silent = dict(directory.user(site(extensions=[one]), one, False).variables)
    assert "emergency_number" not in silent


@pytest.mark.parametrize(
    ("transports", "told"),
    [(("udp", "tcp"), []), (("udp", "udp"), ["udp"])],
)
def test_carriers_by_one_transport_open_no_other(
    transports: tuple[str, str], told: list[str]
) -> None:
    trunks = [trunk(name, transport=by) for name, by in zip("ab", transports, strict=True)]
    (made,) = sip_profiles.carriers(site(trunks=trunks), Switch("cc1", address="10.0.0.5"))
    text = made.text
    assert [one for one in ("udp", "tcp") if f'value="transport={one}"' in text] == told
