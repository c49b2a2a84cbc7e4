"""Prepaid calls on a real switch: charged while they last, ended when the money is used up."""

from __future__ import annotations

import json
import re
import shlex
import time
import wave
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import numpy
import pytest

from callcenter.render import paths
from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard, assert_not_heard
from tests.acceptance.support.phones import Call, CallFailed, Exchange, Phone
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import Side, answering, side
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    logged,
    phone_of,
    sentence,
    still_talking,
    until,
)
from tests.roles.support import refused as refuses
from tests.roles.test_cdr import CERTIFICATE, SERVER, SETTINGS
from tests.sipp import SIPP

HOST = "billing1"
CARRIER, EARLY = 5066, 5067
PCMU = 0
LOW_HZ, USED_UP_HZ, UNAVAILABLE_HZ = 900, 1900, 2300

BILLED = f"""
    trunks=[Trunk("good", host="GATEWAY", port={CARRIER}, caller_id="+4930123400",
                  ping_seconds=None),
            Trunk("spare", host="GATEWAY", port={CARRIER}, ping_seconds=None)],
    outbound=[
        Route("local", pattern=r"^0[1-9]\\d{{5,10}}$", strip=1, prefix="+49", trunks=["good"]),
        Route("spread", pattern=r"^5\\d{{7}}$", prefix="+4930", trunks=["good", "spare"],
              weights=[1, 1]),
        Route("abroad", pattern=r"^00[1-9]\\d{{6,12}}$", strip=2, prefix="+", trunks=["good"]),
    ],
    inbound=[Did("+4930123455", to=outside("0405551234", by=1000))],
    emergency=[Emergency("112", trunks=["good"])],
    outbound_limits=OutboundLimits(countries=["+49", "+43"], calls=10, calls_per_hour=1000),
    database=LocalPostgres(),
    billing=Billing(
        currency="EUR",
        rates=[Rate("+49", "6.00"), Rate("+4930", "12.00"), Rate("+431", "6.00")],
        heartbeat_seconds=1,
        low_balance="0.60",
        low_announcement=Sound("FOLDER/low.wav"),
        used_up_announcement=Sound("FOLDER/used-up.wav"),
        unavailable_announcement=Sound("FOLDER/unavailable.wav"),
    ),
    media="""
PREPAID = 'routes=["local", "spread", "abroad"], account='
EXTENSIONS = (
    f'*Extension.range(1000, 1001, {PREPAID}"family"), '
    f'Extension(1002, routes=["local", "abroad"]), Extension(1003, {PREPAID}"empty"), '
    "*Extension.range(1004, 1009, ring_seconds=5)"
)


BELOW = Decimal("-0.60")
"""Balance at which a call has ended at the latest: six seconds below zero, a beat each second."""


def tone(path: Path, hertz: int) -> None:
    samples = 9000 * numpy.sin(2 * numpy.pi * hertz * numpy.arange(2 * 8000) / 8000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.astype("<i2").tobytes())


def described(lab: Lab, folder: Path) -> str:
    for name, hertz in (
        ("low", LOW_HZ),
        ("used-up", USED_UP_HZ),
        ("unavailable", UNAVAILABLE_HZ),
    ):
        tone(folder / f"{name}.wav", hertz)
    text = SITE.replace("*Extension.range(1000, 1009, ring_seconds=5)", EXTENSIONS)
    text = text.replace("media=", BILLED, 1)
    return text.replace("GATEWAY", lab.gateway).replace("FOLDER", str(folder))


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(described(lab, made.folder))
    made.succeed()
    assert made.succeed().changes == 0
    return made


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """The phones of extensions, and those that are the world behind the carrier."""
    with Exchange(lab.gateway, port=CARRIER) as made:
        yield made


announcer = side(EARLY)


def billing(operator: Operator, *words: str) -> tuple[int, str]:
    """Return the command of an operator, and what it said."""
    done = operator.callcenter.typed("billing", *words, "--inventory", operator.inventory)
    return done.returncode, done.stdout + done.stderr


def balance(operator: Operator, account: str = "family") -> Decimal:
    code, said = billing(operator, "balance", account)
    assert code == 0, said
    found = re.fullmatch(rf"{account}: balance (-?[0-9.]+) EUR\n", said)
    assert found, said
    return Decimal(found[1])


def told(operator: Operator, query: str) -> str:
    """Return what the database answers."""
    return operator.ssh(
        HOST, f'cd / && runuser -u freeswitch -- psql -qAt callcenter -c "{query}"'
    ).strip()


