"""What callers hear: words to be spoken, or a file of one's own."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Literal

from callcenter.site._model import model

__all__ = ["Announcement", "Say", "say"]


@model
class Say:
    """Words that an engine speaks."""

    say: str
    """The text."""
    _: KW_ONLY
    language: Literal["en", "zh"] | None = None
    """Of the text. Default: the Site's."""


Announcement = Say


def say(text: str, *, language: Literal["en", "zh"] | None = None) -> Say:
    """Words that an engine speaks."""
    return Say(text, language=language)
