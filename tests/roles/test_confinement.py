"""Limits on an intruder who has taken FreeSWITCH over, or who knocks from outside."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from callcenter.render import paths, users
from lab import network
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.support import connected, phone_of, still_talking

HOST = "confined1"
PHONES, CROWD, SCANNER, FLOOD = "203.0.113.7", "203.0.113.8", "203.0.113.9", "203.0.113.10"
"""Strangers: in none of the Site's own networks."""
PORT = 9377
WITH_LUA = SITE.replace("seconds=5)", 'seconds=5, pickup_groups=["sales"])').replace(
    "media=", 'features=FeatureCodes(pickup="*85"), media='
)
MOST_CONNECTIONS = 300


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.describe(WITH_LUA)
    made.succeed()
    return made


@pytest.fixture(scope="module", autouse=True)
def _strangers(operator: Operator) -> Iterator[None]:
    """Addresses of the internet on this side of the lab's bridge."""
    strangers = (PHONES, CROWD, SCANNER, FLOOD)
    for one in strangers:
        subprocess.run(["ip", "addr", "add", f"{one}/32", "dev", network.BRIDGE], check=True)
    yield
    for one in strangers:
        subprocess.run(["ip", "addr", "del", f"{one}/32", "dev", network.BRIDGE], check=True)


def address(operator: Operator) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


def in_freeswitch(operator: Operator, script: str) -> str:
    """Run Lua inside FreeSWITCH, as who has taken it over could."""
    return operator.ssh(HOST, f"fs_cli -x {shlex.quote(f'lua ~{script}')}").strip()


RAN = "/var/lib/freeswitch/db/ran"


@pytest.mark.parametrize(
    "command",
    [
        f"system touch {RAN}",
        f"bg_system touch {RAN}",
        f"spawn /usr/bin/touch {RAN}",
        f"bgapi system touch {RAN}",
        f'lua ~os.execute("touch {RAN}")',
        f'lua ~local p = io.popen("touch {RAN}"); if p then p:close() end',
        f'lua ~os.execute("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /bin/touch {RAN}")',
    ],
)
def test_no_program_is_started(operator: Operator, command: str) -> None:
    # It could write there itself.
    assert "nil" not in in_freeswitch(
        operator, f'local f = io.open("{RAN}", "w"); stream:write(tostring(f)); f:close()'
    )
    operator.ssh(HOST, f"rm {RAN}; fs_cli -x {shlex.quote(command)}")
    # What runs in the background has been started by then.
    assert "is ready" in operator.ssh(HOST, "fs_cli -x status")
    assert "No such file" in operator.ssh(HOST, f"ls {RAN}")


def test_what_it_can_read_and_write(operator: Operator) -> None:
    """Files that anybody may read are out of its sight; what it keeps is not"""
    hidden = ["/root/open", "/home/open", "/etc/callcenter/open"]
    operator.ssh(
        HOST,
        "chmod 755 /root; mkdir -p /etc/callcenter; "
        + "; ".join(f"echo secret >{one}; chmod 644 {one}" for one in hidden),
    )
    for file in [*hidden, "/etc/shadow"]:
        assert in_freeswitch(operator, f'stream:write(tostring(io.open("{file}")))') == "nil"
    assert "file" in in_freeswitch(operator, 'stream:write(tostring(io.open("/etc/hostname")))')
    for file in ("/tmp/shared", "/dev/shm/shared", "/usr/lib/callcenter/fax", "/var/tmp/shared"):
        in_freeswitch(operator, f'local f = io.open("{file}", "w"); if f then f:close() end')
        assert "No such file" in operator.ssh(HOST, f"ls {file}")
    # Nor does it see what else runs, with its arguments.
    found = in_freeswitch(operator, 'stream:write(tostring(io.open("/proc/1/cmdline")))')
    assert found == "nil"


def test_a_crash_leaves_no_dump(operator: Operator) -> None:
    process = operator.ssh(HOST, f"systemctl show --property MainPID --value {paths.UNIT}").strip()
    limits = operator.ssh(HOST, f"cat /proc/{process}/limits")
    [core] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]


@contextmanager
def listening_here(at: str) -> Iterator[list[str]]:
    """Listen at a port of this machine, and yield the addresses that have connected to it."""
    came: list[str] = []
    with socket.create_server((at, PORT)) as server:

        def take() -> None:
            while True:
                try:
                    connection, peer = server.accept()
                except OSError:
                    return
                came.append(peer[0])
                connection.close()

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield came
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def connects(operator: Operator, user: str) -> bool:
    """Tell whether a process of a user reaches that port."""
    script = (
        "import socket; s = socket.socket(); s.settimeout(5); "
        f"print(s.connect_ex(('{operator.lab.gateway}', {PORT})))"
    )
    return operator.ssh(HOST, f'runuser -u {user} -- python3 -c "{script}"').strip() == "0"


