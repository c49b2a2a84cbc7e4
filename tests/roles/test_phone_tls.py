"""Phones that come by TLS: it ends at Kamailio, before the switch."""

from __future__ import annotations

import base64
import json
import re
import resource
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from callcenter.render import kamailio, paths
from lab import nat, network
from tests.acceptance.support.audio import assert_heard, assert_speech, read_wav
from tests.acceptance.support.ladder import Message as SipMessage
from tests.acceptance.support.phones import (
    Call,
    CallFailed,
    Codec,
    Exchange,
    Phone,
    PhoneError,
    Srtp,
    Transport,
)
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Account, Message, Peer, render, sdp
from tests.certificates import Authority
from tests.roles.conftest import SITE, Operator
from tests.roles.support import (
    CALLER_HZ,
    hold_and_resume,
    phone_of,
    put_through,
    still_talking,
    until_on,
    verify,
)
from tests.roles.test_fax_tls import overheard

HOST = "secure1"
DOMAIN = "roles.callcenter.test"
PORT = 5061
GROUP = "6100"
QUEUES = {"1001": "7000", "1009": "7001"}
"""Queue of each agent, who are the members of the group."""
BOX = "1010"
LOADED = """
extern void *dlsym(void *, const char *);
int RAND_bytes(unsigned char *made, int length) {
    int done = ((int (*)(unsigned char *, int)) dlsym((void *) -1, "RAND_bytes"))(made, length);
    if (length == 30 || length == 46) made[0] = 0;
    return done;
}
"""
"""Dice of OpenSSL's with which each key of SRTP begins with a 0, as one in 256 does."""
WAYS: tuple[tuple[str, Transport], ...] = (("1007", "tls"), ("1006", "udp"))


@dataclass(frozen=True)
class Secure:
    """A switch whose phones come by TLS, and the authority of its certificates."""

    operator: Operator
    authority: Authority

    @property
    def address(self) -> str:
        """The switch's."""
        return next(one.address for one in self.operator.lab.hosts if one.name == HOST)

    def describe(self, more: str = "", **host_data: str) -> None:
        """Give the Site a new certificate, and say more of its TLS."""
        certificate, key = self.authority.certificate(DOMAIN)
        # An authority of one's own comes last, so that the operator's tests know it.
        certificate.write_bytes(certificate.read_bytes() + self.authority.file.read_bytes())
        kept = json.loads(self.operator.secrets.read_text())
        self.operator.secrets.write_text(json.dumps(kept | {"phones-key": key.read_text()}))
        tls = f"PhoneTls('{certificate}', secret('phones-key'){more})"
        site = SITE.replace("Network(", f"Network(tls={tls}, ")
        members = [*QUEUES]
        queues = ", ".join(f"Queue('of-{one}', number={QUEUES[one]})" for one in members)
        agents = ", ".join(f"Agent({one}, skills={{'of-{one}': 1}}, wrap_up=0)" for one in members)
        services = (
            f"ring_groups=[RingGroup('all', {members}, number={GROUP})], queues=[{queues}], "
            f"agents=[{agents}], media="
        )
        box = f"extensions=[Extension({BOX}, voicemail=True), "
        site = site.replace("media=", services).replace("extensions=[", box)
        self.operator.describe(site, **host_data)

    def shown(self, **given: ssl.TLSVersion) -> ssl.SSLSocket:
        """Return the connection of a program that checks the name in the certificate."""
        asked = ssl.create_default_context(cafile=self.authority.file)
        for name, value in given.items():
            setattr(asked, name, value)
        plain = socket.create_connection((self.address, PORT), timeout=60)
        return asked.wrap_socket(plain, server_hostname=DOMAIN)


@pytest.fixture(scope="module")
def secure(
    operator_of: Callable[..., Operator], tmp_path_factory: pytest.TempPathFactory
) -> Secure:
    """A switch that was deployed with an edge, and then with TLS."""
    made = Secure(operator_of(HOST), Authority.make(tmp_path_factory.mktemp("phones") / "own"))
    made.operator.describe(SITE)
    made.operator.succeed()
    made.describe()
    made.operator.succeed()
    return made


