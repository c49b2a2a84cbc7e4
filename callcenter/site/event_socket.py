"""The Event Socket: how fs_cli and applications steer FreeSWITCH."""

from __future__ import annotations

import re
import ssl
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Many, Name, Networks, Port, grammar
from callcenter.site.secrets import Secret, secret

__all__ = ["EventSocket", "EventSocketTls", "EventSocketUser"]


_EVENT = r"[A-Z][A-Z_]{2,39}|[a-z_]+::[a-z_-]+"


def _event(text: str) -> str:
    if not re.fullmatch(_EVENT, text) or text == "CUSTOM":
        raise ValueError(
            "is no event of FreeSWITCH; use one such as 'CHANNEL_ANSWER', 'sofia::register' or "
            "'ALL'"
        )
    return text


_COMMAND = r"[a-z][a-z0-9_]{1,39}"


def _command(text: str) -> str:
    if not re.fullmatch(_COMMAND, text):
        raise ValueError("is no command of FreeSWITCH's API; use one such as 'originate'")
    return text


@model
class EventSocketUser:
    """A login of a program's own: ``userauth <name>@event_socket:<password>``.

    It can be taken back, and it keeps a program to what it is for; it is no wall against one that
    means harm: with ``originate``, or knowing a call, it can make a call execute anything.
    """

    name: Name
    """Name that the program logs in with."""
    _: KW_ONLY
    password: Secret = Secret("event-socket/default")
    """Password of the login: letters, digits and ``. _ ~ -``. Default: a secret of its own,
    ``event-socket/<name>``."""
    events: Many[Annotated[str, AfterValidator(_event), grammar(_EVENT)]] = ()
    """Events that it may subscribe to: ``CHANNEL_ANSWER``, ``sofia::register``, or ``ALL``.
    Default: none."""
    commands: Many[Annotated[str, AfterValidator(_command), grammar(_COMMAND)]] = ()
    """Commands of FreeSWITCH's API that it may call by ``api`` and ``bgapi``: ``originate``,
    ``show``. Default: none."""

    def __post_init__(self) -> None:
        if self.password == Secret("event-socket/default"):
            object.__setattr__(self, "password", secret(f"event-socket/{self.name}"))


@model
class EventSocketTls:
    """A way to the Event Socket from other hosts: TLS, for programs that have a certificate. They
    log in as well, with a user's password."""

    certificate: Path
    """Certificate of the switch (PEM, on this machine), with those between it and its authority:
    programs know the switch by it."""
    key: Path
    """Private key of the certificate (PEM without a passphrase, on this machine), readable by its
    owner alone. On the host root and stunnel may read it."""
    _: KW_ONLY
    clients: Path
    """Certificate (PEM, on this machine) of the authority that signs the programs'. Whoever has one
    of its certificates may try a password: let it sign nothing else."""
    networks: Annotated[Networks, Field(min_length=1)]
    """Networks that programs come from. The firewall drops all others."""
    port: Port = 8031
    """TCP port, on all of the switch's IPv4 addresses."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.key.is_file() and self.key.stat().st_mode & 0o077:
            raise Problem("key", f"{self.key} is readable by others; run: chmod 600 {self.key}")
        for field in ("certificate", "clients"):
            path = getattr(self, field)
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
            except (OSError, ValueError):
                raise Problem(field, f"{path} is no certificate; give it as PEM") from None
        try:
            # An empty passphrase, or OpenSSL would ask the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self.certificate, self.key, password=""
            )
        except (OSError, ValueError):
            raise Problem(
                "key", f"{self.key} is not the certificate's, or has a passphrase; give its key"
            ) from None
        return self


@model
class EventSocket:
    """Always on loopback: whoever reaches it owns the switch (it can run shell commands). Programs
    elsewhere come through ssh or TLS."""

    _: KW_ONLY
    port: Port = 8021
    """TCP port, on 127.0.0.1 only."""
    password: Secret = secret("esl")
    """Password of letters, digits and ``. _ ~ -`` only, since fs_cli's configuration has no
    quoting."""
    users: Many[EventSocketUser] = ()
    """Programs that have a login of their own and may do less than the password's owner."""
    tls: EventSocketTls | None = None
    """Way from other hosts. Default: there is none."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [user.name for user in self.users]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise Problem(f"users[{index}].name", f"{name!r} is given twice; name each once")
        return self
