"""Two phones calling each other directly on loopback, with real SIP and real sound."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.support.audio import assert_heard, assert_not_heard
from tests.acceptance.support.phones import (
    Call,
    CallFailed,
    EndReason,
    Exchange,
    Phone,
    PhoneError,
    PhoneTimeout,
    Srtp,
    Unreachable,
)
from tests.unit.acceptance.ports import free_port


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange("127.0.0.1", port=free_port()) as exchange:
        yield exchange


@pytest.fixture
def alice(exchange: Exchange) -> Phone:
    return exchange.phone("alice")


@pytest.fixture
def bob(exchange: Exchange) -> Phone:
    return exchange.phone("bob")


@pytest.fixture
def talk(alice: Phone, bob: Phone) -> tuple[Call, Call]:
    call = alice.call("bob")
    answered = bob.incoming().answer()
    call.wait_established()
    return call, answered


def test_both_sides_hear_the_other_and_not_themselves(talk: tuple[Call, Call]) -> None:
    call, answered = talk
    call.play(440)
    answered.play(1000)
    assert_heard(call, 1000, seconds=1.5)
    assert_heard(answered, 440, seconds=1.5)
    assert_not_heard(call, 440)
    assert_not_heard(answered, 1000)


def test_a_tone_has_been_sent_for_so_long(talk: tuple[Call, Call]) -> None:
    call, answered = talk
    call.play(440)
    call.wait_played(0.7)
    assert_heard(answered, 440, seconds=0.7, wait=0.5)
    call.play(660)
    answered.hangup()
    with pytest.raises(CallFailed):
        call.wait_played(5)


def test_a_silenced_phone_is_not_heard_any_more(talk: tuple[Call, Call]) -> None:
    call, answered = talk
    call.play(440)
    assert_heard(answered, 440, seconds=0.5)
    call.play(None)
    call.play(700)
    answered.forget()
    assert_heard(answered, 700, seconds=0.5)


def test_a_wideband_codec_carries_tones_too(exchange: Exchange) -> None:
    alice, bob = (exchange.phone(user, codecs=("G722",)) for user in ("alice", "bob"))
    call = alice.call("bob")
    answered = bob.incoming().answer()
    call.play(440)
    assert_heard(answered, 440, seconds=1)
    assert answered.heard.rate == 16000
    assert call.codec.startswith("G722/")


def test_stereo_opus_is_heard_as_mono(exchange: Exchange) -> None:
    alice, bob = (exchange.phone(user, codecs=("OPUS",)) for user in ("alice", "bob"))
    call = alice.call("bob")
    answered = bob.incoming().answer()
    call.play(440)
    assert_heard(answered, 440, seconds=1)


@pytest.mark.parametrize("srtp", ["sdes", "dtls"])
def test_encrypted_media_carries_tones(exchange: Exchange, srtp: Srtp) -> None:
    alice, bob = (exchange.phone(user, srtp=srtp) for user in ("alice", "bob"))
    call = alice.call("bob")
    answered = bob.incoming().answer()
    call.play(440)
    assert_heard(answered, 440, seconds=1)
    assert "/SAVP" in str(exchange.ladder())
    assert not re.search(r"inline:[^*]", str(exchange.ladder()))


@pytest.mark.parametrize("dtmf", ["rfc2833", "info"])
def test_digits_arrive_in_order(exchange: Exchange, bob: Phone, dtmf: str) -> None:
    alice = exchange.phone("alice", dtmf="info" if dtmf == "info" else "rfc2833")
    call = alice.call("bob")
    answered = bob.incoming().answer()
    call.wait_established()
    call.send_dtmf("123#")
    answered.wait_digits("123#")
    call.hangup()
    alice.wait_message(lambda m: m.method == "BYE")
    assert answered.digits == "123#"
    assert any(m.method == "INFO" for m in alice.messages) == (dtmf == "info")


def test_digits_that_do_not_arrive_are_missed(talk: tuple[Call, Call]) -> None:
    with pytest.raises(PhoneTimeout, match=r"digits 9: not within 0.2 s; received none"):
        talk[1].wait_digits("9", timeout=0.2)


@pytest.mark.parametrize("caller_ends", [True, False])
def test_either_side_ends_the_call(talk: tuple[Call, Call], caller_ends: bool) -> None:
    first, second = talk if caller_ends else reversed(talk)
    first.play(440)
    assert_heard(second, 440, seconds=0.5)
    first.hangup()
    assert first.wait_ended() == EndReason(None, "hung up", "us")
    assert second.wait_ended() == EndReason(None, "hung up", "them")
    second.hangup()
    assert second.final_stats.received > 0
    assert second.final_stats.lost == 0


def test_a_busy_phone_answers_486(alice: Phone, bob: Phone) -> None:
    call = alice.call("bob")
    bob.incoming().reject()
    with pytest.raises(CallFailed) as refusal:
        call.wait_established()
    assert (refusal.value.code, refusal.value.reason) == (486, "Busy Here")
    assert call.wait_ended() == EndReason(486, "Busy Here", "them")


def test_nobody_of_that_name_is_404(alice: Phone) -> None:
    with pytest.raises(CallFailed) as refusal:
        alice.call("nobody").wait_established()
    assert refusal.value.code == 404


def test_the_caller_gives_up_while_it_rings(alice: Phone, bob: Phone) -> None:
    call = alice.call("bob")
    call.wait_ringing()
    ringing = bob.incoming()
    with pytest.raises(PhoneTimeout, match="<Call of alice to bob>: an answer: not within 0"):
        call.wait_established(timeout=0.3)
    assert ringing.wait_ended().by == "them"
    bob.wait_message(lambda m: m.method == "CANCEL")


def test_what_was_agreed_on_can_be_read(exchange: Exchange) -> None:
    alice = exchange.phone("alice", codecs=("PCMU", "PCMA"))
    bob = exchange.phone("bob", codecs=("PCMA",))
    call = alice.call("bob")
    answered = bob.incoming().answer()
    assert call.codec == answered.codec == "PCMA/8000"
    assert call.remote_address[0] == "127.0.0.1"
    assert 40000 <= call.remote_address[1] < 60000
    assert call.remote_address[1] != answered.remote_address[1]
    assert call.messages[0].method == "INVITE"


def test_hold_stops_the_sound_and_resume_brings_it_back(talk: tuple[Call, Call]) -> None:
    call, answered = talk
    answered.play(1000)
    assert_heard(call, 1000, seconds=0.5)
    call.hold()
    answered.wait_held()
    call.resume()
    answered.wait_held(False)
    call.forget()
    assert_heard(call, 1000, seconds=0.5)


def test_a_blind_transfer_connects_the_other_two(exchange: Exchange, bob: Phone) -> None:
    alice, carol = exchange.phone("alice"), exchange.phone("carol")
    call = alice.call("bob")
    answered = bob.incoming().answer()
    call.wait_established()
    with pytest.raises(CallFailed, match="no transfer outcome"):
        answered.transfer("carol", timeout=0.5)
    onward = call.follow_transfer()
    connected = carol.incoming().answer()
    onward.wait_established()
    onward.play(440)
    assert_heard(connected, 440, seconds=0.5)
    call.wait_ended()


def test_several_calls_at_once_keep_their_sound_apart(exchange: Exchange, bob: Phone) -> None:
    calls = []
    for number in range(4):
        call = exchange.phone(f"caller{number}").call("bob")
        calls.append((call, bob.incoming().answer(), 400 + 200 * number))
    for call, _, hz in calls:
        call.play(hz)
    for _, answered, hz in calls:
        assert_heard(answered, hz, seconds=1)


def test_a_call_that_does_not_come_is_missed(bob: Phone) -> None:
    with pytest.raises(PhoneTimeout, match=r"a call to bob: not within 0\.1 s"):
        bob.incoming(timeout=0.1)


def test_no_registrar_there_is_unreachable(exchange: Exchange) -> None:
    phone = exchange.phone(
        "alice", "p", domain="site.test", server="127.0.0.1", port=free_port(), transport="tcp"
    )
    with pytest.raises(Unreachable, match="refused"):
        phone.register()


def test_a_second_phone_of_a_user_is_refused(exchange: Exchange, alice: Phone) -> None:
    with pytest.raises(ValueError, match="has a phone of alice already"):
        exchange.phone("alice")


def test_a_second_exchange_at_once_is_refused_and_a_later_one_is_not(exchange: Exchange) -> None:
    with pytest.raises(PhoneError, match="only one may run at a time"), Exchange("127.0.0.1"):
        pass
    exchange.phone("dave")


def test_the_unmasked_trace_reaches_no_other_log(
    exchange: Exchange, talk: tuple[Call, Call], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    talk[0].hangup()
    talk[1].phone.wait_message(lambda m: m.method == "BYE")
    assert "BYE" in str(exchange.ladder())
    assert "BYE" not in caplog.text


def test_a_process_that_gevent_patched_is_refused() -> None:
    script = """
from gevent import monkey
monkey.patch_all()
from tests.acceptance.support.phones import Exchange
Exchange("127.0.0.1").__enter__()
"""
    pytest.importorskip("gevent")
    root = Path(__file__).parents[3]
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert "PhoneError: gevent has patched this process" in run.stderr


def test_leaving_the_exchange_ends_its_calls() -> None:
    with Exchange("127.0.0.1", port=free_port()) as exchange:
        alice, bob = exchange.phone("alice"), exchange.phone("bob")
        alice.call("bob")
        bob.incoming().answer()
    assert "BYE" in str(exchange.ladder())
