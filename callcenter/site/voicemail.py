"""Voicemail: mailboxes of extensions, and what holds for all of them."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Email, Number
from callcenter.site.secrets import MINIMUM_PIN, REFERENCE, Secret

__all__ = ["Mailbox", "Pin", "Voicemail"]

Pin = Annotated[
    Secret,
    AfterValidator(Secret.as_pin),
    WithJsonSchema(
        {
            "anyOf": [
                REFERENCE,
                {"type": "string", "pattern": f"^[0-9]{{{MINIMUM_PIN},20}}$"},
            ]
        }
    ),
]
"""A secret that is typed on a phone."""


@model
class Mailbox:
    """Where one extension's callers leave messages."""

    _: KW_ONLY
    pin: Pin = Secret("voicemail/default", kind="pin")
    """PIN that is typed to hear the messages. Default: a secret of its own, ``voicemail/<number>``,
    six random digits. At least 6 digits; digits in order, one repeated, or the extension's number
    are refused. The switch stores a hash of it. It is changed here, not by phone, since FreeSWITCH
    would take any PIN there."""
    email: Email | None = None
    """Address to which each new message is sent, too, through the Site's smtp. Default: nowhere."""


@model
class Voicemail:
    """What holds for all mailboxes. It is there as soon as one extension has a mailbox."""

    _: KW_ONLY
    check: Number | None = "*97"
    """Number that an extension dials for its own mailbox; its PIN is asked for. None: no such
    number."""
    check_any: Number | None = "*98"
    """Number that any extension dials for a mailbox whose number it types. None: no such number."""
    keep_days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = 90
    """Days until a message is deleted from the host, heard or not, which is done once a day. None:
    never."""
    max_seconds: Annotated[int, Field(strict=True, ge=10, le=1000)] = 300
    """Seconds that a message may last, 10 to 1000, which is FreeSWITCH's own limit."""
    min_seconds: Annotated[int, Field(strict=True, ge=1, le=60)] = 2
    """Seconds below which a message is taken for a caller who hung up, and dropped; 1 to 60."""
    silence_seconds: Annotated[int, Field(strict=True, ge=1, le=60)] = 6
    """Seconds of silence after which a message is taken to be over, 1 to 60."""
    sample_rate: Literal[8000, 16000] = 8000
    """Sampling rate of the WAV files in which messages are kept and sent, whatever the caller's
    codec. Hz; a minute is 1 MB at 8000, 2 MB at 16000."""
    mailbox_minutes: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 60
    """Minutes that a mailbox holds before it takes no more, 1 to 10000."""
    attach: Annotated[bool, Field(strict=True)] = True
    """Attachment of the message to an e-mail, as a WAV file. False: the e-mail only says that there
    is one."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.check is not None and self.check == self.check_any:
            raise Problem("check_any", f"{self.check} is already check; choose another code")
        if self.min_seconds >= self.max_seconds:
            raise Problem("min_seconds", f"is not below max_seconds {self.max_seconds}; lower it")
        return self
