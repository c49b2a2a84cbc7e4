"""One login to each Linux host, which all tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from callcenter.client.inventory import Inventory
from callcenter.client.ssh import Login

__all__ = ["logins"]


@contextmanager
def logins(inventory: Inventory) -> Iterator[Mapping[str, Login]]:
    """Give the ways into the hosts, by name, over one login each.

    Where there is none, or it has as many sessions as sshd allows, ssh makes another by itself.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logins-")))
        out = {}
        for index, host in enumerate(inventory.hosts):
            if host.switch.is_windows:
                continue
            (own := folder / str(index)).mkdir()
            out[host.name] = Login(host, own, shared=True)
            stack.enter_context(out[host.name].keep())
        yield out
