"""Users that no Site has, and ports that no phone has had."""

from __future__ import annotations

import random
import secrets
import socket
from contextlib import suppress

__all__ = ["BELOW_THE_KERNELS", "bind_unknown", "stranger"]

BELOW_THE_KERNELS = range(20_000, 32_000)
"""Ports that the kernel gives to nobody who does not ask for one."""


def stranger() -> str:
    """Return the name of one, another each time: who is refused ten times within ten minutes is
    shut out, and a Site may be proved more often than that."""
    return f"stranger-{secrets.token_hex(4)}"


def bind_unknown(asking: socket.socket, address: str) -> None:
    """Bind a socket to a port that no phone of the tests has had. An edge knows for two hours from
    where somebody has logged in, and phones take the ports that the kernel gives."""
    for port in random.sample(BELOW_THE_KERNELS, 100):
        with suppress(OSError):
            return asking.bind((address, port))
    raise OSError(f"none of a hundred ports below the kernel's own is free at {address}")
