"""Calls through NAT: the switch behind one, the phones behind one, both, and neither."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from ipaddress import ip_interface
from pathlib import Path

import pytest

from lab import nat, network
from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.lamp import lamp
from tests.acceptance.support.phones import Exchange, Transport
from tests.acceptance.support.waiting import PATIENCE
from tests.acceptance.test_t3_voicemail import light
from tests.certificates import Authority
from tests.roles.conftest import EDGE, SITE, Operator
from tests.roles.far import (
    ECHO_HZ,
    Caller,
    Somebody,
    TlsCarrier,
    announced,
    far_people,
    talk,
)
from tests.roles.support import (
    AT,
    CALLEE_HZ,
    CALLER_HZ,
    name_server,
    phone_of,
    phones_at,
    still_talking,
    until,
    until_on,
)

HOST = "nat1"
DOMAIN = "roles.callcenter.test"
PUBLIC = "198.51.100.11"
"""Address of the switch, where it is behind no NAT."""
CARRIER = 5066
"""The port of carriers; by TLS it is the one after it."""
REGISTRAR = 5090
NAME = "sip.carrier.test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of the carrier and of the switch, by one authority."""
    made = tmp_path_factory.mktemp("certificates")
    authority = Authority.make(made)
    carrier = authority.certificate(NAME)
    (made / "carrier.pem").write_bytes(b"".join(one.read_bytes() for one in carrier))
    authority.certificate("switch")
    return made


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab, folder: Path) -> Iterator[Operator]:
    made = operator_of(HOST)
    nat.make(lab.name, private(made))
    for line in (
        f"ip address add {PUBLIC}/24 dev host0",
        f"ip route replace default via {lab.gateway}",
        f"echo 'nameserver {lab.gateway}' >/etc/resolv.conf",
    ):
        assert made.ssh(HOST, line) == ""
    made.secrets.touch(0o600)
    key = (folder / "switch.key").read_text()
    made.secrets.write_text(json.dumps({"switch-key": key, "account": "k3-Wq.9vT_x7-Lm"}))
    with name_server(lab.gateway, {NAME: nat.INTERNET}):
        yield made


def private(operator: Operator) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


def password(operator: Operator, number: str) -> str:
    made: str = json.loads(operator.secrets.read_text())[f"extension/{number}"]
    return made


@pytest.fixture
def far(lab: Lab) -> Iterator[Caller]:
    """Begins a call of somebody in another place than the test's own phones."""
    with far_people(lab.name) as begin:
        yield begin


@pytest.fixture(params=["public switch", "switch behind NAT"])
def outside(operator: Operator, request: pytest.FixtureRequest) -> str:
    """The switch's address as the internet sees it."""
    if request.param == "public switch":
        operator.describe(address=PUBLIC, public_ip=PUBLIC)
    else:
        operator.describe(address=private(operator), public_ip=nat.SWITCH_OUTSIDE)
    operator.succeed()
    return PUBLIC if request.param == "public switch" else nat.SWITCH_OUTSIDE


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("where", ["internet", "home"])
def test_both_are_heard_and_told_the_public_address(
    operator: Operator, outside: str, where: nat.Place, transport: Transport
) -> None:
    with phones_at(operator.lab.name, where) as exchange:
        caller, called = (
            phone_of(operator, HOST, exchange, number, server=outside, transport=transport)
            for number in ("1000", "1001")
        )
        call = caller.call("1001")
        answered = called.incoming().answer()
        call.wait_established()
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        still_talking(call, answered)
        assert announced(call) == announced(answered) == {outside}
        # A hang-up comes through as well.
        answered.hangup()
        assert call.wait_ended().by == "them"


TRUNKS = r"""
    trunks=[
        Trunk("carrier", host="INTERNET", port=CARRIER, caller_id="+4930123400",
              ping_seconds=None),
        Trunk("secure", host="NAME", port=BY_TLS, transport="tls", networks=["INTERNET"],
              ca_file="FOLDER/authority.pem", certificate="FOLDER/switch.pem",
              key=secret("switch-key"), ping_seconds=None),
        Trunk("registered", host="NAME", port=REGISTRAR, transport="tls", tls_port=5082,
              networks=["INTERNET"], ca_file="FOLDER/authority.pem", username="acct",
              password=secret("account"), ping_seconds=None),
    ],
    outbound=[
        Route(name, pattern=rf"^{digit}\d{{6,10}}$", strip=1, prefix="+49", trunks=[name])
        for name, digit in (("carrier", 0), ("secure", 8), ("registered", 7))
    ],
    outbound_limits=OutboundLimits(countries=["+49"]),
    inbound=[Did("+4930123400", to=extension(1000))],
    media="""


