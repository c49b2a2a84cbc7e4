"""Calls to and from carriers: phones of this machine are one, others refuse or say nothing."""

from __future__ import annotations

import random
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from callcenter.render import paths
from callcenter.render.outbound import arriving, leaving
from callcenter.site import Emergency, Site
from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.phones import Call, CallFailed, Codec, Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import in_turn
from tests.roles.support import CALLEE_HZ, CALLER_HZ, logged, phone_of, still_talking, until
from tests.sipp import SIPP, sipp

HOST = "trunk1"
CARRIER, REFUSING, SILENT = 5066, 5071, 5072
HEAVY, LIGHT, FAILING = 5074, 5075, 5076
"""Ports of this machine."""

TRUNKS = f"""
    trunks=[
        Trunk("good", host="GATEWAY", port={CARRIER}, channels=4, caller_id="+4930123400",
              national="+49", ping_seconds=None),
        Trunk("refusing", host="GATEWAY", port={REFUSING}, caller_id="+4930123400",
              ping_seconds=None),
        Trunk("silent", host="GATEWAY", port={SILENT}, ping_seconds=None),
        Trunk("narrow", host="GATEWAY", port={CARRIER}, channels=1, number_format="00",
              caller_id_in="p-asserted-identity", caller_id="+4930123499", ping_seconds=None),
        Trunk("alaw", host="GATEWAY", port={CARRIER}, codecs=["PCMA"], ping_seconds=None),
        Trunk("heavy", host="GATEWAY", port={HEAVY}, ping_seconds=None),
        Trunk("light", host="GATEWAY", port={LIGHT}, ping_seconds=None),
        Trunk("failing", host="GATEWAY", port={FAILING}, ping_seconds=None),
        Trunk("wide", host="GATEWAY", port={CARRIER}, codecs=["OPUS", "G722"], ping_seconds=None),
    ],
    inbound=[
        Did("+4930123401", to=extension(1001)),
        Did("+4930123420", last="+4930123439", to=extension(1002)),
    ],
    outbound=[
        Route("local", pattern=r"^0[1-9]\\d{{5,10}}$", strip=1, prefix="+49", trunks=["good"]),
        Route("refused-first", pattern=r"^8(\\d{{8}})$", strip=1, prefix="+4940",
              trunks=["refusing", "good"]),
        Route("silent-first", pattern=r"^7\\d{{8}}$", strip=1, prefix="+4941",
              trunks=["silent", "good"], silence_seconds=2),
        Route("narrow", pattern=r"^6\\d{{8}}$", strip=1, prefix="+4942", trunks=["narrow"]),
        Route("alaw", pattern=r"^5\\d{{8}}$", strip=1, prefix="+4943", trunks=["alaw"]),
        Route("wide", pattern=r"^4\\d{{8}}$", strip=1, prefix="+4944", trunks=["wide"]),
        Route("bypass", pattern=r"^3\\d{{8}}$", strip=1, prefix="+4945", trunks=["good"],
              media="bypass"),
        Route("proxy", pattern=r"^9\\d{{8}}$", strip=1, prefix="+4947", media="proxy",
              trunks=["refusing", "good"]),
        Route("abroad", pattern=r"^00[1-9]\\d{{6,12}}$", strip=2, prefix="+", trunks=["good"]),
        Route("spread", pattern=r"^20\\d{{6}}$", strip=1, prefix="+4946",
              trunks=["good", "heavy", "light"], weights=[0, 3, 1]),
        Route("spread-failing", pattern=r"^21\\d{{6}}$", strip=1, prefix="+4946",
              trunks=["failing", "heavy", "light"], weights=[2, 1, 1]),
        Route("spread-rest", pattern=r"^22\\d{{6}}$", strip=1, prefix="+4946",
              trunks=["good", "failing"], weights=[0, 1]),
    ],
    emergency=[Emergency("112", trunks=["refusing", "good"])],
    outbound_limits=OutboundLimits(countries=["+49", "+43"], calls_per_hour=1000),
    media="""

