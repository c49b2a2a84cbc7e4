"""Words and files to the sounds that FreeSWITCH plays: made here once, and kept by content."""

from __future__ import annotations

import functools
import hashlib
import io
import random
import shutil
import subprocess
import tempfile
import wave
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from callcenter.render import cache
from callcenter.site import Announcement, Language, Say, Site, SiteError

__all__ = ["RATES", "hold_music", "key_of", "wav"]

RATES = (8000, 16000)
"""Samples a second: telephone voice and wideband voice. FreeSWITCH takes the file of the call's
rate, else the next, so nothing is resampled for each of a thousand callers."""

VOICES: dict[Language, tuple[str, ...]] = {
    "en": ("espeak-ng", "-v", "en-gb", "-s", "150", "--stdin", "--stdout"),
    "zh": ("espeak-ng", "-v", "cmn", "-s", "150", "--stdin", "--stdout"),
}

# Silence at either end off, as loud as a voice, 50 ms of air around.
_TRIM = ("silence", "1", "0.02", "0.3%", "reverse")
_POLISH = (*_TRIM, *_TRIM, "norm", "-6", "pad", "0.05", "0.15")


def key_of(site: Site, announcement: Announcement) -> str:
    """Return what names a sound by its content: text, language and engine, or the file's own
    bytes."""
    if isinstance(announcement, Say):
        language = announcement.language or site.language
        parts = (announcement.say, language, *(site.speech.command or VOICES[language]))
        content = "\0".join(parts).encode()
    else:
        content = announcement.file.read_bytes()
    return hashlib.sha256(b"\0".join([content, "\0".join(_POLISH).encode()])).hexdigest()[:20]


def wav(site: Site, announcement: Announcement, rate: int) -> bytes:
    """Return the sound at a rate: mono, 16 bits."""

    def make() -> bytes:
        if isinstance(announcement, Say):
            language = announcement.language or site.language
            given = site.speech.command or VOICES[language]
            command = [word.replace("{language}", language) for word in given]
            return _run(command, announcement.say.encode(), announcement.say)
        return announcement.file.read_bytes()

    return _kept(f"{key_of(site, announcement)}-{rate}", lambda: _polished(make(), rate))


def hold_music(rate: int) -> bytes:
    """Make a quiet tune of our own: plucked chords, which end where they begin."""
    return _kept(f"hold-music-1-{rate}", lambda: _tune(rate))


_CHORDS = (
    ("C3", "G3", "E4", "G4", "E4", "G3"),
    ("A2", "E3", "C4", "E4", "C4", "E3"),
    ("F2", "C3", "A3", "C4", "A3", "C3"),
    ("G2", "D3", "B3", "D4", "B3", "D3"),
)
_BEAT = 0.5
"""Seconds from one note to the next."""
_RING = 2.5
"""Seconds for which a string is heard."""


def _tune(rate: int) -> bytes:
    """Play Karplus and Strong's string (Computer Music Journal, 1983), note after note."""
    beat, ring = round(rate * _BEAT), round(rate * _RING)
    notes = [note for chord in _CHORDS * 2 for note in chord]
    samples = [0.0] * (beat * len(notes))
    for index, note in enumerate(notes):
        noise = random.Random(note)
        octave, tone = int(note[1]), "C D EF G A B".index(note[0])
        period = round(rate / (16.3516 * 2 ** (octave + tone / 12)))
        string = [noise.uniform(-1, 1) for _ in range(period)]
        for n in range(ring):
            here = n % period
            # What rings on at the end is heard at the beginning, so that it has no seam.
            samples[(index * beat + n) % len(samples)] += string[here]
            string[here] = 0.498 * (string[here] + string[(here + 1) % period])
    loudest = max(map(abs, samples))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(array("h", (round(6000 * one / loudest) for one in samples)).tobytes())
    return out.getvalue()


def _polished(sound: bytes, rate: int) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(sound)
        file.flush()
        return _run(
            [
                "sox",
                "-R",
                "-D",
                file.name,
                "-r",
                str(rate),
                "-c",
                "1",
                "-b",
                "16",
                "-t",
                "wav",
                "-",
                *_POLISH,
            ]
        )


def _run(command: Sequence[str], given: bytes = b"", about: str = "") -> bytes:
    if shutil.which(command[0]) is None:
        raise SiteError(
            [
                f"{command[0]} is not on this machine, and it makes what callers hear; run: apt "
                "install espeak-ng sox"
            ]
        )
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode or (about and not done.stdout):
        why = done.stderr.decode(errors="replace").strip() or "it wrote nothing"
        raise SiteError([f"Site.speech: {command[0]} cannot speak {about[:60]!r}: {why}"])
    return done.stdout


_read = functools.cache(Path.read_bytes)


def _kept(name: str, make: Callable[[], bytes]) -> bytes:
    path = cache.folder("sounds") / f"{name}.wav"
    if not path.is_file():
        cache.keep(path, make())
    return _read(path)
