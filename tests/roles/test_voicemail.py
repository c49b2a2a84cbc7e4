"""Voicemail over time: by mail, through deploys, kept for so many days, switched off and on."""

from __future__ import annotations

import datetime
import email
import email.policy
import ipaddress
import json
import queue
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from callcenter.render import paths, users
from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard, read_wav
from tests.acceptance.support.logs import LOG
from tests.acceptance.support.phones import Exchange, Phone
from tests.acceptance.support.waiting import PATIENCE
from tests.acceptance.test_t2_call import CALLER_HZ
from tests.acceptance.test_t3_voicemail import await_beep, light, speak_after_beep
from tests.roles.conftest import SITE, Operator
from tests.roles.support import until

HOST = "voicemail1"
DOMAIN = "roles.callcenter.test"
MAIL_SERVER = "mail.callcenter.test"
LOGIN = ("pbx", "Tr0ub4dor-and-3-more")

EXTENSIONS = "extensions=[*Extension.range(1000, 1009, ring_seconds=5)]"
MAILBOX = SITE.replace(
    EXTENSIONS,
    "extensions=[*Extension.range(1000, 1008, ring_seconds=5), "
    'Extension(1009, voicemail=Mailbox(email="desk@callcenter.test"))]',
)
MAIL = 'smtp=Smtp("%s", port=%d, sender="pbx@callcenter.test", user="%s", password=secret("mail"), '
MAIL += 'ca_file="%s"),'
PLAIN = MAILBOX.replace('Mailbox(email="desk@callcenter.test")', "True")


@dataclass
class MailServer:
    """A mail server with TLS and a login, and what it was given."""

    port: int
    ca_file: Path
    mails: queue.Queue[tuple[str, list[str], bytes]]

    def site(self) -> str:
        """Return a Site that sends through it."""
        smtp = MAIL % (MAIL_SERVER, self.port, LOGIN[0], self.ca_file)
        return MAILBOX.replace("    media=", f"    {smtp}\n    media=")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return a self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, MAIL_SERVER)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(MAIL_SERVER)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "mail.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "mail.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "mail.pem", folder / "mail.key"


