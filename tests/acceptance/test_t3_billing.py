"""T3: prepaid calls are charged while they last, end with the money, and are refused without it.

Only where every trunk leads to this machine, as in the lab: the carrier is one of the phones, and
no operator's money is spent. The balance that is found is put back.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from decimal import Decimal

import pytest

from callcenter.__main__ import main
from callcenter.render.outbound import leaving
from callcenter.site import Billing, Rate, Site, Trunk
from tests.acceptance.conftest import all_free
from tests.acceptance.support.audio import Pcm, assert_speech, speech_seconds
from tests.acceptance.support.given import Given
from tests.acceptance.support.phones import CallFailed, Exchange
from tests.acceptance.support.uses import Uses, alone, uses
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, prove_both_ways
from tests.acceptance.test_t3_trunk import DIALLED, carrier, local_trunk, played, trunk

__all__ = ["carrier", "trunk"]

SENTENCE = 6
"""Seconds in which a short announcement has begun and is over."""


@pytest.fixture
def billing(site: Site) -> Billing:
    """How the Site bills."""
    if site.billing is None:
        pytest.skip("the Site bills nothing")
    return site.billing


@dataclass(frozen=True)
class Prepaid:
    """A call that an account pays for."""

    extension: str
    account: str
    dialled: str
    number: str
    """Number that is called, as E.164."""
    sent: str
    """The same, as the carrier is sent it."""
    rate: Rate

    def worth(self, seconds: float) -> Decimal:
        """Return what so many seconds cost."""
        cost = Decimal(self.rate.price) / 60 * Decimal(seconds)
        return cost.quantize(Decimal("0.000001"))


def prepaid_call(given: Given) -> Prepaid | None:
    """Return a call with a price, which only the carrier here is asked for."""
    trunk = local_trunk(given)
    if trunk is None or given.site.billing is None:
        return None
    for one in given.site.extensions:
        for dialled in DIALLED:
            call = leaving(given.site, one.number, dialled)
            if call.refused is not None or call.rate is None or one.account is None:
                continue
            if Decimal(call.rate.price) > 0 and played(trunk, call.trunks):
                sent = call.trunks[0].sent(call.number)
                return Prepaid(one.number, one.account, dialled, call.number, sent, call.rate)
    return None


def sharing(given: Given, account: str) -> list[str]:
    """Return the extensions that an account pays for."""
    return [one.number for one in given.site.extensions if one.account == account]


def prepaid_used(given: Given) -> Uses:
    """Return the account and all who spend its money."""
    found = prepaid_call(given)
    if found is None:
        return Uses()
    return alone(
        given.resource("account", found.account),
        *given.extensions(sharing(given, found.account)),
    )


@pytest.fixture
@uses(prepaid_used)
def prepaid(
    given: Given, billing: Billing, trunk: Trunk, carrier: None, free: Collection[str]
) -> Prepaid:
    """A call with a price, which only the carrier here is asked for."""
    if (found := prepaid_call(given)) is None:
        pytest.skip(f"no prepaid extension has a route with a price over {trunk.name} alone")
    # Whoever else talked on the account would have no money left.
    all_free(free, sharing(given, found.account))
    return found


class Account:
    """An account, by the command that an operator has."""

    def __init__(self, inventory: str, name: str, currency: str) -> None:
        self.inventory, self.name, self.currency = inventory, name, currency

    @property
    def balance(self) -> Decimal:
        """What is left."""
        return self._money(self._said("balance"))

    def statement(self, lines: int) -> list[str]:
        """Return the newest lines of what came and went."""
        return self._said("statement", "--lines", str(lines)).splitlines()[:-1]

    def make(self, wanted: Decimal) -> Decimal:
        """Bring the balance to an amount, and return it."""
        if more := wanted - self.balance:
            booked = self._said("top-up" if more > 0 else "take-back", format(abs(more), "f"))
            assert self._money(booked) == wanted
        return wanted

    def falls_below(self, amount: Decimal, seconds: float) -> Decimal:
        """Wait until it has, and return what is left."""
        return eventually(
            lambda: self.balance, lambda left: left < amount, f"a balance below {amount}", seconds
        )

    def _said(self, action: str, *words: str) -> str:
        command = ["billing", action, self.name, *words, "--inventory", self.inventory]
        out, wrong = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(wrong):
            code = main(command)
        assert code == 0, wrong.getvalue()
        return out.getvalue()

    def _money(self, said: str) -> Decimal:
        found = re.search(rf"balance (-?[0-9.]+) {self.currency}$", said.strip())
        assert found, said
        return Decimal(found[1])


Gone = Callable[[], None]


@pytest.fixture
def gone(prepaid: Prepaid, fs_cli: Callable[[str], str]) -> Gone:
    """Wait until FreeSWITCH has let go of the extension's calls, and so charged all of them."""

    def wait() -> None:
        eventually(
            lambda: [
                line
                for line in fs_cli("show channels").splitlines()
                if f"/{prepaid.extension}@" in line or prepaid.sent in line
            ],
            lambda held: not held,
            f"FreeSWITCH to let go of {prepaid.extension}'s call",
        )

    return wait


