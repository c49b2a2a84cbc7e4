"""Carriers by TLS: the right one is spoken with, an impostor hears nothing."""

from __future__ import annotations

import datetime
import json
import re
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.lab import Lab
from tests.acceptance.support.phones import Exchange, Phone, Srtp
from tests.roles.conftest import SITE, Operator
from tests.roles.support import phone_of, still_talking
from tests.roles.test_trunks import refused, talk

HOST = "trunktls1"
CARRIER = 5066
"""Of this machine; by TLS it is the port after it."""
NAME = "sip.carrier.test"

TRUNKS = f"""
    trunks=[
        Trunk("secure", host="{NAME}", port={CARRIER + 1}, transport="tls", networks=["GATEWAY"],
              ca_file="FOLDER/authority.pem", certificate="FOLDER/switch.pem",
              key=secret("switch-key"), ping_seconds=None),
        Trunk("voice-too", host="{NAME}", port={CARRIER + 1}, transport="tls", tls_port=5082,
              networks=["GATEWAY"], ca_file="FOLDER/authority.pem", srtp="required",
              certificate="FOLDER/switch.pem", key=secret("switch-key"), ping_seconds=None),
        Trunk("closed", host="{NAME}", port={CARRIER + 1}, transport="tls", tls_port=5083,
              networks=["GATEWAY"], ca_file="FOLDER/authority.pem", ping_seconds=None),
        Trunk("plain", host="GATEWAY", port={CARRIER}, ping_seconds=None),
    ],
    inbound=[Did("+4930123401", to=extension(1001))],
    outbound=[
        Route("secure", pattern=r"^0[1-9]\\d{{5,10}}$", strip=1, prefix="+49", trunks=["secure"]),
        Route("voice-too", pattern=r"^8(\\d{{8}})$", strip=1, prefix="+4940", trunks=["voice-too"]),
        Route("plain", pattern=r"^7(\\d{{8}})$", strip=1, prefix="+4941", trunks=["plain"]),
    ],
    outbound_limits=OutboundLimits(countries=["+49"], calls_per_hour=1000),
    media="""
ALLOWED = "*Extension.range(1000, 1009, ring_seconds=5)"
EXTENSIONS = (
    'Extension(1000, routes=["secure", "voice-too", "plain"]), '
    "*Extension.range(1001, 1009, ring_seconds=5)"
)


class Authority:
    """Signs certificates."""

    def __init__(self, name: str, above: Authority | None = None) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _signed(self.name, self.key, above or self, authority=True)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def made(self, name: str) -> tuple[bytes, bytes]:
        """A certificate for a host's name, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "of a test")])
        certificate = _signed(subject, key, self, names=[name])
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: Authority,
    *,
    names: list[str] | None = None,
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        by.name, subject, key.public_key(), x509.random_serial_number()
    )
    made = made.not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=2))
    made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        made = made.add_extension(alternative, critical=False)
    return made.sign(by.key, hashes.SHA256())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: of the carrier, of impostors, and of the switch."""
    made = tmp_path_factory.mktemp("certificates")
    authority, other = Authority("the authority"), Authority("another authority")
    between = Authority("between", authority)
    (made / "authority.pem").write_bytes(authority.pem)
    for name, by, host in (
        ("carrier", authority, NAME),
        ("other-name", authority, "sip.other.test"),
        ("other-authority", other, NAME),
    ):
        (made / f"{name}.pem").write_bytes(b"".join(by.made(host)))
    certificate, key = between.made("cc1.callcenter.test")
    (made / "switch.pem").write_bytes(certificate + between.pem)
    (made / "switch.key").write_bytes(key)
    return made


@pytest.fixture(scope="module")
def names(lab: Lab) -> Iterator[None]:
    """A name server that knows the carrier: sofia-sip does not read /etc/hosts."""
    server = socketserver.ThreadingUDPServer((lab.gateway, 53), Names)
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


