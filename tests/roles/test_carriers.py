"""Accounts and numbers as carriers want them, at a Kamailio that is strict about both."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jinja2 import Template

from lab.lab import Lab
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.phones import Call, Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import Side, answering, side
from tests.roles.support import name_server, phone_of, until
from tests.roles.test_trunks import talk
from tests.sipp import wait_bound

HOST = "carriers1"
PROXY, REGISTRAR, PEOPLE, LOOKED_UP, POINTED = 5091, 5060, 5066, 5093, 5095
ANNOUNCING = 5097
"""Port of a carrier that plays something before the answer."""
DOMAIN = "ims.carrier.test"
"""Domain that is in no name server: it stands in SIP alone."""
PCMU = 0
PASSWORD = "the-carriers-own-choice"
"""Begins each account's password; its name follows."""

COMMON = f"""host="{DOMAIN}", outbound_proxy="GATEWAY", port={PROXY}, registrar="GATEWAY",
              from_domain="{DOMAIN}", ping_seconds=None, register_seconds=600"""
TRUNKS = f"""
    trunks=[
        Trunk("one", {COMMON}, username="+4930555100", auth_username="user-100@{DOMAIN}",
              password=secret("one"),
              caller_id_in="p-preferred-identity", number_format="national", national="+49",
              caller_id_format="national", caller_id="+4930555101"),
        Trunk("two", {COMMON}, username="+4930555200", auth_username="user-200@{DOMAIN}",
              password=secret("two"),
              caller_id_in="p-asserted-identity", caller_id="+4930555201", from_user="office"),
        Trunk("texas", host="GATEWAY", port={PROXY}, username="texas", password=secret("texas"),
              register=False, caller_id_in="remote-party-id", national="+1",
              number_format="national", caller_id_format="national", number_prefix="99*",
              caller_id="+12125550100", ping_seconds=None),
        Trunk("announcing", host="GATEWAY", port={ANNOUNCING}, ping_seconds=None),
        Trunk("ringing", host="GATEWAY", port={ANNOUNCING}, ping_seconds=None, early_media=False),
        Trunk("pointed", host="pointed.test", networks=["GATEWAY"], ping_seconds=None,
              caller_id="+4930555998"),
        Trunk("looked-up", host="carrier.test", networks=["GATEWAY"], ping_seconds=None,
              number_format="00", caller_id_format="digits", caller_id="+4930555999"),
    ],
    inbound=[
        Did("+4930555101", to=extension(1001), trunk="one"),
        Did("+4930555201", to=extension(1001), trunk="two"),
    ],
    outbound=[
        Route("one", pattern=r"^1\\d{{6,14}}$", strip=1, prefix="+", trunks=["one"]),
        Route("two", pattern=r"^2\\d{{6,14}}$", strip=1, prefix="+", trunks=["two"]),
        Route("texas", pattern=r"^3\\d{{6,14}}$", strip=1, prefix="+", trunks=["texas"]),
        Route("announcing", pattern=r"^5\\d{{6,14}}$", strip=1, prefix="+", trunks=["announcing"]),
        Route("ringing", pattern=r"^6\\d{{6,14}}$", strip=1, prefix="+", trunks=["ringing"]),
        Route("pointed", pattern=r"^7\\d{{6,14}}$", strip=1, prefix="+", trunks=["pointed"]),
        Route("looked-up", pattern=r"^4\\d{{6,14}}$", strip=1, prefix="+", trunks=["looked-up"]),
    ],
    outbound_limits=OutboundLimits(countries=["+49", "+43", "+1"], calls_per_hour=1000),
    media="""
ALLOWED = "*Extension.range(1000, 1009, ring_seconds=5)"
EXTENSIONS = (
    'Extension(1000, routes=["one", "two", "texas", "looked-up", "announcing", "ringing", '
    '"pointed"]), '
    "*Extension.range(1001, 1009, ring_seconds=5)"
)


