"""Faxes by trunks that encrypt voice: they arrive as they were sent, as tones that nobody hears."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callcenter.render import paths
from lab.lab import Lab
from tests.certificates import Authority
from tests.roles.conftest import SITE, Operator
from tests.roles.support import name_server, until
from tests.roles.test_fax import FS_LOG, PAGES, decoded, document, kept, same, send

__all__ = ["document"]

NEAR, FAR = "faxtls1", "faxtls2"
NAMES = {NEAR: "near.callcenter.test", FAR: "far.callcenter.test"}

SENDING = """
    faxes=[Fax("office", routes=["secret", "asking"])],
    trunks=[TRUNKS],
    outbound=[
        Route("secret", pattern=r"^030\\d{6}$", strip=1, prefix="+49", trunks=["other"]),
        Route("asking", pattern=r"^040\\d{6}$", strip=1, prefix="+49", trunks=["asking"]),
    ],
    outbound_limits=OutboundLimits(countries=["+49"]),
    media="""
RECEIVING = """
    faxes=[Fax("raw", format="tiff")],
    scripts=[LuaScript("asks", "ASKS")],
    trunks=[TRUNKS],
    inbound=[
        Did("+4930555000", to=fax("raw"), trunk="other"),
        Did("+4940555000", to=script("asks"), trunk="asking"),
    ],
    media="""
ASKS = f"""
session:setVariable("absolute_codec_string", "PCMU")
session:setVariable("fax_enable_t38", "true")
session:setVariable("fax_enable_t38_request", "true")
session:answer()
session:execute("rxfax", "{paths.FAXES}/raw/asked.tif")
session:hangup()
"""
"""A fax of somebody's who does not know that T.38 has no keys."""
TRUNK = """Trunk("{trunk}", host="{host}", port={port}, transport="tls", tls_port={port},
              networks=["{address}"], ca_file="{authority}", certificate="{certificate}",
              key=secret("switch-key"), srtp=True, ping_seconds=None),
"""


@pytest.fixture(scope="module")
def both(
    operator_of: Callable[..., Operator], lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Operator, Operator]]:
    """Two switches that are each other's carrier by TLS."""
    authority = Authority.make(tmp_path_factory.mktemp("certificates"))
    asks = tmp_path_factory.mktemp("scripts") / "asks.lua"
    asks.write_text(ASKS)
    near, far = operator_of(NEAR), operator_of(FAR)
    address = {one.name: one.address for one in lab.hosts}
    given = f"echo 'nameserver {lab.gateway}' >/etc/resolv.conf"
    with name_server(lab.gateway, {NAMES[host]: address[host] for host in NAMES}):
        for operator, host, text, other in (
            (near, NEAR, SENDING, FAR),
            (far, FAR, RECEIVING, NEAR),
        ):
            assert operator.ssh(host, given) == ""
            certificate, key = authority.certificate(NAMES[host])
            operator.secrets.touch(0o600)
            operator.secrets.write_text(json.dumps({"switch-key": key.read_text()}))
            trunks = "".join(
                TRUNK.format(
                    trunk=trunk,
                    host=NAMES[other],
                    port=port,
                    address=address[other],
                    authority=authority.file,
                    certificate=certificate,
                )
                for trunk, port in (("other", 5081), ("asking", 5082))
            )
            operator.describe(
                SITE.replace("media=", text, 1).replace("TRUNKS", trunks).replace("ASKS", str(asks))
            )
            operator.succeed()
        yield near, far


@contextmanager
def overheard(first: str, second: str) -> Iterator[list[bytes]]:
    """Give what two hosts send each other by UDP."""
    heard: list[bytes] = []
    ends = {socket.inet_aton(first), socket.inet_aton(second)}
    everything, ethernet, ipv4, udp = 3, 14, b"\x08\0", 17
    done = threading.Event()

    def listen(tap: socket.socket) -> None:
        while not done.is_set():
            try:
                frame = tap.recv(65536)
            except TimeoutError:
                continue
            packet = frame[ethernet:]
            if frame[12:14] != ipv4 or packet[9] != udp:
                continue
            if {packet[12:16], packet[16:20]} == ends:
                heard.append(packet[28:])

    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(everything)) as tap:
        tap.settimeout(0.2)
        thread = threading.Thread(target=listen, args=(tap,))
        thread.start()
        try:
            yield heard
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("number", "asked"),
    [("030555000", "off"), ("040555000", "refused")],
    ids=["tones", "T.38 refused"],
)
def test_two_pages_arrive_and_nobody_hears_them(
    both: tuple[Operator, Operator], document: Path, lab: Lab, number: str, asked: str
) -> None:
    near, far = both
    far.ssh(FAR, f"rm -f {paths.FAXES}/raw/*.*")
    address = {one.name: one.address for one in lab.hosts}
    with overheard(address[NEAR], address[FAR]) as heard:
        assert send(near, number, document) == (0, "2 of 2 pages sent by audio: OK")
    [file] = kept(far, FAR, "raw", ".tif")
    assert same(decoded(far, FAR, file), PAGES)
    # RTP and RTCP are of version 2; T.38 (UDPTL) begins with a count.
    assert {one[0] >> 6 for one in heard} == {2}
    voice = [one for one in heard if one[1] & 0x7F in (0, 8)]
    assert len(voice) > 1000
    # 20 ms of G.711 and what proves them whole.
    assert min(map(len, voice)) > 12 + 160
    # Tones and silence have few values; what is encrypted has as many as chance gives.
    assert min(len(set(one[12:172])) for one in voice) > 80
    last = f"grep 'T38 status' {FS_LOG} | tail -1"
    until(lambda: far.ssh(FAR, last).split()[-1:], [asked])
