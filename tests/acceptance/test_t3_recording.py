"""T3: recorded calls hold both voices, can be paused, and are nobody else's to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callcenter.client.inventory import Host
from callcenter.render import paths
from callcenter.site import Extension, Site
from tests.acceptance.support.audio import Pcm, assert_heard, assert_speech, seconds_of
from tests.acceptance.support.given import Given
from tests.acceptance.support.proofs import not_tried
from tests.acceptance.support.recordings import newest
from tests.acceptance.support.uses import Grant, Uses, some, uses
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, connect


def recorded_used(given: Given) -> Uses:
    """Return an extension whose calls are recorded."""
    recorded = [one for one in given.free if given.site.extension_by_number[one].record]
    return some("recorded", 1, given.extensions(recorded))


def others_used(given: Given) -> Uses:
    """Two extensions whose calls are not."""
    others = [one for one in given.free if not given.site.extension_by_number[one].record]
    fewest = given.plain if len(given.plain) >= 2 else others
    return some("others", 2, given.extensions(fewest))


@pytest.fixture
@uses(recorded_used)
def recorded(site: Site, node: Host, granted: Grant) -> Extension:
    """An extension whose calls are recorded."""
    if node.switch.is_windows:
        pytest.skip(f"{node.name} is a Windows host, whose recordings nothing here reads yet")
    for number in granted.names("recorded"):
        return site.extension_by_number[number]
    pytest.skip("no extension that --phones names has its calls recorded")


@pytest.fixture
@uses(others_used)
def others(granted: Grant) -> list[str]:
    """Extensions whose calls are not recorded."""
    if not (found := granted.names("others")):
        not_tried("--phones names fewer than two extensions that are not recorded")
    return found


@pytest.fixture
def recording(host: Any, recorded: Extension) -> Callable[[], tuple[str, list[Pcm]]]:
    """The newest recording of the extension: its file, and its channels."""

    return lambda: newest(host, recorded.number)


def test_both_voices(
    site: Site, recorded: Extension, phone: MakePhone, others: list[str], recording: Any, host: Any
) -> None:
    """A recording holds each voice in its channel, in the folder of its day, closed to others"""
    caller = others[0]
    call, answered = connect(phone(caller), phone(recorded))
    assert_heard(call, CALLEE_HZ, 2)
    assert_heard(answered, CALLER_HZ, 2)
    call.hangup()
    answered.wait_ended()
    path, channels = recording()
    assert host.check_output(f"TZ={site.timezone} date +%Y/%m/%d") in path
    assert int(host.check_output(f"stat -c %a {path}"), 8) & 0o007 == 0
    assert len(channels) == (2 if site.recording.stereo else 1)
    if site.recording.stereo:
        assert_heard(channels[0], CALLER_HZ, 1.5)
        assert_heard(channels[1], CALLEE_HZ, 1.5)


def test_announced(
    site: Site, recorded: Extension, phone: MakePhone, others: list[str], recording: Any
) -> None:
    """The caller is told of the recording before anybody rings"""
    if site.recording.announcement is None:
        pytest.skip("the Site's callers are not told that they are recorded")
    callee = phone(recorded)
    call = phone(others[0]).call(recorded.number)
    call.wait_established()
    assert_speech(call, seconds=0.5)
    callee.incoming().reject()
    call.wait_ended()


def test_calls_that_it_makes(
    recorded: Extension, phone: MakePhone, others: list[str], host: Any
) -> None:
    """The calls that the extension makes are recorded, too"""
    call, answered = connect(phone(recorded), phone(others[0]))
    assert_heard(call, CALLEE_HZ, 2)
    call.hangup()
    answered.wait_ended()
    _, channels = newest(host, others[0])
    assert any(seconds_of(CALLEE_HZ, one.samples, one.rate) > 1 for one in channels)


@pytest.mark.parametrize("by", ["caller", "called"])
def test_pause(
    site: Site, recorded: Extension, phone: MakePhone, others: list[str], recording: Any, by: str
) -> None:
    """Either side pauses the recording with its keys, and resumes it"""
    if site.recording.pause is None or not site.recording.stereo:
        pytest.skip("the Site's recordings cannot be paused, or are not in stereo")
    caller = others[0]
    call, answered = connect(phone(caller), phone(recorded))
    presses, tone = (call, CALLEE_HZ) if by == "caller" else (answered, CALLER_HZ)
    assert_heard(presses, tone, 1)
    presses.send_dtmf(f"*{site.recording.pause}")
    presses.forget()
    assert_heard(presses, tone, 2)
    presses.send_dtmf(f"*{site.recording.resume}")
    presses.forget()
    assert_heard(presses, tone, 1)
    call.hangup()
    answered.wait_ended()
    _, channels = recording()
    heard = seconds_of(CALLEE_HZ, channels[1].samples, channels[1].rate)
    # Silence for as long as it was paused, and the voice before and after.
    assert channels[1].seconds - heard > 1.5
    assert heard > 1.5


def test_others_are_not_recorded(
    site: Site, recorded: Extension, phone: MakePhone, others: list[str], host: Any
) -> None:
    """A call between extensions that are not recorded leaves no file"""
    either = " -o ".join(f"-name '*-{number}-*'" for number in others)
    find = f"find {paths.RECORDINGS} -type f \\( {either} \\) 2>/dev/null | sort"
    before = host.check_output(find)
    call, answered = connect(phone(others[0]), phone(others[1]))
    assert_heard(answered, CALLER_HZ, 1)
    call.hangup()
    answered.wait_ended()
    assert host.check_output(find) == before


def test_old_ones_are_deleted(site: Site, recorded: Extension, host: Any) -> None:
    """The host deletes recordings once a day that are older than the Site says"""
    timer = paths.RETENTION.rpartition("/")[2]
    assert host.service(f"{timer}.timer").is_running
    folder = f"{paths.RECORDINGS}/acceptance"
    old, young = f"{folder}/old.wav", f"{folder}/young.wav"
    days = site.recording.keep_days
    host.check_output(
        f"install -d -o freeswitch {folder} && touch -d '{days + 1} days ago' {old} && "
        f"touch -d '{days - 1} days ago' {young} && chown freeswitch {old} {young} && "
        f"systemctl start {timer}.service"
    )
    assert not host.file(old).exists
    assert host.file(young).exists
    host.check_output(f"rm -r {folder}")
