"""What a phone heard, as numbers: tones to send and seconds of a tone to find again.

A tone counts in blocks of 50 ms in which at least 80 % of the energy is at its frequency and
which are loud enough to be heard. Give each side of a call its own tone, and check that no side
hears its own: neither echo nor one-way audio passes then.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tests.acceptance.support.waiting import PATIENCE, announce

Samples = NDArray[np.int16]

BLOCK_SECONDS = 0.05
ENERGY_SHARE = 0.8
AUDIBLE_RMS = 300.0
TONE_SHARE = 0.95
# A phone's jitter buffer, and the blocks that the tone's two ends fall into.
ALLOWANCE_SECONDS = 0.1


@dataclass(frozen=True, eq=False)
class Pcm:
    """Mono 16-bit sound and its sample rate."""

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.samples) / self.rate


class Hears(Protocol):
    """Something that is hearing sound now, such as a call."""

    @property
    def heard(self) -> Pcm:
        """The sound so far."""

    def listen(self, enough: Callable[[Pcm], bool], timeout: float) -> Pcm:
        """Wait until `enough` is true of the sound so far, at most `timeout` seconds."""


class Tone:
    """A continuous sine: each read goes on where the last one ended."""

    def __init__(self, hz: float, rate: int, amplitude: int = 8000) -> None:
        self.hz, self.rate, self.amplitude = hz, rate, amplitude
        self._position = 0

    def read(self, count: int) -> Samples:
        """Return the next `count` samples."""
        positions = np.arange(self._position, self._position + count)
        self._position += count
        sine = np.sin(2 * np.pi * self.hz / self.rate * positions)
        return np.asarray(np.rint(self.amplitude * sine), dtype=np.int16)


def seconds_of(tone_hz: float, pcm: Samples | bytes, rate: int) -> float:
    """Return the seconds in which `pcm` carries the tone and hardly anything else."""
    size = round(rate * BLOCK_SECONDS)
    samples = np.frombuffer(pcm, dtype=np.int16) if isinstance(pcm, bytes) else pcm
    blocks = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    energy = np.square(blocks).sum(axis=1)
    # Goertzel's bin at the exact frequency, for all blocks in one product.
    wave_at_tone = np.exp(-2j * np.pi * tone_hz / rate * np.arange(size))
    at_tone = 2 / size * np.square(np.abs(blocks @ wave_at_tone))
    audible = energy > size * AUDIBLE_RMS**2
    return float(np.count_nonzero(audible & (at_tone > ENERGY_SHARE * energy)) * BLOCK_SECONDS)


def describe(pcm: Pcm) -> str:
    """Return what is to be heard in each second: the strongest frequency and the level."""
    lines = []
    for start in range(0, len(pcm.samples), pcm.rate):
        second = pcm.samples[start : start + pcm.rate].astype(np.float64)
        level = float(np.sqrt(np.mean(np.square(second))))
        what = f"RMS {level:5.0f}"
        if level > AUDIBLE_RMS:
            spectrum = np.abs(np.fft.rfft(second * np.hanning(len(second))))
            what += f", mostly {np.argmax(spectrum) * pcm.rate / len(second):.0f} Hz"
        else:
            what += ", silence"
        lines.append(f"  second {start // pcm.rate + 1}: {what}")
    return "\n".join(lines) or "  no sound arrived at all"


def assert_heard(
    source: Hears | Pcm, tone_hz: float, seconds: float, wait: float = PATIENCE
) -> None:
    """Fail unless the tone is heard for that long.

    On a call this waits for the tone, `wait` seconds longer than it lasts; a recording is judged
    as it is. The jitter buffer's 100 ms may be missing.
    """
    __tracebackhide__ = True
    needed = seconds - ALLOWANCE_SECONDS

    def enough(pcm: Pcm) -> bool:
        # Half a block, because sums of 0.05 are not exact.
        return seconds_of(tone_hz, pcm.samples, pcm.rate) > needed - BLOCK_SECONDS / 2

    if isinstance(source, Pcm):
        pcm = source
    else:
        announce(f"{source} to hear {tone_hz:g} Hz for {seconds:g} s")
        pcm = source.listen(enough, seconds + wait)
    if not enough(pcm):
        found = seconds_of(tone_hz, pcm.samples, pcm.rate)
        raise AssertionError(
            f"{_name(source)} heard {tone_hz:g} Hz for {found:.2f} s of the {seconds:g} s expected"
            f" ({pcm.seconds:.2f} s of sound):\n{describe(pcm)}"
        )


def assert_not_heard(source: Hears | Pcm, tone_hz: float) -> None:
    """Fail if the tone, usually the phone's own, was heard for more than the allowance so far."""
    __tracebackhide__ = True
    pcm = source if isinstance(source, Pcm) else source.heard
    found = seconds_of(tone_hz, pcm.samples, pcm.rate)
    if found > ALLOWANCE_SECONDS + BLOCK_SECONDS / 2:
        raise AssertionError(
            f"{_name(source)} heard {tone_hz:g} Hz for {found:.2f} s, which it should not hear:\n"
            f"{describe(pcm)}"
        )


def read_wav(source: Path | bytes) -> list[Pcm]:
    """Return the channels of a 16-bit WAV file, or of its bytes: one for mono, two for stereo."""
    with wave.open(str(source) if isinstance(source, Path) else io.BytesIO(source)) as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"16-bit samples expected, not {8 * file.getsampwidth()}-bit")
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
        channels, rate = file.getnchannels(), file.getframerate()
    return [Pcm(samples[channel::channels], rate) for channel in range(channels)]


def _name(source: Hears | Pcm) -> str:
    return "the recording" if isinstance(source, Pcm) else str(source)


def speech_seconds(pcm: Pcm) -> float:
    """Return the seconds in which something other than a single tone is heard."""
    size = round(pcm.rate * BLOCK_SECONDS)
    blocks = pcm.samples[: len(pcm.samples) // size * size].reshape(-1, size).astype(np.float64)
    spectrum = np.square(np.abs(np.fft.rfft(blocks * np.hanning(size), axis=1)))
    total = spectrum.sum(axis=1)
    # A tone fills one bin and, by the window, its two neighbours.
    peak = np.argmax(spectrum, axis=1)[:, None] + np.arange(-1, 2)
    at_peak = np.take_along_axis(spectrum, np.clip(peak, 0, spectrum.shape[1] - 1), axis=1)
    audible = np.square(blocks).sum(axis=1) > size * AUDIBLE_RMS**2
    mixed = at_peak.sum(axis=1) < TONE_SHARE * total
    return float(np.count_nonzero(audible & mixed) * BLOCK_SECONDS)


def assert_speech(source: Hears | Pcm, seconds: float, wait: float = PATIENCE) -> None:
    """Fail unless words, or music, are heard for that long: anything but silence or one tone."""
    __tracebackhide__ = True

    def enough(pcm: Pcm) -> bool:
        return speech_seconds(pcm) >= seconds

    if isinstance(source, Pcm):
        pcm = source
    else:
        announce(f"{source} to hear words for {seconds:g} s")
        pcm = source.listen(enough, seconds + wait)
    if not enough(pcm):
        raise AssertionError(
            f"{_name(source)} heard speech for {speech_seconds(pcm):.2f} s of the {seconds:g} s "
            f"expected ({pcm.seconds:.2f} s of sound):\n{describe(pcm)}"
        )
