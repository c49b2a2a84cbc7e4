"""Guessers at a switch behind an edge of its own: Kamailio shuts out, and the operator knows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from callcenter.__main__ import main
from callcenter.onhost import bans
from callcenter.render import paths
from lab import network
from lab.lab import Lab
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.attack.sip import Account, Peer
from tests.roles.conftest import SITE, Operator
from tests.roles.test_limits import MAIL, MAIL_SERVER, NOC, mail_server, text_of

HOST = "limits1"
DOMAIN = "roles.callcenter.test"
OFFICE = "10.78.200.0/24"
GUESSED = SITE.replace(
    'Network(sip_from="anywhere")',
    f'Network(sip_from="anywhere", local_networks=["{OFFICE}"])',
).replace(
    "media=",
    f'guessers=Guessers(alarm="{NOC}"),\n    smtp=Smtp("{MAIL_SERVER}", port={MAIL}, tls="none", '
    'sender="pbx@callcenter.test"),\n    media=',
    1,
)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(GUESSED)
    made.succeed()
    assert made.succeed().changes == 0
    assert made.ssh(HOST, f"echo '{lab.gateway} {MAIL_SERVER}' >>/etc/hosts") == ""
    return made


@pytest.fixture
def peer_at(operator: Operator) -> Iterator[Callable[[str], Peer]]:
    """Somebody at an address of this machine."""
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    with ExitStack() as resources:

        def peer(address: str) -> Peer:
            change = [f"{address}/32", "dev", network.BRIDGE]
            subprocess.run(["ip", "address", "replace", *change], check=True)
            resources.callback(
                subprocess.run, ["ip", "address", "delete", *change], capture_output=True
            )
            return resources.enter_context(Peer(address, (server, 5060)))

        yield peer


def guess(peer: Peer, user: str, password: str, timeout: float = PATIENCE) -> int:
    """Try a password by REGISTER; the final status, or 0 where none came in time."""
    answer = peer.login(
        "REGISTER", f"sip:{DOMAIN}", Account(user, DOMAIN, password), timeout=timeout
    )
    return (answer.status or 0) if answer else 0


def right(operator: Operator, user: str) -> str:
    """Return an extension's password."""
    return str(json.loads(operator.secrets.read_text())[f"extension/{user}"])


def listed(operator: Operator, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what the operator's command prints."""
    capsys.readouterr()
    assert main(["bans", str(operator.inventory)]) == 0
    return capsys.readouterr().out


def test_an_operator_sees_and_lifts_what_kamailio_shuts_out(
    operator: Operator,
    peer_at: Callable[[str], Peer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    of_one, of_all = peer_at("10.78.1.1"), peer_at("10.78.1.2")
    assert [guess(of_one, "1000", f"guess-Number-{n}") for n in range(5)] == [403] * 5
    assert [guess(of_all, str(1000 + n), "Summer-2026-days") for n in range(10)] == [403] * 10
    said = listed(operator, capsys)
    assert f"{HOST}  1000@{of_one.address}  for " in said
    assert f"{HOST}  {of_all.address}  for " in said
    assert guess(of_one, "1000", right(operator, "1000"), 1) == 0
    assert guess(of_all, "1009", right(operator, "1009"), 1) == 0
    for peer, user in ((of_one, "1000"), (of_all, "1009")):
        assert main(["bans", str(operator.inventory), "--lift", peer.address]) == 0
        assert peer.address not in listed(operator, capsys)
        assert guess(peer, user, right(operator, user)) == 200
    assert main(["bans", str(operator.inventory), "--lift", of_all.address]) == 1


def test_the_office_is_not_shut_out(
    operator: Operator,
    peer_at: Callable[[str], Peer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever is guessed there; nor is an address where a phone has logged in, for ssh's sake."""
    guesser, office = peer_at("10.78.200.1"), peer_at("10.78.200.1")
    for number in range(12):
        assert guess(guesser, str(1000 + number % 6), "Summer-2026-days") == 403
    assert guess(office, "1009", right(operator, "1009")) == 200
    assert f"{HOST}  {office.address}  " not in listed(operator, capsys)
    phone = peer_at("10.78.1.3")
    assert guess(phone, "1008", right(operator, "1008")) == 200
    login = f"{phone.address} . {phone.contact.rpartition(':')[2]}"
    known = f"nft list set inet {bans.TABLE} logins4"
    eventually(lambda: operator.ssh(HOST, known), lambda found: login in found, login)


def test_slow_guessing_is_mailed(
    operator: Operator, peer_at: Callable[[str], Peer], lab: Lab
) -> None:
    """From fifty addresses, once from each."""
    with mail_server(lab) as mails:
        for number in range(50):
            assert guess(peer_at(f"10.78.2.{number + 1}"), "1007", "Winter-2026-days") == 403
        message = mails.get(timeout=PATIENCE)
    assert message["Subject"] in (
        f"Passwords of 1007 are guessed on {HOST}",
        f"Passwords of all users are guessed on {HOST}",
    )
    assert any(line.startswith("  10.78.2.") for line in text_of(message))
    banned = operator.ssh(HOST, f"python3 -I {paths.BANS_TOOL} list")
    assert "10.78.2." not in banned