@pytest.fixture(scope="module")
def carrier(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kamailio, as somebody else's."""
    folder = tmp_path_factory.mktemp("carrier")
    template = Template(Path(__file__).with_name("carrier.cfg.j2").read_text())
    (folder / "kamailio.cfg").write_text(
        template.render(
            address=lab.gateway,
            proxy=PROXY,
            registrar=REGISTRAR,
            people=PEOPLE,
            password=PASSWORD,
            domain=DOMAIN,
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["kamailio", "-f", folder / "kamailio.cfg", "-DD", "-E", "-Y", folder, "-m", "16"],
            stdout=log,
            stderr=log,
        )
        try:
            wait_bound(process, PROXY)
            yield
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab, carrier: None) -> Iterator[Operator]:
    made = operator_of(HOST)
    assert made.ssh(HOST, f"echo 'nameserver {lab.gateway}' >/etc/resolv.conf") == ""
    made.secrets.touch(0o600)
    names = {"one": f"user-100@{DOMAIN}", "two": f"user-200@{DOMAIN}", "texas": "texas"}
    secrets = {trunk: f"{PASSWORD}-{name}" for trunk, name in names.items()}
    made.secrets.write_text(json.dumps(secrets))
    text = SITE.replace(ALLOWED, EXTENSIONS).replace("media=", TRUNKS, 1)
    made.describe(text.replace("GATEWAY", lab.gateway))
    with name_server(
        lab.gateway,
        {"sip.carrier.test": lab.gateway},
        {
            "sip.udp.carrier.test": (LOOKED_UP, "sip.carrier.test"),
            "sip.udp.elsewhere.test": (POINTED, "sip.carrier.test"),
            # Where nothing pointed, this would be asked for.
            "sip.udp.pointed.test": (LOOKED_UP, "sip.carrier.test"),
        },
        {"pointed.test": ("SIP+D2U", "_sip._udp.elsewhere.test")},
    ):
        made.succeed()
        assert made.succeed().changes == 0
        yield made


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """The phones of extensions, and the people behind the carrier."""
    with Exchange(lab.gateway, port=PEOPLE) as made:
        yield made


def registered(operator: Operator, trunk: str) -> None:
    """Wait until the switch is registered with a carrier."""
    until(
        lambda: operator.ssh(HOST, f"fs_cli -x 'sofia status gateway {trunk}'"),
        lambda said: re.search(r"^State\s+REGED$", said, re.MULTILINE) is not None,
    )


def invite_of(answered: Call) -> Message:
    """Return the INVITE that a call came with."""
    return answered.wait_message(lambda one: one.method == "INVITE" and not one.sent)


def called(operator: Operator, exchange: Exchange, dialled: str, sent: str) -> Message:
    """Call from extension 1000, talk, and return what the carrier was sent."""
    people = exchange.phone(sent)
    call = phone_of(operator, HOST, exchange, "1000").call(dialled)
    answered = people.incoming().answer()
    talk(call, answered)
    invite = invite_of(answered)
    call.hangup()
    answered.wait_ended()
    return invite


@pytest.mark.parametrize(
    ("dialled", "sent"), [("14930111222", "030111222"), ("1431222333", "00431222333")]
)
def test_numbers_as_one_dials_them(
    operator: Operator, exchange: Exchange, dialled: str, sent: str
) -> None:
    registered(operator, "one")
    invite = called(operator, exchange, dialled, sent)
    assert f"<sip:030555101@{DOMAIN}>" in invite.header("p-preferred-identity")
    assert f"sip:+4930555100@{DOMAIN}" in invite.header("from")
    assert invite.header("p-asserted-identity") == ""
    assert invite.header("x-account") == f"user-100@{DOMAIN}"


def test_an_account_in_from_and_the_caller_beside_it(
    operator: Operator, exchange: Exchange
) -> None:
    registered(operator, "two")
    invite = called(operator, exchange, "24930111222", "+4930111222")
    assert f"sip:office@{DOMAIN}" in invite.header("from")
    assert f"<sip:+4930555201@{DOMAIN}>" in invite.header("p-asserted-identity")
    assert invite.header("x-account") == f"user-200@{DOMAIN}"


@pytest.mark.parametrize(
    ("dialled", "sent"), [("312125550199", "99*2125550199"), ("34930111222", "99*0114930111222")]
)
def test_ten_digits_and_a_prefix(
    operator: Operator, exchange: Exchange, dialled: str, sent: str
) -> None:
    """The password alone answers for each call: nothing is registered."""
    invite = called(operator, exchange, dialled, sent)
    assert "<sip:2125550100@" in invite.header("remote-party-id")
    assert invite.header("x-account") == "texas"
    state = operator.ssh(HOST, "fs_cli -x 'sofia status gateway texas'")
    assert "NOREG" in state


def test_a_port_that_dns_names(operator: Operator, lab: Lab) -> None:
    with Exchange(lab.gateway, port=LOOKED_UP) as exchange:
        invite = called(operator, exchange, "44930111222", "004930111222")
    assert "sip:4930555999@" in invite.header("from")


def test_a_service_that_dns_points_at(operator: Operator, lab: Lab) -> None:
    """NAPTR leads to another service than the name's own."""
    with Exchange(lab.gateway, port=POINTED) as exchange:
        invite = called(operator, exchange, "74930111222", "+4930111222")
    assert "sip:+4930555998@" in invite.header("from")
    assert invite.text.startswith("INVITE sip:+4930111222@pointed.test")


announcer = side(ANNOUNCING)


@pytest.mark.parametrize(("dialled", "early"), [("54930111222", True), ("64930111222", False)])
def test_what_a_carrier_plays_before_the_answer(
    operator: Operator, exchange: Exchange, announcer: Side, dialled: str, early: bool
) -> None:
    with answering(announcer, PCMU, early=True, announces=500):
        call = phone_of(operator, HOST, exchange, "1000").call(dialled)
        call.wait_established()
        before = until(
            lambda: [m for m in call.messages if not m.sent and m.status and 100 < m.status < 200],
            bool,
        )
        assert any(one.sdp for one in before) is early
        call.hangup()


@pytest.mark.parametrize("number", ["+4930555101", "+4930555201"])
def test_a_call_is_that_of_the_account_it_is_sent_to(
    operator: Operator, exchange: Exchange, lab: Lab, number: str
) -> None:
    """Though both come from one address, and each DID takes calls of one account only."""
    for trunk in ("one", "two"):
        registered(operator, trunk)
    phone = phone_of(operator, HOST, exchange, "1001")
    people = exchange.phone("+431555000", domain=f"{lab.gateway}:{PROXY}")
    call = people.call(number)
    answered = phone.incoming().answer()
    assert "+431555000" in answered.number
    talk(call, answered)
    call.hangup()
    answered.wait_ended()
