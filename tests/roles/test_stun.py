"""A switch behind a router whose public address nobody knows beforehand, and which changes."""

from __future__ import annotations

import json
import queue
import shlex
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callcenter.onhost.stun import Known, recorded
from callcenter.render import paths
from lab import nat, network
from lab.lab import Lab
from lab.system import require
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.conftest import EDGE, SITE, Operator
from tests.roles.far import Somebody, announced, far_people, talk
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    connected,
    phone_of,
    phones_at,
    refused,
    sentence,
    still_talking,
    until,
    until_on,
    verify,
)

HOST = "stun1"
TRUNK = f"""
    trunks=[Trunk("carrier", host="{nat.INTERNET}", port=5066, username="account",
                  password=secret("carrier"), ping_seconds=None, caller_id="+4930123400")],
    outbound=[Route("all", pattern=r"^0\\d{{6,10}}$", strip=1, prefix="+49", trunks=["carrier"])],
    outbound_limits=OutboundLimits(countries=["+49"]),
    media="""
WITH_TRUNK = SITE.replace("media=", TRUNK, 1).replace(
    "[*Extension.range(1000, 1009", '[Extension(1000, routes=["all"]), *Extension.range(1001, 1009'
)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    require({"bin/turnserver": "coturn", "sbin/conntrack": "conntrack"})
    made = operator_of(HOST)
    made.secrets.touch(0o600)
    made.secrets.write_text(json.dumps({"carrier": "k3-Wq.9vT_x7-Lm"}))
    nat.make(made.lab.name, private(made))
    return made


def private(operator: Operator) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


def describe(operator: Operator, server: str = nat.INTERNET) -> None:
    operator.describe(WITH_TRUNK, address=private(operator), stun=server)


