"""Faxes: numbers at which documents arrive, and as which they are sent."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from callcenter.site._model import model
from callcenter.site._types import Email, Many, Name, Number
from callcenter.site.trunks import E164

__all__ = ["Fax"]


def _ident(text: str) -> str:
    if text != text.strip() or not all(sign in "0123456789+ " for sign in text):
        raise ValueError("is no number; use digits, + and spaces, such as '+49 30 123456'")
    return text


def _header(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("holds signs that a fax cannot print; use plain letters on one line")
    return text


@model
class Fax:
    """A fax machine: T.38 where both ends have it, else tones (T.30). What arrives is kept below
    ``/var/lib/freeswitch/faxes/<name>``, readable by FreeSWITCH and root alone."""

    name: Name
    """Name that destinations call it by, and its folder."""
    _: KW_ONLY
    number: Number | None = None
    """Number that extensions dial for it. Default: other parts of the Site alone reach it."""
    mail: Email | None = None
    """Address that each fax is sent to as well, through the Site's smtp. What cannot be sent is
    kept and tried again every five minutes. Default: none."""
    format: Literal["pdf", "tiff"] = "pdf"
    """Format in which faxes are kept and mailed. ``tiff`` holds the page as it came, ``pdf`` the
    same dots for any reader."""
    ident: Annotated[str, Field(max_length=20), AfterValidator(_ident)] = ""
    """Number that the other machine shows, 20 signs at most (ITU-T T.30). Default: none."""
    header: Annotated[str, Field(max_length=50), AfterValidator(_header)] = ""
    """Line above each page that is sent, 50 signs at most. Many laws ask for one. Default: pages
    are sent as they are."""
    t38: Annotated[bool, Field(strict=True)] = True
    """Permission to ask for T.38 and to accept it. Without it all faxes are tones, for carriers
    whose T.38 does not work."""
    keep_days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = 90
    """Days after which a fax is deleted from the host. Once a day; one that could not be mailed yet
    is not. None: never."""
    routes: Many[Name] = ()
    """Names of the Site's outbound routes by which it may send. Default: it sends to nobody
    outside."""
    caller_id: E164 | None = None
    """Number that it shows outside. Default: that of the trunk."""
