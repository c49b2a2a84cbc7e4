"""One login to each Linux host, which all tests share."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from callcenter.inventory import Inventory
from callcenter.ssh import ssh_config

__all__ = ["logins"]


@contextmanager
def logins(inventory: Inventory) -> Iterator[Path]:
    """The configuration with which ``ssh NAME`` logs in as deploys do, by the login that is there.

    Where there is none, or it has as many sessions as sshd allows, ssh makes another by itself.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logins-")))
        config = folder / "config"
        hosts = [host for host in inventory.hosts if not host.switch.is_windows]
        # A short path: that of a socket may not be long.
        shared = [f"Host {host.name}\n  ControlPath {folder}/{n}\n" for n, host in enumerate(hosts)]
        config.write_text("".join(shared) + ssh_config(inventory))
        for host in hosts:
            stack.enter_context(_login(config, host.name))
        yield config


@contextmanager
def _login(config: Path, host: str) -> Iterator[None]:
    # It ends with this process, even if that is killed: there is nothing more to read then.
    process = subprocess.Popen(
        ["ssh", "-F", str(config), "-o", "ControlMaster=yes", host, "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        assert process.stdin
        process.stdin.close()