@pytest.fixture
def exchange(secure: Secure) -> Iterator[Exchange]:
    """Phones that know the authority."""
    with Exchange(secure.operator.lab.gateway, ca_file=secure.authority.file) as made:
        yield made


def encrypting(secure: Secure, exchange: Exchange, number: str, codec: Codec = "PCMU") -> Phone:
    """Return a phone that comes by TLS and encrypts its voice."""
    return phone_of(secure.operator, HOST, exchange, number, (codec,), transport="tls", srtp="sdes")


def talk(
    secure: Secure, exchange: Exchange, caller: Transport, callee: Transport
) -> tuple[Call, Call]:
    """Return a call that two hear each other in; who calls and who is called, and by what."""
    numbers: dict[Transport, str] = {"udp": "1000", "tcp": "1001", "tls": "1002"}
    called = "1003" if caller == callee else numbers[callee]
    by = phone_of(secure.operator, HOST, exchange, numbers[caller], transport=caller)
    to = phone_of(secure.operator, HOST, exchange, called, transport=callee)
    return put_through(by, to, called)


def test_a_second_run_changes_nothing(secure: Secure) -> None:
    again = secure.operator.succeed(counted=True)
    assert again.changes == 0, again.output
    assert again.commands <= 12


def test_the_operators_own_tests_prove_it(secure: Secure, tmp_path: Path) -> None:
    only = "test_every_extension_registers or test_certificate or test_listeners"
    proved = verify(secure.operator, only, tmp_path / "report.html")
    assert proved.returncode == 0, proved.stdout
    said = proved.stdout
    for line in ("registers by digest [tls]", "by TLS is shown the Site's certificate"):
        assert line in said, said


@pytest.mark.parametrize(
    ("caller", "callee"), [("tls", "tls"), ("tls", "udp"), ("udp", "tls"), ("tcp", "tls")]
)
def test_phones_talk(
    secure: Secure, exchange: Exchange, caller: Transport, callee: Transport
) -> None:
    """Whoever hangs up ends both, on hold and off again in between."""
    call, answered = talk(secure, exchange, caller, callee)
    for one, other in ((call, answered), (answered, call)):
        hold_and_resume(one, other)
        still_talking(call, answered)
    answered.hangup()
    assert call.wait_ended().by == "them"


def test_what_a_phone_is_shown(secure: Secure) -> None:
    with secure.shown() as by:
        assert by.version() == "TLSv1.3"
    with secure.shown(maximum_version=ssl.TLSVersion.TLSv1_2) as by:
        name = by.cipher()
        assert name is not None
        assert name[0].startswith("ECDHE-")
        assert name[0].endswith(("GCM-SHA256", "GCM-SHA384", "POLY1305"))