def booked(operator: Operator, account: str = "family") -> Decimal:
    """Return the balance as the database has it now: the command takes seconds where all is busy,
    and a call that is charged does not wait."""
    return Decimal(told(operator, f"SELECT balance FROM billing_accounts WHERE name = '{account}'"))


def is_over(operator: Operator) -> None:
    """Wait until no call is left: the rest of the last one is booked at its end, after the phones
    have been told."""
    until(lambda: operator.ssh(HOST, "fs_cli -x 'show channels count'").strip(), "0 total.")


def make_it(operator: Operator, wanted: str, account: str = "family") -> None:
    """Bring the balance to an amount, as an operator would, once no call is up."""
    is_over(operator)
    more = Decimal(wanted) - balance(operator, account)
    if more:
        code, said = billing(
            operator, "top-up" if more > 0 else "take-back", account, str(abs(more))
        )
        assert code == 0, said


def outside(caller: Phone, world: Phone, number: str) -> tuple[Call, Call]:
    call = caller.call(number)
    answered = world.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 0.2)
    return call, answered


def refused(call: Call) -> int | None:
    with pytest.raises(CallFailed) as why:
        call.wait_established()
    return why.value.code


def test_a_call_is_charged_while_it_lasts_and_ended_at_zero(
    operator: Operator, exchange: Exchange
) -> None:
    make_it(operator, "1.20")
    world = exchange.phone("+49405551234")
    caller = phone_of(operator, HOST, exchange, "1000")
    call, answered = outside(caller, world, "0405551234")
    first = until(lambda: booked(operator), lambda left: left < Decimal("1.20"))
    until(lambda: booked(operator), lambda left: 0 < left < first)
    # At 0.60, after six seconds. Who is called goes on hearing the caller's side, not this.
    assert_heard(call, LOW_HZ, 0.5)
    assert not answered.ended
    assert_not_heard(answered, LOW_HZ)
    # At zero, after twelve.
    call.forget()
    answered.wait_ended()
    assert_heard(call, USED_UP_HZ, 0.5)
    assert call.wait_ended().by == "them"
    is_over(operator)
    left = balance(operator)
    assert BELOW < left <= 0, left
    code, said = billing(operator, "statement", "family")
    assert code == 0
    *_, last, total = said.splitlines()
    assert "1000 called +49405551234, 1" in last, said
    assert "at 6 a minute" in last
    spent = re.search(r"(-[0-9.]+)", last.partition("  ")[2])
    assert spent
    assert Decimal("1.1") < -Decimal(spent[1]) < Decimal("1.2") - BELOW, said
    assert total == f"family: balance {left} EUR"


def test_who_sends_calls_outside_pays_for_them(operator: Operator, exchange: Exchange) -> None:
    """And where the money is used up, none is sent"""
    make_it(operator, "1.20")
    world = exchange.phone("+49405551234")
    address = next(one.address for one in operator.lab.hosts if one.name == HOST)
    caller = exchange.phone("+431555000", domain=f"{address}:5080")
    call = caller.call("+4930123455")
    answered = world.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    still_talking(call, answered)
    until(lambda: booked(operator), lambda left: left < Decimal("1.20"))
    call.hangup()
    answered.wait_ended()
    assert "1000 called +49405551234" in billing(operator, "statement", "family")[1]
    make_it(operator, "0")
    call = caller.call("+4930123455")
    assert refused(call) == 403
    assert not world._ringing


def test_no_call_without_money_but_for_help_and_inside(
    operator: Operator, exchange: Exchange
) -> None:
    make_it(operator, "0", "empty")
    world = exchange.phone("+49405551234")
    caller = phone_of(operator, HOST, exchange, "1003")
    call = caller.call("0405551234")
    assert_heard(call, USED_UP_HZ, 0.5)
    assert refused(call) == 403
    assert not world._ringing
    for number, called in (
        ("112", exchange.phone("112")),
        ("1004", phone_of(operator, HOST, exchange, "1004")),
    ):
        call, answered = outside(caller, called, number)
        still_talking(call, answered)
        call.hangup()
        answered.wait_ended()
    assert balance(operator, "empty") == 0


def test_a_number_without_a_price_is_not_called(operator: Operator, exchange: Exchange) -> None:
    make_it(operator, "1.20")
    world = exchange.phone("+432215551234")
    assert refused(phone_of(operator, HOST, exchange, "1000").call("00432215551234")) == 403
    logged(operator, HOST, "Outbound limit (rate) of 1000 hit")
    # Who has no account is not asked for money.
    call, answered = outside(phone_of(operator, HOST, exchange, "1002"), world, "00432215551234")
    still_talking(call, answered)
    call.hangup()
    answered.wait_ended()
    assert balance(operator) == Decimal("1.20")


