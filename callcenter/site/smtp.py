"""The mail server that the switch sends through."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Domain, Email
from callcenter.site.certificates import check_certificates
from callcenter.site.secrets import GivenSecret

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = ["Smtp", "check_mail"]


def _user(text: str) -> str:
    if not re.fullmatch(r"[^\s\"']{1,200}", text):
        raise ValueError("holds a space or quote, which a login cannot; use one word")
    return text


@model
class Smtp:
    """A mail server of the operator's own."""

    host: Domain
    """Name of the server, which must stand in its certificate."""
    _: KW_ONLY
    sender: Email
    """Address that the mail is from; the server must let this login send as it."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """Encryption: ``starttls`` after the greeting, ``tls`` from the first byte, or ``none``, which
    is refused with a password."""
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 587
    """TCP port. Usually 587 with starttls, 465 with tls, 25 without either."""
    user: Annotated[str, AfterValidator(_user)] | None = None
    """The login. Default: none, for a server that knows the host by its address."""
    password: GivenSecret | None = None
    """Password of that login. The host keeps it in a file that root and the programs that send mail
    may read."""
    ca_file: Path | None = None
    """The certificate (PEM, on this machine) of the authority that signed the server's. Default:
    the host's own authorities."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.user is None) != (self.password is None):
            missing = "user" if self.user is None else "password"
            raise Problem(missing, "is missing; give user and password, or neither")
        if self.tls == "none" and self.password is not None:
            raise Problem("tls", "'none' would send the password in clear text; use 'starttls'")
        if self.ca_file is not None:
            check_certificates("ca_file", self.ca_file)
        return self


def check_mail(site: Site) -> None:
    """Refuse what mails without a mail server, and an alarm that never rings."""
    for index, extension in enumerate(site.extensions):
        mailbox = extension.mailbox
        if mailbox is not None and mailbox.email is not None and site.smtp is None:
            raise Problem(
                f"extensions[{index}].voicemail.email",
                "needs a mail server; give smtp=Smtp(…), or leave it out",
            )

    for index, fax in enumerate(site.faxes):
        if fax.mail is not None and site.smtp is None:
            raise Problem(
                f"faxes[{index}].mail",
                "needs a mail server; give smtp=Smtp(…), or leave it out",
            )
    if site.guessers.alarm is not None:
        if site.smtp is None:
            raise Problem(
                "guessers.alarm",
                "needs a mail server; give smtp=Smtp(…), or leave it out",
            )
        if not site.shuts_out:
            raise Problem(
                "guessers.alarm",
                "would never ring, since guessers or the packet filter are switched off; leave "
                "it out",
            )
    if site.outbound_limits.alarm is not None:
        if site.smtp is None:
            raise Problem(
                "outbound_limits.alarm",
                "needs a mail server; give smtp=Smtp(…), or leave it out",
            )
        if not site.trunks:
            raise Problem(
                "outbound_limits.alarm",
                "would never ring, since no trunk leads outside; give one, or leave it out",
            )
