"""A host's files as they would be, with stand-ins for all secrets: nothing real is shown, and no
secret is made."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from callcenter.client import npm
from callcenter.client.inventory import Host
from callcenter.render import (
    Tree,
    acme,
    apt,
    beside,
    freeswitch,
    kamailio,
    packet_filter,
    pool,
    postgresql,
    public_address,
    turn,
    web,
    windows,
)
from callcenter.site import Site, SiteError, Switch
from callcenter.site.secrets import VARIABLES, Secret

__all__ = [
    "RELEASE",
    "SSH_PORT",
    "configuration",
    "files",
    "further",
    "masked",
    "rehearsed",
    "unmade",
]

_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)

_FITTING = ("key", "certificate")
"""Kinds of secrets that have no stand-in."""

RELEASE = "bookworm"
"""Debian's release whose package source is shown; a deploy asks the host for its own."""
SSH_PORT = 22
"""Port that the packet filter is shown with; a deploy asks the host for its own."""


@contextmanager
def rehearsed(site: Site) -> Iterator[Site]:
    """Give the same Site with stand-ins for its secrets. Literals are refused, since they stand in
    the description itself. Keys have to fit their certificates, so they stay until
    :func:`masked`."""
    named = site.secrets()
    if literal := [path for path, one in named if one.literal is not None]:
        raise SiteError([f"Site.{literal[0]}: is a literal, which would be shown; use secret(…)"])
    # What Kamailio signs with is no field.
    values = {kamailio.DIALOGS.name: _stand_in(kamailio.DIALOGS)}
    values |= {one.name: _stand_in(one) for _, one in named if one.kind not in _FITTING}
    values |= {
        one.name: key
        for _, one in named
        if one.kind in _FITTING and (key := site.vault.known(one)) is not None
    }
    keys = {one.variable for _, one in named if one.kind in _FITTING}
    # All of them: what is made for a service of the host is no field of the Site.
    kept = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith(VARIABLES) and name not in keys
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "secrets.json"
            file.touch(0o600)
            file.write_text(json.dumps(values))
            yield replace(site, secret_file=file, encrypted_secrets=None)
    finally:
        os.environ.update(kept)


@contextmanager
def unmade(site: Site) -> Iterator[Site]:
    """Give the same Site with its secrets, and with stand-ins for those that a deploy would make:
    none is made."""
    file = site.vault.file
    values = json.loads(file.read_text()) if file.is_file() else {}
    values |= {
        one.name: _stand_in(one)
        # What Kamailio signs with is no field.
        for one in (kamailio.DIALOGS, *(one for _, one in site.secrets()))
        if one.kind not in (*_FITTING, "given") and site.vault.known(one) is None
    }
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "secrets.json"
        copy.touch(0o600)
        copy.write_text(json.dumps(values))
        yield replace(site, secret_file=copy)


def _stand_in(wanted: Secret) -> str:
    digest = hashlib.sha256(wanted.name.encode()).hexdigest()
    # Of digits that no rule about weak ones knows, and the same each time.
    return str(int(digest[:12], 16))[-8:] if wanted.kind == "pin" else f"masked-{digest[:16]}"


def masked(tree: Tree) -> Tree:
    """Return a tree without private keys."""
    return Tree(replace(file, content=_KEY.sub(b"(a private key)", file.content)) for file in tree)


def configuration(site: Site, host: Host) -> Tree:
    """Return the configuration of a host's service, by paths below its folder."""
    if host.is_edge:
        return kamailio.configuration(site, host.switch, host.behind)
    if host.switch.is_windows:
        return windows.configuration(site, host.switch, host.edge)
    return freeswitch.configuration(site, host.switch, host.edge)


def _way_in(site: Site, switch: Switch) -> Tree:
    """Return Kamailio's files on a switch's own host."""
    return kamailio.configuration(site, switch, switch)


def _for_phones(site: Site, host: Host) -> Tree:
    """Return what a switch has where phones come to it rather than to an edge."""
    served = web.configuration(site, host.switch, npm.library, hosts=host.all_hosts)
    return Tree([*served, *acme.configuration(site, mails=True)])


def files(site: Site, host: Host) -> Tree:
    """Return all files that a host is given."""
    return Tree([*configuration(site, host), *further(site, host)])


def further(
    site: Site,
    host: Host,
    *,
    release: str = RELEASE,
    realtime: bool = True,
    ssh_ports: Iterable[int] = (SSH_PORT,),
) -> Tree:
    """Return the files that a host is given besides :func:`configuration`."""
    if host.is_edge:
        asks = acme.configuration(site, mails=False)
        closed = packet_filter.configuration(
            site, ssh_ports, rtp=False, inside=host.inside, hosts=host.all_hosts
        )
        served = web.configuration(site, host.switch, npm.library, host.behind, host.all_hosts)
        return Tree(
            [
                *asks,
                *closed,
                *web.accounts(site),
                *served,
                *turn.configuration(site, host.all_hosts),
            ]
        )
    if host.switch.is_windows:
        return Tree([])
    return Tree(
        [
            *beside.configuration(site, realtime=realtime, inside=host.inside),
            *apt.configuration(site, release),
            *public_address.configuration(host.switch),
            *postgresql.configuration(site),
            *pool.configuration(site),
            *(_way_in(site, host.switch) if site.network.edge and host.edge is None else ()),
            *turn.configuration(site, host.all_hosts),
            *(_for_phones(site, host) if host.edge is None else ()),
            *packet_filter.configuration(site, ssh_ports, inside=host.inside, hosts=host.all_hosts),
        ]
    )