def test_the_longest_beginning_counts(operator: Operator, exchange: Exchange) -> None:
    make_it(operator, "5")
    world = exchange.phone("+493055512345")
    call, answered = outside(phone_of(operator, HOST, exchange, "1001"), world, "55512345")
    call.hangup()
    answered.wait_ended()
    until(
        lambda: billing(operator, "statement", "family")[1],
        lambda said: "1001 called +493055512345" in said,
    )
    assert "at 12 a minute" in billing(operator, "statement", "family")[1].splitlines()[-2]


def test_two_calls_of_one_account(operator: Operator, exchange: Exchange) -> None:
    """They spend no more below zero than one: the other ends while something is left."""
    make_it(operator, "2.00")
    calls: list[Call] = []
    for number, outside_number in (("1000", "0405551111"), ("1001", "0405552222")):
        world = exchange.phone(f"+49{outside_number[1:]}")
        calls += outside(phone_of(operator, HOST, exchange, number), world, outside_number)
    until(lambda: any(call.ended for call in calls), True)
    assert booked(operator) > 0
    for call in calls:
        assert call.wait_ended().by == "them"
    is_over(operator)
    assert BELOW < balance(operator) <= 0


def test_who_takes_over_the_call_talks_on_the_same_account(
    operator: Operator, exchange: Exchange
) -> None:
    make_it(operator, "1.00")
    world = exchange.phone("+49405551234")
    colleague = phone_of(operator, HOST, exchange, "1004")
    call, answered = outside(phone_of(operator, HOST, exchange, "1000"), world, "0405551234")
    call.transfer("1004")
    taken = colleague.incoming().answer()
    taken.play(CALLER_HZ)
    still_talking(taken, answered)
    before = booked(operator)
    until(lambda: booked(operator), lambda left: left < before)
    assert answered.wait_ended().by == "them"
    taken.wait_ended()
    is_over(operator)
    assert BELOW < balance(operator) <= 0


def test_money_in_is_booked_once(operator: Operator) -> None:
    make_it(operator, "0", "empty")
    booking = "1f0a2f6e-2c4e-4a44-9a65-0d7a3c0f2b11"
    for times in (1, 2):
        code, said = billing(operator, "top-up", "empty", "20.50", "--id", booking)
        assert code == 0
        assert said.endswith("balance 20.500000 EUR\n")
        assert ("nothing was done" in said) == (times == 2)
    code, said = billing(operator, "top-up", "empty", "7", "--id", booking)
    assert code == 1
    assert "another booking" in said
    code, said = billing(operator, "take-back", "empty", "20.50")
    assert (code, said) == (0, "empty: -20.50 EUR; balance 0.000000 EUR\n")
    lines = billing(operator, "statement", "empty")[1].splitlines()
    assert [line.split()[1:] for line in lines[-3:-1]] == [
        ["+20.500000", "top-up"],
        ["-20.500000", "take-back"],
    ]
    book = told(
        operator,
        "SELECT bool_and(balance = (SELECT sum(amount) FROM billing_entries WHERE account = name)) "
        "FROM billing_accounts",
    )
    assert book == "t"


@pytest.mark.parametrize(
    "words",
    [
        ("top-up", "empty", "-5"),
        ("top-up", "empty", "0"),
        ("top-up", "empty", "1e3"),
        ("top-up", "empty", "NaN"),
        ("top-up", "empty", "٣"),
        ("top-up", "empty", "1.2345678"),
        ("top-up", "empty", "1000001"),
        ("top-up", "empty", "5", "--id", "'; DROP TABLE billing_entries; --"),
        ("top-up", "somebody", "5"),
        ("balance", "empty' OR 'a'='a"),
    ],
)
def test_what_is_no_money_or_no_account_is_refused(
    operator: Operator, words: tuple[str, ...]
) -> None:
    code, said = billing(operator, *words)
    assert code == 1, said
    assert re.search("give one above 0|leave it out|none of the Site's accounts", said), said


