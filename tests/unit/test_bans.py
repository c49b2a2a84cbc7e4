"""Who is shut out, by what was read; and what is read of a line that a stranger has written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.onhost.bans import (
    FIRST,
    KNOWN,
    LONGEST,
    OF_ONE,
    OF_SEVERAL,
    PATIENCE,
    REMEMBERED,
    SLOWLY,
    STILL_COMING,
    WINDOW,
    Ban,
    Failure,
    Guessers,
    Login,
    applied,
    event_of,
    said_by_kamailio,
    said_by_sshd,
)

A = "203.0.113.7"


def failures(guessers: Guessers, count: int, *, at: float = 0, users: int = 1) -> list[Ban]:
    found = [
        guessers.failed(Failure(A, str(1000 + n % users), "REGISTER"), at) for n in range(count)
    ]
    return [one for one in found if one is not None]


def test_an_address_where_nobody_has_logged_in() -> None:
    guessers = Guessers()
    assert failures(guessers, OF_ONE - 1) == []
    [ban] = failures(guessers, 1)
    assert (ban.source, ban.seconds) == (A, FIRST)


def test_failures_that_are_far_apart() -> None:
    guessers = Guessers()
    for n in range(20):
        assert failures(guessers, OF_ONE - 1, at=n * WINDOW) == []


def test_what_was_on_its_way_counts_for_nothing() -> None:
    """One ban, and not ten that grow, for a thousand guesses that were sent at once."""
    guessers = Guessers()
    assert len(failures(guessers, 1000)) == 1
    assert guessers.bans[A][0] == 1


def test_each_ban_is_twice_as_long() -> None:
    guessers, at, seconds = Guessers(), 0.0, []
    for _ in range(14):
        [ban] = failures(guessers, OF_ONE, at=at)
        seconds.append(ban.seconds)
        at += max(ban.seconds, STILL_COMING)
    assert seconds[:4] == [60, 120, 240, 480]
    assert seconds[-1] == LONGEST
    [ban] = failures(guessers, OF_ONE, at=at + REMEMBERED + 1)
    assert ban.seconds == FIRST


def test_an_office_with_an_old_password() -> None:
    guessers = Guessers()
    guessers.logged_in(Login(A, 5060), 0)
    assert failures(guessers, PATIENCE - 1) == []
    guessers = Guessers()
    guessers.logged_in(Login(A, 5060), 0)
    # Twenty in ten minutes, all day: a phone that tries each half minute.
    for n in range(2, 2000):
        guessers.logged_in(Login(A, 5060), 30 * n)
        assert failures(guessers, 1, at=30 * n) == []


def test_a_guesser_in_an_office() -> None:
    guessers = Guessers()
    guessers.logged_in(Login(A, 5060), 0)
    assert len(failures(guessers, OF_SEVERAL, users=3)) == 1
    guessers = Guessers()
    guessers.logged_in(Login(A, 5060), 0)
    assert len(failures(guessers, OF_ONE, at=KNOWN)) == 1


@pytest.mark.parametrize("address", ["198.51.100.5", "127.0.0.1", "::1", "::ffff:198.51.100.5"])
def test_own_networks(address: str) -> None:
    guessers = Guessers(["198.51.100.0/24", "2001:db8:1::/48"])
    for n in range(200):
        failure = Failure(address, str(n), "REGISTER")
        assert guessers.failed(failure, 0) is None
        assert guessers.slowly(failure, 0) == []


def test_a_network_of_ipv6_is_one_address() -> None:
    guessers = Guessers()
    bans = [
        guessers.failed(Failure(f"2001:db8:0:1::{n:x}", "1000", "REGISTER"), 0)
        for n in range(OF_ONE)
    ]
    assert [ban.source for ban in bans if ban] == ["2001:db8:0:1::"]


def test_slowly_from_many_addresses() -> None:
    guessers = Guessers()
    told = [
        guessers.slowly(Failure(f"203.0.113.{n}", "1000", "REGISTER"), 60 * n) for n in range(50)
    ]
    assert told[: SLOWLY - 1] == [[]] * (SLOWLY - 1)
    assert all("1000" in one for one in told[SLOWLY - 1 :])
    assert "all" in told[-1]
    # An address is told of once.
    assert guessers.slowly(Failure("203.0.113.1", "1000", "REGISTER"), 4000) == []


SSH = "203.0.113.7 port 4711"


@pytest.mark.parametrize(
    "line",
    [
        f"Failed password for root from {SSH} ssh2",
        f"Failed password for invalid user admin from {SSH} ssh2",
        f"Invalid user admin from {SSH}",
        f"Invalid user admin from 192.0.2.9 port 22 from {SSH}",
        f"Failed password for invalid user x from 192.0.2.9 port 22 ssh2 from {SSH} ssh2",
        f"Connection closed by authenticating user root {SSH} [preauth]",
        f"Connection closed by authenticating user root 192.0.2.9 port 1 [preauth] {SSH} [preauth]",
    ],
)
def test_a_failure_at_ssh(line: str) -> None:
    found = said_by_sshd(line)
    assert isinstance(found, Failure)
    assert found.address == A


@pytest.mark.parametrize(
    "line",
    [
        f"Invalid user admin from {SSH}\n",
        f"x Invalid user admin from {SSH}",
        f"Connection from {SSH} on 192.0.2.1 port 22",
        f"Accepted key ED25519 SHA256:x found at /root/x from {SSH} ssh2",
        f"Failed publickey for root from {SSH} ssh2",
        f"Failed none for root from {SSH} ssh2",
        "Invalid user admin from 203.0.113.7",
    ],
)
def test_what_is_no_failure_at_ssh(line: str) -> None:
    assert said_by_sshd(line) is None


def test_a_login_at_ssh() -> None:
    assert said_by_sshd(
        f"Accepted publickey for root from {SSH} ssh2: ED25519 SHA256:abc"
    ) == Login(A, 4711)
    assert isinstance(
        said_by_sshd(f"Invalid user Accepted password for x from {SSH} ssh2 from {SSH}"), Failure
    )


def test_events() -> None:
    failed = {"Event-Subclass": "sofia::register_failure", "network-ip": A, "to-user": "1000"}
    assert event_of({**failed, "registration-type": "REGISTER"}) == Failure(A, "1000", "REGISTER")
    # Its name is that of who is called: an old password that dials three numbers is one user.
    assert event_of({**failed, "registration-type": "INVITE"}) == Failure(A, "?", "INVITE")
    assert event_of({**failed, "to-user": "a\nb; id"}) == Failure(A, "?", "REGISTER")
    login = {"Event-Subclass": "sofia::register", "network-ip": A, "network-port": "5060"}
    assert event_of(login) == Login(A, 5060)
    assert event_of({**login, "network-port": "x"}) is None
    assert event_of({"Event-Subclass": "sofia::unregister"}) is None
    pin = {"Event-Subclass": "callcenter::pin", "variable_acting": "1000"}
    assert event_of({**pin, "Caller-Network-Addr": A}) == Failure(A, "1000", "PIN", 3)
    # Behind an edge, whose address all calls come from.
    behind = {**pin, "Caller-Network-Addr": "192.0.2.1", "variable_phone_address": A}
    assert event_of(behind) == Failure(A, "1000", "PIN", 3)


NEVER = [ipaddress.ip_network("198.51.100.0/24")]


def test_what_the_packet_filter_is_told() -> None:
    text = applied(b"ban 203.0.113.7 60", NEVER)
    assert text.splitlines()[-1] == (
        "add element inet callcenter-bans banned4 { 203.0.113.7 timeout 60s }"
    )
    text = applied(b"login 2001:db8::7 5060 7200", NEVER)
    assert "known6 { 2001:db8:: timeout 7200s }" in text
    assert "logins6 { 2001:db8::7 . 5060 timeout 7200s }" in text


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"ban 203.0.113.7 0",
        b"ban 203.0.113.7 60\n",
        b"ban 203.0.113.7 60 }; flush ruleset",
        b"ban 203.0.113.0/24 60",
        b"ban 198.51.100.5 60",
        b"ban ::ffff:198.51.100.5 60",
        b"ban 127.0.0.1 60",
        b"ban fe80::1%lo 60",
        b"login 203.0.113.7 70000 60",
        b"login 198.51.100.5 5060 60",
    ],
)
def test_what_the_packet_filter_is_not_told(asked: bytes) -> None:
    assert applied(asked, NEVER) == ""


@given(st.text(max_size=60), st.text(max_size=30))
def test_whatever_a_stranger_writes(user: str, address: str) -> None:
    """Nothing but one address and one number reaches a command."""
    found = event_of(
        {"Event-Subclass": "sofia::register_failure", "network-ip": address, "to-user": user}
    )
    assert isinstance(found, Failure)
    for _ in range(OF_ONE):
        ban = Guessers().failed(found, 0)
        assert ban is None
    said_by_sshd(f"Invalid user {user} from {address} port 5060")
    text = applied(f"ban {address} 60".encode(), NEVER)
    assert text == "" or ipaddress.ip_address(text.split("{ ")[1].split(" ")[0])


@pytest.mark.parametrize(
    "before", ["", "NOTICE: <script>: ", "NOTICE: {1 2 REGISTER a} <script>: "]
)
def test_what_kamailio_says(before: str) -> None:
    refused = f"{before}callcenter: refused {A}: wrong password or user, as 1000"
    assert said_by_kamailio(refused) == Failure(A, "1000", "REGISTER", 0)
    assert said_by_kamailio(f"{before}callcenter: login {A} 5062") == Login(A, 5062)
    assert said_by_kamailio(f"{before}callcenter: login [2001:db8::7] 5062") == Login(
        "2001:db8::7", 5062
    )
    for other in (
        f"callcenter: banned {A} for 60 s",
        f"x callcenter: login {A} 1",
        refused + "\n\nx",
    ):
        assert said_by_kamailio(f"{before}{other}") is None


@given(st.text(max_size=60))
def test_a_name_makes_no_other_line(name: str) -> None:
    found = said_by_kamailio(f"callcenter: refused {A}: wrong password or user, as {name}")
    assert found is None or (isinstance(found, Failure) and found.address == A)
