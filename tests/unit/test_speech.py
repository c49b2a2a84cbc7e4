"""Announcements: words become sound here, once; files are taken or refused."""

from __future__ import annotations

import io
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callcenter.render import freeswitch, phrases, sounds, speech
from callcenter.site import Extension, Ivr, Say, Site, SiteError, Sound, Speech, Switch, ivr, say
from tests.acceptance.support.audio import Pcm, speech_seconds

pytestmark = [
    pytest.mark.usefixtures("own_folder"),
    pytest.mark.skipif(
        not (shutil.which("espeak-ng") and shutil.which("sox")),
        reason="espeak-ng and sox are not on this machine (apt install espeak-ng sox)",
    ),
]

SWITCH = Switch("host", address="10.0.0.5")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def site(**fields: Any) -> Site:
    return Site("cc.example.net", extensions=[Extension("1000")], **fields)


def heard(content: bytes) -> Pcm:
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        return Pcm(samples, file.getframerate())


@pytest.mark.parametrize("rate", speech.RATES)
@pytest.mark.parametrize(
    ("text", "language"), [("Welcome to the call centre.", "en"), ("欢迎致电客服中心。", "zh")]
)
def test_words_are_spoken(text: str, language: Any, rate: int) -> None:
    sound = heard(speech.wav(site(), say(text, language=language), rate))
    assert sound.rate == rate
    assert speech_seconds(sound) > 0.8
    # No silence to wait through, and neither a whisper nor distorted.
    assert speech_seconds(Pcm(sound.samples[: rate // 2], rate)) > 0.2
    assert 8_000 < int(np.abs(sound.samples.astype(int)).max()) < 32_000


def test_each_language_has_a_voice_of_its_own() -> None:
    english, chinese = (
        speech.wav(site(language=language), say("123"), 8000) for language in ("en", "zh")
    )
    assert english != chinese


def test_nothing_is_spoken_twice(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = speech.wav(site(), say("Once."), 8000)
    monkeypatch.setenv("PATH", "/nowhere")
    assert speech.wav(site(), say("Once."), 8000) == first
    with pytest.raises(SiteError, match=r"espeak-ng is not on this machine.*apt install"):
        speech.wav(site(), say("Something else."), 8000)


def test_the_same_words_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = speech.wav(site(), say("Every time."), 16000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert speech.wav(site(), say("Every time."), 16000) == first


def test_an_engine_of_ones_own(tmp_path: Path) -> None:
    engine = tmp_path / "engine"
    # It shows what it was given, and speaks with another voice.
    engine.write_text(
        '#!/bin/sh\ntee "$2.text" | espeak-ng -v "$1" -p 90 --stdin --stdout\n', encoding="utf-8"
    )
    engine.chmod(0o755)
    own = site(speech=Speech(command=[str(engine), "{language}", str(tmp_path / "given")]))
    assert speech_seconds(heard(speech.wav(own, say("Good morning."), 8000))) > 0.3
    assert (tmp_path / "given.text").read_text() == "Good morning."


def test_an_engine_that_fails_is_named(tmp_path: Path) -> None:
    own = site(speech=Speech(command=["sh", "-c", "echo no voice >&2; exit 3"]))
    with pytest.raises(SiteError, match=r"Site\.speech: sh cannot speak 'Hello\.': no voice"):
        speech.wav(own, say("Hello."), 8000)


def written(path: Path, channels: int = 1, width: int = 2, rate: int = 8000, n: int = 800) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(b"\x01\x20" * (n * channels * width // 2))
    return path


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    tone = np.round(9000 * np.sin(2 * np.pi * 500 / 44100 * np.arange(44100))).astype(np.int16)
    with wave.open(str(tmp_path / "own.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(np.repeat(tone, 2).tobytes())
    sound = heard(speech.wav(site(), Sound(tmp_path / "own.wav"), 16000))
    assert sound.rate == 16000
    assert sound.seconds == pytest.approx(1.2, abs=0.1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda p: p / "missing.wav", "is not there; give a WAV file"),
        (lambda p: (p / "text.wav").write_text("hello") and p / "text.wav", "is no WAV file"),
        (lambda p: written(p / "a.wav", width=1), "has 8 bits"),
        (lambda p: written(p / "a.wav", rate=96000), "96000 Hz"),
        (lambda p: written(p / "a.wav", channels=3), "3 channels"),
        (lambda p: written(p / "a.wav", n=0), "0 samples"),
    ],
)
def test_a_file_that_cannot_be_played(make: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(SiteError) as refused:
        site(hold_music={"file": str(make(tmp_path))})
    (line,) = refused.value.problems
    assert line.startswith("Site.hold_music.file: ")
    assert why in line


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"say": "..."}, "Site.hold_music.say: holds no word to speak"),
        ({"say": "a\x00b"}, "Site.hold_music.say: holds signs that cannot be spoken"),
        ({"sing": "la"}, "Site.hold_music: is no announcement"),
        (7, "Site.hold_music: is no announcement"),
    ],
)
def test_what_is_no_announcement(given: object, line: str) -> None:
    with pytest.raises(SiteError) as refused:
        site(hold_music=given)
    assert refused.value.problems[0].startswith(line)


def test_an_engine_that_is_not_there() -> None:
    with pytest.raises(SiteError, match=r"Speech\.command: no-such-engine is not on this machine"):
        Speech(command=["no-such-engine"])


def test_what_the_configuration_names_is_uploaded_and_nothing_else() -> None:
    menu = Ivr("main", say("Press 1."), options={"1": ivr("main")}, invalid=say("No."))
    tree = freeswitch.configuration(site(ivrs=[menu]), SWITCH)
    text = tree["autoload_configs/ivr.conf.xml"].text
    named = {
        sounds.path(site(), one).removeprefix(f"{sounds.FOLDER}/")
        for one in (menu.greeting, say("No."))
    }
    assert all(name in text for name in named)
    there = {file.path for file in tree if file.path.startswith("sounds/")}
    assert there == {
        f"sounds/{rate}/{name}" for rate in speech.RATES for name in {*named, "hold-music.wav"}
    }


def test_silence_instead_of_music() -> None:
    tree = freeswitch.configuration(site(hold_music=None), SWITCH)
    assert not [file.path for file in tree if file.path.startswith("sounds/")]
    assert 'data="hold_music=silence"' in tree["freeswitch.xml"].text


@pytest.mark.parametrize("rate", speech.RATES)
def test_the_tune_is_music_without_a_seam(rate: int) -> None:
    tune = heard(speech.hold_music(rate))
    assert 20 < tune.seconds < 40
    assert speech_seconds(tune) > 0.5 * tune.seconds
    assert int(np.abs(tune.samples.astype(int)).max()) <= 6000
    blocks = tune.samples[: len(tune.samples) // 800 * 800].reshape(-1, 800).astype(float)
    # Nowhere silent, its beginning and its end included.
    assert np.sqrt(np.square(blocks).mean(axis=1)).min() > 30


def test_every_phrase_exists_in_every_language() -> None:
    for languages in phrases.PHRASES.values():
        assert set(languages) == set(phrases.WORDS)
        assert len({frozenset(macros) for macros in languages.values()}) == 1
        for language, macros in languages.items():
            for parts in (parts for one in macros.values() for _, parts in one):
                for part in parts:
                    assert part.startswith("{") or Say(part, language=language)
