"""The Event Socket: how fs_cli and applications on the host steer FreeSWITCH."""

from __future__ import annotations

from dataclasses import KW_ONLY

from callcenter.secrets import Secret, secret
from callcenter.site._model import model
from callcenter.site._types import Port

__all__ = ["EventSocket"]


@model
class EventSocket:
    """Always on loopback: whoever reaches it owns the switch (it can run shell commands)."""

    _: KW_ONLY
    port: Port = 8021
    """TCP, on 127.0.0.1 only."""
    password: Secret = secret("esl")
    """Letters, digits and ``. _ ~ -`` only, since fs_cli's configuration has no quoting."""
