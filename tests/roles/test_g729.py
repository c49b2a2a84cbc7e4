"""G.729 through the switch, which cannot speak it: what one side says the other has, unchanged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.lab import Lab
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import Side, answering, calling, pass_through, registered, side
from tests.roles.support import forget_phones
from tests.sipp import SIPP

HOST = "g729"
CARRIER, PLAIN = 5066, 5067
CALLER, CALLEE = 5071, 5072
"""Ports of this machine."""
G729, PCMA, PCMU = 18, 8, 0
"""RFC 3551's payload types."""

DESCRIBED = (
    SITE.replace("max_calls=100", 'max_calls=100, codecs=["G729", "PCMU", "PCMA"]')
    .replace(
        "*Extension.range(1000, 1009, ring_seconds=5)",
        'Extension(1000, routes=["out", "plain"]), '
        "Extension(1001, no_answer=extension(1003)), "
        "Extension(1002, record=True), Extension(1003, record=True)",
    )
    .replace(
        "media=",
        f"""trunks=[
        Trunk("carrier", host="GATEWAY", port={CARRIER}, codecs=["PCMA", "G729"],
              ping_seconds=None, caller_id="+4930123400"),
        Trunk("plain", host="GATEWAY", port={PLAIN}, codecs=["PCMA"], ping_seconds=None,
              caller_id="+4930123400"),
    ],
    inbound=[Did("+4930123401", to=extension(1001), trunk="carrier")],
    outbound=[
        Route("out", pattern=r"^0[1-9]\\d{{5,10}}$", strip=1, prefix="+49", trunks=["carrier"]),
        Route("plain", pattern=r"^8\\d{{8}}$", strip=1, prefix="+49", trunks=["plain"]),
    ],
    outbound_limits=OutboundLimits(countries=["+49"]),
    media=""".replace("{{", "{").replace("}}", "}"),
        1,
    )
)

pytestmark = pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(DESCRIBED.replace("GATEWAY", lab.gateway))
    made.succeed()
    return made


caller, callee, carrier, plain = map(side, (CALLER, CALLEE, CARRIER, PLAIN))


def offered(side: Side) -> list[int]:
    """Return the codecs of a call to this side; telephone events and silence are none."""
    return [one for one in side.told("INVITE")[1] if one in (G729, PCMA, PCMU)]


def spoken(side: Side) -> list[int]:
    """Return what a caller has in the answer."""
    return [one for one in side.told("SIP/2.0 200")[1] if one in (G729, PCMA, PCMU)]


@pytest.mark.parametrize("early", [False, True], ids=["answered", "early-media"])
def test_a_carriers_codec_is_the_phones(
    operator: Operator, caller: Side, carrier: Side, early: bool
) -> None:
    with (
        answering(carrier, G729, early=early),
        calling(operator, caller, "0405551234", PCMA, G729, user="1000"),
    ):
        assert spoken(caller) == [G729]
        # In the trunk's order.
        assert offered(carrier) == [PCMA, G729]
        pass_through(caller, carrier, G729)


def test_a_phone_without_it_is_no_reason_to_offer_it(
    operator: Operator, caller: Side, carrier: Side
) -> None:
    with answering(carrier, PCMA), calling(operator, caller, "0405551234", PCMU, user="1000"):
        assert spoken(caller) == [PCMU]
        assert offered(carrier) == [PCMA]


def test_a_carrier_that_answers_in_another(operator: Operator, caller: Side, carrier: Side) -> None:
    with (
        answering(carrier, PCMA),
        calling(operator, caller, "0405551234", G729, PCMU, user="1000"),
    ):
        assert offered(carrier) == [PCMA, G729]
        # What the switch makes of it, since it cannot make the other.
        assert spoken(caller) == [PCMU]


def test_a_trunk_that_does_not_name_it(operator: Operator, caller: Side, plain: Side) -> None:
    with (
        answering(plain, PCMA),
        calling(operator, caller, "840555123", G729, PCMU, user="1000"),
    ):
        assert offered(plain) == [PCMA]
        assert spoken(caller) == [PCMU]


def test_two_phones(operator: Operator, caller: Side, callee: Side) -> None:
    registered(operator, callee, "1001")
    with answering(callee, G729), calling(operator, caller, "1001", PCMA, G729, user="1000"):
        assert offered(callee) == [G729, PCMU, PCMA]
        assert spoken(caller) == [G729]
        pass_through(caller, callee, G729)


def test_a_call_from_the_carrier(operator: Operator, carrier: Side, callee: Side) -> None:
    registered(operator, callee, "1001")
    with answering(callee, G729), calling(operator, carrier, "+4930123401", G729, PCMA):
        assert spoken(carrier) == [G729]
        pass_through(carrier, callee, G729)


def test_who_is_recorded_is_understood(operator: Operator, caller: Side, callee: Side) -> None:
    registered(operator, callee, "1002")
    with answering(callee, PCMA), calling(operator, caller, "1002", G729, PCMA, user="1000"):
        assert G729 not in offered(callee)
        assert spoken(caller) == [PCMA]


def test_a_call_that_leads_on_to_who_is_recorded(
    operator: Operator, caller: Side, callee: Side
) -> None:
    registered(operator, callee, "1003")
    # 1001's phone is not there any more.
    forget_phones(operator, HOST, "1001")
    with answering(callee, PCMA), calling(operator, caller, "1001", G729, PCMA, user="1000"):
        assert G729 not in offered(callee)
        assert spoken(caller) == [PCMA]


def test_the_switch_answers_in_what_it_speaks(operator: Operator, caller: Side) -> None:
    with calling(operator, caller, "9196", G729, PCMA, user="1000"):
        assert spoken(caller) == [PCMA]
