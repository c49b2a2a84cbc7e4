"""Attackers who guess passwords at a switch, beside phones that go on working.

Each has an address of the internet's, in none of the Site's own networks.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from callcenter.__main__ import main
from callcenter.onhost import bans
from callcenter.render import paths
from lab import network
from lab.lab import Lab
from tests.acceptance.support.audio import assert_speech
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.attack.sip import Account, Peer, Transport, digest, sdp
from tests.roles.conftest import Operator
from tests.roles.support import phone_of
from tests.roles.test_limits import MAIL_SERVER, NOC, SMTP, mail_server, text_of

HOST = "guessed1"
DOMAIN = "roles.callcenter.test"
CARRIER = "198.51.100.99"
PIN = "739164"
OFFICE = "198.51.100.64/28"
"""Network of an office that the Site names."""
SITE = f"""
from callcenter.site import *
from callcenter.site.secrets import Secret

site = Site(
    domain="{DOMAIN}",
    extensions=[*Extension.range(1000, 1039, ring_seconds=5)],
    network=Network(sip_from="anywhere", local_networks=["192.168.0.0/16", "{OFFICE}"]),
    firewall=Firewall(ssh_from="anywhere"),
    media=Media(max_calls=100),
    conferences=[Conference("weekly", number=3000, pin=Secret(literal="{PIN}"))],
    trunks=[Trunk("carrier", host="{CARRIER}", channels=5, ping_seconds=None)],
    inbound=[Did("+4930123400", to=extension(1002))],
    {SMTP}
    guessers=Guessers(alarm="{NOC}"),
    maintenance=Maintenance(live_calls="stop"),
    secret_file="{{secrets}}",
)
"""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(SITE)
    made.succeed()
    assert made.succeed().changes == 0
    assert made.ssh(HOST, f"echo '{lab.gateway} {MAIL_SERVER}' >>/etc/hosts") == ""
    return made


_numbers = itertools.count()


class Switch:
    """The switch under attack, and peers at addresses of their own."""

    def __init__(self, operator: Operator, resources: ExitStack) -> None:
        self.operator, self._resources = operator, resources
        self.address = next(one.address for one in operator.lab.hosts if one.name == HOST)

    def at(self, address: str | None = None) -> str:
        """Return an address of this machine, one that nobody has used before unless it is given."""
        if address is None:
            number = next(_numbers)
            address = f"10.79.{number // 250}.{number % 250 + 1}"
        change = [f"{address}/32", "dev", network.BRIDGE]
        subprocess.run(["ip", "address", "replace", *change], check=True)
        self._resources.callback(
            subprocess.run, ["ip", "address", "delete", *change], capture_output=True, check=False
        )
        return address

    def peer(self, address: str | None = None, transport: Transport = "udp") -> Peer:
        """Return somebody at an address."""
        made = Peer(address or self.at(), (self.address, 5060), transport)
        return self._resources.enter_context(made)

    def account(self, number: str) -> Account:
        """Return an extension and its password."""
        secrets = json.loads(self.operator.secrets.read_text())
        return Account(number, DOMAIN, secrets[f"extension/{number}"])

    def register(self, peer: Peer, number: str, timeout: float = PATIENCE) -> int:
        """Register with the right password; the final status, or 0 where none came in time."""
        done = peer.login("REGISTER", f"sip:{DOMAIN}", self.account(number), timeout=timeout)
        return (done.status or 0) if done else 0

    def phone(self, number: str, address: str | None = None) -> Peer:
        """Return a phone that has registered."""
        made = self.peer(address)
        assert self.register(made, number) == 200
        listed = f"nft list set inet {bans.TABLE} logins4"
        login = f"{made.address} . {made.contact.rpartition(':')[2]}"
        eventually(lambda: self.operator.ssh(HOST, listed), lambda found: login in found, login)
        return made

    def banned(self) -> dict[str, int]:
        """Return who is shut out, as the host's own tool says."""
        said = self.operator.ssh(HOST, f"python3 -I {paths.BANS_TOOL} list")
        assert len(said.splitlines()) == 1, said
        # Kamailio shuts out an address, or a user there.
        return {who.rpartition("@")[2]: left for who, left in json.loads(said).items()}

    def becomes_banned(self, address: str) -> int:
        """Tell for how long it is shut out, once it is."""
        return eventually(self.banned, lambda found: address in found, f"{address} banned")[address]

    def lift(self, address: str) -> None:
        """Let it in again, as an operator does."""
        assert main(["bans", str(self.operator.inventory), HOST, "--lift", address]) == 0

    def counted(self, text: str) -> int:
        """Return how many lines of the program hold a text."""
        said = self.operator.ssh(HOST, "journalctl -u callcenter-bans -o cat --no-pager")
        return said.count(text)


