"""T2: extensions call each other, and the calls carry sound."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callcenter.site import Site, Switch
from tests.acceptance.support.audio import assert_heard, assert_not_heard, assert_speech
from tests.acceptance.support.given import Given
from tests.acceptance.support.phones import Call, Phone
from tests.acceptance.support.uses import Uses, alone, uses
from tests.acceptance.support.waiting import PATIENCE, eventually

# Far from each other and from ring-back, so that neither can be taken for another.
CALLER_HZ = 620.0
CALLEE_HZ = 1400.0
SECONDS = 2.0

MakePhone = Callable[..., Phone]


def connect(caller: Phone, callee: Phone) -> tuple[Call, Call]:
    """Call and answer; both sides play their tone, and begin to hear the other's."""
    call = caller.call(callee.user)
    answered = callee.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    # Before that FreeSWITCH ends a call that is transferred, as nobody could by hand.
    assert_heard(call, CALLEE_HZ, 0.2)
    assert_heard(answered, CALLER_HZ, 0.2)
    return call, answered


def press(call: Call, keys: str) -> None:
    """Press keys once the call is answered by words: earlier ones may be dropped."""
    call.wait_established()
    assert_speech(call, seconds=0.3)
    call.send_dtmf(keys)


def prove_both_ways(call: Call, answered: Call) -> None:
    """Make sure that each side hears the other for seconds on end, and never itself."""
    assert_heard(call, CALLEE_HZ, SECONDS)
    assert_heard(answered, CALLER_HZ, SECONDS)
    assert_not_heard(call, CALLER_HZ)
    assert_not_heard(answered, CALLEE_HZ)


@pytest.mark.parametrize("by", ["caller", "callee"])
def test_call_and_hang_up(numbers: list[str], phone: MakePhone, by: str) -> None:
    """Two extensions hear each other, and a hang-up from either side ends both"""
    call, answered = connect(phone(numbers[0]), phone(numbers[1]))
    prove_both_ways(call, answered)
    first, other = (call, answered) if by == "caller" else (answered, call)
    first.hangup()
    assert other.wait_ended().by == "them"


def test_tcp(numbers: list[str], site: Site, phone: MakePhone) -> None:
    """A phone on TCP and one on UDP hear each other"""
    if set(site.network.transports) != {"udp", "tcp"} or site.network.for_all[0] == "tls":
        pytest.skip("the Site does not take both UDP and TCP from all")
    prove_both_ways(
        *connect(phone(numbers[0], transport="tcp"), phone(numbers[1], transport="udp"))
    )


def test_right_address_in_sdp(
    numbers: list[str], site: Site, phone: MakePhone, switch: Switch
) -> None:
    """The switch announces an address where it can be reached"""
    if site.media.mode == "bypass":
        pytest.skip("media mode bypass: phones announce their own addresses")
    call, answered = connect(phone(numbers[0]), phone(numbers[1]))
    reachable = {switch.bind_address, switch.advertised_address}
    assert call.remote_address[0] in reachable
    assert answered.remote_address[0] in reachable


def test_caller_is_who_it_says(numbers: list[str], phone: MakePhone) -> None:
    """The callee is shown the caller's own extension"""
    caller, callee = phone(numbers[0]), phone(numbers[1])
    call = caller.call(callee.user)
    assert callee.incoming().number.split("@")[0] == numbers[0]
    call.hangup()


def not_led_on(site: Site, number: str) -> None:
    """Skip where callers whom nobody answers are not simply told so."""
    if site.extension_by_number[number].unanswered is not None:
        pytest.skip(f"callers whom {number} does not answer are led on")


def test_busy(numbers: list[str], site: Site, phone: MakePhone) -> None:
    """A busy extension answers 486"""
    not_led_on(site, numbers[1])
    caller, callee = phone(numbers[0]), phone(numbers[1])
    call = caller.call(callee.user)
    callee.incoming().reject()
    assert call.wait_ended().code == 486


