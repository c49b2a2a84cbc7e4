"""Six Sites and the digest of every file that they become: who moves code about changes none.

A change that is meant is written down by ``python -m tests.unit.test_same_bytes``, and named in the
commit that makes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import runpy
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.client import npm
from callcenter.render import (
    File,
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
from callcenter.site import Site, Speech, Switch
from callcenter.site.site_hosts import SiteHosts
from tests.unit import test_site

ROOT = Path(__file__).parents[2]
DIGESTS = Path(__file__).with_name("same_bytes.txt")
EDGE = Switch("edge.example.net", public_ip="203.0.113.7")
LINUX = Switch("cc1.example.net", address="10.0.0.11", public_ip="203.0.113.10")
STUN = Switch(
    "cc2.example.net",
    address="10.0.0.12",
    stun="stun.example.net",
    trunk_address="10.9.0.12",
    trunk_public_ip="198.51.100.12",
)
WINDOWS = Switch("@winrm/cc3.example.net", address="10.0.0.13")
SECRETS = {
    "pin": lambda name: f"{int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10**6:06}",
    "password": lambda name: hashlib.sha256(name.encode()).hexdigest()[:24],
    "given": lambda name: hashlib.sha256(name.encode()).hexdigest()[:24],
}


def site_of(inventory: str) -> Site:
    site = runpy.run_path(str(ROOT / f"inventories/group_data/{inventory}.py"))["site"]
    assert isinstance(site, Site)
    return site


def with_secrets(site: Site, folder: Path) -> Site:
    """Return the same Site, with secrets that are made of their names."""
    file = folder / f"{site.domain}.json"
    wanted = {one.name: one.kind for _, one in site.secrets() if one.literal is None}
    wanted["edge/dialogs"] = "password"
    values = {name: SECRETS[kind](name) for name, kind in wanted.items() if kind != "key"}
    file.touch(0o600)
    file.write_text(json.dumps(values), encoding="utf-8")
    return replace(site, secret_file=file)


def on_linux(site: Site, switch: Switch) -> Iterator[File]:
    yield from freeswitch.configuration(site, switch)
    yield from beside.configuration(site, realtime=True)
    yield from apt.configuration(site, "bookworm")
    yield from public_address.configuration(switch)
    yield from postgresql.configuration(site)
    yield from pool.configuration(site)
    yield from packet_filter.configuration(site, [22])
    if site.network.edge:
        yield from kamailio.configuration(site, switch, switch)
    yield from web.configuration(site, switch, npm.library)
    yield from turn.configuration(site, SiteHosts.of(switch))


def on_edge(site: Site, edge: Switch) -> Iterator[File]:
    yield from kamailio.configuration(site, edge, None)
    yield from packet_filter.configuration(site, [22], rtp=False)


def rendered(folder: Path) -> Iterator[tuple[str, File]]:
    """Every file of the six, with the name of its Site."""
    lab = with_secrets(site_of("lab"), folder)
    sites: dict[str, Iterable[File]] = {
        "twin": on_linux(with_secrets(replace(test_site.twin(), speech=Speech()), folder), LINUX),
        "lab": on_linux(lab, LINUX),
        "prod": on_linux(with_secrets(site_of("prod"), folder), LINUX),
        "edges": on_edge(with_secrets(site_of("lab-edges"), folder), EDGE),
        "windows": windows.configuration(with_secrets(site_of("lab-windows"), folder), WINDOWS),
        "stun": on_linux(
            replace(lab, network=replace(lab.network, sip_from=("192.0.2.0/24",))), STUN
        ),
    }
    for name, files in sites.items():
        for file in files:
            yield name, file


def lines(folder: Path) -> list[str]:
    """Return a line a file: its Site, its digest, its mode and group, its path."""
    own = (test_site.CERTIFICATE, test_site.KEY, test_site.PEM.file)
    made = {path.read_bytes(): path.name.encode() for path in (*folder.glob("*.pem"), *own)}
    made[os.environ["CALLCENTER_SECRET_SWITCH"].encode()] = b"switch.key"
    out = []
    spoken: dict[str, list[str]] = {}
    for name, file in rendered(folder):
        if file.path.endswith(".wav"):
            # Its name holds text and voice; its samples are those of this machine's programs.
            spoken.setdefault(name, []).append(file.path)
            continue
        content = file.content
        for certificate, stand_in in made.items():
            content = content.replace(certificate.strip(), stand_in)
        digest = hashlib.sha256(content).hexdigest()[:16]
        out.append(f"{name} {digest} {file.mode:o} {file.group} {file.path}")
    for name, paths in spoken.items():
        digest = hashlib.sha256("\n".join(sorted(paths)).encode()).hexdigest()[:16]
        out.append(f"{name} {digest} {len(paths)} sounds")
    return sorted(out)


pytestmark = pytest.mark.usefixtures("certificates")


@pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("sox")),
    reason="espeak-ng and sox are not on this machine (apt install espeak-ng sox)",
)
def test_the_same_bytes(own_folder: Path) -> None:
    known = set(DIGESTS.read_text(encoding="utf-8").splitlines())
    now = set(lines(own_folder))
    assert sorted(now - known) == []
    assert sorted(known - now) == []


if __name__ == "__main__":
    from tests.certificates import Authority

    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        _, private = Authority.make(Path(made)).certificate("switch")
        os.environ["CALLCENTER_SECRET_SWITCH"] = private.read_text()
        DIGESTS.write_text("".join(f"{line}\n" for line in lines(Path(made))), encoding="utf-8")
