"""A phone in a browser: a page that is served where Kamailio is."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import Field

from callcenter.site._model import model
from callcenter.site._types import Port
from callcenter.site.secrets import Secret

__all__ = ["MESSAGES", "WebPhone"]

MESSAGES = Secret("web-phone/messages")
"""Password of the login by which the page's program asks FreeSWITCH for voice messages."""


@model
class WebPhone:
    """A page that is a phone: whoever opens it logs in with an extension and its password, calls,
    and is called (docs/web-phone.md). It is served over HTTPS, with the certificate and the key of
    ``network.tls``, to ``network.sip_from``. Its SIP comes by ``network.tls.wss``. An extension
    with a mailbox has its voice messages there."""

    _: KW_ONLY
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 443
    """TCP port of HTTPS (RFC 9110, 4.2.2). With ``provisioning`` it is the port of both."""
    messages_port: Port = 8444
    """TCP port of a switch whose edge is on another host. By it the edge's web server passes on
    what is asked of voice messages, and nobody else reaches it."""
