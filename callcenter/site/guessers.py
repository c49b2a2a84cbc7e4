"""Treatment of addresses that guess passwords."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import Field

from callcenter.site._model import model
from callcenter.site._types import Email
from callcenter.site.secrets import Secret, secret

__all__ = ["Guessers"]


@model
class Guessers:
    """Failures to log in, of phones, calls, PINs and ssh, shut out the address that they come from:
    for a minute, and each time twice as long. Linux switches have it, where the packet filter is
    on. The Site's own networks and carriers are never shut out."""

    _: KW_ONLY
    enabled: Annotated[bool, Field(strict=True)] = True
    """Use of the programs: off removes them, their users' files and the list of addresses."""
    alarm: Email | None = None
    """Mail address that is told of passwords guessed slowly from many addresses, at most once an
    hour for each extension. Needs ``smtp``. Default: the journal alone says so."""
    password: Secret = secret("guessers")
    """Password of the program's login at the Event Socket, which lets it hear of failures and do
    nothing."""
