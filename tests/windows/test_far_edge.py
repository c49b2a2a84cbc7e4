"""A Windows switch behind a Linux edge: phones speak with Kamailio alone, wherever they are."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from callcenter.render import windows_paths as paths
from lab.lab import Lab
from roles.windows import GROUP
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Peer, sdp
from tests.forks import Pyinfra
from tests.roles.support import CALLEE_HZ, CALLER_HZ
from tests.windows.support.calls import phone
from tests.windows.support.machine import Machine
from tests.windows.support.site import complete, forget, site
from tests.windows.support.wine import Wine

EDGE = "edge1"
POLICY = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
PROFILES = ("DomainProfile", "StandardProfile", "PublicProfile")


def behind(machine: Machine) -> str:
    """Return a Site whose phones are anywhere."""
    own = f"network=Network(edge=False, sip_from=['10.0.0.0/8']), firewall=Firewall(enabled={False}"
    assert own in site(machine)
    return site(machine).replace(
        own, "network=Network(sip_from='anywhere'), firewall=Firewall(ssh_from=['10.0.0.0/8']"
    )


def profile(name: str, *, on: bool) -> str:
    """Return the line that switches Windows' firewall on or off for a kind of network."""
    return rf'reg add "{POLICY}\{name}" /v EnableFirewall /t REG_DWORD /d {int(on)} /f'


def rule(name: str, port: str, *more: str) -> str:
    """Return the line that puts a rule where Windows keeps those that PowerShell has made."""
    words = ["v2.31", "Action=Allow", "Active=TRUE", "Dir=In", "Protocol=17", port, *more]
    words += [f"App={paths.PROGRAM}", f"Name={name}", f"EmbedCtxt={GROUP}", ""]
    value = "|".join(words)
    return rf'reg add "{POLICY}\FirewallRules" /v {name} /t REG_SZ /d "{value}" /f'


@pytest.fixture(scope="module")
def address(lab: Lab) -> str:
    """The edge's."""
    lab.up((EDGE,))
    return next(one.address for one in lab.hosts if one.name == EDGE)


@pytest.fixture(scope="module")
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pyinfra: Pyinfra
) -> Iterator[Machine]:
    """The Windows host, its firewall as the deploy would make it there, and an edge before it."""
    if os.environ.get("CALLCENTER_WINDOWS_HOST"):
        pytest.skip("the lab's Linux host is in a network that a real Windows host is not in")
    wine: Wine = request.getfixturevalue("wine")
    if wine.no_freeswitch:
        pytest.skip(wine.no_freeswitch)
    made = Machine("winssh", wine, tmp_path_factory.mktemp("edge"), pyinfra)
    lab: Lab = request.getfixturevalue("lab")
    address: str = request.getfixturevalue("address")
    made.edges = tuple(repr(one) for one in lab.inventory() if one[0] == EDGE)
    wine.as_windows_does(
        *(profile(name, on=True) for name in PROFILES),
        rule("FreeSWITCH-SIP-UDP", "LPort=5060", f"RA4={address}"),
        rule("FreeSWITCH-RTP-UDP", "LPort2_10=16384-32767"),
    )
    complete(made, behind(made))
    yield made
    made.edges = ()
    forget(made)
    wine.as_windows_does(f'reg delete "{POLICY}" /f')


@pytest.fixture
def exchange(machine: Machine) -> Iterator[Exchange]:
    """Phones on this machine."""
    with Exchange(machine.beside) as made:
        yield made


def test_a_second_run_changes_nothing_in_few_commands(machine: Machine) -> None:
    run = machine.bring(behind(machine))
    assert (run.code, run.changed) == (0, 0), run.output
    assert 0 < len(run.commands) <= 12, run.commands


def test_phones_talk_by_the_edge(machine: Machine, exchange: Exchange, address: str) -> None:
    caller, callee = (
        phone(exchange, machine, number, server=address) for number in ("1000", "1001")
    )
    call = caller.call("1001")
    answered = callee.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    assert_heard(answered, CALLER_HZ, 1)
    assert_heard(call, CALLEE_HZ, 1)
    assert call.remote_address[0] == answered.remote_address[0] == machine.address
    call.hangup()
    answered.wait_ended()


def test_freeswitch_refuses_calls_of_anybody_else(machine: Machine) -> None:
    """wine has no packet filter, so a stranger gets there at all."""
    domain = "windows.callcenter.test"
    with Peer(machine.beside, (machine.address, 5060)) as stranger:
        invite = stranger.request(
            *("INVITE", f"sip:9196@{domain}"),
            user="1000",
            to="9196",
            domain=domain,
            body=sdp(stranger.address),
        )
        stranger.send(invite)
        answer = next(one for one in stranger.messages(PATIENCE) if one.status != 100)
    assert answer.status == 403


def test_without_windows_own_firewall_nothing_is_deployed(machine: Machine) -> None:
    machine.wine.as_windows_does(profile("PublicProfile", on=False))
    try:
        run = machine.bring(behind(machine).replace("range(1000, 1004)", "range(1000, 1005)"))
    finally:
        machine.wine.as_windows_does(profile("PublicProfile", on=True))
    assert run.code != 0
    assert "its firewall is off for PublicProfile" in run.output, run.output
    assert f"Nothing was changed, because preflight refused {machine.name}" in run.output
    assert machine.ask("user_exists id 1005 windows.callcenter.test") == "false"