@pytest.fixture
def behind(operator: Operator, folder: Path) -> None:
    """A switch behind a NAT, with trunks out of it."""
    text = SITE.replace("media=", TRUNKS, 1).replace(
        "[*Extension.range(1000, 1009, ring_seconds=5)",
        '[Extension(1000, routes=["carrier", "secure", "registered"]), Extension(1001), '
        "Extension(1002, voicemail=True), Extension(1003)",
    )
    for word, value in {
        "INTERNET": nat.INTERNET,
        "CARRIER": CARRIER,
        "NAME": NAME,
        "BY_TLS": CARRIER + 1,
        "REGISTRAR": REGISTRAR,
        "FOLDER": folder,
    }.items():
        text = text.replace(word, str(value))
    operator.describe(text, address=private(operator), public_ip=nat.SWITCH_OUTSIDE)
    operator.succeed()


@pytest.fixture
def inside(behind: None, lab: Lab) -> Iterator[Exchange]:
    """Phones beside that switch."""
    with Exchange(lab.gateway) as made:
        yield made


def test_phone_behind_nat_is_kept_reachable(operator: Operator, behind: None) -> None:
    """Past the time after which its router forgets a conversation that is silent."""
    with forgetful(operator.lab.name, 40), phones_at(operator.lab.name, "home") as exchange:
        transports: dict[str, Transport] = {"1000": "udp", "1001": "tcp"}
        there = {
            number: phone_of(
                operator, HOST, exchange, number, server=nat.SWITCH_OUTSIDE, transport=transport
            )
            for number, transport in transports.items()
        }
        registered = time.monotonic()

        def late(message: Message) -> bool:
            asked = not message.sent and message.status is None and message.method == "OPTIONS"
            return asked and message.at > registered + 45

        if EDGE:
            # Kamailio's are no messages.
            until(lambda: time.monotonic() > registered + 45, True)
        for phone in () if EDGE else there.values():
            phone.wait_message(late, timeout=90)
        for number, phone in there.items():
            # From the switch: a call of the phone's neighbour would open the way anew.
            operator.ssh(HOST, f"fs_cli -x 'bgapi originate user/{number}@{DOMAIN} &park'")
            call = phone.incoming().answer()
            assert announced(call) == {nat.SWITCH_OUTSIDE}
            call.hangup()
        ways = {m.source for m in there["1001"].messages if m.transport == "TCP" and m.sent}
        assert len(ways) == 1, "another connection than that of the registration"


@contextmanager
def forgetful(lab: str, seconds: int) -> Iterator[None]:
    """Give a router that keeps a silent conversation for so long."""
    kinds = ("udp_timeout", "udp_timeout_stream", "tcp_timeout_established")
    names = [f"net.netfilter.nf_conntrack_{kind}" for kind in kinds]
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    before = run([*network.within(lab), "sysctl", *names]).stdout.replace(" ", "").split()
    try:
        run([*network.within(lab), "sysctl", *(f"{name}={seconds}" for name in names)])
        yield
    finally:
        run([*network.within(lab), "sysctl", *before])


def extension_far_away(operator: Operator, number: str) -> Somebody:
    return Somebody(number, DOMAIN, password(operator, number), server=nat.SWITCH_OUTSIDE)


def carrier_far_away(folder: Path, secure: bool, calls: str | None = None) -> Somebody:
    """Return who is called at a number, or calls one, behind a carrier that the switch does not
    register with."""
    own, theirs = (f"{NAME}:{CARRIER + 1}", 5081) if secure else (f"{nat.INTERNET}:{CARRIER}", 5080)
    return Somebody(
        "+4930555123",
        f"{nat.SWITCH_OUTSIDE}:{theirs}" if calls else own,
        transport="tls" if secure else "udp",
        port=CARRIER,
        certificates=folder if secure else None,
        calls=calls,
    )


