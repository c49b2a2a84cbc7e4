"""Callers from outside on a real switch: what a phone shows, whom it calls back, who is let in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callcenter.render import paths
from lab.lab import Lab
from tests.acceptance.support.phones import Call, Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import Side, calling, side
from tests.roles.support import phone_of
from tests.roles.test_carriers import invite_of
from tests.roles.test_trunks import talk

HOST = "callers1"
PEOPLE = 5068
"""Port of the people behind the carrier, who call and are called."""
PCMU = 0

TRUNK = f"""trunks=[Trunk("a", host="GATEWAY", port={PEOPLE}, national="+49", ping_seconds=None,
                  number_format="national", caller_id="+4930123400")],
    inbound=[Did("+4930123401", to=extension(1001)), Did("+4930123402", to=extension(1002))],
    outbound=[Route("home", pattern=r"^00[1-9]\\d{{5,11}}$", strip=2, prefix="+49", trunks=["a"]),
              Route("world", pattern=r"^000[1-9]\\d{{5,14}}$", strip=3, prefix="+", trunks=["a"])],
    outbound_limits=OutboundLimits(countries=["+49", "+1"]),
"""
CALLERS = """callers=Callers(national="+49", number_format="national", number_prefix="0",
                    address_book="BOOK", rules=[
        CallerRule("vip", groups=["vip"], called=["+4930123401"], to=extension(1003)),
        CallerRule("blocked", prefixes=["+49900"], numbers=["+12125550100"],
                   to=hang_up("CALL_REJECTED")),
        CallerRule("nobody", anonymous=True, called=["+4930123402"],
                   to=hang_up("USER_BUSY")),
        CallerRule("doctor", numbers=["+4940555777"], shown_as="Dr. Who"),
    ]),
    media="""
BOOK = """number,name,group
+49 30 555-100,Ann Müller,vip
+49 30 555 200,李雷 & Söhne,
"""
ALLOWED = "*Extension.range(1000, 1009, ring_seconds=5)"
EXTENSIONS = '*Extension.range(1000, 1009, ring_seconds=5, routes=["home", "world"])'


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("book") / "book.csv"
    file.write_text(BOOK, encoding="utf-8")
    return file


def described(lab: Lab, more: str) -> str:
    text = SITE.replace(ALLOWED, EXTENSIONS).replace("media=", TRUNK + "    " + more, 1)
    return text.replace("GATEWAY", lab.gateway)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab, book: Path) -> Operator:
    made = operator_of(HOST)
    made.describe(described(lab, CALLERS.replace("BOOK", str(book))))
    made.succeed()
    assert made.succeed().changes == 0
    return made


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """The phones of extensions, and the people behind the carrier."""
    with Exchange(lab.gateway, port=PEOPLE) as made:
        yield made


def at(operator: Operator) -> str:
    """Return where carriers call the switch."""
    address = next(host.address for host in operator.lab.hosts if host.name == HOST)
    return f"{address}:5080"


def shown_on(answered: Call) -> str:
    """Return what a phone shows of a caller: name and number."""
    invite = invite_of(answered)
    found = re.match(r'"?([^"<]*?)"? *<sip:([^@>]*)', invite.header("from"))
    assert found, invite.header("from")
    return f"{found[1]} {found[2]}"


@pytest.mark.parametrize(
    ("sent", "shown", "called_back"),
    [
        ("030555300", "0030555300 0030555300", "030555300"),
        ("+4930555300", "0030555300 0030555300", "030555300"),
        ("4930555200", "李雷 & Söhne 0030555200", "030555200"),
        ("0012125550199", "00012125550199 00012125550199", "0012125550199"),
        ("+4940555777", "Dr. Who 0040555777", "040555777"),
    ],
)
def test_a_phones_call_list_calls_back(
    operator: Operator, exchange: Exchange, sent: str, shown: str, called_back: str
) -> None:
    phone = phone_of(operator, HOST, exchange, "1001")
    people = exchange.phone(sent, domain=at(operator))
    call = people.call("030123401")
    answered = phone.incoming().answer()
    assert shown_on(answered) == shown
    talk(call, answered)
    call.hangup()
    answered.wait_ended()
    if called_back != sent:
        people = exchange.phone(called_back)
    back = phone.call(answered.number)
    picked_up = people.incoming().answer()
    talk(back, picked_up)
    back.hangup()
    picked_up.wait_ended()


def test_a_group_of_the_address_book_goes_elsewhere(operator: Operator, exchange: Exchange) -> None:
    people = exchange.phone("030555100", domain=at(operator))
    for number, rings in (("030123401", "1003"), ("030123402", "1002")):
        phone = phone_of(operator, HOST, exchange, rings)
        call = people.call(number)
        answered = phone.incoming().answer()
        assert shown_on(answered) == "Ann Müller 0030555100"
        talk(call, answered)
        call.hangup()
        answered.wait_ended()


@pytest.mark.parametrize(
    ("sent", "number", "code"),
    [
        ("0900123456", "030123401", 603),
        ("+49900123456", "030123402", 603),
        ("0012125550100", "030123401", 603),
        ("anonymous", "030123402", 486),
        # One who claims to be inside is nobody.
        ("1004", "030123402", 486),
    ],
)
def test_who_is_blocked(
    operator: Operator, exchange: Exchange, sent: str, number: str, code: int
) -> None:
    assert exchange.phone(sent, domain=at(operator)).call(number).wait_ended().code == code


def test_who_shows_no_number_stays_nobody(operator: Operator, exchange: Exchange) -> None:
    # One registration for all: FreeSWITCH has a contact's older rows deleted a while after it has
    # registered, and by then the same contact of a test that was over at once is such a row.
    phone = phone_of(operator, HOST, exchange, "1001")
    for sent in ("anonymous", "1004", "Mallory"):
        call = exchange.phone(sent, domain=at(operator)).call("030123401")
        answered = phone.incoming().answer()
        assert shown_on(answered) == "anonymous anonymous", sent
        call.wait_established()
        call.hangup()
        answered.wait_ended()


carrier = side(5069)


@pytest.mark.parametrize(
    ("headers", "caller", "to", "shown"),
    [
        ("Privacy: id\nP-Asserted-Identity: <sip:+4930555300@GW>\n", "anonymous", "030123401",
         "anonymous anonymous"),
        ("Privacy: none\n", "+4930555300", "030123401", "0030555300 0030555300"),
        ("", "+4930555300;cpc=ordinary", "030123401", "0030555300 0030555300"),
        ("", "+4930555300", "+4930123401;npdi;rn=+4919912345", "0030555300 0030555300"),
    ],
)  # fmt: skip
def test_what_a_carrier_writes_besides(
    operator: Operator, exchange: Exchange, lab: Lab, carrier: Side, headers: str, caller: str,
    to: str, shown: str,
) -> None:  # fmt: skip
    """Privacy holds, and parameters of number portability are no part of a number."""
    phone = phone_of(operator, HOST, exchange, "1001")
    headers = headers.replace("GW", lab.gateway)
    with calling(operator, carrier, to, PCMU, caller=caller, headers=headers):
        answered = phone.incoming().answer()
        assert shown_on(answered) == shown
        carrier.told("SIP/2.0 200")


def test_switched_off_all_is_as_the_carrier_sends_it(
    operator: Operator, exchange: Exchange, lab: Lab
) -> None:
    operator.describe(described(lab, "media="))
    operator.succeed()
    tree = operator.ssh(HOST, f"grep -RlE 'caller-rules|book-|Müller' {paths.CURRENT}/")
    assert tree == ""
    phone = phone_of(operator, HOST, exchange, "1001")
    call = exchange.phone("030555100", domain=at(operator)).call("030123401")
    answered = phone.incoming().answer()
    assert shown_on(answered) == "030555100 030555100"
    talk(call, answered)
    call.hangup()
    answered.wait_ended()