def test_while_the_database_is_stopped(operator: Operator, exchange: Exchange) -> None:
    make_it(operator, "50")
    world = exchange.phone("+49405551234")
    caller = phone_of(operator, HOST, exchange, "1000")
    call, answered = outside(caller, world, "0405551234")
    second = exchange.phone("+49405552222")
    others, theirs = outside(phone_of(operator, HOST, exchange, "1002"), second, "0405552222")
    until(lambda: booked(operator), lambda left: left < 50)
    operator.ssh(HOST, "systemctl stop postgresql 'postgresql@*'")
    try:
        # What cannot be charged ends.
        assert_heard(call, UNAVAILABLE_HZ, 0.5)
        assert call.wait_ended().by == "them"
        answered.wait_ended()
        refusal = caller.call("0405551234")
        assert_heard(refusal, UNAVAILABLE_HZ, 0.5)
        assert refused(refusal) == 503
        # Everything else goes on: calls that were up, new ones, the events of FreeSWITCH.
        still_talking(others, theirs)
        for number, called in (
            ("112", exchange.phone("112")),
            ("1004", phone_of(operator, HOST, exchange, "1004")),
        ):
            help_, helper = outside(caller, called, number)
            still_talking(help_, helper)
            help_.hangup()
            helper.wait_ended()
        began = time.monotonic()
        assert "+OK" in operator.ssh(HOST, "fs_cli -x 'bgapi status'")
        assert time.monotonic() - began < 10
        code, said = billing(operator, "top-up", "family", "5")
        assert code == 1
        assert "repeat it safely: top-up family 5 --id " in said
        again = said.split("safely: ")[1].split()
    finally:
        operator.ssh(HOST, "systemctl start postgresql")
    until(lambda: billing(operator, "balance", "family"), lambda done: done[0] == 0)
    left = balance(operator)
    assert Decimal("40") < left < 50
    code, said = billing(operator, *again)
    assert code == 0
    assert balance(operator) == left + 5
    others.hangup()
    theirs.wait_ended()
    call, answered = outside(caller, world, "0405551234")
    still_talking(call, answered)
    call.hangup()
    answered.wait_ended()


def test_prices_change_and_calls_go_on(operator: Operator, exchange: Exchange, lab: Lab) -> None:
    make_it(operator, "50")
    world = exchange.phone("+49405551234")
    call, answered = outside(phone_of(operator, HOST, exchange, "1000"), world, "0405551234")
    text = described(lab, operator.folder)
    operator.describe(text.replace('"6.00"', '"3.00"').replace("seconds=1,", "seconds=2,"))
    operator.succeed()
    still_talking(call, answered)
    before = booked(operator)
    until(lambda: booked(operator), lambda left: left < before)
    call.hangup()
    answered.wait_ended()
    call, answered = outside(phone_of(operator, HOST, exchange, "1001"), world, "0405551234")
    call.hangup()
    answered.wait_ended()
    until(lambda: billing(operator, "statement", "family")[1], lambda said: "at 3 a minute" in said)


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_who_has_said_something_before_the_answer_counts_from_the_answer(
    operator: Operator, exchange: Exchange, announcer: Side, lab: Lab
) -> None:
    """Leave a call what it may cost until its next beat, and no other that."""
    text = described(lab, operator.folder).replace("heartbeat_seconds=1,", "heartbeat_seconds=60,")
    trunk = f'Trunk("early", host="GATEWAY", port={EARLY}, ping_seconds=None), Trunk("spare"'
    text = text.replace('Trunk("spare"', trunk.replace("GATEWAY", lab.gateway))
    abroad = 'prefix="+", trunks=["'
    operator.describe(text.replace(f'{abroad}good"', f'{abroad}early"'))
    operator.succeed()
    make_it(operator, "5.00")
    first, second = (phone_of(operator, HOST, exchange, number) for number in ("1000", "1001"))
    with answering(announcer, PCMU, early=True, announces=500):
        call = first.call("004315551234")
        call.wait_established()
        # The caller may hear of the answer before it is written down.
        until(lambda: told(operator, "SELECT max(ended) > now() FROM billing_entries"), "t")
        assert refused(second.call("0405551234")) == 403
        call.hangup()
    assert balance(operator) > 0
    # The next may have what that one might have cost, which is not said to have lasted so long.
    make_it(operator, "5.00")
    call, answered = outside(second, exchange.phone("+49405551234"), "0405551234")
    call.hangup()
    answered.wait_ended()
    is_over(operator)
    assert told(operator, "SELECT max(ended) <= now() FROM billing_entries") == "t"


