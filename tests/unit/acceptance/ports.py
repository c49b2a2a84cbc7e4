"""Ports of this machine for phones and servers of tests."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

from tests.acceptance.support.strangers import BELOW_THE_KERNELS

__all__ = ["free_port"]


def free_port() -> int:
    """Return a port that is free by UDP and TCP, as is the one after it. Of those that the kernel
    gives out, one may be free by UDP and taken by TCP, or taken in the next moment."""
    while True:
        port = random.choice(BELOW_THE_KERNELS[::2])
        with ExitStack() as probes:
            try:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    for one in (port, port + 1):
                        probe = probes.enter_context(socket.socket(socket.AF_INET, kind))
                        probe.bind(("127.0.0.1", one))
            except OSError:
                continue
        return port