class Names(socketserver.BaseRequestHandler):
    """Answers who asks for the carrier's address, and knows nothing else (RFC 1035)."""

    def handle(self) -> None:
        question, reply_on = self.request
        end = question.index(b"\0", 12) + 5
        asked = b".".join(re.findall(rb"[a-z]+", question[12 : end - 5])).decode()
        known = asked == NAME and question[end - 4 : end - 2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(self.server.server_address[0])
        head = question[:2] + b"\x85\x80" + struct.pack(">4H", 1, int(known), 0, 0)
        reply_on.sendto(head + question[12:end] + answer * known, self.client_address)


@pytest.fixture(scope="module")
def operator(
    operator_of: Callable[..., Operator], lab: Lab, folder: Path, names: None
) -> Operator:
    lab.up((HOST,))
    given = f"echo 'nameserver {lab.gateway}' >/etc/resolv.conf"
    subprocess.run(lab.ssh(HOST, [given]), check=True)
    made = operator_of(HOST)
    made.secrets.touch(0o600)
    made.secrets.write_text(json.dumps({"switch-key": (folder / "switch.key").read_text()}))
    made.describe(described(lab, folder))
    made.succeed()
    assert made.succeed().changes == 0
    return made


def described(lab: Lab, folder: Path) -> str:
    text = SITE.replace(ALLOWED, EXTENSIONS).replace("media=", TRUNKS, 1)
    return text.replace("GATEWAY", lab.gateway).replace("FOLDER", str(folder))


def world(lab: Lab, folder: Path, certificate: str) -> Exchange:
    return Exchange(
        lab.gateway,
        port=CARRIER,
        ca_file=folder / "authority.pem",
        certificate=folder / f"{certificate}.pem",
    )


@pytest.fixture
def exchange(lab: Lab, folder: Path) -> Iterator[Exchange]:
    """Phones, and a carrier with the right certificate."""
    with world(lab, folder, "carrier") as made:
        yield made


def address_of(operator: Operator) -> str:
    return next(one.address for one in operator.lab.hosts if one.name == HOST)


def carrier_phone(exchange: Exchange, number: str, srtp: Srtp | None = None) -> Phone:
    """Who is called at a number outside."""
    return exchange.phone(number, domain=f"{NAME}:{CARRIER + 1}", transport="tls", srtp=srtp)


@pytest.mark.parametrize("ends", ["caller", "callee"])
def test_a_call_goes_out_by_tls(operator: Operator, exchange: Exchange, ends: str) -> None:
    carrier = carrier_phone(exchange, "+4930555123")
    call = phone_of(operator, HOST, exchange, "1000").call("030555123")
    answered = carrier.incoming().answer()
    invite = carrier.wait_message(lambda one: one.method == "INVITE" and not one.sent)
    assert invite.transport == "TLS"
    talk(call, answered)
    if ends == "caller":
        call.hangup()
        assert answered.wait_ended().by == "them"
    else:
        answered.hangup()
        assert call.wait_ended().by == "them"


@pytest.mark.parametrize("ends", ["caller", "callee"])
def test_a_call_comes_in_by_tls(operator: Operator, exchange: Exchange, ends: str) -> None:
    """The carrier checks our certificate, too, which another one has signed for the authority."""
    called = phone_of(operator, HOST, exchange, "1001")
    at = f"{address_of(operator)}:5081"
    carrier = exchange.phone("+431555000", domain=at, transport="tls")
    call = carrier.call("+4930123401")
    answered = called.incoming().answer()
    assert "+431555000" in answered.number
    talk(call, answered)
    if ends == "caller":
        call.hangup()
        assert answered.wait_ended().by == "them"
    else:
        answered.hangup()
        assert call.wait_ended().by == "them"


@pytest.mark.parametrize("impostor", ["other-name", "other-authority"])
def test_an_impostor_hears_nothing(
    operator: Operator, lab: Lab, folder: Path, impostor: str
) -> None:
    with world(lab, folder, impostor) as exchange:
        carrier = carrier_phone(exchange, "+4930555123")
        # As of a trunk that says nothing: the next one would be tried.
        assert refused(phone_of(operator, HOST, exchange, "1000").call("030555123")) == 480
        assert not carrier._ringing
        assert not [one for one in exchange.trace.messages if one.transport == "TLS"]


def test_voice_is_encrypted_or_there_is_no_call(operator: Operator, exchange: Exchange) -> None:
    secure = carrier_phone(exchange, "+494011111111", srtp="sdes")
    caller = phone_of(operator, HOST, exchange, "1000")
    call = caller.call("811111111")
    answered = secure.incoming().answer()
    invite = secure.wait_message(lambda one: one.method == "INVITE" and not one.sent)
    assert "RTP/SAVP" in invite.text
    talk(call, answered)
    call.hangup()
    answered.wait_ended()
    carrier_phone(exchange, "+494022222222")
    assert refused(caller.call("822222222")) == 488
    called = phone_of(operator, HOST, exchange, "1001")
    at = f"{address_of(operator)}:5082"
    coming = exchange.phone("+431555001", domain=at, transport="tls", srtp="sdes")
    call = coming.call("+4930123401")
    answered = called.incoming().answer()
    assert "RTP/SAVP" not in called.wait_message(lambda one: one.method == "INVITE").text
    talk(call, answered)
    call.hangup()
    answered.wait_ended()
    coming = exchange.phone("+431555002", domain=at, transport="tls")
    assert refused(coming.call("+4930123401")) == 488


def test_who_may_connect(operator: Operator, lab: Lab) -> None:
    """A port with a certificate is open to the carrier alone, one without to nobody."""
    rules = operator.ssh(HOST, "nft list ruleset")
    assert f'{lab.gateway} tcp dport 5081 accept comment "trunk secure"' in rules
    assert "dport 5083" not in rules
    assert operator.ssh(HOST, "stat -c '%U %G %a' /etc/freeswitch/current/certificates/*/*").split(
        "\n"
    )[:-1] == ["root freeswitch 640"] * 6
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex((address_of(operator), 5083)) != 0


def test_without_it_nothing_is_left(operator: Operator, lab: Lab) -> None:
    operator.describe(SITE)
    operator.succeed()
    assert operator.ssh(HOST, "ls /etc/freeswitch/current/certificates 2>&1").startswith("ls: ")
    assert ":508" not in operator.ssh(HOST, "ss -Hlntu")
    assert "508" not in operator.ssh(HOST, "nft list ruleset")