ALLOWED = "*Extension.range(1000, 1009, ring_seconds=5)"
ROUTES = '"local", "refused-first", "silent-first", "narrow", "abroad", "alaw", "wide", "bypass", '
ROUTES += '"proxy", "spread", "spread-failing", "spread-rest"'
EXTENSIONS = (
    f"Extension(1000, routes=[{ROUTES}]), "
    f'Extension(1001, routes=[{ROUTES}], caller_id="+4930123401"), '
    "*Extension.range(1002, 1009, ring_seconds=5)"
)


def described(lab: Lab) -> str:
    """Return the Site with its trunks to this machine."""
    text = SITE.replace(ALLOWED, EXTENSIONS).replace("media=", TRUNKS, 1)
    return text.replace("GATEWAY", lab.gateway)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(described(lab))
    made.succeed()
    return made


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """The phones of extensions, and those that are the world behind the good carrier."""
    with Exchange(lab.gateway, port=CARRIER) as made:
        yield made


@pytest.fixture(scope="module")
def refusing(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A carrier that answers 503."""
    folder = tmp_path_factory.mktemp("refusing")
    answer = "SIP/2.0 503 Service Unavailable"
    with sipp(folder, lab.gateway, REFUSING, answers=answer):
        yield


@contextmanager
def silent(lab: Lab) -> Iterator[None]:
    """Give a carrier that hears and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((lab.gateway, SILENT))
        yield


def address_of(operator: Operator) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


def talk(call: Call, answered: Call) -> None:
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 1)
    assert_heard(answered, CALLER_HZ, 1)


def refused(call: Call) -> int | None:
    """Return the status that a call is refused with."""
    with pytest.raises(CallFailed) as why:
        call.wait_established()
    return why.value.code


def test_a_call_comes_in_by_its_number(operator: Operator, exchange: Exchange) -> None:
    phones = {number: phone_of(operator, HOST, exchange, number) for number in ("1001", "1002")}
    world = exchange.phone("+431555000", domain=f"{address_of(operator)}:5080")
    for sent, rings in (
        ("+4930123401", "1001"),
        ("004930123401", "1001"),
        ("030123401", "1001"),
        ("4930123420", "1002"),
        ("4930123439", "1002"),
    ):
        call = world.call(sent)
        answered = phones[rings].incoming().answer()
        assert "+431555000" in answered.number
        talk(call, answered)
        answered.hangup()
        assert call.wait_ended().by == "them"


def test_calls_that_come_in_take_channels(operator: Operator, exchange: Exchange) -> None:
    """Until they end, whoever has answered: the trunk has four."""
    called = phone_of(operator, HOST, exchange, "1001")
    world = exchange.phone("+431555000", domain=f"{address_of(operator)}:5080")
    calls = [(world.call("+4930123401"), called.incoming().answer()) for _ in range(4)]
    for call, _ in calls:
        call.wait_established()
    assert refused(world.call("+4930123401")) == 503
    logged(operator, HOST, "Inbound limit (trunk-calls) of trunk good hit")
    calls[0][1].hangup()
    calls[0][0].wait_ended()
    again = world.call("+4930123401")
    called.incoming().answer()
    again.wait_established()


@pytest.mark.parametrize(
    "sent", ["+4930123402", "4930123419", "4930123440", "1001", "112", "0305551234", "route-local"]
)
def test_no_other_number_is_reached_from_outside(
    operator: Operator, exchange: Exchange, sent: str
) -> None:
    world = exchange.phone("+431555000", domain=f"{address_of(operator)}:5080")
    assert refused(world.call(sent)) == 603


INTRUDERS_CALL = [
    (number, port) for number in ("+4930123401", "0305551234", "112") for port in (5060, 5080)
]


