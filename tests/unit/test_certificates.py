"""Certificates of a Site by who gives them: refusals, what is made, and what hosts are given."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from callcenter.cli import main
from callcenter.cli.rehearsal import masked, rehearsed
from callcenter.render import acme, kamailio, packet_filter, paths, services, users, web
from callcenter.render.hidden import HIDDEN
from callcenter.site import (
    Acme,
    DeskPhone,
    DnsHook,
    Extension,
    Firewall,
    Network,
    OwnAuthority,
    PhoneTls,
    Provisioning,
    Site,
    SiteError,
    Smtp,
    Switch,
    authorities,
    secret,
)
from callcenter.site.named_secrets import ungiven
from callcenter.site.ports import reached
from callcenter.site.served import certificate_of, phones_authority
from callcenter.site.warnings import warnings
from callcenter.site.where import one_asked
from roles.certificates import AcmeState
from roles.host import problems
from roles.host.facts import Listener
from tests.certificates import Authority
from tests.unit.test_roles_pure import GOOD

DOMAIN = "cc.example.net"
SWITCH = Switch("cc1", address="192.0.2.7")
EMAIL = "phones@example.net"


EXAMPLE = DnsHook(Path(__file__).parents[2] / "examples/dns/nsupdate", secret=secret("dns-key"))


@pytest.fixture(autouse=True)
def hastily(monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer key takes seconds to make."""
    monkeypatch.setattr(authorities, "_ROOT_BITS", 2048)


def library() -> bytes:
    raise AssertionError("no page is served")


def described(folder: Path, certificate: Any, **more: Any) -> Site:
    """Return a Site that somebody gives a certificate."""
    given: dict[str, Any] = {
        "domain": DOMAIN,
        "extensions": [Extension(1000)],
        "network": Network(sip_from="anywhere", tls=PhoneTls(certificate)),
        "firewall": Firewall(ssh_from="anywhere"),
        "secret_file": folder / "secrets.json",
    }
    return Site(**(given | more))


def by_acme(folder: Path, **more: Any) -> Site:
    return described(folder, Acme(EMAIL, terms_agreed=True), **more)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"email": "nobody"}, "Acme.email: is no e-mail address"),
        ({"email": "a b@example.net"}, "Acme.email: is no e-mail address"),
        ({"terms_agreed": False}, "Acme.terms_agreed: is not said; read the authority's terms"),
        ({"terms_agreed": "yes"}, "Acme.terms_agreed: must be true or false"),
        ({"directory": "http://acme.example.net/"}, "Acme.directory: is no directory, which is"),
        ({"directory": "acme.example.net"}, "Acme.directory: is no directory, which is"),
        ({"directory": "https:///directory"}, "Acme.directory: is no directory, which is"),
        ({"directory": "https://a:b@example.net/"}, "Acme.directory: holds a login or a space"),
        ({"ca_file": "/nowhere.pem"}, "Acme.ca_file: /nowhere.pem cannot be read"),
        ({"names": ["*.a b.net"]}, "Acme.names[0]: is no domain name"),
        ({"names": ["*.*.example.net"]}, "Acme.names[0]: is no domain name"),
        (
            {"names": ["*.example.net"]},
            "Acme.names[0]: *.example.net is asked for in",
        ),
        ({"names": ["b.net", "B.net"]}, "Acme.names[1]: b.net is listed twice"),
        (
            {"names": ["*.b.net", "a.b.net"], "dns": EXAMPLE},
            "Acme.names[1]: a.b.net is one of *.b.net; leave one of both out",
        ),
    ],
)
def test_an_authority_that_cannot_be_asked_is_refused(fields: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"email": EMAIL, "terms_agreed": True} | fields
    with pytest.raises(SiteError) as refused:
        Acme(**given)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "domain", ["cc.lan", "cc.office.internal", "pbx", "cc.home.arpa", "cc.test", "192.0.2.7"]
)
def test_lets_encrypt_knows_public_names_alone(tmp_path: Path, domain: str) -> None:
    with pytest.raises(SiteError) as refused:
        by_acme(tmp_path, domain=domain)
    said = f"Site.network.tls.certificate: {domain} is no name of the public DNS"
    assert str(refused.value).startswith(said)
    own = Acme(EMAIL, terms_agreed=True, directory="https://acme.office.internal/directory")
    assert described(tmp_path, own, domain=domain).acme is own


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read; give a program of this machine"),
        ("nsupdate\n", "is no program; begin it with what runs it"),
        ("#!/bin/sh\r\ntrue\r\n", "has lines that end as Windows ends them"),
    ],
)
def test_a_hook_is_a_program(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "hook").write_bytes(text.encode())
    with pytest.raises(SiteError) as refused:
        DnsHook(tmp_path / "hook")
    assert str(refused.value).startswith(f"DnsHook.file: {tmp_path}/hook {said}")


