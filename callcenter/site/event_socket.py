"""The Event Socket: how fs_cli and applications steer FreeSWITCH."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from callcenter.secrets import Secret, secret
from callcenter.site._model import Problem, model
from callcenter.site._types import Many, Name, Port

__all__ = ["EventSocket", "EventSocketUser"]


def _event(text: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z_]{2,39}|[a-z_]+::[a-z_-]+", text) or text == "CUSTOM":
        raise ValueError(
            "is no event of FreeSWITCH; use one such as 'CHANNEL_ANSWER', 'sofia::register' or "
            "'ALL'"
        )
    return text


def _command(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,39}", text):
        raise ValueError("is no command of FreeSWITCH's API; use one such as 'originate'")
    return text


@model
class EventSocketUser:
    """A login of a program's own: ``userauth <name>@event_socket:<password>``.

    It can be taken back, and it keeps a program to what it is for; it is no wall against one that
    means harm: with ``originate``, or knowing a call, it can make a call execute anything.
    """

    name: Name
    """What it logs in as."""
    _: KW_ONLY
    password: Secret = Secret("event-socket/default")
    """Default: a secret of its own, ``event-socket/<name>``. Letters, digits and ``. _ ~ -``."""
    events: Many[Annotated[str, AfterValidator(_event)]] = ()
    """What it may subscribe to: ``CHANNEL_ANSWER``, ``sofia::register``, or ``ALL``. Default:
    nothing."""
    commands: Many[Annotated[str, AfterValidator(_command)]] = ()
    """What it may call of FreeSWITCH's API by ``api`` and ``bgapi``: ``originate``, ``show``.
    Default: nothing."""

    def __post_init__(self) -> None:
        if self.password == Secret("event-socket/default"):
            object.__setattr__(self, "password", secret(f"event-socket/{self.name}"))


@model
class EventSocket:
    """Always on loopback: whoever reaches it owns the switch (it can run shell commands). Programs
    elsewhere come through ssh."""

    _: KW_ONLY
    port: Port = 8021
    """TCP, on 127.0.0.1 only."""
    password: Secret = secret("esl")
    """Letters, digits and ``. _ ~ -`` only, since fs_cli's configuration has no quoting."""
    users: Many[EventSocketUser] = ()
    """Programs that have a login of their own and may do less than the password's owner."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [user.name for user in self.users]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise Problem(f"users[{index}].name", f"{name!r} is given twice; name each once")
        return self
