"""Links by which phones configure themselves."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import Field

from callcenter.site._model import model
from callcenter.site._types import Number
from callcenter.site.secrets import Secret

__all__ = ["Provisioning", "path_of", "secret_of"]


@model
class Provisioning:
    """A link for each extension, by which one Linphone configures itself, once. It is served over
    HTTPS, with the certificate and the key of ``network.tls``, to ``network.sip_from``."""

    _: KW_ONLY
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 443
    """TCP port of HTTPS (RFC 9110, 4.2.2). Another stands in each link."""


def secret_of(number: Number) -> Secret:
    """Return the secret that an extension's link is made of. With another one the link is void."""
    return Secret(f"provisioning/{number}")


def path_of(domain: str, number: Number, secret: str) -> str:
    """Return the path of an extension's link: 160 bits, in letters and digits that no mail and no
    keyboard changes."""
    digest = hashlib.sha256(f"{domain}:{number}:{secret}".encode()).digest()
    return base64.b32encode(digest[:20]).decode().lower()
