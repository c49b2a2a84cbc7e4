"""HTTP applications: back ends of the operator's that answer what a call does next."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Map, Name, Number, no_entries
from callcenter.site.certificates import check_certificates
from callcenter.site.destinations import Destination
from callcenter.site.secrets import Secret

__all__ = ["HttpApplication"]

_HERE = ("127.0.0.1", "::1", "localhost")


def _url(text: str) -> str:
    example = "use one such as 'https://calls.example.net/start'"
    try:
        url = urlsplit(text)
        port_is_right = url.port is None or url.port > 0
    except ValueError:
        raise ValueError(f"is no address; {example}") from None
    if not re.fullmatch(r"[!-~]{1,500}", text) or not url.hostname or not port_is_right:
        raise ValueError(f"is no address; {example}")
    if url.username is not None or url.password is not None:
        raise ValueError("holds a login; give it as user and password")
    if url.fragment:
        raise ValueError(f"holds a fragment, which no server is sent; {example}")
    if url.scheme == "http" and url.hostname not in _HERE:
        raise ValueError("is http, by which anybody on the way owns the call; use https")
    if url.scheme not in ("http", "https"):
        raise ValueError(f"is neither https nor http; {example}")
    return text


def _user(text: str) -> str:
    if not re.fullmatch(r"[!-9;-~]{1,100}", text):
        raise ValueError("cannot be a login of HTTP's; use one word without ':'")
    return text


@model
class HttpApplication:
    """A web server that steers calls by FreeSWITCH's HTTAPI: it is asked what to do, answers with
    XML, and is asked again with the keys that were pressed.

    It can play tones and notices, take keys, send the call to where ``leads_to`` says, and end it.
    Whatever else it answers is not done, and the call goes to ``otherwise``.
    """

    name: Name
    """Name that destinations call it by."""
    url: Annotated[str, AfterValidator(_url)]
    """Address at which it is asked first: https, or http on the switch's own loopback. The server's
    name must stand in its certificate. It is not followed to another server."""
    _: KW_ONLY
    number: Number | None = None
    """Number that extensions dial for it. Default: other parts of the Site alone reach it."""
    leads_to: Map[Name, Destination] = Field(default_factory=no_entries, kw_only=True)
    """Destinations that it may choose, by words of its own: ``{"sales": queue("sales")}``."""
    user: Annotated[str, AfterValidator(_user)] | None = None
    """Login that it is sent, by HTTP's basic authentication. Default: none."""
    password: Secret | None = None
    """Password of that login. The host keeps it in a file that root and FreeSWITCH may read."""
    ca_file: Path | None = None
    """Certificate (PEM, on this machine) of the authority that signed the server's. Default: the
    host's own authorities."""
    wait_seconds: Annotated[int, Field(strict=True, ge=1, le=30)] = 5
    """Seconds that a caller waits in silence for each answer, 1 to 30."""
    otherwise: Destination | None = None
    """Destination of a call when it does not answer, answers what is not done, or lets go of the
    call. Default: the call ends."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.user is None) != (self.password is None):
            missing = "user" if self.user is None else "password"
            raise Problem(missing, "is missing; give user and password, or neither")
        if self.ca_file is not None:
            if urlsplit(self.url).scheme == "http":
                raise Problem("ca_file", "is for https, and url is http; leave it out")
            check_certificates("ca_file", self.ca_file)
        return self
