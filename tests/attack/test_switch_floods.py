"""A switch is flooded, scanned and sent what nobody can read, with twenty calls up all the while.

Floods are ten times what the packet filter lets one address do in a second.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from callcenter.client.inventory import load
from callcenter.render import paths
from callcenter.site.ports import reached
from lab.lab import Lab
from tests.acceptance.support.phones import Exchange
from tests.attack.conftest import DOMAIN, Edge
from tests.attack.flood import Kind, client_hello, flood
from tests.attack.malformed import MESSAGES, mutated, send_malformed
from tests.attack.sip import Peer, Transport, WebPeer, framed, opening
from tests.certificates import Authority
from tests.roles.conftest import BEHIND, SITE, Operator
from tests.roles.support import connected, phone_of, still_talking, until
from tests.sipp import SIPP, answered_calls, complete_calls, counted, wait_bound

HOST, NAME = "flooded1", "sip.carrier.test"
TRUNK, PROGRAMS = 5081, 8031
"""Ports of the switch that speak TLS: a carrier's, and the Event Socket's."""
PHONES, BROWSERS = 5061, 7443
"""Ports of the edge that do."""
NMAP = shutil.which("nmap")
CALLS, NEEDED, HELD = 100, 95, 20
"""Calls during a flood, those of them that must be complete, and those that are up before."""
RATE = 15
"""Calls a second. Each is three that FreeSWITCH counts, at most 200: one without the password."""
ECHO = "9196"

FLOODED = (
    SITE.replace("Extension.range(1000, 1009", "Extension.range(1000, 1099")
    .replace("Network(", 'Network(local_networks=["192.168.0.0/16"], ')
    .replace("max_calls=100", "max_calls=300, calls_per_extension=200, max_calls_per_second=100")
    .replace(
        "media=",
        f"""trunks=[Trunk("secure", host="{NAME}", port=5067, transport="tls", tls_port={TRUNK},
                  networks=["GATEWAY"], ca_file="FOLDER/authority.pem",
                  certificate="FOLDER/switch.pem", key=secret("switch-key"), ping_seconds=None)],
    inbound=[Did("+4930123401", to=extension(1001))],
    event_socket=EventSocket(tls=EventSocketTls(
        "FOLDER/switch.pem", "FOLDER/switch.key", clients="FOLDER/authority.pem",
        networks=["GATEWAY"])),
    media=""",
        1,
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of the switch, and of the carrier who attacks."""
    made = tmp_path_factory.mktemp("certificates")
    authority = Authority.make(made)
    for name in ("switch", "carrier"):
        certificate, key = authority.certificate(f"{name}.test")
        certificate.rename(made / f"{name}.pem")
        key.rename(made / f"{name}.key")
    authority.certificate(DOMAIN)
    return made


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab, folder: Path) -> Operator:
    """Whoever deploys the switch that is attacked."""
    made = operator_of(HOST)
    made.secrets.touch(0o600)
    keys = {"switch-key": "switch", "phones-key": DOMAIN}
    known = {name: (folder / f"{file}.key").read_text() for name, file in keys.items()}
    made.secrets.write_text(json.dumps(known))
    tls = f'PhoneTls("{folder / DOMAIN}.pem", secret("phones-key"), wss=Wss())'
    site = FLOODED.replace("GATEWAY", lab.gateway).replace("FOLDER", str(folder))
    made.describe(site.replace(BEHIND, f"{BEHIND}, tls={tls}"))
    made.succeed()
    return made


@pytest.fixture
def edge(operator: Operator) -> Iterator[Edge]:
    """The switch under attack, and peers at addresses of their own."""
    with ExitStack() as resources:
        yield Edge(operator, HOST, resources)


def fs_cli(operator: Operator, command: str) -> str:
    return operator.ssh(HOST, f"fs_cli -x '{command}'")


def calls_of(operator: Operator, to: str) -> set[str]:
    """Ids of the calls to a number."""
    rows = json.loads(fs_cli(operator, "show channels as json")).get("rows", [])
    return {row["uuid"] for row in rows if row["dest"] == to}


