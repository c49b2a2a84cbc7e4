"""Calls through NAT: the switch behind one, the phones behind one, both, and neither."""

from __future__ import annotations

import json
import multiprocessing
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

import pytest

from lab import nat, network
from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    contacts,
    phone_of,
    phones_at,
    still_talking,
)

HOST = "nat1"
PUBLIC = "198.51.100.11"
"""Of the switch, where it is behind no NAT."""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    nat.make(made.lab.name, private(made))
    for line in (
        f"address add {PUBLIC}/24 dev host0",
        f"route replace default via {made.lab.gateway}",
    ):
        assert made.ssh(HOST, f"ip {line}") == ""
    return made


def private(operator: Operator) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


def answers_far_away(
    lab: str,
    ready: Event,
    heard: Event,
    number: str,
    password: str,
    server: str | None,
    port: int | None,
) -> dict[str, Any]:
    """Somebody in the internet: an extension with a server, else who is called behind a carrier.
    In a process of its own, as the phones of one process are in one place."""
    with phones_at(lab, "internet", port) as exchange:
        domain = "roles.callcenter.test" if server else None
        phone = exchange.phone(number, password, domain=domain, server=server, codecs=("PCMU",))
        if server:
            phone.register()
        ready.set()
        call = phone.incoming(timeout=30).answer()
        call.play(CALLEE_HZ)
        assert_heard(call, CALLER_HZ, 1)
        heard.set()
        told = {"sdp": call.remote_address[0], "contacts": contacts(call), "caller": call.number}
        call.wait_ended()
        return told


@dataclass
class FarAway:
    """Somebody who may be called now."""

    heard: Event
    """Set once the caller's tone has been heard."""
    told: Future[dict[str, Any]]


@pytest.fixture
def far_away(operator: Operator) -> Iterator[Callable[..., FarAway]]:
    """Begins ``answers_far_away``."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(1, mp_context=spawn) as pool:

        def begin(
            number: str, password: str = "", server: str | None = None, port: int | None = None
        ) -> FarAway:
            ready, heard = manager.Event(), manager.Event()
            given = (operator.lab.name, ready, heard, number, password, server, port)
            told = pool.submit(answers_far_away, *given)
            assert ready.wait(20), told.exception(0) if told.done() else "not ready"
            return FarAway(heard, told)

        yield begin


@pytest.fixture(params=["public switch", "switch behind NAT"])
def announced(operator: Operator, request: pytest.FixtureRequest) -> str:
    """The switch's address as the internet sees it."""
    if request.param == "public switch":
        operator.describe(address=PUBLIC, public_ip=PUBLIC)
    else:
        operator.describe(address=private(operator), public_ip=nat.SWITCH_OUTSIDE)
    operator.succeed()
    return PUBLIC if request.param == "public switch" else nat.SWITCH_OUTSIDE


@pytest.mark.parametrize("where", ["internet", "home"])
def test_both_are_heard_and_told_the_public_address(
    operator: Operator, announced: str, where: nat.Place
) -> None:
    with phones_at(operator.lab.name, where) as exchange:
        caller = phone_of(operator, HOST, exchange, "1000", server=announced)
        called = phone_of(operator, HOST, exchange, "1001", server=announced)
        call = caller.call("1001")
        answered = called.incoming().answer()
        call.wait_established()
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        still_talking(call, answered)
        assert {call.remote_address[0], answered.remote_address[0]} == {announced}
        assert contacts(call) == contacts(answered) == {announced}
        # A hang-up comes through as well.
        answered.hangup()
        assert call.wait_ended().by == "them"