def test_inside_and_outside_in_one_call(
    operator: Operator, inside: Exchange, far: Caller, folder: Path
) -> None:
    """Each is told the address that it can reach: an extension outside, and carriers."""
    caller = phone_of(operator, HOST, inside, "1000")
    for number, who in (
        ("1001", extension_far_away(operator, "1001")),
        ("030555123", carrier_far_away(folder, secure=False)),
        ("830555123", carrier_far_away(folder, secure=True)),
    ):
        theirs = far(who)
        call = caller.call(number)
        call.wait_established()
        talk(call, theirs, private(operator), nat.SWITCH_OUTSIDE)


@pytest.mark.parametrize("secure", [False, True], ids=["udp", "tls"])
def test_carrier_calls_the_public_address(
    operator: Operator, inside: Exchange, far: Caller, folder: Path, secure: bool
) -> None:
    """By TLS over a connection that the carrier opens."""
    called = phone_of(operator, HOST, inside, "1000")
    theirs = far(carrier_far_away(folder, secure, calls="+4930123400"))
    talk(called.incoming().answer(), theirs, private(operator), nat.SWITCH_OUTSIDE)


def test_carrier_that_is_registered_with_by_tls(
    operator: Operator, inside: Exchange, folder: Path
) -> None:
    """Its calls come over the connection that the switch has opened, and those to it go there."""
    phone = phone_of(operator, HOST, inside, "1000")
    with TlsCarrier(operator.lab.name, folder, NAME, REGISTRAR) as carrier:
        operator.ssh(HOST, "fs_cli -x 'sofia profile tls-registered register registered'")
        register = carrier.accept()
        assert addresses(register, "contact", "via") == {nat.SWITCH_OUTSIDE}
        up = "fs_cli -x 'sofia status gateway registered' | grep -q '^State.*REGED'"
        until_on(operator, HOST, up)

        carrier.invite("+431555000", "+4930123400")
        call = phone.incoming().answer()
        answer = carrier.established()
        call.play(CALLER_HZ)
        assert_heard(call, ECHO_HZ, 1)
        call.hangup()
        carrier.answer(carrier.wait("BYE "), "200 OK")

        call = phone.call("730555123")
        invite = carrier.pick_up()
        call.wait_established()
        call.play(CALLER_HZ)
        assert_heard(call, ECHO_HZ, 1)
        call.hangup()
        carrier.answer(carrier.wait("BYE "), "200 OK")
    for told in (answer, invite):
        assert told.sdp
        assert {told.sdp.address, *addresses(told, "contact")} == {nat.SWITCH_OUTSIDE}


def addresses(message: Message, *headers: str) -> set[str]:
    """Return the addresses in these headers."""
    text = "\n".join(message.header(name) for name in headers)
    return set(re.findall(r"\d+\.\d+\.\d+\.\d+", text))


def test_home_and_internet_in_one_call(operator: Operator, behind: None, far: Caller) -> None:
    """Whoever calls."""
    with phones_at(operator.lab.name, "home") as exchange:
        phone = phone_of(operator, HOST, exchange, "1000", server=nat.SWITCH_OUTSIDE)
        for calls in (None, "1000"):
            theirs = far(replace(extension_far_away(operator, "1001"), calls=calls))
            if calls:
                call = phone.incoming().answer()
            else:
                call = phone.call("1001")
                call.wait_established()
            talk(call, theirs, nat.SWITCH_OUTSIDE, nat.SWITCH_OUTSIDE)


@pytest.mark.parametrize(("where", "transport"), [("internet", "tcp"), ("home", "udp")])
def test_lights_outside(
    operator: Operator, behind: None, tmp_path: Path, where: nat.Place, transport: Transport
) -> None:
    """A lamp and a message light of phones outside: lit, and dark again."""
    with (
        phones_at(operator.lab.name, where) as exchange,
        lamp(
            tmp_path,
            "1001",
            user="1003",
            password=password(operator, "1003"),
            domain=DOMAIN,
            address=AT[where],
            server=f"{nat.SWITCH_OUTSIDE}:5060",
            within=nat.within_place(operator.lab.name, where),
        ) as watched,
    ):
        caller, called, owner = (
            phone_of(
                operator, HOST, exchange, number, server=nat.SWITCH_OUTSIDE, transport=transport
            )
            for number in ("1000", "1001", "1002")
        )
        watched.wait("none")
        call = caller.call("1001")
        ringing = called.incoming()
        watched.wait("early")
        ringing.answer()
        watched.wait("confirmed")
        call.hangup()
        watched.wait("terminated")
        # FreeSWITCH's own Via is behind that of an edge, which answers come back to.
        inner = re.compile(r"SIP/2\.0/UDP \S+;received=127\.0\.0\.1\S*")
        assert private(operator) not in inner.sub("", watched.messages)

        box = f"1002@{DOMAIN}"
        sound = "$(find /etc/freeswitch/current/sounds/ -name '*.wav' | head -n 1)"
        assert "+OK" in operator.ssh(HOST, f'fs_cli -x "vm_inject {box} {sound}"')
        lit = light(owner, on=True)
        operator.ssh(HOST, f"fs_cli -x 'vm_delete {box}'")
        dark = light(owner, on=False, after=lit.at)
        for told in (lit, dark):
            assert addresses(told, "contact", "via", "from") == {nat.SWITCH_OUTSIDE}