@pytest.fixture
def switch(operator: Operator) -> Iterator[Switch]:
    with ExitStack() as resources:
        yield Switch(operator, resources)


def guess(
    peer: Peer, user: str, password: str, method: str = "REGISTER", timeout: float = 0.3
) -> int:
    """One guess; the final status, or 0 where none came in time."""
    account = Account(user, DOMAIN, password)
    uri, body, to = f"sip:{DOMAIN}", b"", None
    if method == "INVITE":
        uri, body, to = f"sip:1001@{DOMAIN}", sdp(peer.address), "1001"
    answer = peer.login(method, uri, account, body=body, to=to, timeout=timeout)
    return (answer.status or 0) if answer else 0


def test_guesses_that_are_sent_at_once(switch: Switch) -> None:
    """Gain: as many tries as fit on the way before the address is shut out, with one nonce, which
    is good for one."""
    peer = switch.peer()
    asked = peer.ask(peer.request("REGISTER", f"sip:{DOMAIN}", user="1000", domain=DOMAIN))
    assert asked is not None
    for number in range(1000):
        account = Account("1000", DOMAIN, f"guess-Number-{number}")
        told = digest(
            account, "REGISTER", f"sip:{DOMAIN}", asked.header("www-authenticate"), count=number + 1
        )
        peer.send(
            peer.request(
                "REGISTER",
                f"sip:{DOMAIN}",
                user="1000",
                domain=DOMAIN,
                extra=[("Authorization", told)],
            )
        )
    said = [one.status for one in peer.messages(1)]
    assert 1 <= said.count(403) <= 10
    assert 200 not in said


def test_one_password_for_every_extension(switch: Switch) -> None:
    """Gain: the extension whose password is that one."""
    peer = switch.peer()
    tried = [str(1000 + n) for n in range(40)]
    statuses = [guess(peer, one, "Summer-2026-holidays", timeout=PATIENCE) for one in tried[:10]]
    assert statuses == [403] * 10
    assert [guess(peer, one, "Summer-2026-holidays") for one in tried[10:]] == [0] * 30


def test_phones_beside_the_guesser_go_on(switch: Switch) -> None:
    """Gain: an office's phones off, by guessing from behind its router."""
    phone = switch.phone("1003")
    callee = switch.phone("1004")
    guesser = switch.peer(phone.address)
    for number in range(30):
        wait = PATIENCE if number < 10 else 0.3
        guess(guesser, str(1010 + number), "Summer-2026-holidays", timeout=wait)
    switch.becomes_banned(phone.address)
    assert switch.register(guesser, "1005", 1) == 0
    # The phones that were there go on, and are called.
    assert switch.register(phone, "1003") == 200
    called = callee.login(
        "INVITE", f"sip:1003@{DOMAIN}", switch.account("1004"), to="1003",
        body=sdp(callee.address), timeout=0.5, challenge=PATIENCE,
    )  # fmt: skip
    assert called is None
    assert "INVITE" in (one.method for one in phone.messages(PATIENCE))


def test_carriers_and_the_sites_networks_are_never_shut_out(switch: Switch) -> None:
    """Gain: no calls for anybody, by failures in the carrier's or the office's name."""
    for address in (CARRIER, OFFICE.replace("64/28", "70")):
        peer = switch.peer(switch.at(address))
        for number in range(40):
            assert (
                guess(peer, str(1000 + number % 20), "Summer-2026-holidays", timeout=PATIENCE)
                == 403
            )
        assert address not in switch.banned()
        # Nor where the programs were told to.
        nft = f"add element inet {bans.TABLE} banned4 {{ {address} timeout 30s }}"
        assert switch.operator.ssh(HOST, f"nft '{nft}'") == ""
        assert guess(peer, "1000", "Summer-2026-holidays", timeout=PATIENCE) == 403
        switch.operator.ssh(HOST, f"nft '{nft.replace('add', 'delete').split(' timeout')[0]} }}'")


