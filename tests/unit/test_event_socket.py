"""What TLS before the Event Socket is made of, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from callcenter.render import packet_filter
from callcenter.render.where import needs_linux
from callcenter.site import EventSocket, EventSocketTls, Extension, Network, Site, SiteError
from callcenter.site.where import needs_switch
from tests.certificates import Authority

NETWORKS = ["192.0.2.0/28"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "authority")


def tls(authority: Authority, **given: object) -> EventSocketTls:
    certificate, key = authority.certificate("switch")
    fields = {
        "certificate": certificate,
        "key": key,
        "clients": authority.file,
        "networks": NETWORKS,
    }
    return EventSocketTls(**(fields | given))  # type: ignore[arg-type]


def refusal(authority: Authority, **given: object) -> str:
    with pytest.raises(SiteError) as refused:
        tls(authority, **given)
    return str(refused.value)


def test_a_key_that_others_may_read(authority: Authority) -> None:
    _, key = authority.certificate("open")
    key.chmod(0o644)
    assert f"EventSocketTls.key: {key} is readable by others; run: chmod 600" in refusal(
        authority, key=key
    )


def test_a_key_of_another_certificate(authority: Authority) -> None:
    assert "EventSocketTls.key" in refusal(authority, key=authority.certificate("other")[1])


def test_a_key_with_a_passphrase(authority: Authority) -> None:
    certificate, key = authority.certificate("locked")
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        plain.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a passphrase"),
        )
    )
    assert "has a passphrase" in refusal(authority, certificate=certificate, key=key)


@pytest.mark.parametrize("field", ["certificate", "clients"])
@pytest.mark.parametrize("file", ["/dev/null", "/nowhere/a.pem", __file__])
def test_what_is_no_certificate(authority: Authority, field: str, file: str) -> None:
    assert f"EventSocketTls.{field}: {file} is no certificate" in refusal(
        authority, **{field: file}
    )


def test_networks_must_be_named(authority: Authority) -> None:
    assert "EventSocketTls.networks: is empty" in refusal(authority, networks=[])


def site(authority: Authority, **given: object) -> Site:
    fields = {
        "domain": "cc.example.net",
        "extensions": [Extension(1000)],
        "event_socket": EventSocket(tls=tls(authority)),
    }
    return Site(**(fields | given))  # type: ignore[arg-type]


@pytest.mark.parametrize("port", [5060, 8021, 20000])
def test_a_port_that_is_taken(authority: Authority, port: int) -> None:
    with pytest.raises(SiteError, match=rf"Site.event_socket.tls.port: {port} (is|lies in) \w+"):
        site(authority, event_socket=EventSocket(tls=tls(authority, port=port)))


def test_the_firewall_lets_in_the_networks_alone(authority: Authority) -> None:
    made = site(authority, network=Network(sip_from=["198.51.100.0/24"]))
    rules = "".join(file.text for file in packet_filter.configuration(made, [22]))
    assert 'ip saddr { 192.0.2.0/28 } tcp dport 8031 accept comment "event socket by TLS"' in rules
    assert rules.count("8031") == 1
    # A host without a switch has nothing there.
    edge = "".join(file.text for file in packet_filter.configuration(made, [22], rtp=False))
    assert "8031" not in edge


def test_what_needs_a_switch_and_linux(authority: Authority) -> None:
    made = site(authority)
    assert any(line.startswith("Site.event_socket.tls:") for line in needs_switch(made))
    assert any(line.startswith("Site.event_socket.tls:") for line in needs_linux(made))