LOCAL = (str(ip_interface(f"{network.GATEWAY}/{network.PREFIX}").network), "100.64.0.0/10")
"""The lab's own network, and a VPN to a carrier."""


@pytest.mark.parametrize("places", [("vpn",), ("provider",), ("vpn", "internet")], ids="-".join)
def test_carriers_at_private_addresses(
    operator: Operator, lab: Lab, far: Caller, places: tuple[nat.Place, ...]
) -> None:
    """Each is told in Contact what it is told in SDP: what local_networks says."""
    trunks = [
        f'Trunk("{where}", host="{AT[where]}", port={CARRIER + n}, caller_id="+4930123400", '
        "ping_seconds=None)"
        for n, where in enumerate(places)
    ]
    routes = [
        f'Route("{where}", pattern=r"^{n}\\d{{6,10}}$", strip=1, prefix="+49", trunks=["{where}"])'
        for n, where in enumerate(places)
    ]
    more = f"""
    trunks=[{", ".join(trunks)}],
    outbound=[{", ".join(routes)}],
    outbound_limits=OutboundLimits(countries=["+49"]),
    inbound=[Did("+4930123400", to=extension(1000))],
    media="""
    text = SITE.replace("media=", more, 1).replace(
        'sip_from="anywhere"', f'sip_from="anywhere", local_networks={LOCAL}'
    )
    text = text.replace(
        "[*Extension.range(1000, 1009",
        f"[Extension(1000, routes={places}), *Extension.range(1001, 1009",
    )
    operator.describe(text, address=private(operator), public_ip=nat.SWITCH_OUTSIDE)
    operator.succeed()
    with Exchange(lab.gateway) as exchange:
        phone = phone_of(operator, HOST, exchange, "1000")
        for n, where in enumerate(places):
            right = private(operator) if where == "vpn" else nat.SWITCH_OUTSIDE
            here = Somebody(
                "+4930555123", f"{AT[where]}:{CARRIER + n}", port=CARRIER + n, where=where
            )
            theirs = far(here)
            call = phone.call(f"{n}30555123")
            call.wait_established()
            talk(call, theirs, private(operator), right)
            theirs = far(replace(here, domain=f"{right}:5080", calls="+4930123400"))
            talk(phone.incoming().answer(), theirs, private(operator), right)


def test_carrier_is_registered_with_by_the_public_address(operator: Operator) -> None:
    trunk = f"""
    trunks=[Trunk("carrier", host="{nat.INTERNET}", port=5066, username="account",
                  password=secret("account"))],
    media="""
    operator.describe(
        SITE.replace("media=", trunk, 1), address=private(operator), public_ip=nat.SWITCH_OUTSIDE
    )

    def carrier() -> socket.socket:
        network.join(nat.place(operator.lab.name, "internet"))
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind((nat.INTERNET, 5066))
        return bound

    # A socket stays in the network in which it was made.
    with ThreadPoolExecutor(1) as thread, thread.submit(carrier).result() as bound:
        bound.settimeout(PATIENCE)
        operator.succeed()
        said, (sender, _) = bound.recvfrom(65535)
        while not said.startswith(b"REGISTER "):
            said, (sender, _) = bound.recvfrom(65535)
    contact = next(line for line in said.decode().splitlines() if line.startswith("Contact:"))
    assert sender == nat.SWITCH_OUTSIDE
    assert f"@{nat.SWITCH_OUTSIDE}:" in contact
    assert private(operator) not in contact