def test_a_challenge_is_no_failure(switch: Switch) -> None:
    """No attack: every phone is asked for its password, and some ask again and again."""
    peer = switch.peer()
    for _ in range(40):
        answer = peer.ask(peer.request("REGISTER", f"sip:{DOMAIN}", user="1000", domain=DOMAIN))
        assert answer is not None
        assert answer.status == 401
    assert switch.register(peer, "1009") == 200


def test_names_that_look_like_something_else(switch: Switch) -> None:
    """Gain: another address shut out, by a user name that holds it; or none, by a strange one."""
    names = [
        "1000%0Anetwork-ip:%20192.0.2.1",
        "1000]%20from%20ip%20192.0.2.1",
        "x%0A%0AContent-Type:%20text",
        "$(id)",
        "1000;reboot",
        "{1}",
    ]
    peer = switch.peer()
    for name in names:
        assert guess(peer, name, "guess-Number-1") in (0, 403)
    for number in range(10):
        guess(peer, str(1000 + number), "guess-Number-1", timeout=PATIENCE)
    switch.becomes_banned(peer.address)
    assert "192.0.2.1" not in switch.banned()


def test_pins_that_are_guessed(switch: Switch) -> None:
    """Gain: a seat in a meeting. FreeSWITCH ends the calls; they count where they came from."""
    with Exchange(switch.at()) as exchange:
        phone = phone_of(switch.operator, HOST, exchange, "1031")
        for _ in range(4):
            guessing = phone.call("3000")
            guessing.wait_established()
            for _ in range(3):
                guessing.forget()
                assert_speech(guessing, seconds=0.3)
                guessing.send_dtmf("000000#")
            assert guessing.wait_ended().by == "them"
        late = phone.call("3000")
        late.wait_established()
        assert late.wait_ended().by == "them"
    told = "a call of 1031 was ended for wrong PINs"
    eventually(lambda: switch.counted(told), lambda found: found == 1, "the PINs are counted")


def ssh(switch: Switch, source: str, user: str) -> None:
    """Try to log in by ssh with no key at all. Whoever is shut out meanwhile hears no more."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [
                *("ssh", "-F", "none", "-b", source, "-o", "BatchMode=yes"),
                *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
                *("-o", "IdentitiesOnly=yes", "-o", "IdentityFile=/dev/null"),
                *("-l", user, switch.address, "true"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=10,
        )


def test_guesses_at_ssh(switch: Switch) -> None:
    """Gain: a login at the host. What a name says of an address is not believed."""
    source = switch.at()
    lie = "admin from 192.0.2.9 port 22 ssh2"
    for user in ("admin", lie, "oracle", lie, "test", "git"):
        ssh(switch, source, user)
    switch.becomes_banned(source)
    assert "192.0.2.9" not in switch.banned()
    # SIP is closed to it as well: there is one list.
    assert switch.register(switch.peer(source), "1000", 1) == 0


def test_nobody_else_writes_what_is_believed(switch: Switch) -> None:
    """Gain: an address shut out, for any process of the host."""
    line = "Invalid user admin from 192.0.2.10 port 22"
    switch.operator.ssh(
        HOST,
        f"for n in 1 2 3 4 5 6 7 8; do runuser -u nobody -- logger -t sshd '{line}'; done",
    )
    # What came after that is known, so that was read.
    source = switch.at()
    for user in ("a", "b", "c", "d", "e"):
        ssh(switch, source, user)
    switch.becomes_banned(source)
    assert "192.0.2.10" not in switch.banned()


def test_the_reader_may_do_nothing_else(switch: Switch) -> None:
    """Gain: the packet filter, for whoever takes over the program that reads strangers' names."""
    for unit in ("callcenter-bans", "callcenter-bans-filter"):
        process = switch.operator.ssh(HOST, f"systemctl show --value -p MainPID {unit}").strip()
        status = switch.operator.ssh(HOST, f"cat /proc/{process}/status")
        uid = re.findall(r"(?m)^Uid:\s+(\d+)", status)
        assert uid != ["0"]
        assert "NoNewPrivs:\t1" in status
        capabilities = int(re.findall(r"(?m)^CapBnd:\s+([0-9a-f]+)", status)[0], 16)
        assert capabilities == (0 if unit == "callcenter-bans" else 1 << 12)
    as_reader = "runuser -u callcenter-bans -- "
    for command in ("nft flush ruleset", f"nft delete table inet {paths.FIREWALL_TABLE}"):
        assert "Operation not permitted" in switch.operator.ssh(HOST, as_reader + command)
    send = (
        'python3 -c "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); '
        f"s.sendto(sys.argv[1].encode(), '{paths.BANS_FILTER}')\" "
    )
    for what in (
        "ban 127.0.0.1 60", f"ban {CARRIER} 60", "ban 192.0.2.11 60; flush ruleset",
        "ban 192.0.2.11 60\n", "ban 0.0.0.0/0 60", "ban 192.0.2.11 -1", "x" * 150,
    ):  # fmt: skip
        assert switch.operator.ssh(HOST, f"{as_reader}{send} {shlex.quote(what)}") == ""
    assert switch.operator.ssh(HOST, f"{as_reader}{send} 'ban 192.0.2.12 60'") == ""
    switch.becomes_banned("192.0.2.12")
    assert not {"192.0.2.11", CARRIER, "0.0.0.0/0", "127.0.0.1"} & switch.banned().keys()
    assert "Permission denied" in switch.operator.ssh(
        HOST, f"runuser -u nobody -- {send} 'ban 192.0.2.13 60'"
    )


