"""Carriers by TLS: the right one is spoken with, an impostor hears nothing."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.lab import Lab
from tests.acceptance.support.phones import Exchange, Phone, Srtp
from tests.acceptance.support.waiting import PATIENCE
from tests.certificates import Authority
from tests.roles.conftest import SITE, Operator
from tests.roles.support import name_server, phone_of, until
from tests.roles.test_trunks import refused, talk

HOST = "trunktls1"
CARRIER = 5066
"""Port of this machine; by TLS it is the port after it."""
REGISTRAR = 5090
NAME = "sip.carrier.test"

TRUNKS = f"""
    trunks=[
        Trunk("secure", host="{NAME}", port={CARRIER + 1}, transport="tls", networks=["GATEWAY"],
              ca_file="FOLDER/authority.pem", certificate="FOLDER/switch.pem",
              key=secret("switch-key"), ping_seconds=None),
        Trunk("voice-too", host="{NAME}", port={CARRIER + 1}, transport="tls", tls_port=5082,
              networks=["GATEWAY"], ca_file="FOLDER/authority.pem", srtp=True,
              certificate="FOLDER/switch.pem", key=secret("switch-key"), ping_seconds=None),
        Trunk("closed", host="{NAME}", port={CARRIER + 1}, transport="tls", tls_port=5083,
              networks=["GATEWAY"], ca_file="FOLDER/authority.pem", ping_seconds=None),
        Trunk("registered", host="{NAME}", port={REGISTRAR}, transport="tls", tls_port=5084,
              networks=["GATEWAY"], ca_file="FOLDER/authority.pem", username="acct",
              password=secret("account"), ping_seconds=None),
        Trunk("plain", host="GATEWAY", port={CARRIER}, ping_seconds=None),
    ],
    inbound=[
        Did("+4930123401", to=extension(1001)),
        Did("+4930123402", to=extension(1001), trunk="voice-too"),
    ],
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: of the carrier, of impostors, and of the switch."""
    made = tmp_path_factory.mktemp("certificates")
    authority, other = Authority.make(made / "own"), Authority.make(made / "other", "other")
    between = authority.below(made / "between", "between")
    (made / "authority.pem").write_bytes(authority.file.read_bytes())
    for name, by, host in (
        ("carrier", authority, NAME),
        ("other-name", authority, "sip.other.test"),
        ("other-authority", other, NAME),
    ):
        (made / f"{name}.pem").write_bytes(
            b"".join(one.read_bytes() for one in by.certificate(host))
        )
    certificate, key = between.certificate("cc1.callcenter.test")
    (made / "switch.pem").write_bytes(certificate.read_bytes() + between.file.read_bytes())
    (made / "switch.key").write_bytes(key.read_bytes())
    return made


@pytest.fixture(scope="module")
def names(lab: Lab) -> Iterator[None]:
    with name_server(lab.gateway, {NAME: lab.gateway}):
        yield


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab, folder: Path, names: None) -> Operator:
    made = operator_of(HOST)
    assert made.ssh(HOST, f"echo 'nameserver {lab.gateway}' >/etc/resolv.conf") == ""
    made.secrets.touch(0o600)
    given = {"switch-key": (folder / "switch.key").read_text(), "account": "k3-Wq.9vT_x7-Lm"}
    made.secrets.write_text(json.dumps(given))
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
    """Return who is called at a number outside."""
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
        # As by a trunk that says nothing: the next one would be tried, and the last ends the call
        # when nothing can come any more (RFC 3261, 32 s).
        call = phone_of(operator, HOST, exchange, "1000").call("030555123")
        assert call.wait_ended(60).code == 408
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
    # Its calls are told from those of the other trunks of this carrier.
    call = coming.call("+4930123402")
    answered = called.incoming().answer()
    assert "RTP/SAVP" not in called.wait_message(lambda one: one.method == "INVITE").text
    talk(call, answered)
    call.hangup()
    answered.wait_ended()
    coming = exchange.phone("+431555002", domain=at, transport="tls")
    assert refused(coming.call("+4930123401")) == 488


def test_calls_come_over_the_connection_of_a_registration(
    operator: Operator, exchange: Exchange, lab: Lab, folder: Path
) -> None:
    """Without a certificate of our own: the port is closed."""
    called = phone_of(operator, HOST, exchange, "1001")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "carrier.pem")
    with socket.create_server((lab.gateway, REGISTRAR)) as listening:
        listening.settimeout(PATIENCE)
        operator.ssh(HOST, "fs_cli -x 'sofia profile tls-registered register registered'")
        connection, _ = listening.accept()
        connection.settimeout(PATIENCE)
        with context.wrap_socket(connection, server_side=True) as carrier:
            register = received(carrier, "REGISTER ")
            contact = re.search(r"^Contact: <([^>]+)>", register, re.MULTILINE)
            assert contact
            same = re.findall(r"^(?:Via|From|To|Call-ID|CSeq|Contact): .*$", register, re.MULTILINE)
            answer = ["SIP/2.0 200 OK", *same, "Expires: 3600", "Content-Length: 0", "", ""]
            carrier.sendall("\r\n".join(answer).encode())
            body = f"v=0\r\no=- 1 1 IN IP4 {lab.gateway}\r\ns=-\r\nc=IN IP4 {lab.gateway}\r\n"
            body += "t=0 0\r\nm=audio 45000 RTP/AVP 0\r\n"
            at = f"{NAME}:{REGISTRAR}"
            head = [
                *("Max-Forwards: 70", f"Via: SIP/2.0/TLS {at};branch=z9hG4bK1"),
                *("Call-ID: 1@test", f"From: <sip:+431555003@{NAME}>;tag=1"),
                f"To: <sip:+4930123401@{NAME}>",
            ]
            invite = [
                *(f"INVITE {contact[1]} SIP/2.0", *head, "CSeq: 1 INVITE"),
                *(f"Contact: <sip:{at};transport=tls>", "Content-Type: application/sdp"),
                *(f"Content-Length: {len(body)}", "", body),
            ]
            carrier.sendall("\r\n".join(invite).encode())
            ringing = called.incoming()
            assert "+431555003" in ringing.number
            received(carrier, "SIP/2.0 18")
            cancel = [f"CANCEL {contact[1]} SIP/2.0", *head, "CSeq: 1 CANCEL", "Content-Length: 0"]
            carrier.sendall("\r\n".join([*cancel, "", ""]).encode())
            received(carrier, "SIP/2.0 487")
            ringing.wait_ended()


def received(carrier: ssl.SSLSocket, begin: str) -> str:
    """Return the next message that begins so."""
    text = ""
    while not (found := re.search(rf"(?:^|\n){re.escape(begin)}.*?\n\n", text, re.DOTALL)):
        more = carrier.recv(65536)
        assert more, text
        text += more.decode().replace("\r", "")
    return found[0].lstrip()


def test_who_may_connect(operator: Operator, lab: Lab) -> None:
    """A port with a certificate is open to the carrier alone, one without to nobody."""
    rules = operator.ssh(HOST, "nft list ruleset")
    assert f'{lab.gateway} tcp dport 5081 accept comment "trunk secure"' in rules
    assert "dport 5083" not in rules
    assert (
        operator.ssh(HOST, "stat -c '%U %G %a' /etc/freeswitch/current/certificates/*/*").split(
            "\n"
        )[:-1]
        == ["root freeswitch 640"] * 8
    )
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex((address_of(operator), 5083)) != 0


def test_without_it_nothing_is_left(operator: Operator, lab: Lab) -> None:
    operator.describe(SITE)
    operator.succeed()
    assert operator.ssh(HOST, "ls /etc/freeswitch/current/certificates 2>&1").startswith("ls: ")
    # The stack of a profile ends when it has given up what a silent carrier owes it: 32 s.
    until(lambda: operator.ssh(HOST, "ss -Hlntu"), lambda said: ":508" not in said)
    assert "508" not in operator.ssh(HOST, "nft list ruleset")
