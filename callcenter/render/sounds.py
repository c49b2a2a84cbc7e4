"""The sounds of a configuration: what it names is what is uploaded with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from callcenter.render import paths, phrases, speech
from callcenter.render._files import File
from callcenter.site import Announcement, Say, Site

__all__ = ["FOLDER", "HOLD_MUSIC", "PROMPTS", "files", "path"]

FOLDER = f"{paths.CURRENT}/sounds"
"""Folder in the release: a configuration that is taken back has its sounds."""
HOLD_MUSIC = f"{FOLDER}/hold-music.wav"
PROMPTS = f"{FOLDER}/prompts"
"""Folder in which FreeSWITCH's own speaking of numbers and dates finds its words."""

_NAMED = re.compile(rf"{FOLDER}/([0-9a-f]{{20}})\.wav")
_known: dict[str, tuple[Site, Announcement]] = {}


def path(site: Site, announcement: Announcement) -> str:
    """Return the file that FreeSWITCH plays: it finds the one of the call's rate in a folder
    beside."""
    key = speech.key_of(site, announcement)
    _known[key] = (site, announcement)
    return f"{FOLDER}/{key}.wav"


def files(site: Site, rendered: Iterable[File]) -> Iterator[File]:
    """Yield all sounds that the rendered files name."""
    texts = [file.text for file in rendered]
    keys = {key for text in texts for key in _NAMED.findall(text)}
    for rate in speech.RATES:
        for key in sorted(keys):
            yield File(f"sounds/{rate}/{key}.wav", speech.wav(*_known[key], rate), 0o640)
        if any(HOLD_MUSIC in text for text in texts):
            yield File(f"sounds/{rate}/hold-music.wav", _hold_music(site, rate), 0o640)
        if any(PROMPTS in text for text in texts):
            for name, words in sorted(phrases.WORDS[site.language].items()):
                folder, _, stem = name.rpartition("/")
                prompt = speech.wav(site, Say(words, language=site.language), rate)
                yield File(f"sounds/prompts/{folder}/{rate}/{stem}.wav", prompt, 0o640)


def _hold_music(site: Site, rate: int) -> bytes:
    if site.hold_music is None or site.hold_music == "tune":
        return speech.hold_music(rate)
    return speech.wav(site, site.hold_music, rate)