def test_slow_guessing_from_fifty_addresses_is_reported(switch: Switch, lab: Lab) -> None:
    """Gain: a password, in time, with two tries from each of many addresses."""
    with mail_server(lab) as mails:
        for _ in range(50):
            peer = switch.peer()
            for _ in range(2):
                assert guess(peer, "1020", f"guess-Number-{peer.address}", timeout=PATIENCE) == 403
            assert peer.address not in switch.banned()
        message = mails.get(timeout=60)
    assert message["Subject"] in (
        f"Passwords of 1020 are guessed on {HOST}",
        f"Passwords of all users are guessed on {HOST}",
    )
    assert any(re.fullmatch(r"  10\.79\.[0-9.]+", line) for line in text_of(message))


def test_it_goes_on_when_others_start_anew(switch: Switch) -> None:
    """Gain: tries without number, after FreeSWITCH or the packet filter was started anew."""
    peer = switch.peer()
    switch.operator.ssh(HOST, f"systemctl restart {paths.UNIT}")
    eventually(
        lambda: guess(switch.peer(), "1000", "x-Horse-7battery", timeout=2),
        lambda status: status == 403,
        "SIP",
    )
    assert [guess(peer, "1000", "guess-Number-1", timeout=PATIENCE) for _ in range(5)] == [403] * 5
    assert peer.address in switch.banned()
    # The bans stay when the programs start anew, and when the packet filter's own table does.
    switch.operator.ssh(HOST, f"systemctl restart callcenter-bans-filter {paths.FIREWALL_UNIT}")
    assert peer.address in switch.banned()
    assert guess(peer, "1000", "guess-Number-1") == 0


def test_switched_off_it_is_gone(operator: Operator) -> None:
    """Every file, unit, set and login of it; and it comes again."""
    off = SITE.replace(f'Guessers(alarm="{NOC}")', "Guessers(enabled=False)")
    operator.describe(off)
    operator.succeed()
    assert (
        operator.ssh(HOST, "find / -xdev -name '*callcenter-bans*' -o -path '*callcenter/bans*'")
        == ""
    )
    assert operator.ssh(HOST, "systemctl list-units --all --plain | grep callcenter-bans") == ""
    assert bans.TABLE not in operator.ssh(HOST, "nft list tables")
    assert operator.ssh(HOST, f"grep -r {bans.LOGIN} {paths.CURRENT}/") == ""
    assert operator.succeed().changes == 0
    assert main(["bans", str(operator.inventory)]) == 1
    operator.describe(SITE)
    operator.succeed()
    assert operator.ssh(HOST, "systemctl is-active callcenter-bans").strip() == "active"
