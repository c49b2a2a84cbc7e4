"""What counts as hearing a tone."""

from __future__ import annotations

import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.acceptance.support.audio import (
    Pcm,
    Samples,
    Tone,
    assert_heard,
    assert_not_heard,
    describe,
    read_wav,
    seconds_of,
)


def tone(hz: float, seconds: float, rate: int = 8000, amplitude: int = 8000) -> Samples:
    return Tone(hz, rate, amplitude).read(round(seconds * rate))


def noise(seconds: float, rate: int = 8000) -> Samples:
    generator = np.random.default_rng(1)
    return generator.normal(0, 4000, round(seconds * rate)).astype(np.int16)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("hz", [350, 440, 1000, 1337.5, 3000])
def test_a_tone_counts_in_full_at_its_own_frequency_only(hz: float, rate: int) -> None:
    sound = tone(hz, 2, rate)
    assert seconds_of(hz, sound, rate) == pytest.approx(2)
    assert seconds_of(hz + 100, sound, rate) == 0
    assert seconds_of(hz, sound.tobytes(), rate) == pytest.approx(2)


@pytest.mark.parametrize("sound", [noise(2), np.zeros(16000, np.int16), np.zeros(0, np.int16)])
def test_noise_and_silence_are_no_tone(sound: Samples) -> None:
    assert seconds_of(440, sound, 8000) == 0


def test_an_inaudible_tone_does_not_count() -> None:
    assert seconds_of(440, tone(440, 1, amplitude=400), 8000) == 0
    assert seconds_of(440, tone(440, 1, amplitude=450), 8000) == pytest.approx(1)


def test_two_sides_mixed_are_neither_sides_tone() -> None:
    mixed = (tone(440, 1) // 2 + tone(1000, 1) // 2).astype(np.int16)
    assert seconds_of(440, mixed, 8000) == 0
    assert seconds_of(1000, mixed, 8000) == 0


def test_a_tone_over_faint_noise_counts() -> None:
    sound = (tone(440, 1) + noise(1) // 10).astype(np.int16)
    assert seconds_of(440, sound, 8000) == pytest.approx(1)


def test_a_tone_survives_companding_to_g711() -> None:
    scaled = tone(440, 1) / 32768
    coded = np.round(np.sign(scaled) * np.log1p(255 * np.abs(scaled)) / np.log(256) * 127)
    decoded = np.sign(coded) * np.expm1(np.abs(coded) / 127 * np.log(256)) / 255 * 32768
    assert seconds_of(440, decoded.astype(np.int16), 8000) == pytest.approx(1)


def test_reading_a_tone_in_pieces_gives_the_same_wave() -> None:
    pieces = Tone(440, 8000)
    together = np.concatenate([pieces.read(count) for count in (160, 7, 1000)])
    assert np.array_equal(together, Tone(440, 8000).read(1167))


def test_the_jitter_buffers_gap_is_allowed_and_a_longer_one_is_not() -> None:
    def with_gap(seconds: float) -> Pcm:
        gap = np.zeros(round(seconds * 8000), np.int16)
        return Pcm(np.concatenate([gap, tone(440, 2 - seconds)]), 8000)

    assert_heard(with_gap(0.1), 440, seconds=2)
    with pytest.raises(AssertionError, match=r"the recording heard 440 Hz for 1\.80 s of the 2 s"):
        assert_heard(with_gap(0.2), 440, seconds=2)


def test_a_failure_says_what_was_heard_instead() -> None:
    sound = np.concatenate([tone(1000, 1), np.zeros(8000, np.int16)])
    with pytest.raises(AssertionError) as failure:
        assert_heard(Pcm(sound, 8000), 440, seconds=2)
    assert "second 1: RMS  5657, mostly 1000 Hz" in str(failure.value)
    assert "second 2: RMS     0, silence" in str(failure.value)
    assert describe(Pcm(np.zeros(0, np.int16), 8000)) == "  no sound arrived at all"


def test_hearing_oneself_fails_beyond_the_allowance() -> None:
    assert_not_heard(Pcm(tone(440, 0.1), 8000), 440)
    with pytest.raises(AssertionError, match="which it should not hear"):
        assert_not_heard(Pcm(tone(440, 0.3), 8000), 440)


@dataclass
class Line:
    """Sound that arrives second by second, without a phone."""

    sound: Samples
    heard: Pcm
    waited: float = 0

    def listen(self, enough: Callable[[Pcm], bool], timeout: float) -> Pcm:
        while not enough(self.heard) and self.waited < timeout:
            self.waited += 0.5
            self.heard = Pcm(self.sound[: round(8000 * self.waited)], 8000)
        return self.heard


def test_on_a_call_the_check_waits_for_the_tone_and_no_longer() -> None:
    silence = np.zeros(8000, np.int16)
    line = Line(np.concatenate([silence, tone(440, 8)]), Pcm(silence[:0], 8000))
    assert_heard(line, 440, seconds=2)
    assert line.waited == 3
    with pytest.raises(AssertionError):
        assert_heard(line, 1000, seconds=2)


def write_wav(path: Path, *channels: Samples, rate: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.stack(channels, axis=1).tobytes())


def test_each_side_of_a_stereo_recording_is_a_channel(tmp_path: Path) -> None:
    write_wav(tmp_path / "both.wav", tone(440, 1, 16000), tone(1000, 1, 16000), rate=16000)
    left, right = read_wav(tmp_path / "both.wav")
    assert_heard(left, 440, seconds=1)
    assert_not_heard(left, 1000)
    assert_heard(right, 1000, seconds=1)


def test_a_mono_recording_may_come_as_bytes(tmp_path: Path) -> None:
    write_wav(tmp_path / "one.wav", tone(440, 1))
    (only,) = read_wav((tmp_path / "one.wav").read_bytes())
    assert only.seconds == 1
    assert_heard(only, 440, seconds=1)


def test_a_recording_of_other_sample_size_is_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "small.wav"), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 100)
    with pytest.raises(ValueError, match="not 8-bit"):
        read_wav(tmp_path / "small.wav")
