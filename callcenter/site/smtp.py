"""The mail server that the switch sends through."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Domain, Email
from callcenter.site.certificates import check_certificates
from callcenter.site.secrets import GivenSecret

__all__ = ["Smtp"]


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
