"""Attackers who guess, flood and idle at the edge, while its users go on working."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.conftest import DOMAIN, Edge
from tests.attack.malformed import MESSAGES, mutated
from tests.attack.sip import Account, Peer, digest, sdp
from tests.roles.support import connected, still_talking

pytestmark = pytest.mark.switchless


def guess(peer: Peer, user: str, password: str, timeout: float = 0.3) -> int:
    """One guess, by REGISTER; the final status, or 0."""
    account = Account(user, DOMAIN, password)
    answer = peer.login("REGISTER", f"sip:{DOMAIN}", account, timeout=timeout)
    return (answer.status or 0) if answer else 0


def shut_out(peer: Peer, user: str, password: str) -> None:
    """Guess until that user is shut out there."""
    assert [guess(peer, user, password, PATIENCE) for _ in range(5)] == [403] * 5
    assert guess(peer, user, password) == 0


def test_a_thousand_guesses_of_one_extension(edge: Edge) -> None:
    """Gain: the password of an extension. Ten tries at most are looked at."""
    peer = edge.peer()
    looked_at = 0
    for number in range(1000):
        if looked_at and number > 20:
            # Silence: the rest of the thousand is sent without waiting.
            peer.send(peer.request("REGISTER", f"sip:{DOMAIN}", user="1000", domain=DOMAIN))
            continue
        wait = PATIENCE if number < 5 else 0.3
        looked_at += guess(peer, "1000", f"guess-Number-{number}", wait) == 403
    assert looked_at <= 10
    assert guess(peer, "1000", edge.account("1000").password) == 0
    assert f"callcenter: banned 1000@{peer.address} for 60 s" in edge.journal()


def test_one_password_for_every_extension(edge: Edge) -> None:
    """Gain: the extension whose password is that one. Ten tries, and the address is silent."""
    peer = edge.peer()
    statuses = [guess(peer, str(1000 + n), "Summer-2026-holidays", PATIENCE) for n in range(10)]
    assert statuses == [403] * 10
    statuses = [guess(peer, str(1010 + n), "Summer-2026-holidays") for n in range(30)]
    assert statuses == [0] * 30
    assert f"callcenter: banned {peer.address} for 60 s" in edge.journal()
    # From another port, and for a user who never failed.
    assert guess(edge.peer(address=peer.address), "1009", edge.account("1009").password) == 0
    assert guess(edge.peer("tcp", peer.address), "1009", edge.account("1009").password) == 0


def test_guesses_of_users_in_turn(edge: Edge) -> None:
    """Gain: twice as many tries, by going round so that none is reached twice too soon."""
    for users in (2, 3, 4):
        peer = edge.peer()
        statuses = [guess(peer, str(1000 + n % users), f"guess-Number-{n}") for n in range(30)]
        assert statuses.count(403) <= 10


def test_a_ban_grows(edge: Edge) -> None:
    """Gain: as many tries as there are minutes. Each ban is twice as long as the one before."""
    peer = edge.peer()
    for seconds in (60, 120, 240):
        shut_out(peer, "1001", "guess-Number-1")
        assert f"callcenter: banned 1001@{peer.address} for {seconds} s" in edge.journal()
        edge.operator.ssh(edge.host, f"kamcmd htable.delete banned 1001@{peer.address}")


def test_no_other_address_is_shut_out_by_a_forged_one(edge: Edge) -> None:
    """Gain: an office without telephones, by failures in its name: a nonce is its asker's alone."""
    office, liar = edge.peer(), edge.peer()
    wrong = Account("1002", DOMAIN, "wrong-Horse-7battery")
    asked = liar.ask(liar.request("REGISTER", f"sip:{DOMAIN}", user="1002", domain=DOMAIN))
    assert asked is not None
    for count in range(30):
        # As the office's router would send them: the answer goes there.
        told = digest(
            wrong, "REGISTER", f"sip:{DOMAIN}", asked.header("www-authenticate"), count=count + 1
        )
        office.send(
            office.request(
                "REGISTER",
                f"sip:{DOMAIN}",
                user="1002",
                domain=DOMAIN,
                extra=[("Authorization", told)],
            )
        )
    assert office.receive() is not None
    assert edge.register(office, "1002") == 200