def test_a_wildcard_stands_for_the_domain(tmp_path: Path) -> None:
    """Authorities refuse both in one certificate. lego names its files by the first."""
    by = Acme(EMAIL, terms_agreed=True, dns=EXAMPLE)
    for names, asked, kept in (
        ((), (DOMAIN,), DOMAIN),
        (("*.example.net",), ("*.example.net",), "_.example.net"),
        (("*.cc.example.net", DOMAIN), (DOMAIN, "*.cc.example.net"), DOMAIN),
    ):
        site = with_key(tmp_path, replace(by, names=names))
        assert site.acme is not None
        assert site.acme.asked(DOMAIN) == asked
        tool = acme.configuration(site, mails=False)[paths.ACME_TOOL].text
        assert f"$own/certificates/{kept}.crt\n" in tool
        # Two records of one name are a minute apart, in case that somebody remembers the first.
        pause = 60 if asked[1:] else 0
        assert f"EXEC_SEQUENCE_INTERVAL={pause} " in tool
    with pytest.raises(SiteError, match=r"\*\.example\.test is no name of"):
        with_key(tmp_path, replace(by, names=("*.example.test",)))


def with_key(folder: Path, certificate: Acme, **more: Any) -> Site:
    """Return a Site whose hook has its secret."""
    (folder / "secrets.json").touch(0o600)
    (folder / "secrets.json").write_text(json.dumps({"dns-key": "Horse"}))
    return described(folder, certificate, **more)


def test_a_hook_is_for_who_asks(tmp_path: Path) -> None:
    """No port is open for it, several hosts may have it, and nobody else may read its secret."""
    by = Acme(EMAIL, terms_agreed=True, dns=EXAMPLE)
    (said,) = ungiven(described(tmp_path, by))
    assert said.startswith("Site.network.tls.certificate.dns.secret: ")
    site = with_key(tmp_path, by)
    assert one_asked(site, 2) == []
    assert ("tcp", 80) not in reached(site, "203.0.113.9")
    assert "dport 80" not in packet_filter.configuration(site, [22])[paths.FIREWALL_RULES].text
    inside = Network(sip_from=["10.0.0.0/8"], tls=PhoneTls(by))
    assert warnings(described(tmp_path, by, network=inside)) == []
    tree = acme.configuration(site, mails=True)
    hook, key = tree[paths.ACME_HOOK], tree[paths.ACME_HOOK_SECRET]
    assert (hook.mode, hook.group, key.mode, key.group) == (0o750, users.ACME, 0o640, users.ACME)
    assert [one.path for one in tree if b"Horse" in one.content] == [paths.ACME_HOOK_SECRET]
    assert paths.ACME_HOOK_SECRET.endswith(tuple(HIDDEN))
    assert "CAP_NET_BIND_SERVICE" not in tree[f"{paths.ACME_UNIT}.service"].text
    # What was given before is of use, however it was asked for.
    assert acme.wanted(site) == acme.wanted(by_acme(tmp_path))


