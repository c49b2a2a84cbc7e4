"""What calls sound like and how many there may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many

__all__ = ["CODECS", "PASSTHROUGH_CODEC", "Codec", "Media", "MediaMode", "check_codecs", "spoken"]

Codec = Literal["OPUS", "G722", "PCMU", "PCMA", "GSM", "G729"]

MediaMode = Literal["default", "proxy", "bypass"]
"""Ways of the voice."""

CODECS: dict[Codec, str | None] = {
    "OPUS": "mod_opus",
    "G722": "mod_spandsp",
    "GSM": "mod_spandsp",
    "G729": "mod_g729",
    "PCMU": None,
    "PCMA": None,
}
"""Codecs, each with the module that brings it; None is FreeSWITCH's core."""

PASSTHROUGH_CODEC: Codec = "G729"
"""Codec that FreeSWITCH carries from side to side, and neither speaks nor understands."""


def spoken(codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """Return those of the codecs that the switch itself can speak, in their order."""
    return tuple(codec for codec in codecs if codec != PASSTHROUGH_CODEC)


def check_codecs(codecs: Sequence[Codec]) -> None:
    """Refuse a choice of codecs by which no call could be held."""
    if len(set(codecs)) != len(codecs):
        raise Problem("codecs", "names one twice; name each once, best first")
    if not spoken(codecs):
        raise Problem(
            "codecs", f"has only {PASSTHROUGH_CODEC}, which the switch cannot speak; add PCMA"
        )


@model
class Media:
    """Codecs, the way of the voice, and the site's capacity."""

    _: KW_ONLY
    codecs: Annotated[Many[Codec], Field(min_length=1)] = ("OPUS", "G722", "PCMU", "PCMA")
    """Codecs that are offered and accepted, best first. ``G729`` is passed through: a call that is
    not recorded, from a phone or a trunk that offers it to a phone or a trunk, is offered with it.
    Whatever the switch speaks itself it speaks in another, so at least one is named beside it."""
    mode: MediaMode = "default"
    """Way of the voice. ``default``: the switch decodes, so it can transcode, record and hear
    digits. ``proxy``: it passes on what comes, byte for byte, whether it knows the codec or not.
    ``bypass``: phones send voice to each other. With the last two, nothing is recorded, transcoded
    or parked, and who is put on hold hears no music of the switch's. Services are always as by
    default, and so is who was in one before."""
    max_calls: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 500
    """Calls at a time on one switch, each of two legs."""
    calls_per_extension: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 10
    """Calls at a time that one extension may make, ringing ones too; more are refused with 403, but
    emergency calls. A stolen phone cannot take the others' lines."""
    max_calls_per_second: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 30
    """New calls a second on one switch; more are refused with 503."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_codecs(self.codecs)
        return self

    @property
    def spoken(self) -> tuple[Codec, ...]:
        """Codecs that the switch itself can speak."""
        return spoken(self.codecs)

    @property
    def rtp_ports_needed(self) -> int:
        """Ports for voice: two legs a call, two ports (RTP and RTCP) a leg."""
        return self.max_calls * 2 * 2