@pytest.fixture(scope="module")
def told_to_intruders(
    operator: Operator, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, int], list[str]]:
    """Return the final statuses of calls without a password, by number and port. They come from
    another address of the same network. All run at once, since a call that is not answered waits
    for half a minute."""
    folder = tmp_path_factory.mktemp("intruders")
    intruder = lab.gateway.rsplit(".", 1)[0] + ".250"
    device = subprocess.run(
        ["ip", "-o", "-4", "address", "show"], capture_output=True, text=True, check=True
    ).stdout
    match = re.search(rf"\d+: (\S+)\s+inet {re.escape(lab.gateway)}/(\d+)", device)
    assert match
    own = [f"{intruder}/{match[2]}", "dev", match[1]]
    subprocess.run(["ip", "address", "add", *own], check=True)
    try:
        with ExitStack() as calls:
            made = {
                (number, port): calls.enter_context(
                    sipp(
                        folder_in(folder, f"{number}-{port}"),
                        intruder,
                        5100 + index,
                        calls=f"{address_of(operator)}:{port}",
                        to=number,
                        domain="roles.callcenter.test",
                    )
                )
                for index, (number, port) in enumerate(INTRUDERS_CALL)
            }
            return {call: one.statuses() for call, one in made.items()}
    finally:
        subprocess.run(["ip", "address", "del", *own], check=True)


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
@pytest.mark.parametrize("port", [5060, 5080])
@pytest.mark.parametrize("number", ["+4930123401", "0305551234", "112"])
def test_nobody_but_a_carrier_is_heard(
    told_to_intruders: dict[tuple[str, int], list[str]], port: int, number: str
) -> None:
    # The firewall lets nobody but carriers come to their port at all.
    assert told_to_intruders[number, port] == ([] if port == 5080 else ["407"])


def test_a_call_goes_out_with_the_right_numbers(operator: Operator, exchange: Exchange) -> None:
    world = exchange.phone("+4930555123")
    for number, shown in (("1000", "+4930123400"), ("1001", "+4930123401")):
        call = phone_of(operator, HOST, exchange, number).call("030555123")
        answered = world.incoming().answer()
        assert answered.number.startswith(shown), answered.number
        talk(call, answered)
        call.hangup()
        answered.wait_ended()


def test_the_carriers_way_of_writing_numbers(operator: Operator, exchange: Exchange) -> None:
    world = exchange.phone("004942" + "00000001")
    call = phone_of(operator, HOST, exchange, "1000").call("600000001")
    answered = world.incoming().answer()
    invite = world.wait_message(lambda one: one.method == "INVITE" and not one.sent)
    assert "+4930123499" in invite.header("p-asserted-identity")
    talk(call, answered)
    # It has one channel.
    assert refused(phone_of(operator, HOST, exchange, "1001").call("600000002")) == 503
    call.hangup()
    answered.wait_ended()
    again = exchange.phone("00494200000003")
    call = exchange._phones["1001"].call("600000003")
    again.incoming().answer()
    call.hangup()


def test_who_has_no_permission_calls_nobody_but_for_help(
    operator: Operator, exchange: Exchange, refusing: None
) -> None:
    caller = phone_of(operator, HOST, exchange, "1002")
    assert refused(caller.call("030555123")) == 403
    help_ = exchange.phone("112")
    call = caller.call("112")
    talk(call, help_.incoming().answer())
    call.hangup()


@pytest.mark.parametrize("number", ["00882161234567", "0033612345678", "0900123456"])
def test_numbers_that_cost_too_much_are_not_called(
    operator: Operator, exchange: Exchange, number: str
) -> None:
    assert refused(phone_of(operator, HOST, exchange, "1000").call(number)) == 403
    called = "+49" + number[1:] if number[1] != "0" else "+" + number[2:]
    logged(operator, HOST, f"Outbound limit (country) of 1000 hit by a call to {called}")


def test_the_next_trunk_is_tried_where_the_first_refuses_or_is_silent(
    operator: Operator, exchange: Exchange, lab: Lab, refusing: None
) -> None:
    caller = phone_of(operator, HOST, exchange, "1000")
    for dialled, called in (("811111111", "+494011111111"), ("711111111", "+494111111111")):
        world = exchange.phone(called)
        with silent(lab):
            call = caller.call(dialled)
            talk(call, world.incoming().answer())
        call.hangup()