def test_a_key_belongs_to_a_file(tmp_path: Path) -> None:
    for given, key, said in (
        (OwnAuthority(), secret("phones-key"), "PhoneTls.key: is that of a certificate which is"),
        (Path("cc.pem"), None, "PhoneTls.key: is missing; give the certificate's"),
    ):
        with pytest.raises(SiteError) as refused:
            PhoneTls(given, key)
        assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{source: acme, email: phones@example.net, terms_agreed: true}", None),
        ("{source: own-authority}", None),
        (
            "{source: acme, email: a@b.net, terms_agreed: true, names: ['*.example.net'], "
            f"dns: {{file: {EXAMPLE.file}}}}}",
            None,
        ),
        ("{source: acme}", "network.tls.certificate.email: is missing; give it a value"),
        ("{email: a@b.net}", "network.tls.certificate.source: is not one of the choices; use one"),
        ("{source: own-authority, days: 9}", "network.tls.certificate.days: unknown key"),
    ],
)
def test_both_can_be_written_in_yaml(tmp_path: Path, written: str, said: str | None) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        f"domain: {DOMAIN}\nextensions: [1000]\nsecret_file: {tmp_path}/secrets.json\n"
        f"network: {{edge: true, tls: {{certificate: {written}}}}}\n"
    )
    if said is None:
        tls = Site.load(file).network.tls
        assert tls is not None
        assert isinstance(tls.certificate, Acme | OwnAuthority)
        return
    with pytest.raises(SiteError) as refused:
        Site.load(file)
    assert said in str(refused.value)


def test_it_is_said_where_nobody_comes_from_outside(tmp_path: Path) -> None:
    (said,) = warnings(
        by_acme(
            tmp_path,
            network=Network(sip_from=["10.0.0.0/8"], tls=PhoneTls(Acme(EMAIL, terms_agreed=True))),
        )
    )
    assert said.startswith("Site.network.tls.certificate: Let's Encrypt asks at port 80 of")
    assert warnings(by_acme(tmp_path)) == []


def test_one_host_is_asked(tmp_path: Path) -> None:
    (said,) = one_asked(by_acme(tmp_path), 2)
    assert said.startswith("Site.network.tls.certificate: HTTP-01 asks one of the 2 hosts")
    assert one_asked(by_acme(tmp_path), 1) == []
    assert one_asked(described(tmp_path, OwnAuthority()), 2) == []


def test_the_port_is_the_authoritys(tmp_path: Path) -> None:
    site = by_acme(tmp_path)
    assert ("tcp", 80) in reached(site, "203.0.113.9")
    rules = packet_filter.configuration(site, [22])[paths.FIREWALL_RULES].text
    assert '\t\ttcp dport 80 accept comment "acme"\n' in rules
    assert f'meta skuid "{users.ACME}" goto from-{users.ACME}' in rules
    for wrong in ({"provisioning": Provisioning(port=80)}, {"firewall": Firewall(tcp_ports=[80])}):
        with pytest.raises(SiteError, match="80 is where ACME asks for"):
            by_acme(tmp_path, **wrong)
    # By whichever address of the host an authority comes.
    taken = replace(
        GOOD,
        addresses=frozenset({"192.0.2.7"}),
        listeners=(Listener("tcp", "198.51.100.7", 80, "apache2"),),
    )
    (said,) = problems(site, SWITCH, taken)
    assert said.startswith("port 80/tcp (network.tls.certificate) is taken by apache2; stop")
    own = described(tmp_path, OwnAuthority())
    assert ("tcp", 80) not in reached(own, "203.0.113.9")
    assert users.ACME not in packet_filter.configuration(own, [22])[paths.FIREWALL_RULES].text
    assert problems(own, SWITCH, taken) == []


def test_no_deploy_has_the_key(tmp_path: Path) -> None:
    """Nor does what runs count as old where another certificate has come."""
    site = by_acme(tmp_path, provisioning=Provisioning())
    trees = [
        kamailio.configuration(site, SWITCH, SWITCH),
        web.configuration(site, SWITCH, library),
        acme.configuration(site, mails=True),
    ]
    assert not [one.path for tree in trees for one in tree if b"PRIVATE KEY" in one.content]
    assert f"private_key = {paths.ACME_KAMAILIO_KEY}\n" in trees[0][paths.KAMAILIO_TLS].text
    assert f"ssl_certificate_key {paths.ACME_WEB_KEY};" in trees[1][paths.WEB_CONFIG].text
    watched = kamailio.watched(site)
    assert paths.KAMAILIO_TLS in watched
    assert [one for one in watched if one not in trees[0]] == []