@pytest.fixture(scope="module")
def held(operator: Operator, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Twenty calls that are up."""
    process = caller(
        operator, tmp_path_factory.mktemp("held"), lab.gateway, "1002", ECHO, HELD, seconds=900
    )
    try:
        until(lambda: len(calls_of(operator, ECHO)), HELD)
        yield
    finally:
        process.kill()
        process.wait()
        fs_cli(operator, "hupall normal_clearing")


@pytest.fixture
def unharmed(operator: Operator, held: None, exchange: Exchange) -> Iterator[None]:
    """No call that was up is lost, two who talk hear each other, no service was started anew."""
    units = [paths.UNIT, paths.KAMAILIO_UNIT, paths.EVENT_SOCKET_UNIT.rpartition("/")[2]]
    services = f"systemctl show --value -p MainPID {' '.join(units)}"
    before, calls = operator.ssh(HOST, services), calls_of(operator, ECHO)
    talk = connected(operator, HOST, exchange)
    yield
    still_talking(*talk)
    talk[0].hangup()
    talk[1].wait_ended()
    assert calls_of(operator, ECHO) >= calls
    assert len(calls) == HELD
    assert operator.ssh(HOST, services) == before


def caller(
    operator: Operator, own: Path, address: str, user: str, to: str, count: int, *, seconds: float
) -> subprocess.Popen[bytes]:
    """SIPp as an extension that calls ``count`` times."""
    assert SIPP
    password = json.loads(operator.secrets.read_text())[f"extension/{user}"]
    scenario = own / "calls.xml"
    scenario.touch(0o600)
    scenario.write_text(complete_calls(user, password, to, DOMAIN, seconds))
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    return subprocess.Popen(
        [
            *(SIPP, "-sf", str(scenario), "-i", address, "-auth_uri", f"{to}@{DOMAIN}"),
            *("-m", str(count), "-r", str(RATE), "-recv_timeout", "20000", "-nostdin"),
            *("-trace_stat", "-stf", str(own / "calls.csv"), "-fd", "1"),
            *("-trace_err", "-error_file", str(own / "errors.log"), f"{server}:5060"),
        ],
        cwd=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def complete(edge: Edge, own: Path, callee: tuple[str, int]) -> int:
    """Number of a hundred calls to a phone that are complete, and print what others were told."""
    assert SIPP
    address, port = callee
    (scenario := own / "answers.xml").write_text(answered_calls("1003"))
    answering = subprocess.Popen(
        [SIPP, "-sf", str(scenario), "-i", address, "-p", str(port), "-nostdin"],
        cwd=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_bound(answering, port)
        calling = caller(edge.operator, own, edge.new_address(), "1004", "1003", CALLS, seconds=0.3)
        calling.wait(120)
        if (errors := own / "errors.log").exists():
            # What comes again for a call that is over tells nothing of those that fail.
            told = re.split(r"^'?(?=\d{4}-\d\d-\d\d\t)", errors.read_text(), flags=re.MULTILINE)
            print("".join(one for one in told if "Dead call" not in one)[:4000])
        print(counts := counted(own / "calls.csv"))
        print(edge.operator.ssh(HOST, "grep ^Udp: /proc/net/snmp"))
        return counts.get("SuccessfulCall", 0)
    finally:
        answering.kill()
        answering.wait()


LIMITS: Mapping[Kind, int] = {"REGISTER": 500, "INVITE": 500, "TCP": 100, "TLS": 100}
"""Packets or connections a second that the packet filter lets an address of the internet's."""


def flooded(edge: Edge, own: Path, kind: Kind, source: str, port: int) -> None:
    """Phones go on calling while a host floods a port."""
    rate = 10 * LIMITS[kind]
    phone = edge.phone("1003")
    callee = phone.address, phone.port
    # SIPp is the phone from here on.
    phone.close()
    began = time.monotonic()
    with flood(kind, source, (edge.address, port), rate, 60) as running:
        done = complete(edge, own, callee)
        sent, took = running.stop(), time.monotonic() - began
    print(f"{kind}: {sent} in {took:.1f} s ({sent / took:.0f} a second), {done} of {CALLS} calls")
    assert done >= NEEDED
    # A machine as busy as can be sends fewer in a second, but these at least.
    assert sent > 1_000


@pytest.mark.parametrize("kind", ["REGISTER", "INVITE", "TCP"])
def test_a_flood_silences_nobody(edge: Edge, unharmed: None, tmp_path: Path, kind: Kind) -> None:
    """Gain: nobody telephones as long as one host at the internet does not want it."""
    flooded(edge, tmp_path, kind, edge.new_address(), 5060)


@pytest.mark.parametrize("port", [TRUNK, PROGRAMS, PHONES, BROWSERS])
def test_a_flood_of_tls_silences_nobody(
    edge: Edge, unharmed: None, tmp_path: Path, lab: Lab, port: int
) -> None:
    """Gain: nobody telephones as long as somebody who reaches a port of TLS wants it."""
    # A carrier's port, and a program's, are closed to all others.
    source = lab.gateway if port in (TRUNK, PROGRAMS) else edge.new_address()
    flooded(edge, tmp_path, "TLS", source, port)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_malformed_messages_end_no_call(
    edge: Edge, unharmed: None, lab: Lab, transport: Transport
) -> None:
    """Gain: the end of everybody's calls, by a message that cannot be read."""

    def new_peer() -> Peer:
        return Peer(lab.gateway, (edge.address, 5060), transport)

    other = edge.account("1005")
    with new_peer() as honest:

        def status() -> int | None:
            answer = honest.login("REGISTER", f"sip:{DOMAIN}", other, timeout=2)
            return None if answer is None else answer.status

        for _ in send_malformed(new_peer, edge.account("1006"), f"switch {transport}", 250):
            # What was sent before is read by then. A datagram may be lost in the crowd.
            until(status, 200)


@pytest.mark.parametrize("port", [TRUNK, PROGRAMS])
def test_malformed_messages_by_tls_end_no_call(
    edge: Edge, unharmed: None, lab: Lab, folder: Path, port: int
) -> None:
    """Gain: the end of everybody's calls, for a carrier, or who has a program's certificate."""
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    context.check_hostname = False
    context.load_cert_chain(folder / "carrier.pem", folder / "carrier.key")

    def new_peer() -> Peer:
        return Peer(lab.gateway, (edge.address, port), "tls", context=context)

    def answers() -> bool:
        """Tell whether an honest client of TLS is answered."""
        with contextlib.suppress(OSError), new_peer() as honest:
            if port == PROGRAMS:
                return honest.socket.recv(100).startswith(b"Content-Type: auth/request")
            return honest.ask(honest.request("OPTIONS", f"sip:{edge.address}")) is not None
        return False

    random = Random(f"TLS {port}")
    if port == TRUNK:
        for _ in send_malformed(new_peer, edge.account("1005"), "TLS", 25):
            pass
    else:
        commands = [
            b"auth guess\n\n",
            b"userauth watcher@event_socket:guess\n\n",
            b"connect\n\n",
            b"api status\nContent-Length: 5\n\nabcde",
            b"sendmsg 0\ncall-command: execute\nexecute-app-name: system\n\n",
        ]
        for _ in range(MESSAGES // 5):
            with contextlib.suppress(OSError), new_peer() as peer:
                for command in commands:
                    peer.send(mutated(command, random))
    hello = client_hello()
    for _ in range(250):
        with contextlib.suppress(OSError), Peer(lab.gateway, (edge.address, port), "tcp") as peer:
            peer.send(mutated(hello, random))
    until(answers, True)


@pytest.mark.parametrize("port", [PHONES, BROWSERS])
def test_malformed_messages_at_the_edges_tls_end_no_call(
    edge: Edge, unharmed: None, lab: Lab, folder: Path, port: int
) -> None:
    """Gain: the end of everybody's calls, by a message of a phone or of a page."""
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    context.check_hostname = False
    at = (edge.address, port)

    def new_peer() -> Peer:
        if port == BROWSERS:
            return WebPeer(lab.gateway, at, DOMAIN, context)
        return plain()

    def plain() -> Peer:
        return Peer(lab.gateway, at, "tls", context=context)

    def status() -> int | None:
        with contextlib.suppress(OSError), new_peer() as honest:
            answer = honest.login("REGISTER", f"sip:{DOMAIN}", edge.account("1005"), timeout=2)
            return None if answer is None else answer.status
        return None

    for _ in send_malformed(new_peer, edge.account("1006"), f"edge {port}", 25):
        pass
    random = Random(f"edge {port}")
    if port == BROWSERS:
        # What is around the messages.
        for _ in range(MESSAGES // 5):
            with contextlib.suppress(OSError), plain() as peer:
                peer.send(mutated(opening(DOMAIN, port), random))
        for _ in range(MESSAGES // 50):
            with contextlib.suppress(OSError), plain() as peer:
                peer.send(opening(DOMAIN, port))
                for _ in range(10):
                    peer.send(mutated(framed(peer.request("OPTIONS", f"sip:{DOMAIN}")), random))
    until(status, 200)


def scanned(address: str) -> set[int]:
    """Return the TCP ports of all there are that answer, as a scanner of the world's finds them."""
    assert NMAP
    every = ["-n", "-Pn", "-sS", "-p-", "--min-rate", "15000", "--max-retries", "2", "-oX", "-"]
    done = subprocess.run([NMAP, *every, address], capture_output=True, text=True, check=True)
    ports = ElementTree.fromstring(done.stdout).iter("port")
    is_open = "state[@state='open']"
    return {int(one.attrib["portid"]) for one in ports if one.find(is_open) is not None}


@pytest.mark.skipif(NMAP is None, reason="no nmap (Debian's package of that name)")
def test_what_answers_is_what_the_site_says(operator: Operator, lab: Lab) -> None:
    """Gain: a way in that nobody knows of, at one of 65,535 ports of TCP, or an open one of UDP."""
    site = load(operator.inventory).site
    address = next(one.address for one in operator.lab.hosts if one.name == HOST)
    wanted = reached(site, lab.gateway)
    # Else whoever knocks at twenty closed ports is shut out, and sees none of them.
    operator.ssh(HOST, f"nft flush chain inet {paths.FIREWALL_TABLE} closed")
    listed = operator.ssh(HOST, "ss -Hlnu").splitlines()
    ports = {int(line.split()[3].rpartition(":")[2]) for line in listed}
    udp: set[tuple[Transport, int]] = {("udp", port) for port in ports}
    found: set[tuple[Transport, int]] = {("tcp", port) for port in scanned(address)}
    assert found == {one for one in wanted if one[0] == "tcp"}
    answering = set()
    for transport, port in (*udp, *found):
        with Peer(lab.gateway, (address, port), transport) as peer, contextlib.suppress(OSError):
            answer = peer.ask(peer.request("OPTIONS", f"sip:{DOMAIN}", domain=DOMAIN), 1)
            if answer is not None:
                answering.add((transport, port))
                # Sofia is FreeSWITCH's.
                assert not re.search("freeswitch|sofia|kamailio", answer.text, re.IGNORECASE)
    assert answering <= wanted


def test_a_restart_with_a_hundred_phones_forgets_none(
    operator: Operator, exchange: Exchange
) -> None:
    """FreeSWITCH is started anew: no phone of a hundred registers for that, and the next call
    rings."""
    phones = [phone_of(operator, HOST, exchange, str(1000 + number)) for number in range(100)]
    for phone in phones:
        phone.wait_message(lambda one: not one.sent and one.method == "REGISTER")
    sent = registrations(exchange)
    assert sent >= 100
    before = fs_cli(operator, "uptime s")
    operator.ssh(HOST, f"systemctl restart {paths.UNIT}")
    until(
        lambda: operator.ssh(HOST, "fs_cli -x 'sofia status profile internal' 2>&1; true"),
        lambda said: "SIP-IP" in said,
    )
    assert int(fs_cli(operator, "uptime s")) < int(before)
    for caller, callee in ((0, 99), (42, 1), (99, 50)):
        call = phones[caller].call(phones[callee].user)
        answered = phones[callee].incoming().answer()
        call.wait_established()
        call.hangup()
        answered.wait_ended()
    assert registrations(exchange) == sent


def registrations(exchange: Exchange) -> int:
    """Number of REGISTER requests of all phones."""
    return sum(one.sent and one.method == "REGISTER" for one in exchange.trace.messages)
