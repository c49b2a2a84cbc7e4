"""What a switch announces to phones outside, also where only its host knows it."""

from __future__ import annotations

import shlex
from dataclasses import replace

from callcenter.client.inventory import Host
from callcenter.client.ssh import login
from callcenter.onhost.stun import recorded
from callcenter.render import paths
from callcenter.site import SiteError, Switch

__all__ = ["advertised"]


def advertised(host: Host) -> Switch:
    """Return the switch of a host with the public address that it announces. Where a STUN server is
    asked for it, the host is."""
    switch = host.switch
    if switch.stun is None:
        return switch
    with login(host) as entered:
        done = entered.run(shlex.join(["cat", paths.STUN_ANSWER]))
    if (known := recorded(done.stdout.decode(errors="replace"))) is None:
        why = done.stderr.decode(errors="replace").strip() or "it has kept no good answer"
        raise SiteError(
            [f"{host.name}: the address that it announces is not known ({why}); deploy it first"]
        )
    return replace(switch, public_ip=known.address, stun=None)