def test_a_renewal_that_fails_is_mailed(tmp_path: Path) -> None:
    mail = Smtp("mail.example.net", sender="switch@example.net")
    site = by_acme(tmp_path, smtp=mail)
    assert services.mail.sends_mail(site)
    told = acme.configuration(site, mails=True)
    assert "OnFailure=callcenter-acme-alarm.service" in told[f"{paths.ACME_UNIT}.service"].text
    assert f"-- {EMAIL} " in told[paths.ACME_TOOL].text
    for quiet in (
        acme.configuration(by_acme(tmp_path), mails=True),
        acme.configuration(site, mails=False),
    ):
        assert paths.ACME_ALARM_UNIT not in quiet
        assert "OnFailure" not in quiet[f"{paths.ACME_UNIT}.service"].text
        assert "alarm()" not in quiet[paths.ACME_TOOL].text


def test_nothing_asks_where_nobody_is_asked(tmp_path: Path) -> None:
    assert list(acme.configuration(described(tmp_path, OwnAuthority()), mails=True)) == []


def test_what_was_given_for_another_is_of_no_use(tmp_path: Path) -> None:
    wanted = acme.wanted(by_acme(tmp_path))
    other = "https://acme.example.org/directory"
    assert len({wanted, acme.wanted(by_acme(tmp_path, domain="b.example.net"))}) == 2
    more = Acme(EMAIL, terms_agreed=True, names=("b.example.net",))
    assert acme.wanted(described(tmp_path, more)) != wanted
    elsewhere = described(tmp_path, Acme(EMAIL, terms_agreed=True, directory=other))
    assert acme.wanted(elsewhere) != wanted


def test_a_host_tells_what_would_lock_phones_out() -> None:
    def said(begin: int, end: int, *more: str) -> list[str]:
        now = datetime.now(UTC).replace(microsecond=0)
        dates = {"notBefore": begin, "notAfter": end}
        lines = [
            f"{name}={now + timedelta(days=days):%Y-%m-%d %H:%M:%S}Z"
            for name, days in dates.items()
        ]
        return list(AcmeState().process(["name a-b", *lines, "timer", *more]).complaints())

    assert said(-1, 89) == said(-70, 20) == []
    assert "nobody has renewed it" in said(-80, 10)[0]
    assert "was not renewed" in said(-70, 20, "failed")[0]
    nothing = AcmeState().process([])
    assert nothing == AcmeState.default()
    assert nothing.is_over
    assert list(nothing.complaints()) == []


def shaken(site: Site, roots: str, name: str = DOMAIN) -> None:
    """Shake hands with what the Site serves, by the strictest rules that there are."""
    served = certificate_of(site)
    assert served is not None
    folder = site.vault.file.parent
    for file, content in zip(("served.pem", "served.key"), served, strict=True):
        (folder / file).write_bytes(content)
    asked = ssl.create_default_context(cadata=roots)
    asked.verify_flags |= ssl.VERIFY_X509_STRICT
    serves = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serves.load_cert_chain(folder / "served.pem", folder / "served.key")
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asked.wrap_bio(one, other, server_hostname=name)
    server = serves.wrap_bio(other, one, server_side=True)
    steps: list[Callable[[], None]] = [client.do_handshake, server.do_handshake]
    while steps:
        try:
            steps[0]()
            steps.pop(0)
        except ssl.SSLWantReadError:
            steps.reverse()


def test_an_authority_of_the_sites_own_is_known_by_its_root(tmp_path: Path) -> None:
    site = described(tmp_path, OwnAuthority())
    root = phones_authority(site)
    assert root is not None
    shaken(site, root.decode())
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        shaken(site, root.decode(), "other.example.net")
    other = Authority.make(tmp_path / "other").file.read_text()
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate in"):
        shaken(site, other)


def own(site: Site) -> x509.Certificate:
    """Return the certificate that hosts are given."""
    served = certificate_of(site)
    assert served is not None
    return x509.load_pem_x509_certificates(served[0])[0]


