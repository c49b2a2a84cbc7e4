"""Phones that register with, and call through, a real registrar: Kamailio from Debian.

Its address is an IP while the phones' domain and realm is a name that no resolver knows, as with
a site's switch.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.acceptance.support.audio import assert_heard, assert_not_heard
from tests.acceptance.support.phones import (
    CallFailed,
    Exchange,
    Phone,
    RegistrationRefused,
    Transport,
    Unreachable,
)
from tests.acceptance.support.waiting import PATIENCE
from tests.unit.acceptance.ports import free_port

KAMAILIO = shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin:/usr/bin")
TLS_MODULE = next(Path("/usr/lib").glob("*/kamailio/modules/tls.so"), None)
DOMAIN, PASSWORD = "site.invalid", "loopback-test-password"

pytestmark = pytest.mark.skipif(KAMAILIO is None, reason="kamailio is not installed")

CONFIG = """
log_stderror=yes
debug=1
children=2
tcp_children=2
dns=no
rev_dns=no
auto_aliases=no
alias="{domain}"
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
{tls}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"

request_route {{
    if (is_method("CANCEL")) {{ t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route() || is_method("ACK")) {{ t_relay(); exit; }}
        sl_send_reply("481", "No Such Dialog"); exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("{domain}", "{password}", "0")) {{
            www_challenge("{domain}", "1"); exit;
        }}
        save("location"); exit;
    }}
    if (is_method("ACK")) exit;
    if (!pv_proxy_authenticate("{domain}", "{password}", "0")) {{
        proxy_challenge("{domain}", "1"); exit;
    }}
    consume_credentials();
    record_route();
    if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
    t_relay();
}}
"""
TLS_CONFIG = """
enable_tls=yes
listen=tls:127.0.0.1:{port}
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{certificate}")
"""


@dataclass(frozen=True)
class Registrar:
    """Where Kamailio listens, and who vouches for it."""

    port: int
    tls_port: int
    ca_file: Path

    def phone(
        self,
        exchange: Exchange,
        user: str,
        transport: Transport = "udp",
        password: str = PASSWORD,
    ) -> Phone:
        """Return a phone of this registrar."""
        port = self.tls_port if transport == "tls" else self.port
        return exchange.phone(
            user, password, domain=DOMAIN, server="127.0.0.1", port=port, transport=transport
        )


def write_certificate(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise RuntimeError(f"kamailio does not listen: {log.read_text()}")


@pytest.fixture(scope="module")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registrar]:
    home = tmp_path_factory.mktemp("kamailio")
    port, tls_port, certificate = free_port(), free_port(), home / "certificate.pem"
    write_certificate(certificate)
    tls = TLS_CONFIG.format(port=tls_port, certificate=certificate) if TLS_MODULE else ""
    config, log = home / "kamailio.cfg", home / "log"
    config.write_text(CONFIG.format(domain=DOMAIN, password=PASSWORD, port=port, tls=tls))
    command = [str(KAMAILIO), "-DD", "-E", "-f", str(config), "-w", str(home), "-Y", str(home)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for_port(port, process, log)
        yield Registrar(port, tls_port, certificate)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def exchange(registrar: Registrar) -> Iterator[Exchange]:
    with Exchange("127.0.0.1", ca_file=registrar.ca_file) as exchange:
        yield exchange


TRANSPORTS = [
    "udp",
    "tcp",
    pytest.param(
        "tls", marks=pytest.mark.skipif(not TLS_MODULE, reason="kamailio-tls-modules is missing")
    ),
]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_phones_register_call_and_talk(
    registrar: Registrar, exchange: Exchange, transport: Transport
) -> None:
    alice, bob = (registrar.phone(exchange, user, transport) for user in ("1001", "1002"))
    alice.register()
    bob.register()
    call = alice.call("1002")
    answered = bob.incoming().answer()
    call.wait_established()
    assert (call.number, answered.number) == ("1002", "1001")
    call.play(440)
    answered.play(1000)
    assert_heard(call, 1000, seconds=1)
    assert_heard(answered, 440, seconds=1)
    assert_not_heard(call, 440)
    assert_not_heard(answered, 1000)
    answered.hangup()
    assert call.wait_ended().by == "them"
    assert {message.transport for message in exchange.trace.messages} == {transport.upper()}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_wrong_password_is_refused_with_the_registrars_answer(
    registrar: Registrar, exchange: Exchange, transport: Transport
) -> None:
    phone = registrar.phone(exchange, "1001", transport, password="not-this-one")
    with pytest.raises(RegistrationRefused) as refusal:
        phone.register()
    assert (refusal.value.code, refusal.value.reason) == (401, "Unauthorized")


def test_calling_without_the_right_password_fails(registrar: Registrar, exchange: Exchange) -> None:
    with pytest.raises(CallFailed) as refusal:
        registrar.phone(exchange, "1001", password="not-this-one").call("1002").wait_established()
    assert refusal.value.code == 407


def test_who_unregisters_is_not_found(registrar: Registrar, exchange: Exchange) -> None:
    alice, bob = registrar.phone(exchange, "1001"), registrar.phone(exchange, "1002")
    alice.register()
    bob.register()
    bob.unregister()
    with pytest.raises(CallFailed) as refusal:
        alice.call("1002").wait_established()
    assert refusal.value.code == 404


def test_leaving_the_exchange_unregisters_its_phones(registrar: Registrar) -> None:
    with Exchange("127.0.0.1") as exchange:
        registrar.phone(exchange, "1005").register()
    last = exchange.trace.messages[-1]  # All of them are there once the exchange is left.
    assert (last.method, last.status) == ("REGISTER", 200)
    assert "expires=0" in str(exchange.ladder())


@pytest.mark.skipif(not TLS_MODULE, reason="kamailio-tls-modules is missing")
def test_a_certificate_of_an_unknown_authority_is_not_trusted(registrar: Registrar) -> None:
    with Exchange("127.0.0.1") as exchange, pytest.raises(Unreachable):
        registrar.phone(exchange, "1001", "tls").register()


def test_no_password_shows_in_the_ladder_or_a_phones_text(
    registrar: Registrar, exchange: Exchange
) -> None:
    phone = registrar.phone(exchange, "1001")
    phone.register()
    phone.wait_message(lambda m: m.status == 200)
    ladder = str(exchange.ladder())
    assert 'response="***"' in ladder
    assert ladder.count("response=") == ladder.count('response="***"')
    for text in (ladder, repr(phone), repr(vars(phone)), repr(vars(exchange))):
        assert PASSWORD not in text