@pytest.fixture(scope="module")
def mail_server(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    """A mail server beside the hosts."""
    controllers: Any = pytest.importorskip("aiosmtpd.controller", reason="needs aiosmtpd")
    smtp: Any = pytest.importorskip("aiosmtpd.smtp")
    mails: queue.Queue[tuple[str, list[str], bytes]] = queue.Queue()

    class Handler:
        async def handle_DATA(self, _: Any, session: Any, envelope: Any) -> str:
            assert session.ssl is not None
            mails.put((envelope.mail_from, envelope.rcpt_tos, envelope.content))
            return "250 OK"

    def authenticate(*given: Any) -> Any:
        data = given[4]
        right = (data.login, data.password) == tuple(word.encode() for word in LOGIN)
        return smtp.AuthResult(success=right)

    pem, key = certificate(tmp_path_factory.mktemp("mail"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, key)
    controller = controllers.Controller(
        Handler(),
        hostname=str(ipaddress.ip_address(lab.gateway)),
        port=2587,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
        ready_timeout=PATIENCE,
    )
    controller.start()
    yield MailServer(controller.port, pem, mails)
    controller.stop()


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.secrets.write_text(json.dumps({"mail": LOGIN[1]}))
    made.secrets.chmod(0o600)
    made.describe(PLAIN)
    made.succeed()
    assert made.ssh(HOST, f"echo '{lab.gateway} {MAIL_SERVER}' >>/etc/hosts") == ""
    return made


@pytest.fixture(autouse=True)
def _empty(operator: Operator) -> Iterator[None]:
    yield
    operator.ssh(HOST, f"fs_cli -x 'vm_delete 1009@{DOMAIN}'")


@pytest.fixture
def phone(operator: Operator, exchange: Exchange) -> Callable[[str], Phone]:
    """A registered phone of an extension."""
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)

    def make(number: str) -> Phone:
        password = json.loads(operator.secrets.read_text())[f"extension/{number}"]
        made = exchange.phone(number, password, domain=DOMAIN, server=server, codecs=("PCMU",))
        made.register()
        return made

    return make


def messages(operator: Operator) -> list[list[str]]:
    """Return the mailbox's messages, as mod_voicemail lists them."""
    said = operator.ssh(HOST, f"fs_cli -x 'vm_list 1009@{DOMAIN}'")
    return [line.split(":") for line in said.splitlines() if line[:1].isdigit()]


def leave(caller: Phone) -> None:
    """Leave a message of four seconds; nobody is there to answer."""
    call = caller.call("1009")
    speak_after_beep(call, 4)
    call.hangup()


def left(operator: Operator, count: int) -> list[list[str]]:
    """Return the messages, once there are so many: FreeSWITCH stores one after the caller hung
    up."""
    return until(lambda: messages(operator), lambda found: len(found) == count)


def arrived(operator: Operator, server: MailServer) -> tuple[str, list[str], bytes]:
    """Return the next mail, or what the host says about it."""
    try:
        return server.mails.get(timeout=PATIENCE)
    except queue.Empty:
        said = operator.ssh(HOST, "journalctl --no-pager -t msmtp; tail -n 40 " + LOG)
        raise AssertionError(f"no mail came; {messages(operator)}\n{said}") from None


def make_old(operator: Operator, uuid: str) -> None:
    """Let a message have been left 91 days earlier."""
    script = (
        "import sqlite3; c = sqlite3.connect('/var/lib/freeswitch/db/voicemail_default.db'); "
        "c.execute('update voicemail_msgs set created_epoch = created_epoch - 91 * 86400 "
        f"where uuid = ?', ['{uuid}']); c.commit()"
    )
    assert operator.ssh(HOST, f'python3 -c "{script}"') == ""


def test_mail(operator: Operator, mail_server: MailServer, phone: Callable[[str], Phone]) -> None:
    """A message arrives by mail, as sound, over TLS and with the login; the password is closed"""
    operator.describe(mail_server.site())
    shown = operator.succeed("-y", "--diff", "-vvv").output
    assert LOGIN[1] not in shown
    assert operator.succeed().changes == 0
    leave(phone("1000"))
    sender, recipients, content = arrived(operator, mail_server)
    assert (sender, recipients) == ("pbx@callcenter.test", ["desk@callcenter.test"])
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["To"] == "desk@callcenter.test"
    assert message["Subject"] == "Voicemail for 1009 from 1000"
    assert message["Date"]
    text, sound = message.iter_parts()
    assert "1000 (1000) left a message for 1009." in text.get_content()
    [recorded] = read_wav(sound.get_payload(decode=True))  # type: ignore[arg-type]
    assert_heard(recorded, CALLER_HZ, 2)
    # It is in the mailbox all the same.
    assert len(left(operator, 1)) == 1
    held = operator.ssh(HOST, f"grep -rlF '{LOGIN[1]}' /etc /usr/lib/callcenter /var/log")
    assert held.split() == [paths.SMTP_PASSWORD]
    stat = operator.ssh(HOST, f"stat -c '%U %G %a' {paths.SMTP_PASSWORD}")
    assert stat.split() == ["root", users.MAIL, "640"]


def test_mail_off(operator: Operator, mail_server: MailServer) -> None:
    """Without smtp the configuration and the password are gone"""
    operator.describe(mail_server.site())
    operator.succeed()
    operator.describe(PLAIN)
    operator.succeed()
    left = operator.ssh(HOST, f"ls {paths.SMTP_CONFIG} {paths.SMTP_PASSWORD} {paths.SMTP_CA}")
    assert left.count("No such file") == 3
    assert operator.succeed().changes == 0


def test_retention(operator: Operator, phone: Callable[[str], Phone]) -> None:
    """The timer's service deletes what is too old, with its file, and switches the light off"""
    operator.describe(PLAIN)
    operator.succeed()
    caller = phone("1000")
    leave(caller)
    [old] = left(operator, 1)
    leave(caller)
    assert len(left(operator, 2)) == 2
    make_old(operator, old[6])
    service = f"{Path(paths.VOICEMAIL_RETENTION).name}.service"
    assert operator.ssh(HOST, f"systemctl start {service}") == ""
    [kept] = messages(operator)
    assert kept[6] != old[6]
    files = operator.ssh(HOST, f"find {paths.VOICEMAIL} -name 'msg_*'").split()
    assert files == [kept[5]]
    # The last goes, too, and a phone that is there is told.
    owner = phone("1009")
    lit = light(owner, on=True)
    operator.describe(PLAIN.replace("media=", "voicemail=Voicemail(keep_days=1), media="))
    operator.succeed()
    make_old(operator, kept[6])
    assert operator.ssh(HOST, f"systemctl start {service}") == ""
    light(owner, on=False, after=lit.at)
    assert messages(operator) == []


def test_change_spares_who_is_speaking(operator: Operator, phone: Callable[[str], Phone]) -> None:
    """A caller who leaves a message goes on through a change of the voicemail's settings"""
    operator.describe(PLAIN)
    operator.succeed()
    call = phone("1000").call("1009")
    await_beep(call)
    call.play(CALLER_HZ)
    operator.describe(PLAIN.replace("media=", "voicemail=Voicemail(max_seconds=120), media="))
    operator.succeed()
    assert not call.ended
    call.listen(lambda _: False, 3)
    assert not call.ended
    call.hangup()
    left(operator, 1)
    assert operator.succeed().changes == 0


def test_off_and_on(operator: Operator, phone: Callable[[str], Phone]) -> None:
    """Switched off, nothing is left but the messages; switched on again, they are heard"""
    operator.describe(PLAIN)
    operator.succeed()
    caller = phone("1000")
    leave(caller)
    [message] = left(operator, 1)

    operator.describe(SITE)
    operator.succeed()
    assert operator.ssh(HOST, "fs_cli -x 'module_exists mod_voicemail'").strip() == "false"
    installed = operator.ssh(HOST, "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n'")
    names = {line.split()[1] for line in installed.splitlines() if line.startswith("ii")}
    assert not {"freeswitch-mod-voicemail", "msmtp", "msmtp-mta"} & names
    assert caller.call("*97").wait_ended().code == 404
    assert caller.call("1009").wait_ended().code == 480
    found = operator.ssh(
        HOST,
        f"ls {paths.VOICEMAIL_TOOL}; "
        "systemctl list-timers --all --no-pager | grep callcenter-voicemail; "
        "find /etc/systemd -name 'callcenter-voicemail*'; "
        f"find {paths.CURRENT}/ -name '*voicemail*'",
    )
    assert [line for line in found.splitlines() if "No such file" not in line] == []
    assert operator.ssh(HOST, f"ls {message[5]}").strip() == message[5]
    assert operator.succeed().changes == 0

    operator.describe(PLAIN)
    operator.succeed()
    assert left(operator, 1) == [message]
    pin = json.loads(operator.secrets.read_text())["voicemail/1009"]
    call = phone("1009").call("*97")
    call.wait_established()
    call.send_dtmf(f"{pin}#")
    assert_heard(call, CALLER_HZ, 2)
    call.hangup()