def test_it_reaches_what_the_site_names_alone(operator: Operator) -> None:
    operator.describe(WITH_LUA)
    operator.succeed()
    with listening_here(operator.lab.gateway) as came:
        for user in (users.FREESWITCH, *users.OURS):
            assert not connects(operator, user), user
        assert came == []
        # Nobody else is held.
        assert connects(operator, "nobody")
        refused = operator.ssh(HOST, "nft list chain inet callcenter from-freeswitch")
        assert int(re.findall(r"counter packets (\d+)", refused)[-1]) > 0
        further = f'Firewall(egress_to=["{operator.lab.gateway}/32"], '
        operator.describe(WITH_LUA.replace("Firewall(", further))
        operator.succeed()
        assert connects(operator, users.FREESWITCH)
        assert not connects(operator, users.FAX)
        operator.describe(WITH_LUA.replace("Firewall(", "Firewall(egress=False, "))
        operator.succeed()
        assert connects(operator, users.FAX)
    operator.describe(WITH_LUA)
    operator.succeed()
    assert operator.succeed().changes == 0


_REGISTER = """REGISTER sip:roles.callcenter.test SIP/2.0\r
Via: SIP/2.0/UDP {at};branch=z9hG4bK{n}\r
Max-Forwards: 70\r
From: <sip:1000@roles.callcenter.test>;tag={n}\r
To: <sip:1000@roles.callcenter.test>\r
Call-ID: {n}\r
CSeq: 1 REGISTER\r
Contact: <sip:1000@{at}>\r
Content-Length: 0\r
\r
"""


def register(at: str, n: object) -> bytes:
    return _REGISTER.format(at=at, n=n).encode()


def held(operator: Operator, what: str) -> str:
    """Return what an IPv4 set of the packet filter holds."""
    return operator.ssh(HOST, f"nft list set inet callcenter {what}4")


def test_an_office_behind_one_address_is_never_metered(operator: Operator) -> None:
    """After a power cut 200 phones register anew at once, each with two requests; half of them by
    TCP, too"""
    to = (address(operator), 5060)
    with ExitStack() as stack:
        phones = []
        for _ in range(200):
            phone = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            phone.settimeout(2)
            phone.bind((PHONES, 0))
            phone.connect(to)
            phones.append(phone)
        for turn in range(2):
            asked = [
                register(f"{PHONES}:{phone.getsockname()[1]}", f"office{turn}x{n}")
                for n, phone in enumerate(phones)
            ]
            for phone, request in zip(phones, asked, strict=True):
                phone.send(request)
            for phone, request in zip(phones, asked, strict=True):
                assert answered(phone, request)
        for _ in range(100):
            stack.enter_context(socket.create_connection(to, 5, (PHONES, 0)))
    assert PHONES not in held(operator, "scanners")
    for chain in ("flood", "strangers"):
        rules = operator.ssh(HOST, f"nft list chain inet callcenter {chain}")
        assert set(re.findall(r"counter packets (\d+)", rules)) == {"0"}, rules


def answered(phone: socket.socket, request: bytes) -> bool:
    """Tell whether a phone is answered. It sends its request again, as RFC 3261 tells it to."""
    for _ in range(6):
        try:
            return phone.recv(4096).startswith(b"SIP/2.0 ")
        except TimeoutError:
            phone.send(request)
    return False


def test_idle_connections_of_one_source_shut_nobody_out(
    operator: Operator, exchange: Exchange
) -> None:
    to = (address(operator), 5060)
    with ExitStack() as stack:
        refused = 0
        for _ in range(MOST_CONNECTIONS + 50):
            try:
                stack.enter_context(socket.create_connection(to, 5, (CROWD, 0)))
            except ConnectionRefusedError:
                refused += 1
        assert refused == 50
        phone_of(operator, HOST, exchange, "1002", transport="tcp")
        still_talking(*connected(operator, HOST, exchange))


def test_a_flood_is_cut_at_its_source(operator: Operator, exchange: Exchange) -> None:
    to = (address(operator), 5060)
    call = connected(operator, HOST, exchange)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        source.bind((FLOOD, 0))
        for n in range(20_000):
            source.sendto(register(f"{FLOOD}:{source.getsockname()[1]}", f"flood{n}"), to)
    assert FLOOD in held(operator, "packets")
    dropped = operator.ssh(HOST, "nft list chain inet callcenter flood")
    assert int(re.findall(r"counter packets (\d+)", dropped)[0]) > 1000
    still_talking(*call)


def knock(at: str, operator: Operator) -> bool:
    """Tell whether a connection from an address reaches the SIP port."""
    try:
        with socket.create_connection((address(operator), 5060), 2, (at, 0)):
            return True
    except TimeoutError:
        return False


def scan(at: str, operator: Operator) -> None:
    """Try closed ports, as who looks for an open one does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        source.bind((at, 0))
        for port in range(7000, 7100):
            source.sendto(b"?", (address(operator), port))


def test_a_scanner_is_dropped_for_a_while(operator: Operator) -> None:
    """From its first ports on; a network of the Site's own may look around"""
    assert knock(SCANNER, operator)
    scan(SCANNER, operator)
    assert SCANNER in held(operator, "scanners")
    assert not knock(SCANNER, operator)
    scan(operator.lab.gateway, operator)
    assert knock(operator.lab.gateway, operator)
    assert knock(PHONES, operator)
    # What the meters hold is no difference to the Site.
    assert operator.succeed().changes == 0
