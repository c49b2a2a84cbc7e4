"""FreeSWITCH's log on a host, call by call: other tests' calls write there at the same time."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

__all__ = ["LOG", "Log", "of_calls"]

LOG = "/var/log/freeswitch/freeswitch.log"
_CHANNEL = re.compile(r"New Channel \S+/(\+?[0-9]+)@\S+ \[([0-9a-f-]{36})\]")


class Log:
    """Lines that are logged from now on."""

    def __init__(self, host: Any) -> None:
        self._host = host
        self._size = int(host.check_output("stat -c %%s %s", LOG))

    def lines(self) -> list[str]:
        """Return all of it."""
        said: str = self._host.check_output("tail -c +%s %s", str(self._size + 1), LOG)
        return said.splitlines()

    def of_calls(self, users: Collection[str]) -> list[str]:
        """Return the lines about the calls of these phones."""
        return of_calls(self.lines(), users)


def of_calls(lines: Sequence[str], users: Collection[str]) -> list[str]:
    """Return the lines about the calls of these phones."""
    found = (_CHANNEL.search(line) for line in lines)
    calls = {match[2] for match in found if match and match[1] in users}
    return [line for line in lines if any(call in line for call in calls)]