def test_a_neighbour_goes_on(edge: Edge) -> None:
    """Gain: an office's phones off, by guessing from its own network."""
    phone, callee = edge.phone("1003"), edge.phone("1004")
    guesser = edge.peer(address=phone.address)
    shut_out(guesser, "1003", "guess-Number-1")
    for number in range(1010, 1015):
        assert guess(guesser, str(number), "Summer-2026-holidays", PATIENCE) == 403
    assert guess(guesser, "1005", edge.account("1005").password) == 0
    # The very phone that was guessed at, and its calls.
    assert edge.register(phone, "1003") == 200
    edge.ring(phone, "1003", callee, "1004")


def test_an_old_password_shuts_out_nobody_else(edge: Edge) -> None:
    """No attack: a phone behind the office's router tries its old password for hours."""
    office = edge.peer()
    shut_out(office, "1006", "old-Horse-7battery")
    other = edge.peer(address=office.address)
    assert edge.register(other, "1007") == 200
    assert edge.register(edge.peer("tcp", office.address), "1008") == 200


def test_idle_connections(edge: Edge, exchange: Exchange) -> None:
    """Gain: nobody registers by TCP any more. They end by themselves; a phone's does not."""
    idle = [edge.peer("tcp", peer.address) for peer in [edge.peer()] for _ in range(200)]
    secret = edge.account("1009").password
    phone = exchange.phone("1009", secret, domain=DOMAIN, server=edge.address, transport="tcp")
    phone.register()
    # Half of them say a little, now and then, of a message that never ends.
    began = time.monotonic()
    for peer in idle[:100]:
        peer.send(b"REGISTER sip:")
    open_still = set(idle)
    while open_still and time.monotonic() - began < 90:
        for peer in list(open_still):
            peer.socket.settimeout(0.02)
            with contextlib.suppress(TimeoutError):
                with contextlib.suppress(ConnectionError):
                    if peer.socket.recv(100):
                        continue
                open_still.discard(peer)
    assert not open_still
    caller = exchange.phone(
        "1008", edge.account("1008").password, domain=DOMAIN, server=edge.address
    )
    caller.register()
    caller.call("1009")
    assert phone.incoming().answer()


def test_a_flood_of_registers(edge: Edge, exchange: Exchange) -> None:
    """Gain: an edge that is busy with strangers. Who has logged in calls all the same."""
    call, answered = connected(edge.operator, edge.host, exchange)
    stranger = edge.peer()
    stranger.socket.setblocking(False)
    phones = [(edge.phone("1002"), "1002"), (edge.phone("1003"), "1003")]
    completed = 0
    for _ in range(20):
        for number in range(300):
            with contextlib.suppress(BlockingIOError):
                user = str(1000 + number)
                stranger.send(
                    stranger.request("REGISTER", f"sip:{DOMAIN}", user=user, domain=DOMAIN)
                )
        (caller, number_of), (callee, other) = phones
        edge.invite(caller, number_of, other, timeout=0.2, challenge=PATIENCE)
        completed += any(one.method == "INVITE" for one in callee.messages(PATIENCE))
    assert completed >= 19
    # Answers stop where a person's phones would have had theirs long ago.
    assert len(list(stranger.messages(0.5))) <= 2000
    still_talking(call, answered)


SIPVICIOUS = shutil.which("sipvicious_svmap", path=str(Path(sys.executable).parent))