def test_what_it_has_given_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it is for another name, or near its end; the root stays, as phones have it."""
    # So near its end that a deploy makes another, if there were one.
    monkeypatch.setattr(authorities, "_HOST_DAYS", 89)
    site = described(tmp_path, OwnAuthority())
    assert warnings(site) == []
    first, root = own(site), phones_authority(site)
    (said,) = warnings(site)
    assert said.startswith("Site.network.tls.certificate: that of the Site's own authority ends on")
    monkeypatch.setattr(authorities, "_HOST_DAYS", 397)
    second = own(site)
    assert second != first
    assert own(site) == second
    assert warnings(site) == []
    other = own(described(tmp_path, OwnAuthority(), domain="b.example.net"))
    names = other.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["b.example.net"]
    assert phones_authority(site) == root
    assert "PRIVATE KEY" not in caplog.text
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_another_root_gives_another_certificate(tmp_path: Path) -> None:
    site = described(tmp_path, OwnAuthority())
    first, root = own(site), phones_authority(site)
    wanted = {one.name: one for _, one in site.secrets()}
    site.vault.renew(wanted["certificates/authority"])
    assert phones_authority(site) != root
    assert own(site) != first
    new = phones_authority(site)
    assert new is not None
    shaken(site, new.decode())


def test_what_is_kept_elsewhere_is_not_renewed_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorities, "_HOST_DAYS", 9)
    site = described(tmp_path, OwnAuthority())
    own(site)
    kept = json.loads((tmp_path / "secrets.json").read_text())
    monkeypatch.setenv("CALLCENTER_SECRET_CERTIFICATES_HOSTS", kept["certificates/hosts"])
    with pytest.raises(RuntimeError, match="is kept in CALLCENTER_SECRET_CERTIFICATES_HOSTS; take"):
        own(site)


def test_its_key_stays_where_secrets_are(tmp_path: Path) -> None:
    site = described(tmp_path, OwnAuthority(), provisioning=Provisioning())
    trees = [kamailio.configuration(site, SWITCH, SWITCH), web.configuration(site, SWITCH, library)]
    holding = {one.path: one.mode for tree in trees for one in tree if b"PRIVATE" in one.content}
    assert holding == {paths.KAMAILIO_TLS_KEY: 0o640, paths.WEB_KEY: 0o640}
    private = json.loads((tmp_path / "secrets.json").read_text())["certificates/authority"]
    key = serialization.load_pem_private_key(private.encode(), password=None)
    for tree in trees:
        for one in tree:
            if one.path in holding:
                given = serialization.load_pem_private_key(one.content, password=None)
                assert given.public_key() != key.public_key()
    with rehearsed(site) as safe:
        shown = masked(kamailio.configuration(safe, SWITCH, SWITCH))
    assert b"PRIVATE KEY" not in b"".join(one.content for one in shown)


def test_desk_phones_are_given_the_root(tmp_path: Path) -> None:
    phone = DeskPhone("yealink", "00:15:65:12:34:56")
    site = described(
        tmp_path,
        OwnAuthority(),
        extensions=[Extension(1000, phones=[phone])],
        provisioning=Provisioning(),
    )
    given = [one.content for one in web.configuration(site, SWITCH, library)]
    assert phones_authority(site) in given
    file = Authority.make(tmp_path / "other").file
    with pytest.raises(SiteError, match="is given to phones already"):
        described(tmp_path, OwnAuthority(), provisioning=Provisioning(authority=file))


def test_the_root_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.yaml"
    text = (
        f"domain: {DOMAIN}\nextensions: [1000]\nsecret_file: {tmp_path}/secrets.json\n"
        "network: {edge: true, tls: {certificate: {source: own-authority}}}\n"
    )
    file.write_text(text)
    assert main(["authority", str(file)]) == 0
    printed = capsys.readouterr().out
    assert printed.encode() == phones_authority(Site.load(file))
    assert main(["secrets", str(file)]) == 0
    assert "certificates/authority  a certificate" in capsys.readouterr().out
    file.write_text(text.replace("own-authority", "acme, email: a@b.net, terms_agreed: true"))
    assert main(["authority", str(file)]) == 1
    assert "OwnAuthority() has one to give" in capsys.readouterr().err