def test_old_versions_are_refused(secure: Secure) -> None:
    # Else this machine's own library would not ask.
    words = ["openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
    asked = subprocess.run(
        [*words, "-connect", f"{secure.address}:{PORT}"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert asked.returncode != 0
    assert "alert protocol version" in asked.stderr


def test_a_phone_that_does_not_know_the_authority_sends_nothing(
    secure: Secure, tmp_path: Path
) -> None:
    other = Authority.make(tmp_path / "other")
    with (
        Exchange(secure.operator.lab.gateway, ca_file=other.file) as exchange,
        pytest.raises(PhoneError),
    ):
        phone_of(secure.operator, HOST, exchange, "1000", transport="tls")


def test_many_that_say_nothing_keep_nobody_out(secure: Secure, exchange: Exchange) -> None:
    """More connections than a process may have files, where nobody says how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        with ExitStack() as held:
            for _ in range(1500):
                held.enter_context(socket.create_connection((secure.address, PORT), timeout=60))
            phone_of(secure.operator, HOST, exchange, "1008", transport="tls")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_new_certificate_costs_no_call(secure: Secure, exchange: Exchange) -> None:
    """A call goes on, is held and hung up, and new connections see the new certificate."""
    call, answered = talk(secure, exchange, "tls", "udp")
    with secure.shown() as by:
        before = by.getpeercert()
    pid = secure.operator.ssh(HOST, f"systemctl show --value -p MainPID {paths.KAMAILIO_UNIT}")
    secure.describe()
    secure.operator.succeed()
    with secure.shown() as by:
        assert by.getpeercert() != before
    assert pid == secure.operator.ssh(
        HOST, f"systemctl show --value -p MainPID {paths.KAMAILIO_UNIT}"
    )
    hold_and_resume(answered, call)
    still_talking(call, answered)
    call.hangup()
    assert answered.wait_ended().by == "them"


def test_required_outside_and_offered_inside(secure: Secure, exchange: Exchange) -> None:
    """Networks that the Site does not name need TLS, and those that it names do not."""
    password = json.loads(secure.operator.secrets.read_text())["extension/1005"]

    def without(seconds: float) -> Message | None:
        who = Account("1005", DOMAIN, password)
        with Peer(secure.operator.lab.gateway, (secure.address, 5060)) as plain:
            return plain.login("REGISTER", f"sip:{DOMAIN}", who, timeout=seconds)

    for inside in ("", ', plain_from=["10.77.0.0/24"]'):
        secure.describe(inside)
        secure.operator.succeed()
        offered = without(PATIENCE)
        assert offered is not None
        assert offered.status == 200
    secure.describe(', plain_from=["192.0.2.0/24"]')
    secure.operator.succeed()
    phone_of(secure.operator, HOST, exchange, "1004", transport="tls")
    assert without(2) is None
    # Nor where the packet filter has a hole.
    hole = f"nft insert rule inet {paths.FIREWALL_TABLE} input udp dport 5060 accept"
    secure.operator.ssh(HOST, hole)
    assert without(2) is None


def test_a_phone_and_a_switch_behind_nat(secure: Secure) -> None:
    """A phone is told the address that it reaches, and the port of its own transport."""
    lab = secure.operator.lab.name
    nat.make(lab, secure.address)
    secure.describe(address=secure.address, public_ip=nat.SWITCH_OUTSIDE)
    secure.operator.succeed()
    with Exchange(
        nat.HOME,
        ca_file=secure.authority.file,
        enter=partial(network.join, nat.place(lab, "home")),
    ) as at_home:
        secret, plain = (
            phone_of(
                secure.operator, HOST, at_home, number, server=nat.SWITCH_OUTSIDE, transport=way
            )
            for number, way in WAYS
        )
        for caller, callee in ((secret, plain), (plain, secret)):
            call, answered = put_through(caller, callee, callee.user)
            still_talking(call, answered)
            for one, other in ((call, answered), (answered, call)):
                hold_and_resume(one, other)
                still_talking(call, answered)
            answered.hangup()
            call.wait_ended()
        ways = {m.source for m in secret.messages if m.transport == "TLS" and m.sent}
        assert len(ways) == 1, "another connection than that of the registration"


def test_nobody_hears_voice(secure: Secure, exchange: Exchange) -> None:
    """To an extension, a ring group and the echo; who does not encrypt calls nobody, and is called
    by nobody."""
    secure.describe()
    secure.operator.succeed()
    before = phone_of(secure.operator, HOST, exchange, "1003")
    secure.describe(", plain_from=[], srtp='required'")
    secure.operator.succeed()
    kept = secure.operator.ssh(HOST, "kamcmd ul.lookup location s:1003")
    assert "Address: sip:1003@" in kept
    caller, callee = (encrypting(secure, exchange, number) for number in ("1000", "1001"))
    plain = phone_of(secure.operator, HOST, exchange, "1002", transport="tls")
    with overheard(secure.operator.lab.gateway, secure.address) as heard:
        for number in ("1001", GROUP):
            call, answered = put_through(caller, callee, number)
            still_talking(call, answered)
            call.hangup()
            answered.wait_ended()
        echo = caller.call("9196")
        echo.wait_established()
        echo.play(CALLER_HZ)
        assert_heard(echo, CALLER_HZ, 1)
        echo.hangup()
    voice = [one for one in heard if one[0] >> 6 == 2 and one[1] & 0x7F == 0]
    assert len(voice) > 300
    # 20 ms of G.711 and what proves them whole. A tone has few values; what is encrypted has as
    # many as chance gives.
    assert min(map(len, voice)) == 12 + 160 + 10
    assert min(len(set(one[12:172])) for one in voice) > 80
    for one, other in ((plain, "1001"), (caller, "1002"), (plain, "9196"), (caller, "1003")):
        with pytest.raises(CallFailed):
            one.call(other).wait_established()
    assert [m.label for m in before.messages if m.method == "INVITE"] == []


def test_voice_is_encrypted_where_a_phone_can(secure: Secure, exchange: Exchange) -> None:
    """Who demands it by TLS, who offers it there, who has none, and who comes by UDP: each calls
    the next, and no key is in the clear."""
    secure.describe(", srtp='offered'")
    secure.operator.succeed()

    def phone(number: str, transport: Transport, srtp: Srtp | None) -> Phone:
        return phone_of(secure.operator, HOST, exchange, number, transport=transport, srtp=srtp)

    def talked(caller: Phone, callee: Phone) -> list[bytes]:
        """Return what was said by UDP in a call, on hold and off again."""
        with overheard(secure.operator.lab.gateway, secure.address) as heard:
            call, answered = put_through(caller, callee, callee.user)
            hold_and_resume(answered, call)
            still_talking(call, answered)
            call.hangup()
            answered.wait_ended()
        return heard

    can = [phone("1000", "tls", "sdes"), phone("1001", "tls", "offered")]
    plain, encrypted = 12 + 160, 12 + 160 + 10
    said = b""
    password = json.loads(secure.operator.secrets.read_text())["extension/1002"]
    with Peer(secure.operator.lab.gateway, (secure.address, 5060)) as beside:
        # The third has another phone, by UDP, which is rung as well.
        bound = beside.login("REGISTER", f"sip:{DOMAIN}", Account("1002", DOMAIN, password))
        assert bound is not None
        assert bound.status == 200
        ring = [*can, phone("1002", "tls", None), phone("1003", "udp", None)]
        for caller, callee in zip(ring, [*ring[1:], ring[0]], strict=True):
            heard = talked(caller, callee)
            voice = [one for one in heard if one[0] >> 6 == 2 and one[1] & 0x7F == 0]
            lengths = {encrypted if one in can else plain for one in (caller, callee)}
            assert {len(one) for one in voice} == lengths, (caller.user, callee.user)
            for one in voice:
                assert len(one) == plain or len(set(one[12:172])) > 80
            said += b"".join(one for one in heard if one[0] >> 6 != 2)
    assert b"m=audio" in said
    assert b"a=crypto" not in said
    # Who says its key to all is told none, and who wants no voice without calls nobody.
    unwary, strict = phone("1004", "udp", "offered"), phone("1005", "udp", "sdes")
    talked(unwary, can[0])
    talked(can[0], unwary)
    with pytest.raises(CallFailed):
        strict.call("1002").wait_established()
    told = [one.text for one in unwary.messages + strict.messages if not one.sent]
    assert [one for one in told if "m=audio" in one] != []
    assert [one for one in told if "a=crypto" in one] == []


def test_who_encrypts_and_who_does_not_are_both_heard(secure: Secure, exchange: Exchange) -> None:
    """Voice is heard where two phones of a group ring at once, by a queue, and by a mailbox"""
    secure.describe(", srtp='offered'")
    secure.operator.succeed()
    lengths: dict[Phone, int] = {}

    def phone(number: str, transport: Transport, srtp: Srtp | None) -> Phone:
        made = phone_of(secure.operator, HOST, exchange, number, transport=transport, srtp=srtp)
        lengths[made] = 12 + 160 + (10 if srtp else 0)
        return made

    def voice(heard: list[bytes]) -> set[int]:
        return {len(one) for one in heard if one[0] >> 6 == 2 and one[1] & 0x7F == 0}

    callers = phone("1000", "tls", "sdes"), phone("1003", "udp", None)
    members = phone("1001", "tls", "sdes"), phone("1009", "udp", None)
    for member in members:
        login = f"callcenter_config agent set status {member.user} Available"
        assert secure.operator.ssh(HOST, f"fs_cli -x '{login}'").startswith("+OK")
    places = (secure.operator.lab.gateway, secure.address)
    for caller in callers:
        for member, other in zip(members, reversed(members), strict=True):
            for number in (GROUP, QUEUES[member.user]):
                with overheard(*places) as heard:
                    call, answered = put_through(caller, member, number)
                    if number == GROUP:
                        other.incoming().wait_ended()
                    hold_and_resume(answered, call)
                    still_talking(call, answered)
                    call.hangup()
                    answered.wait_ended()
                said = (caller.user, member.user, number)
                assert voice(heard) == {lengths[caller], lengths[member]}, said
    for caller in callers:
        find = f"find {paths.VOICEMAIL} -name 'msg*' -path '*/{BOX}/*'"
        with overheard(*places) as heard:
            call = caller.call(BOX)
            call.wait_established()
            call.play(CALLER_HZ)
            assert_speech(call, 1)
            until_on(secure.operator, HOST, f"{find} -size +64k | grep -q .")
            call.hangup()
        assert voice(heard) == {lengths[caller]}, caller.user
        until_on(secure.operator, HOST, "fs_cli -x 'show channels count' | grep -q '^0 total'")
        recorded = secure.operator.ssh(HOST, f"{find} -exec base64 {{}} ';' -delete")
        [message] = read_wav(base64.b64decode(recorded))
        assert_heard(message, CALLER_HZ, 2)


@contextmanager
def loaded_dice(secure: Secure, folder: Path) -> Iterator[None]:
    """Start FreeSWITCH with dice that throw keys of SRTP which begin with a 0."""
    library, drop_in = "/usr/lib/loaded.so", "/run/systemd/system/freeswitch.service.d"
    (folder / "loaded.c").write_text(LOADED)
    words = ("gcc", "-shared", "-fPIC", "-nostdlib", "-s", "-o", "loaded.so", "loaded.c")
    subprocess.run(words, cwd=folder, check=True)
    packed = base64.b64encode((folder / "loaded.so").read_bytes()).decode()
    anew = "systemctl daemon-reload; systemctl restart freeswitch"
    secure.operator.ssh(
        HOST,
        f"echo {packed} | base64 -d > {library}; mkdir -p {drop_in}; "
        f"printf '[Service]\nEnvironment=LD_PRELOAD={library}\n' > {drop_in}/loaded.conf; {anew}",
    )
    try:
        yield
    finally:
        secure.operator.ssh(HOST, f"rm -r {drop_in}; {anew}; rm {library}")


def keys_told_to_who_changes_its_own(secure: Secure, caller: Phone, user: str) -> tuple[str, str]:
    """Return FreeSWITCH's keys before a called phone has changed its own, and after that."""
    suite = "AES_CM_128_HMAC_SHA1_80"

    def told(message: Message) -> str:
        found: list[str] = re.findall(f"{suite} inline:([^\r\n]*)", message.text)
        return found[0]

    def said(letter: str) -> bytes:
        keyed = f"a=crypto:7 {suite} inline:{letter * 40}\r\n"
        return sdp(secure.operator.lab.gateway).replace(b"/AVP", b"/SAVP") + keyed.encode()

    password = json.loads(secure.operator.secrets.read_text())[f"extension/{user}"]
    known = ssl.create_default_context(cafile=secure.authority.file)
    known.check_hostname = False
    with Peer(secure.operator.lab.gateway, (secure.address, PORT), "tls", context=known) as phone:
        assert phone.login("REGISTER", f"sip:{DOMAIN}", Account(user, DOMAIN, password))
        call = caller.call(user)
        invite = next(one for one in phone.messages(PATIENCE) if one.method == "INVITE")
        way = [("Contact", f"<sip:{user}@{phone.contact};transport=tls>")]
        kind = ("Content-Type", "application/sdp")
        phone.reply(invite, "200 OK", tag="own", headers=[*way, kind], body=said("B"))
        call.wait_established()
        dialog = [
            ("Via", f"SIP/2.0/TLS {phone.contact};rport;branch=z9hG4bKagain"),
            ("Route", invite.header("record-route")),
            ("Max-Forwards", "70"),
            ("From", f"{invite.header('to')};tag=own"),
            ("To", invite.header("from")),
            ("Call-ID", invite.header("call-id")),
            ("CSeq", "1 INVITE"),
            *way,
            kind,
        ]
        uri = invite.header("contact").strip("<>")
        answer = phone.ask(render(f"INVITE {uri} SIP/2.0", dialog, said("C")))
        assert answer is not None
        assert answer.status == 200, answer.text
        call.hangup()
        return told(invite), told(answer)


def without_keys_beside_others(secure: Secure, exchange: Exchange, caller: Phone) -> None:
    """Call a phone that comes by UDP, the second of three of an extension."""
    password = json.loads(secure.operator.secrets.read_text())["extension/1009"]
    with ExitStack() as beside:

        def another() -> None:
            one = beside.enter_context(Peer(secure.operator.lab.gateway, (secure.address, 5060)))
            assert one.login("REGISTER", f"sip:{DOMAIN}", Account("1009", DOMAIN, password))

        another()
        callee = phone_of(secure.operator, HOST, exchange, "1009")
        another()
        call, answered = put_through(caller, callee, "1009")
        call.hangup()
        answered.wait_ended()


def test_a_key_is_told_as_it_is_used(secure: Secure, exchange: Exchange, tmp_path: Path) -> None:
    """A key that begins with a 0 FreeSWITCH makes anew for each offer and answer, and goes on
    using the first: who was called heard nothing after it had held the call."""

    def asked(message: SipMessage) -> bool:
        return not message.sent and message.status is None and message.method == "INVITE"

    with loaded_dice(secure, tmp_path):
        for more, others in (
            (", srtp='offered'", ("1000", "1001")),
            (", srtp='required', plain_from=[]", ("1003", "1004")),
        ):
            secure.describe(more)
            secure.operator.succeed()
            caller, callee = (encrypting(secure, exchange, number) for number in others)
            call, answered = put_through(caller, callee, callee.user)
            for holder, held in ((answered, call), (call, answered)):
                hold_and_resume(holder, held)
                still_talking(call, answered)
            # What FreeSWITCH asks itself, as it does to refresh a session.
            [first] = [m for m in answered.messages if asked(m)]
            legs = secure.operator.ssh(HOST, "fs_cli -x 'show channels as json'")
            [leg] = [one for one in json.loads(legs)["rows"] if one["direction"] == "outbound"]
            secure.operator.ssh(HOST, f"fs_cli -x 'uuid_media_reneg {leg['uuid']}'")
            answered.wait_message(lambda m, first=first: asked(m) and m is not first)  # type: ignore[misc]
            still_talking(call, answered)
            told = [m.text for m in answered.messages if not m.sent and "a=crypto:" in m.text]
            assert len(told) == 4
            [key] = {re.findall("_80 inline:(.*)", one)[-1].strip() for one in told}
            assert base64.b64decode(key)[0] == 0
            call.hangup()
            answered.wait_ended()
            if callee.user == "1001":
                without_keys_beside_others(secure, exchange, caller)
        before, after = keys_told_to_who_changes_its_own(secure, caller, "1005")
        assert base64.b64decode(before)[0] == 0
        assert before != after


def test_digits_are_understood_however_late(secure: Secure, exchange: Exchange) -> None:
    """The first of a PIN are waiting when FreeSWITCH turns from its prompt to hear them."""
    secure.describe(", plain_from=[], srtp='required'")
    secure.operator.succeed()
    pin = json.loads(secure.operator.secrets.read_text())[f"voicemail/{BOX}"]
    # G.711 is not misheard in this case.
    call = encrypting(secure, exchange, BOX, "G722").call("*97")
    call.wait_established()
    assert_speech(call, 0.3)
    secure.operator.ssh(HOST, "systemctl freeze freeswitch")
    call.send_dtmf(pin[:2])
    secure.operator.ssh(HOST, "systemctl thaw freeswitch")
    call.send_dtmf(f"{pin[2:]}#")
    until_on(secure.operator, HOST, f"fs_cli -x 'show channels' | grep -q 'check default .* {BOX}'")
    call.hangup()


def test_off_again(secure: Secure) -> None:
    secure.operator.describe(SITE)
    secure.operator.succeed()
    assert secure.operator.succeed().changes == 0
    left = f"ls {paths.KAMAILIO} | grep tls; ss -Hlnt 'sport = :{PORT}'"
    package = f"dpkg -s {kamailio.TLS_PACKAGE} 2>/dev/null | grep ^Status"
    assert secure.operator.ssh(HOST, f"{left}; {package}; true") == ""
