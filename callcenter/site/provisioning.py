"""Links by which phones configure themselves."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import KW_ONLY
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, Number
from callcenter.site.secrets import Secret

__all__ = ["DeskPhone", "Make", "Provisioning", "path_of", "secret_of"]

Make = Literal["cisco", "fanvil", "gigaset", "grandstream", "poly", "snom", "yealink"]
"""Makes of desk phones: Cisco's Multiplatform Phones, Fanvil's X3U to X7C and V62 to V65, Gigaset's
P800 series, Grandstream's GRP26xx, Poly's with UC Software, Snom's D series, and Yealink's from
firmware 83 on."""


def _mac(text: str) -> str:
    """Return a hardware address as phones write it in names of files."""
    if not re.fullmatch(r"([0-9a-f]{2}([:-]?))([0-9a-f]{2}\2){4}[0-9a-f]{2}", text.lower()):
        raise ValueError("is no MAC address; use the one on the phone, such as '00:15:65:12:34:56'")
    digits = re.sub(r"[:-]", "", text.lower())
    if int(digits[:2], 16) & 1 or not int(digits, 16):
        raise ValueError("is no single phone's MAC address; use the one on the phone")
    return digits


Mac = Annotated[str, AfterValidator(_mac)]
"""Hardware address (IEEE 802): 12 hexadecimal digits, with ``:`` or ``-`` between them or none."""


@model
class DeskPhone:
    """One desk phone, which configures itself by a link of its own: account, TLS, encryption,
    codecs, keys, time zone and language (docs/provisioning.md)."""

    make: Make
    """Make of the phone, by which its settings are written."""
    mac: Mac
    """Hardware address, by which it asks for its settings. No two phones of a Site share one."""
    _: KW_ONLY
    keys: Many[Number] = ()
    """Numbers of the Site on its line keys, from the second on; its own line is the first. One of
    an extension is a lamp, too, which shows whether that one is in a call. A number outside has one
    of Site.speed_dials."""

    if TYPE_CHECKING:
        # The same as below, but numbers may be written as numbers.
        def __init__(self, make: Make, mac: str, *, keys: Many[str | int] = ()) -> None: ...

    @model_validator(mode="after")
    def _check(self) -> Self:
        for index, key in enumerate(self.keys):
            if key in self.keys[:index]:
                raise Problem(f"keys[{index}]", f"{key} is on a key before it; leave it out")
        return self


@model
class Provisioning:
    """A link for each extension, by which one Linphone configures itself, once, and one for each of
    its desk phones. They are served over HTTPS, with the certificate and the key of
    ``network.tls``, to ``network.sip_from``."""

    _: KW_ONLY
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 443
    """TCP port of HTTPS (RFC 9110, 4.2.2). Another stands in each link."""
    authority: Path | None = None
    """Certificate (PEM, on this machine) of an authority of your own, which desk phones are to
    trust. Default: they know the authority of ``network.tls.certificate``."""


def secret_of(number: Number) -> Secret:
    """Return the secret that an extension's link is made of. With another one the link is void."""
    return Secret(f"provisioning/{number}")


def path_of(domain: str, number: Number, secret: str, mac: str = "") -> str:
    """Return the path of an extension's link, or of its desk phone's: 160 bits, in letters and
    digits that no mail and no keyboard changes."""
    whose = f"{number}/{mac}" if mac else number
    digest = hashlib.sha256(f"{domain}:{whose}:{secret}".encode()).digest()
    return base64.b32encode(digest[:20]).decode().lower()
