"""Where FreeSWITCH comes from, and which version: Debian packages, and the MSI for Windows."""

from __future__ import annotations

import os
import re
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, grammar
from callcenter.site.secrets import GivenSecret

__all__ = ["AptRepository", "LocalPackages", "Msi", "Packages", "SignalWire"]

LOCAL_REPOSITORY = "/srv/freeswitch-apt"


def _version(text: str) -> str:
    if not re.fullmatch(r"1\.[0-9]{1,2}\.[0-9]{1,2}", text):
        raise ValueError("is no FreeSWITCH version; use three numbers such as '1.10.12'")
    return text


Version = Annotated[str, AfterValidator(_version), grammar(r"1\.[0-9]{1,2}\.[0-9]{1,2}")]


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~%+:@=,/-]*)?", text):
        raise ValueError(
            "is no repository address; use https://host/path, with the login in user and password"
        )
    return text.rstrip("/")


def _word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9./_-]+", text):
        raise ValueError("is no apt suite or component; use one word such as 'bookworm'")
    return text


def _user(text: str) -> str:
    if not re.fullmatch(r"[^\s:]*", text):
        raise ValueError("holds a space or colon, which a login cannot; use one word")
    return text


@model
class SignalWire:
    """SignalWire's own repository, which asks for a personal access token."""

    _: KW_ONLY
    source: Literal["signalwire"] = "signalwire"
    """Name of this source in YAML."""
    token: GivenSecret
    """A personal access token of signalwire.com; a wrong one answers 401."""
    version: Version = "1.10.12"
    """Version of FreeSWITCH, three numbers. All its packages are held at it."""
    url: Annotated[str, AfterValidator(_url)] = (
        "https://freeswitch.signalwire.com/repo/deb/debian-release"
    )
    """Address of the repository. Change it for a mirror that asks for the same login."""
    key_name: Annotated[str, AfterValidator(_word)] = "signalwire-freeswitch-repo.gpg"
    """The signing key below url. It is fetched with the token, over the repository's own TLS."""


@model
class AptRepository:
    """Any apt repository that carries FreeSWITCH, with the key that signs it."""

    _: KW_ONLY
    source: Literal["apt"] = "apt"
    """Name of this source in YAML."""
    url: Annotated[str, AfterValidator(_url)]
    """Address of the repository, without a login."""
    key: Path
    """The signing key on this machine, armoured or binary."""
    suite: Annotated[str, AfterValidator(_word)] | None = None
    """Suite of the repository. Default: the host's own release, such as bookworm."""
    components: Annotated[Many[Annotated[str, AfterValidator(_word)]], Field(min_length=1)] = (
        "main",
    )
    """Components of the repository, as apt names them; at least one."""
    user: Annotated[str, AfterValidator(_user)] = ""
    """Login, where the repository asks for one. Both or neither."""
    password: GivenSecret | None = None
    """The login's password, kept on the host in a file that only root can read."""
    version: Version = "1.10.12"
    """Version of FreeSWITCH, three numbers. All its packages are held at it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.password is not None and not self.user:
            raise Problem("user", "is missing; a password needs the login's name beside it")
        if self.user and self.password is None:
            raise Problem("password", "is missing; give secret('name'), or leave user out")
        return self


@model
class LocalPackages:
    """A folder of .deb files with its Packages index, carried to hosts that have no internet."""

    _: KW_ONLY
    source: Literal["local"] = "local"
    """Name of this source in YAML."""
    path: Path = Field(
        default_factory=lambda: Path(os.environ.get("FREESWITCH_APT", LOCAL_REPOSITORY)),
        kw_only=True,
    )
    """Folder of the packages. Default: the environment's FREESWITCH_APT, else
    /srv/freeswitch-apt."""
    version: Version = "1.10.12"
    """Version of FreeSWITCH, three numbers. All its packages are held at it."""

    @property
    def index(self) -> Path:
        """apt's list of what the folder holds."""
        return self.path / "Packages"


def _location(text: str) -> str:
    if "://" in text:
        if not re.fullmatch(r"https://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9._~+:@=,/-]+", text):
            raise ValueError(
                "is no address that a Windows host may fetch; use https://host/path without a "
                "login, or a file on this machine"
            )
    elif not text.lower().endswith(".msi"):
        raise ValueError("is no MSI; use a file such as 'FreeSWITCH-1.10.12-Release-x64.msi'")
    return text


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        raise ValueError("is no SHA-256; use the 64 hexadecimal digits that sha256sum prints")
    return text.lower()


@model
class Msi:
    """FreeSWITCH's installer for Windows, of the version that the Site's packages have."""

    location: Annotated[str, AfterValidator(_location)]
    """A file on this machine, or an https address that the host fetches itself."""
    _: KW_ONLY
    sha256: Annotated[str, AfterValidator(_sha256), grammar("[0-9A-Fa-f]{64}")] | None = None
    """SHA-256 of the MSI, as 64 hexadecimal digits. Needed with an address."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.path is None and self.sha256 is None:
            raise Problem(
                "sha256", "is missing; an address needs it: give what sha256sum prints for the MSI"
            )
        return self

    @property
    def path(self) -> Path | None:
        """The file, where it is on this machine."""
        return None if "://" in self.location else Path(self.location)


Packages = Annotated[SignalWire | AptRepository | LocalPackages, Field(discriminator="source")]