@pytest.mark.parametrize(
    ("number", "own", "called", "theirs"),
    [
        ("511111111", "OPUS", "+494311111111", "PCMA"),
        ("522222222", "G722", "+494322222222", "PCMA"),
        ("533333333", "PCMU", "+494333333333", "PCMA"),
        ("411111111", "PCMU", "+494411111111", "OPUS"),
        ("422222222", "OPUS", "+494422222222", "OPUS"),
    ],
)
def test_a_trunks_codecs_are_offered_and_transcoded(
    operator: Operator, exchange: Exchange, number: str, own: Codec, called: str, theirs: str
) -> None:
    world = exchange.phone(called, codecs=("PCMU", "PCMA", "G722", "OPUS"))
    call = phone_of(operator, HOST, exchange, "1000", codecs=(own,)).call(number)
    answered = world.incoming().answer()
    talk(call, answered)
    assert call.codec.upper().startswith(own)
    assert answered.codec.upper().startswith(theirs)
    call.hangup()


@pytest.mark.parametrize(
    ("number", "called", "through"),
    [
        ("311111111", "+494511111111", False),
        # The second trunk's, after a refusal.
        ("911111111", "+494711111111", True),
        ("030555125", "+4930555125", True),
    ],
    ids=["bypass", "proxy", "default"],
)
def test_a_routes_way_of_the_voice(
    operator: Operator,
    exchange: Exchange,
    lab: Lab,
    refusing: None,
    number: str,
    called: str,
    through: bool,
) -> None:
    world = exchange.phone(called, codecs=("PCMU",))
    call = phone_of(operator, HOST, exchange, "1000").call(number)
    answered = world.incoming().answer()
    talk(call, answered)
    switch = address_of(operator)
    voice = re.findall(
        r":(\d+) ", operator.ssh(HOST, f"ss -Hanu src {switch} | awk '{{print $4 \" \"}}'")
    )
    ports = [port for port in map(int, voice) if 16384 <= port <= 32767]
    assert {call.remote_address[0], answered.remote_address[0]} == (
        {switch} if through else {lab.gateway}
    )
    # Two ports a leg, or none at all: no packet of the voice can come to the switch.
    assert bool(ports) == through, ports
    call.hangup()


