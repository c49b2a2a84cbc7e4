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
    """What destinations call it by."""
    port: Port
    """TCP, on 127.0.0.1 of each switch. Several applications may share one: the call's variable
    ``application`` holds the name."""
    _: KW_ONLY
    number: Number | None = None
    """What extensions dial for it. Default: it is reached by other parts of the Site alone."""
    asynchronous: Annotated[bool, Field(strict=True)] = True
    """Whether a command is answered at once, and events come while it goes on."""
    full: Annotated[bool, Field(strict=True)] = False
    """Whether it may also use FreeSWITCH's API and see other calls: then it owns the switch."""
    otherwise: Destination | None = None
    """Where a call goes when the application is not there, or closes its connection and has not
    ended the call. Default: the call ends."""
