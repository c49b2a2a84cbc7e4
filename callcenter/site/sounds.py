"""What callers hear: words that an engine speaks, or files of one's own."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Mapping
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from callcenter.site._model import model
from callcenter.site._types import Many

__all__ = ["Announcement", "Language", "Say", "Sound", "Speech", "say"]

Language = Literal["en", "zh"]


def _spoken(text: str) -> str:
    if not any(sign.isalnum() for sign in text):
        raise ValueError("holds no word to speak; write a sentence")
    if not all(sign.isprintable() or sign in "\n\t" for sign in text):
        raise ValueError("holds signs that cannot be spoken; use printable text")
    return text


@model
class Say:
    """Words that an engine speaks. It runs on the machine that deploys; hosts get the sound."""

    say: Annotated[str, Field(max_length=2000), AfterValidator(_spoken)]
    """Text that is spoken."""
    _: KW_ONLY
    language: Language | None = None
    """Language of the text. Default: the Site's."""


def _wav(path: Path) -> Path:
    path = path.expanduser().absolute()
    try:
        with wave.open(str(path)) as file:
            width, rate, frames = file.getsampwidth(), file.getframerate(), file.getnframes()
            channels = file.getnchannels()
    except FileNotFoundError:
        raise ValueError(f"{path} is not there; give a WAV file of this machine") from None
    except (OSError, EOFError, wave.Error) as wrong:
        raise ValueError(
            f"{path} is no WAV file of PCM samples ({wrong}); make one: sox FILE -b 16 new.wav"
        ) from None
    if width != 2 or not 8000 <= rate <= 48000 or channels > 2 or not frames:
        raise ValueError(
            f"{path} has {8 * width} bits, {rate} Hz, {channels} channels, {frames} samples; "
            "use 16 bits, 8000 to 48000 Hz, one or two channels, and some sound"
        )
    return path


@model
class Sound:
    """A file of one's own."""

    file: Annotated[Path, AfterValidator(_wav)]
    """A WAV file on the machine that deploys: 16 bits, 8000 to 48000 Hz, mono or stereo. It is
    made mono and loud enough."""


def _kind(given: Any) -> str | None:
    if isinstance(given, Mapping):
        return "Say" if "say" in given else "Sound" if "file" in given else None
    return type(given).__name__


Announcement = Annotated[
    Annotated[Say, Tag("Say")] | Annotated[Sound, Tag("Sound")],
    Discriminator(
        _kind,
        custom_error_type="announcement",
        custom_error_message="is no announcement; use say('…') or Sound('file.wav'), "
        "in YAML {say: …} or {file: …}",
    ),
]
"""Announcement that is heard. In YAML ``{say: text}`` or ``{file: path}``."""


def say(text: str, *, language: Language | None = None) -> Say:
    """Return words that an engine speaks: ``say("Welcome.")``."""
    return Say(text, language=language)


def _program(command: tuple[str, ...]) -> tuple[str, ...]:
    if shutil.which(command[0]) is None:
        raise ValueError(f"{command[0]} is not on this machine; install it, or give its path")
    return command


@model
class Speech:
    """The engine that speaks."""

    _: KW_ONLY
    command: Annotated[Many[str], Field(min_length=1), AfterValidator(_program)] | None = None
    """A program of this machine and its arguments: it reads the text from its standard input and
    writes a WAV file to its standard output. ``{language}`` in an argument becomes en or zh.
    Default: espeak-ng."""
