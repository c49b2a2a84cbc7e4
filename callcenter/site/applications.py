"""Applications: programs of the operator's that calls are handed to."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import Field

from callcenter.site._model import model
from callcenter.site._types import Name, Number, Port
from callcenter.site.destinations import Destination

__all__ = ["Application"]


@model
class Application:
    """A program that steers calls over FreeSWITCH's outbound Event Socket.

    FreeSWITCH connects to it for each call. It listens on the switch's loopback, or at the end of
    an ssh tunnel there: the protocol knows neither a password nor TLS, and whoever answers owns
    the call.
    """

    name: Name
    """Name that destinations call it by."""
    port: Port
    """TCP port, on 127.0.0.1 of each switch. Several applications may share one: the call's
    variable ``application`` holds the name."""
    _: KW_ONLY
    number: Number | None = None
    """Number that extensions dial for it. Default: other parts of the Site alone reach it."""
    asynchronous: Annotated[bool, Field(strict=True)] = True
    """Answers to commands at once, and events while these go on."""
    full: Annotated[bool, Field(strict=True)] = False
    """Permission to use FreeSWITCH's API and see other calls, too: then it owns the switch."""
    otherwise: Destination | None = None
    """Destination of a call when the application is not there, or closes its connection and has not
    ended the call. Default: the call ends."""