def test_phone_behind_nat_is_kept_reachable(operator: Operator) -> None:
    """Past the time after which its router forgets a conversation that is silent."""
    operator.describe(address=private(operator), public_ip=nat.SWITCH_OUTSIDE)
    operator.succeed()
    with forgetful(operator.lab.name, 40), phones_at(operator.lab.name, "home") as exchange:
        phone = phone_of(operator, HOST, exchange, "1000", server=nat.SWITCH_OUTSIDE)
        registered = time.monotonic()

        def late(message: Message) -> bool:
            asked = not message.sent and message.status is None and message.method == "OPTIONS"
            return asked and message.at > registered + 45

        phone.wait_message(late, timeout=90)
        # From the switch: a call of the phone's neighbour would open the way anew.
        operator.ssh(HOST, "fs_cli -x 'bgapi originate user/1000@roles.callcenter.test &park'")
        call = phone.incoming().answer()
        call.hangup()


@contextmanager
def forgetful(lab: str, seconds: int) -> Iterator[None]:
    """A router that keeps a silent conversation for so long."""
    names = [f"net.netfilter.nf_conntrack_udp_timeout{kind}" for kind in ("", "_stream")]
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    before = run([*network.within(lab), "sysctl", *names]).stdout.replace(" ", "").split()
    try:
        run([*network.within(lab), "sysctl", *(f"{name}={seconds}" for name in names)])
        yield
    finally:
        run([*network.within(lab), "sysctl", *before])


@pytest.fixture
def inside(operator: Operator, lab: Lab) -> Iterator[Exchange]:
    """Phones beside a switch that is behind a NAT, and a trunk out of it."""
    trunk = f"""
    trunks=[Trunk("carrier", host="{nat.INTERNET}", port=5066, caller_id="+4930123400")],
    outbound=[Route("all", pattern=r"^0\\d{{6,10}}$", strip=1, prefix="+49", trunks=["carrier"])],
    outbound_limits=OutboundLimits(countries=["+49"]),
    inbound=[Did("+4930123400", to=extension(1000))],
    media="""
    text = SITE.replace("media=", trunk, 1).replace(
        "[*Extension.range(1000, 1009",
        '[Extension(1000, routes=["all"]), *Extension.range(1001, 1009',
    )
    operator.describe(text, address=private(operator), public_ip=nat.SWITCH_OUTSIDE)
    operator.succeed()
    with Exchange(lab.gateway) as made:
        yield made


def test_inside_and_outside_in_one_call(
    operator: Operator, inside: Exchange, far_away: Callable[..., FarAway]
) -> None:
    """Each is told the address that it can reach, an extension outside and a carrier."""
    password = json.loads(operator.secrets.read_text())["extension/1001"]
    caller = phone_of(operator, HOST, inside, "1000")
    for number, begin in (
        ("1001", partial(far_away, "1001", password, server=nat.SWITCH_OUTSIDE)),
        ("030555123", partial(far_away, "+4930555123", port=5066)),
    ):
        theirs: FarAway = begin()
        call = caller.call(number)
        call.wait_established()
        call.play(CALLER_HZ)
        assert_heard(call, CALLEE_HZ, 1)
        assert call.remote_address[0] == private(operator)
        assert contacts(call) == {private(operator)}
        assert theirs.heard.wait(10)
        call.hangup()
        told = theirs.told.result(20)
        assert told["sdp"] == nat.SWITCH_OUTSIDE
        assert told["contacts"] == {nat.SWITCH_OUTSIDE}


def test_carrier_is_registered_with_by_the_public_address(operator: Operator) -> None:
    trunk = f"""
    trunks=[Trunk("carrier", host="{nat.INTERNET}", port=5066, username="account",
                  password=secret("carrier"))],
    media="""
    operator.secrets.write_text(
        json.dumps({**json.loads(operator.secrets.read_text()), "carrier": "k3-Wq.9vT_x7-Lm"})
    )
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
        bound.settimeout(30)
        operator.succeed()
        said, (sender, _) = bound.recvfrom(65535)
        while not said.startswith(b"REGISTER "):
            said, (sender, _) = bound.recvfrom(65535)
    contact = next(line for line in said.decode().splitlines() if line.startswith("Contact:"))
    assert sender == nat.SWITCH_OUTSIDE
    assert f"@{nat.SWITCH_OUTSIDE}:" in contact
    assert private(operator) not in contact
