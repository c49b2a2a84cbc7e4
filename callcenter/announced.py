"""What a switch announces to phones outside, also where only its host knows it."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace

from callcenter import paths
from callcenter.inventory import Host, Inventory
from callcenter.site import SiteError, Switch
from callcenter.ssh import ssh_config
from callcenter.stun import recorded

__all__ = ["announced"]


def announced(inventory: Inventory, host: Host) -> Switch:
    """The switch of a host with the public address that it announces. Where a STUN server is asked
    for it, the host is."""
    switch = host.switch
    if switch.stun is None:
        return switch
    with tempfile.NamedTemporaryFile("w", suffix=".ssh") as config:
        config.write(ssh_config(inventory))
        config.flush()
        done = subprocess.run(
            ["ssh", "-F", config.name, host.name, f"cat {paths.STUN_ANSWER}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if (known := recorded(done.stdout)) is None:
        why = done.stderr.strip() or "it has kept no good answer"
        raise SiteError(
            [f"{host.name}: the address that it announces is not known ({why}); deploy it first"]
        )
    return replace(switch, public_ip=known.address, stun=None)
