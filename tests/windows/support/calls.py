"""Real phones that talk through the host's FreeSWITCH."""

from __future__ import annotations

import json

from tests.acceptance.support.phones import Call, Exchange, Phone
from tests.roles.support import CALLEE_HZ, CALLER_HZ, still_talking
from tests.windows.support.machine import Machine

__all__ = ["connected", "phone", "still_talking"]


def phone(
    exchange: Exchange, machine: Machine, number: str, port: int = 5060, server: str | None = None
) -> Phone:
    """Return a phone of an extension, registered at the host or at another address."""
    password = json.loads(machine.secrets.read_text())[f"extension/{number}"]
    made = exchange.phone(
        number,
        password,
        domain="windows.callcenter.test",
        server=server or machine.address,
        port=port,
        codecs=("PCMU",),
    )
    made.register()
    return made


def connected(machine: Machine, exchange: Exchange) -> tuple[Call, Call]:
    """Two extensions in a call, each playing a tone of its own."""
    caller, callee = (phone(exchange, machine, number) for number in ("1000", "1001"))
    call = caller.call("1001")
    answered = callee.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    return call, answered