# Made before the phones, and so undone after them: nothing is charged any more by then.
@pytest.fixture(autouse=True)
def account(
    billing: Billing, prepaid: Prepaid, gone: Gone, request: pytest.FixtureRequest
) -> Iterator[Account]:
    """The account, whose balance is afterwards what it was."""
    made = Account(request.config.getoption("--inventory"), prepaid.account, billing.currency)
    found = made.balance
    yield made
    try:
        gone()
    finally:
        made.make(found)


def test_charged_while_it_lasts(
    billing: Billing,
    prepaid: Prepaid,
    account: Account,
    gone: Gone,
    exchange: Exchange,
    phone: MakePhone,
) -> None:
    """The balance falls while a call lasts, and the statement says what for"""
    beat = billing.heartbeat_seconds
    start = account.make(Decimal(billing.low_balance) + prepaid.worth(10 * (beat + PATIENCE)))
    there = exchange.phone(prepaid.sent)
    dialled = time.monotonic()
    call = phone(prepaid.extension, register=False).call(prepaid.dialled)
    answered = there.incoming().answer()
    call.wait_established()
    established = time.monotonic()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    first = account.falls_below(start, beat + PATIENCE)
    account.falls_below(first, beat + PATIENCE)
    assert not answered.ended
    least = prepaid.worth(time.monotonic() - established)
    call.hangup()
    answered.wait_ended()
    gone()
    most = prepaid.worth(time.monotonic() - dialled)
    spent = start - account.balance
    # FreeSWITCH's clock goes in ticks, and is behind by some where the host is busy.
    slack = prepaid.worth(0.5)
    assert least - slack <= spent <= most + slack
    [line] = account.statement(1)
    assert f" {-spent:f}  {prepaid.extension} called {prepaid.number}, " in line
    assert line.endswith(f" at {Decimal(prepaid.rate.price).normalize():f} a minute")


def test_ended_with_the_money(
    billing: Billing,
    prepaid: Prepaid,
    account: Account,
    gone: Gone,
    exchange: Exchange,
    phone: MakePhone,
) -> None:
    """The caller, and nobody else, is told that little is left; at zero the call ends"""
    beat = billing.heartbeat_seconds
    if Decimal(billing.low_balance) < prepaid.worth(beat + SENTENCE):
        pytest.skip("billing.low_balance is too little for its announcement to be heard whole")
    lasts = 2 * beat + 1 + SENTENCE
    start = account.make(prepaid.worth(lasts))
    there = exchange.phone(prepaid.sent)
    # Neither plays anything: what is heard is FreeSWITCH.
    call = phone(prepaid.extension, register=False).call(prepaid.dialled)
    answered = there.incoming().answer()
    call.wait_established()
    assert_speech(call, seconds=0.5, wait=lasts)
    assert speech_seconds(call.listen(quiet, SENTENCE)) > 0
    assert not answered.ended
    call.forget()
    answered.wait_ended(timeout=lasts + beat + PATIENCE)
    assert speech_seconds(answered.heard) == 0
    assert_speech(call, seconds=0.5)
    assert call.wait_ended(timeout=SENTENCE + PATIENCE).by == "them"
    gone()
    left = account.balance
    # Between two beats nobody looks.
    assert -prepaid.worth(beat + 3) < left <= 0
    [line] = account.statement(1)
    assert f" {left - start:f}  {prepaid.extension} called {prepaid.number}, " in line


def quiet(pcm: Pcm) -> bool:
    """Tell whether nothing was said in the last second."""
    return speech_seconds(Pcm(pcm.samples[-pcm.rate :], pcm.rate)) == 0


def test_refused_without_money(
    prepaid: Prepaid, account: Account, exchange: Exchange, phone: MakePhone
) -> None:
    """Without money the caller hears why and the call is refused; no carrier is asked"""
    account.make(Decimal(0))
    there = exchange.phone(prepaid.sent)
    caller = phone(prepaid.extension, register=False)
    call = caller.call(prepaid.dialled)
    assert_speech(call, seconds=0.5)
    with pytest.raises(CallFailed) as refused:
        call.wait_established()
    assert refused.value.code == 403
    refusal = caller.wait_message(lambda message: message.status == 403)
    assert "OUTGOING_CALL_BARRED" in refusal.header("reason")
    assert not there.messages
    assert account.balance == 0


def test_help_without_money(
    site: Site,
    prepaid: Prepaid,
    account: Account,
    gone: Gone,
    trunk: Trunk,
    exchange: Exchange,
    phone: MakePhone,
) -> None:
    """An emergency number is reached without money, and costs nothing"""
    for one in site.emergency:
        call_for_help = leaving(site, prepaid.extension, one.number)
        if played(trunk, call_for_help.trunks):
            break
    else:
        pytest.skip("the Site's emergency numbers, if any, lead to real carriers")
    account.make(Decimal(0))
    before = account.statement(1)
    helper = exchange.phone(call_for_help.number)
    call = phone(prepaid.extension, register=False).call(one.number)
    answered = helper.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    prove_both_ways(call, answered)
    call.hangup()
    answered.wait_ended()
    gone()
    assert account.balance == 0
    assert account.statement(1) == before