def test_busy_is_busy(operator: Operator, exchange: Exchange) -> None:
    world = exchange.phone("+4930555123")
    call = phone_of(operator, HOST, exchange, "1000").call("030555123")
    world.incoming().reject()
    assert refused(call) == 486


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_limits_hold_when_twenty_call_at_once(
    operator: Operator, exchange: Exchange, lab: Lab, tmp_path: Path
) -> None:
    phone = phone_of(operator, HOST, exchange, "1001")
    password = operator.secrets.read_text().split('"extension/1001": "')[1].split('"')[0]
    phone.unregister()
    world = exchange.phone("+4930555124")
    with sipp(
        tmp_path,
        lab.gateway,
        5098,
        calls=address_of(operator) + ":5060",
        to="030555124",
        user="1001",
        password=password,
        domain="roles.callcenter.test",
        count=20,
    ) as callers:
        first, second = world.incoming(), world.incoming()
        codes = callers.statuses()
        assert codes.count("403") == 18, codes
    assert not world._ringing
    for one in (first, second):
        one.wait_ended()


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_calls_are_spread_by_weight(
    operator: Operator, exchange: Exchange, lab: Lab, tmp_path: Path
) -> None:
    """3 to 1; where one fails the others take its calls, and it is asked once a call."""
    busy, down = "SIP/2.0 486 Busy Here", "SIP/2.0 503 Service Unavailable"

    def call(numbers: list[str]) -> list[str]:
        return in_turn(operator, "1001", numbers)

    with (
        sipp(folder_in(tmp_path, "heavy"), lab.gateway, HEAVY, answers=busy) as heavy,
        sipp(folder_in(tmp_path, "light"), lab.gateway, LIGHT, answers=busy) as light,
        sipp(folder_in(tmp_path, "failing"), lab.gateway, FAILING, answers=down) as failing,
    ):
        assert call([f"20{n:06}" for n in range(40)]) == ["486"] * 40
        assert (len(heavy.called), len(light.called)) == (30, 10)
        # Of each four calls in a row.
        assert [int(number[-6:]) // 4 for number in light.called] == list(range(10))
        assert call([f"21{n:06}" for n in range(20)]) == ["486"] * 20
        asked = failing.called
        assert len(asked) == len(set(asked)) >= 10
        assert len(heavy.called) + len(light.called) == 60
        # Who has no weight is the last.
        world = exchange.phone("+49462000001")
        last = phone_of(operator, HOST, exchange, "1000").call("22000001")
        talk(last, world.incoming().answer())
        last.hangup()
        assert failing.called[-1] == "+49462000001"
        operator.describe(described(lab).replace("weights=[0, 3, 1]", "weights=[0, 1, 1]"))
        operator.succeed()
        before = len(light.called)
        assert call([f"20{n:06}" for n in range(100, 108)]) == ["486"] * 8
        assert len(light.called) == before + 4


PROBED = f"""
    trunks=[Trunk("probe", host="GATEWAY", port={REFUSING}, national="+49", number_format="digits",
                  caller_id="+4930123401", ping_seconds=None, channels=100)],
    inbound=[
        Did("+4930123401", to=hang_up("USER_BUSY")),
        Did("+4930123417", last="+4930123582", to=hang_up("USER_BUSY")),
        Did("+43155500", last="+43155599", to=hang_up("USER_BUSY")),
    ],
    outbound=[
        Route("service", pattern=r"^0(800|180[0-5])\\d{{4,7}}$", strip=1, prefix="+49",
              trunks=["probe"]),
        Route("local", pattern=r"^0[1-9]\\d{{5,10}}$", strip=1, prefix="+49", trunks=["probe"]),
        Route("abroad", pattern=r"^00[1-9]\\d{{5,12}}$", strip=2, prefix="+", trunks=["probe"]),
        Route("long", pattern=r"^9\\d{{3,4}}(?:11|[2-4]{{2}})\\d?$", prefix="+4989",
              trunks=["probe"]),
    ],
    emergency=[
        Emergency("112", trunks=["probe"]),
        Emergency("19222", trunks=["probe"], sent="+493019222"),
    ],
    outbound_limits=OutboundLimits(
        countries=["+49", "+43", "+1"], calls=100, calls_per_hour=1000
    ),
    media="""


def leaving_cases() -> list[str]:
    """Numbers near every edge of the routes, the limits and what is inside."""
    pick = random.Random(6)

    def digits(least: int, most: int) -> str:
        return "".join(pick.choices("0123456789", k=pick.randint(least, most)))

    heads = (
        *("0", "00", "000", "0800", "01802", "01806", "0900", "00900", "0043", "0049900"),
        *("001900", "0044", "00881", "9", "91", "112", "19222", "1"),
    )
    known = ["112", "1120", "19222", "1922", "0112", "110"]
    # As people write them: the same numbers with signs between, and a # that ends them.
    written = ["(030) 55-51 234", "0043 1-234.567", "+49 (30) 1", "0-1-8-0-2-1-2-3-4-5", "11-2"]
    written += ["112#", "0305551234#", "(0)30 555 1234 #", "0305551234##", "(030)", "#", "1-1-2"]
    drawn = [pick.choice(heads) + digits(2, 11) for _ in range(114)]
    written += ["-".join((one[:3], one[3:])) + pick.choice(("", "#")) for one in drawn[:24]]
    # Half of them by each of the two that call.
    return [*known, *written[::2], *drawn, *written[1::2]]


def arriving_cases() -> list[str]:
    """Numbers near the ends of the DIDs, as carriers may write them."""
    pick = random.Random(7)
    heads = ("+4930123", "004930123", "4930123", "030123", "30123")
    cases = [pick.choice(heads) + str(pick.randint(390, 610)) for _ in range(55)]
    others = ("+431555", "01555", "00431555")
    return cases + [pick.choice(others) + str(pick.randint(1, 140)) for _ in range(25)]


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_route_tells_what_freeswitch_does(
    operator: Operator, lab: Lab, tmp_path: Path, refusing: None
) -> None:
    """200 calls: what is told without a host, and what becomes of them."""
    text = SITE.replace(
        ALLOWED,
        'Extension(1000, routes=["service", "local", "abroad", "long"]), '
        'Extension(1001, routes=["abroad"]), *Extension.range(1002, 1009, ring_seconds=5)',
    )
    text = text.replace("media=", PROBED, 1).replace("GATEWAY", lab.gateway)
    operator.describe(text)
    operator.succeed()
    scope: dict[str, Any] = {}
    exec(text.replace("{secrets}", str(operator.secrets)), scope)
    site: Site = scope["site"]
    server = address_of(operator)
    with sipp(
        folder_in(tmp_path, "carrier"), lab.gateway, 5073, answers="SIP/2.0 486 Busy Here"
    ) as carrier:
        operator.describe(text.replace(f"port={REFUSING}", "port=5073"))
        operator.succeed()
        every = leaving_cases()
        for caller, cases in (("1000", every[:108]), ("1001", every[108:])):
            expected, called = [], []
            for number in cases:
                call = leaving(site, caller, number)
                if call.by is None:
                    expected.append("404")
                elif call.refused:
                    expected.append("403")
                else:
                    expected.append("486")
                    called.append(
                        call.number if isinstance(call.by, Emergency) else call.number[1:]
                    )
            before = len(carrier.called)
            got = in_turn(operator, caller, [quote(number, safe="()*+") for number in cases])
            assert dict(zip(cases, got, strict=True)) == dict(zip(cases, expected, strict=True))
            assert carrier.called[before:] == called
            assert len(set(expected)) > 1
    cases = arriving_cases()
    expected = ["486" if arriving(site, "probe", number) else "603" for number in cases]
    with sipp(
        folder_in(tmp_path, "in"), lab.gateway, 5098, calls=f"{server}:5080", numbers=cases
    ) as calls:
        assert dict(zip(cases, calls.statuses(), strict=True)) == dict(
            zip(cases, expected, strict=True)
        )
    assert 15 < expected.count("486") < 65
    operator.describe(described(lab))
    operator.succeed()


def folder_in(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def test_a_trunk_is_changed_while_another_one_is_in_a_call(
    operator: Operator, exchange: Exchange, lab: Lab
) -> None:
    world = exchange.phone("+4930555123")
    call = phone_of(operator, HOST, exchange, "1000").call("030555123")
    answered = world.incoming().answer()
    talk(call, answered)
    changed = described(lab).replace(
        f'"refusing", host="{lab.gateway}", port={REFUSING}',
        f'"refusing", host="{lab.gateway}", port=5079',
    )
    operator.describe(changed)
    assert operator.succeed().changes > 0
    shown = operator.ssh(HOST, "fs_cli -x 'sofia status gateway refusing'")
    assert f"{lab.gateway}:5079" in shown
    still_talking(call, answered)
    call.hangup()
    assert operator.succeed().changes == 0


def test_without_trunks_nothing_of_them_is_left(operator: Operator, lab: Lab) -> None:
    operator.describe(SITE)
    operator.succeed()
    # FreeSWITCH closes the port of a profile in the background, after it has said that it is gone.
    until(lambda: operator.ssh(HOST, "ss -Hlntu"), lambda said: ":5080" not in said)
    assert "5080" not in operator.ssh(HOST, "nft list ruleset")
    assert operator.ssh(HOST, "fs_cli -x 'module_exists mod_distributor'").strip() == "false"
    assert operator.ssh(HOST, "ls /etc/freeswitch/current/gateways 2>&1").startswith("ls: cannot")
    operator.describe(described(lab))
    operator.succeed()
    # Gone and back at once, as if it had been a mistake: FreeSWITCH has closed the port, and knows
    # the old one for a moment more.
    back = f"""
from importlib.machinery import SourceFileLoader
from pathlib import Path
release = SourceFileLoader("release", "{paths.RELEASE_TOOL}").load_module()
switch = release.Switch(release.Linux(release.Releases(Path(release.CONFIG))))
switch.perform("stop external")
while switch.door.listens(":5080"):
    pass
switch.perform("start external")
"""
    said = operator.ssh(HOST, f"python3 -W ignore -B -c {shlex.quote(back)}")
    assert said == ""
    assert "RUNNING" in operator.ssh(HOST, "fs_cli -x 'sofia status' | grep 'external.profile'")