def test_no_answer(numbers: list[str], site: Site, phone: MakePhone) -> None:
    """A call that nobody answers ends by itself after the extension's ring time"""
    not_led_on(site, numbers[1])
    caller, callee = phone(numbers[0]), phone(numbers[1])
    call = caller.call(callee.user)
    ringing = callee.incoming()
    ring_seconds = site.extension_by_number[callee.user].ring_seconds
    assert call.wait_ended(timeout=ring_seconds + PATIENCE).code == 480
    assert ringing.wait_ended().by == "them"


def test_not_registered(numbers: list[str], site: Site, phone: MakePhone) -> None:
    """An extension without a phone answers 480"""
    not_led_on(site, numbers[1])
    call = phone(numbers[0]).call(numbers[1])
    assert call.wait_ended().code == 480


def test_unknown_extension(numbers: list[str], site: Site, phone: MakePhone) -> None:
    """A number that the Site does not know answers 404"""
    taken = {*site.extension_by_number, *(code for _, code in site.features.items())}
    unknown = next(str(n) for n in range(9000, 10_000) if str(n) not in taken)
    assert phone(numbers[0]).call(unknown).wait_ended().code == 404


@pytest.mark.parametrize("sender", ["rfc2833", "info"])
@pytest.mark.parametrize("receiver", ["rfc2833", "info"])
def test_dtmf(numbers: list[str], phone: MakePhone, sender: str, receiver: str) -> None:
    """Digits arrive, whether sent as RFC 2833 events or as SIP INFO"""
    caller = phone(numbers[0], dtmf=sender)
    callee = phone(numbers[1], dtmf=receiver)
    call, answered = connect(caller, callee)
    # FreeSWITCH has connected the two once they hear each other, and drops earlier keys.
    assert_heard(answered, CALLER_HZ, 0.5)
    call.send_dtmf("159*0#")
    answered.wait_digits("159*0#")


@pytest.mark.parametrize(
    ("caller_codec", "callee_codec"),
    [("PCMU", "PCMA"), ("PCMA", "G722"), ("OPUS", "PCMU"), ("G722", "OPUS")],
)
def test_transcoding(
    numbers: list[str], site: Site, phone: MakePhone, caller_codec: str, callee_codec: str
) -> None:
    """Phones without a common codec hear each other"""
    lacking = {caller_codec, callee_codec} - set(site.media.codecs)
    if lacking:
        pytest.skip(f"the Site does not enable {', '.join(sorted(lacking))}")
    if site.media.mode != "default":
        pytest.skip(f"media mode {site.media.mode} does not transcode")
    call, answered = connect(
        phone(numbers[0], codecs=(caller_codec,)), phone(numbers[1], codecs=(callee_codec,))
    )
    assert (call.codec.split("/")[0].upper(), answered.codec.split("/")[0].upper()) == (
        caller_codec,
        callee_codec,
    )
    prove_both_ways(call, answered)


def test_echo(numbers: list[str], site: Site, phone: MakePhone) -> None:
    """The echo service returns the caller's own voice"""
    if site.features.echo is None:
        pytest.skip("the Site switches the echo service off")
    call = phone(numbers[0]).call(site.features.echo)
    call.wait_established()
    call.play(CALLER_HZ)
    assert_heard(call, CALLER_HZ, SECONDS)


def test_tone(numbers: list[str], site: Site, phone: MakePhone) -> None:
    """The tone service plays 1004 Hz"""
    if site.features.tone is None:
        pytest.skip("the Site switches the tone service off")
    call = phone(numbers[0]).call(site.features.tone)
    call.wait_established()
    assert_heard(call, 1004, SECONDS)


def all_calls(given: Given) -> Uses:
    """Return the host's calls, of which there are none meanwhile."""
    return alone(given.calls)


@uses(all_calls)
def test_nothing_is_left(fs_cli: Callable[[str], str]) -> None:
    """After all these calls the switch holds none"""
    eventually(
        lambda: fs_cli("show calls count"),
        lambda said: said.startswith("0 total"),
        "the end of the switch's last call",
    )