def test_off_it_is_gone_and_the_money_stays(
    operator: Operator, exchange: Exchange, lab: Lab
) -> None:
    operator.describe(described(lab, operator.folder))
    operator.succeed()
    make_it(operator, "50")
    world = exchange.phone("+49405551234")
    call, answered = outside(phone_of(operator, HOST, exchange, "1000"), world, "0405551234")
    until(lambda: booked(operator), lambda left: left < 50)
    operator.describe(off(described(lab, operator.folder)))
    operator.succeed()
    # Nobody is charged any more, and the call goes on.
    still_talking(call, answered)
    call.hangup()
    answered.wait_ended()
    assert operator.succeed().changes == 0
    for module in ("mod_nibblebill", "mod_pgsql"):
        assert operator.ssh(HOST, f"fs_cli -x 'module_exists {module}'").strip() == "false"
    for path in (paths.BILLING_TOOL, paths.POOL_UNIT, paths.POOL_CONFIG):
        assert operator.ssh(HOST, f"ls {path} 2>/dev/null") == ""
    there = "pgrep -x pgbouncer; dpkg-query -W pgbouncer 2>/dev/null"
    until(lambda: operator.ssh(HOST, there), "")
    operator.describe(described(lab, operator.folder))
    operator.succeed()
    assert 40 < balance(operator) < 50


def off(text: str) -> str:
    """Return the same Site without billing: its trunk and routes stay."""
    begin, end = text.index("    database="), text.index("    media=")
    return re.sub(r', account="[a-z]+"', "", text[:begin] + text[end:])


def test_a_database_of_the_operators_own(
    operator: Operator, operator_of: Callable[..., Operator], exchange: Exchange, lab: Lab
) -> None:
    own = operator_of("billing2", bare=True)
    own.ssh("billing2", "apt-get -qq update && apt-get -y -qq install --no-install-recommends "
            "postgresql openssl")  # fmt: skip
    own.ssh(
        "billing2",
        f"{CERTIFICATE} && printf %s {shlex.quote(SETTINGS)} >conf.d/own.conf && "
        "echo 'hostssl callcenter callcenter all scram-sha-256' >>pg_hba.conf && "
        "runuser -u postgres -- createdb callcenter && systemctl restart postgresql",
    )
    authority = operator.folder / "ca.pem"
    authority.write_text(own.ssh("billing2", "cat /etc/postgresql/15/main/own.crt"))
    address = next(one.address for one in operator.lab.hosts if one.name == "billing2")
    operator.ssh(HOST, f"echo {address} {SERVER} >>/etc/hosts")
    remote = f'RemotePostgres("{SERVER}", password=secret("database"), ca_file="{authority}")'
    operator.describe(
        described(lab, operator.folder).replace("database=LocalPostgres()", f"database={remote}")
    )
    operator.succeed()
    # There is no such role yet: what cannot be paid is not called.
    assert billing(operator, "balance", "family")[0] == 1
    assert refused(phone_of(operator, HOST, exchange, "1000").call("0405551234")) == 503
    password = json.loads(operator.secrets.read_text())["database"]
    own.ssh(
        "billing2",
        'cd / && runuser -u postgres -- psql -qAt callcenter -c "CREATE ROLE callcenter LOGIN '
        f"PASSWORD '{password}'; GRANT CREATE ON SCHEMA public TO callcenter\"",
    )
    make_it(operator, "5")
    world = exchange.phone("+49405551234")
    call, answered = outside(exchange._phones["1000"], world, "0405551234")
    until(lambda: balance(operator), lambda left: left < 5)
    still_talking(call, answered)
    call.hangup()
    answered.wait_ended()
    encrypted = own.ssh(
        "billing2",
        'cd / && runuser -u postgres -- psql -qAt callcenter -c "SELECT bool_and(ssl) FROM '
        "pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'callcenter'\"",
    )
    assert encrypted == "t\n"
    assert operator.ssh(HOST, f"stat -c %U:%G:%a {paths.POOL_CONFIG}") == "root:freeswitch:640\n"
    assert password not in operator.ssh(
        HOST, "journalctl -o cat; ps axww; cat /var/log/freeswitch/*; cat /etc/freeswitch/*/*.xml"
    )
    # The host's own database has gone, and its data has not.
    until(lambda: operator.ssh(HOST, "pgrep -x postgres"), "")


def test_two_switches_with_a_database_each_are_refused(
    operator_of: Callable[..., Operator], lab: Lab
) -> None:
    pair = operator_of("billing3", "billing4")
    pair.describe(described(lab, pair.folder))
    run = refuses(pair)
    for host in pair.hosts:
        assert "each of the 2 switches" in sentence(run, host, "Site.database")