@contextmanager
def stun_server(address: str, space: str, folder: Path) -> Iterator[None]:
    """Debian's coturn in a network namespace."""
    process = subprocess.Popen(
        [
            *("nsenter", f"--net=/run/netns/{space}", "turnserver", "--stun-only", "-n", "-v"),
            *("-L", address, "--no-tcp", "--no-tls", "--no-dtls", "--no-cli"),
            *("--log-file", "stdout", "--pidfile", str(folder / "turnserver.pid")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert any("UDP listener opened" in line for line in process.stdout)
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def answering(operator: Operator, tmp_path: Path) -> Iterator[None]:
    """A STUN server in the internet."""
    with stun_server(nat.INTERNET, nat.place(operator.lab.name, "internet"), tmp_path):
        yield


@contextmanager
def carrier(lab: str) -> Iterator[queue.Queue[tuple[str, str]]]:
    """Give a registrar in the internet that knows everybody: of each REGISTER its Contact's
    address, and for how long."""
    registered: queue.Queue[tuple[str, str]] = queue.Queue()
    ready = threading.Event()
    ending: list[Callable[[], object]] = []

    def serve() -> None:
        # A socket stays in the network in which it was made.
        network.join(nat.place(lab, "internet"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.bind((nat.INTERNET, 5066))
            ending.append(lambda: bound.sendto(b"end", (nat.INTERNET, 5066)))
            ready.set()
            while (got := bound.recvfrom(65535))[0] != b"end":
                if not got[0].startswith(b"REGISTER "):
                    continue
                lines = got[0].decode().split("\r\n\r\n")[0].split("\r\n")[1:]
                said = dict(line.split(": ", 1) for line in lines)
                same = ("Via", "From", "Call-ID", "CSeq", "Contact", "Expires")
                answer = [
                    "SIP/2.0 200 OK",
                    *(f"{name}: {said[name]}" for name in same),
                    f"To: {said['To']};tag=carrier",
                    "Content-Length: 0",
                ]
                bound.sendto("\r\n".join([*answer, "", ""]).encode(), got[1])
                where = said["Contact"].partition("@")[2].partition(":")[0]
                registered.put((where, said["Expires"]))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield registered
    finally:
        ending[0]()
        thread.join()


def known(operator: Operator) -> Known | None:
    return recorded(operator.ssh(HOST, f"cat {paths.STUN_ANSWER}"))


def told_outside(operator: Operator, address: str) -> None:
    """Two phones in the internet hear each other, and are told an address."""
    with phones_at(operator.lab.name, "internet") as exchange:
        caller = phone_of(operator, HOST, exchange, "1000", server=address)
        called = phone_of(operator, HOST, exchange, "1001", server=address)
        call = caller.call("1001")
        answered = called.incoming().answer()
        call.wait_established()
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        still_talking(call, answered)
        assert announced(call) == announced(answered) == {address}
        call.hangup()
        answered.wait_ended()


def test_nobody_answers_and_nothing_is_changed(operator: Operator) -> None:
    describe(operator)
    line = sentence(refused(operator), HOST, "stun: ")
    assert line.endswith(
        f"stun: {nat.INTERNET}:3478: it cannot be asked from {private(operator)} (Connection "
        "refused); name a STUN server that answers this host, or give public_ip"
    )


def test_private_answer_is_refused_and_nothing_is_changed(
    operator: Operator, lab: Lab, tmp_path: Path
) -> None:
    describe(operator, lab.gateway)
    with stun_server(lab.gateway, network.namespace(lab.name), tmp_path):
        line = sentence(refused(operator), HOST, "stun: ")
    assert f"it says {private(operator)}, which is private" in line


@pytest.mark.usefixtures("answering")
def test_public_address_is_told_outside_and_the_private_one_inside(
    operator: Operator, lab: Lab
) -> None:
    describe(operator)
    operator.succeed()
    asked = f"{nat.INTERNET} 3478 {private(operator)}"
    assert known(operator) == Known(nat.SWITCH_OUTSIDE, asked)
    told_outside(operator, nat.SWITCH_OUTSIDE)
    with Exchange(lab.gateway) as inside:
        call, answered = connected(operator, HOST, inside)
        still_talking(call, answered)
        assert announced(call) == announced(answered) == {private(operator)}
    again = operator.succeed(counted=True)
    # Two of them look at Kamailio.
    assert (again.changes, again.commands) == (0, 7 if EDGE else 5)


def test_whoever_must_know_the_address_asks_the_host(operator: Operator, tmp_path: Path) -> None:
    only = "test_public_address or test_no_drift or test_profile"
    with stun_server(nat.INTERNET, nat.place(operator.lab.name, "internet"), tmp_path):
        is_known(operator, only, tmp_path)
    # It can fail: Kamailio announces what was told before the last change.
    # Who asked while the server was there is to have written down what it said.
    unit = paths.STUN.rpartition("/")[2]
    state = f"systemctl show --value -p ActiveState {unit}"
    until_on(operator, HOST, f"{state} | grep -qvx activating")
    other = Known("198.51.100.66", f"{nat.INTERNET} 3478 {private(operator)}").text()
    file = shlex.quote(paths.STUN_ANSWER)
    # Who asks meanwhile would have the false answer announced.
    operator.ssh(HOST, f"mount --bind /bin/true {paths.STUN_TOOL}")
    operator.ssh(HOST, f"cp {file} /tmp/answer; printf %s {shlex.quote(other)} >{file}")
    done = verify(operator, only, tmp_path / "report.html")
    operator.ssh(HOST, f"mv /tmp/answer {file}; umount {paths.STUN_TOOL}")
    assert done.stdout.count("FAILED tests/acceptance") == 1, done.stdout


def is_known(operator: Operator, only: str, tmp_path: Path) -> None:
    """Make sure that the command and the operator's tests know the public address."""
    printed = operator.callcenter.typed("phone", operator.inventory).stdout
    assert f"sip:{nat.SWITCH_OUTSIDE}:5060" in printed
    done = verify(operator, only, tmp_path / "report.html")
    # Kamailio's configuration is looked at as well.
    passed = f"{4 if EDGE else 3} passed"
    assert (done.returncode, passed in done.stdout) == (0, True), done.stdout


@pytest.mark.usefixtures("answering")
def test_changed_address_is_announced_without_a_deploy(operator: Operator, lab: Lab) -> None:
    """Also to a carrier; and who talks beside the switch goes on talking."""
    describe(operator)
    operator.succeed()
    with Exchange(lab.gateway) as inside, carrier(lab.name) as registered:
        call, answered = connected(operator, HOST, inside)
        nat.move(lab.name, private(operator), nat.SWITCH_OUTSIDE, nat.SWITCH_MOVED)
        seen = [registered.get(timeout=100)]
        while seen[-1][0] != nat.SWITCH_MOVED:
            seen.append(registered.get(timeout=PATIENCE))
        still_talking(call, answered)
        call.hangup()
        answered.wait_ended()
    until_on(operator, HOST, f"[ -e {paths.ADVERTISED} ]")
    told_outside(operator, nat.SWITCH_MOVED)
    with Exchange(lab.gateway) as inside, far_people(lab.name) as far:
        caller = phone_of(operator, HOST, inside, "1000")
        theirs = far(Somebody("+4930555123", "carrier.test", port=5066))
        call = caller.call("030555123")
        call.wait_established()
        talk(call, theirs, private(operator), nat.SWITCH_MOVED)
    # The switch's own state is not left behind by what was changed below it.
    assert operator.succeed().changes == 0


def test_last_address_stays_when_the_server_dies(operator: Operator) -> None:
    describe(operator)
    assert known(operator) is not None
    started = "systemctl show --property ActiveEnterTimestampMonotonic freeswitch"
    before = operator.ssh(HOST, started)
    assert operator.ssh(HOST, "systemctl restart freeswitch") == ""
    assert operator.ssh(HOST, started) != before
    told_outside(operator, nat.SWITCH_MOVED)
    # Nor is a deploy of something else kept back.
    assert operator.succeed().changes == 0
    # Whoever looks for what has failed finds it, and after the switch-off nothing.
    unit = "callcenter-stun.service"
    asked = f"systemctl start {unit} 2>/dev/null; systemctl is-failed {unit}; journalctl -u {unit}"
    why = f"Connection refused); the public address stays {nat.SWITCH_MOVED}"
    until(
        lambda: operator.ssh(HOST, asked),
        lambda said: said.startswith("failed\n") and why in said,
    )


def test_switched_off_nothing_is_left(operator: Operator, lab: Lab) -> None:
    """And the answer not before FreeSWITCH has let go of it."""
    operator.describe(WITH_TRUNK, address=private(operator), public_ip=nat.SWITCH_MOVED)
    with Exchange(lab.gateway) as inside:
        call, answered = connected(operator, HOST, inside)
        assert "1 calls are up" in operator.deploy("-y").output
        assert operator.ssh(HOST, "fs_cli -x reloadxml").strip() == "+OK [Success]"
        address = operator.ssh(HOST, "fs_cli -x 'global_getvar public_address'").strip()
        assert address == nat.SWITCH_MOVED
        call.hangup()
        answered.wait_ended()
    operator.succeed()
    files = (paths.STUN_ANSWER, paths.STUN_TOOL, paths.STUN_DROP_IN, paths.ADVERTISED)
    said = operator.ssh(HOST, f"ls -d {' '.join(files)} {paths.STUN}* 2>/dev/null")
    assert said == ""
    there = "systemctl list-units --all; systemctl list-timers -a"
    until(lambda: operator.ssh(HOST, there), lambda said: "stun" not in said)
    assert "stun" not in operator.ssh(HOST, "systemctl cat freeswitch; ls /etc/systemd/system/*")
    assert operator.ssh(HOST, f"grep -r public_address {paths.CURRENT}/") == ""
    told_outside(operator, nat.SWITCH_MOVED)