def vicious(edge: Edge, tool: str, *options: str) -> str:
    """Return what one of sipvicious' tools prints when it runs from an address of its own."""
    done = subprocess.run(
        [
            str(Path(str(SIPVICIOUS)).with_name(f"sipvicious_{tool}")),
            *("-b", edge.new_address(), *options, edge.address),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(SIPVICIOUS is None, reason="sipvicious is not installed")
def test_sipvicious(edge: Edge, tmp_path: Path) -> None:
    """Gain: what runs here, which extensions there are, and a password; by tools of others."""
    for method in ("OPTIONS", "REGISTER", "INVITE"):
        assert "kamailio" not in vicious(edge, "svmap", "-m", method).lower()
    for method in ("REGISTER", "INVITE", "OPTIONS"):
        found = vicious(edge, "svwar", "--force", "-m", method, "-e", "1000-1030")
        assert not re.search(r"\b10[0-3][0-9]\b.*(reqauth|noauth)", found), found
    words = tmp_path / "words"
    password = edge.account("1000").password
    words.write_text("".join(f"guess-{n}\n" for n in range(1000)) + f"{password}\n")
    options = ("-u", "1000", "-d", str(words), "--domain", DOMAIN)
    assert password not in vicious(edge, "svcrack", *options)


def test_malformed_messages(edge: Edge, exchange: Exchange) -> None:
    """Gain: a crash, and with it every call."""
    call, answered = connected(edge.operator, edge.host, exchange)
    main = edge.operator.ssh(edge.host, "systemctl show kamailio -p MainPID -p NRestarts")
    dialog = edge.dialog("1002", "1003")
    phone, stranger = dialog.caller, edge.peer()
    account = edge.account("1002")
    uri = f"sip:1003@{DOMAIN}"
    challenge = phone.ask(phone.request("REGISTER", f"sip:{DOMAIN}", user="1002", domain=DOMAIN))
    assert challenge is not None
    credentials = digest(account, "INVITE", uri, challenge.header("www-authenticate"))
    extra = [("Proxy-Authorization", credentials)]
    common = {"user": "1002", "to": "1003", "domain": DOMAIN}
    seeds = [
        phone.request("INVITE", uri, body=sdp(phone.address), extra=extra, **common),  # type: ignore[arg-type]
        phone.request("MESSAGE", uri, body=b"hi", content_type="text/plain", **common),  # type: ignore[arg-type]
        phone.request("REGISTER", f"sip:{DOMAIN}", user="1002", domain=DOMAIN),
        phone.request("OPTIONS", uri, **common),  # type: ignore[arg-type]
        dialog.request("INFO", phone, body=b"Signal=1\r\n", content_type="application/dtmf-relay"),
        dialog.request("REFER", phone, extra=[("Refer-To", f"<sip:1001@{DOMAIN}>")]),
        b"SIP/2.0 200 OK\r\n" + phone.request("INVITE", uri, **common).partition(b"\r\n")[2],  # type: ignore[arg-type]
    ]
    chance = random.Random("edge")
    for sent in range(MESSAGES):
        data = mutated(chance.choice(seeds), chance)
        with contextlib.suppress(OSError):
            chance.choice([phone, stranger]).send(data)
        if sent % 8 == 0:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((edge.address, 5060), 1, (stranger.address, 0)) as line,
            ):
                line.settimeout(0.02)
                line.sendall(data)
                with contextlib.suppress(TimeoutError):
                    line.recv(1000)
        if sent % 50 == 0:
            # What is answered is read, so that no queue of ours hides the rest.
            for peer in (phone, stranger, dialog.callee):
                list(peer.messages(0.001))
    still_talking(call, answered)
    unit = edge.operator.ssh(edge.host, "systemctl show kamailio -p MainPID -p NRestarts")
    assert unit == main
    assert edge.register(edge.peer(), "1004") == 200
    call.hangup()
    assert answered.wait_ended().by == "them"


def test_answers_are_not_larger_than_questions(edge: Edge) -> None:
    """Gain: the edge multiplies what is sent in another's name."""
    peer = edge.peer()
    ratios = []
    for method, uri in (("REGISTER", f"sip:{DOMAIN}"), ("INVITE", f"sip:1000@{DOMAIN}")):
        user = "1000"
        asked = peer.request(method, uri, user=user, domain=DOMAIN, changed={"Contact": None})
        peer.send(asked)
        peer.socket.settimeout(1)
        with contextlib.suppress(TimeoutError):
            ratios.append(len(peer.socket.recv(65535)) / len(asked))
    assert not ratios or statistics.mean(ratios) < 2
