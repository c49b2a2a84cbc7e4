"""Phones that come by TLS: what is refused, and what is rendered."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callcenter.render import kamailio, packet_filter, paths
from callcenter.render.where import needs_linux
from callcenter.site import (
    Extension,
    Firewall,
    Network,
    PhoneTls,
    Secret,
    Site,
    SiteError,
    Switch,
    Wss,
)
from callcenter.site.warnings import warnings
from tests.certificates import Authority

DOMAIN = "cc.example.net"
OFFICES = ("192.0.2.0/24", "198.51.100.0/24")
KAMAILIO = shutil.which("kamailio")
ALONE = Switch("cc1", address="192.0.2.7")
IPV6 = Switch("cc1", address="2001:db8::5060:7")
NAT = Switch("cc1", address="10.0.0.7", public_ip="203.0.113.7")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "own")


def described(
    certificate: Path, key: str, more: dict[str, Any] | None = None, **network: Any
) -> Site:
    tls = PhoneTls(certificate, Secret(literal=key), **(more or {}))
    given = {"sip_from": OFFICES, "edge": True, "tls": tls, **network}
    return Site(
        domain=DOMAIN,
        extensions=[Extension(1000, password=Secret(literal="correct-Horse-7battery"))],
        network=Network(**given),
        firewall=Firewall(ssh_from="anywhere"),
    )


def good(authority: Authority, more: dict[str, Any] | None = None, **network: Any) -> Site:
    certificate, key = authority.certificate(DOMAIN)
    return described(certificate, key.read_text(), more, **network)


def another_name(authority: Authority) -> tuple[Path, str]:
    certificate, key = authority.certificate("sip.example.org")
    return certificate, key.read_text()


def ended(authority: Authority) -> tuple[Path, str]:
    certificate, key = authority.certificate(DOMAIN, days=(-9, -2))
    return certificate, key.read_text()


def not_begun(authority: Authority) -> tuple[Path, str]:
    certificate, key = authority.certificate(DOMAIN, days=(2, 9))
    return certificate, key.read_text()


def another_authority_between(authority: Authority) -> tuple[Path, str]:
    certificate, key = authority.certificate(DOMAIN)
    other = Authority.make(authority.folder / "other")
    certificate.write_bytes(certificate.read_bytes() + other.file.read_bytes())
    return certificate, key.read_text()


def another_key(authority: Authority) -> tuple[Path, str]:
    certificate, _ = authority.certificate(DOMAIN)
    return certificate, authority.certificate("other")[1].read_text()


def no_certificate(authority: Authority) -> tuple[Path, str]:
    _, key = authority.certificate(DOMAIN)
    (authority.folder / "empty.pem").touch()
    return authority.folder / "empty.pem", key.read_text()


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        (another_name, "certificate", "is for sip.example.org, and phones ask for cc.example.net"),
        (ended, "certificate", "renew it"),
        (not_begun, "certificate", "is not valid before"),
        (another_authority_between, "certificate", "one is not signed by the next"),
        (another_key, "key", "is not that of the certificate"),
        (no_certificate, "certificate", "is no certificate; give it as PEM"),
    ],
)
def test_what_phones_would_refuse_is_refused(
    authority: Authority,
    wrong: Callable[[Authority], tuple[Path, str]],
    field: str,
    words: str,
) -> None:
    with pytest.raises(SiteError) as refused:
        described(*wrong(authority))
    assert f"Site.network.tls.{field}: " in str(refused.value)
    assert words in str(refused.value)


def test_a_name_of_all_below_a_domain_will_do(authority: Authority) -> None:
    certificate, key = authority.certificate("*.example.net")
    assert described(certificate, key.read_text()).network.tls is not None


def test_authorities_between_follow(authority: Authority) -> None:
    between = authority.below(authority.folder / "between", "between")
    certificate, key = between.certificate(DOMAIN)
    certificate.write_bytes(certificate.read_bytes() + between.file.read_bytes())
    assert described(certificate, key.read_text()).network.tls is not None


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"port": 5060}, "network.tls.port", "5060 is network.sip_port; use 5061 or another"),
        ({"port": 16400}, "network.tls.port", "16400 lies in network.rtp_ports"),
        ({"plain_from": ["203.0.113.0/24"]}, "tls.plain_from[0]", "is not in sip_from"),
        ({"srtp": "required"}, "tls.srtp", "would show its key to all; set plain_from=[]"),
        ({"srtp": "required", "plain_from": OFFICES}, "tls.srtp", "would show its key to all"),
        ({"plain_from": ["192.0.0.0/8"]}, "tls.plain_from[0]", "is not in sip_from"),
        ({"wss": Wss(port=5061)}, "tls.wss.port", "5061 is network.tls.port; use 7443 or another"),
        ({"wss": Wss(port=16400)}, "tls.wss.port", "16400 lies in network.rtp_ports"),
    ],
)
def test_ports_and_networks_are_the_sites(
    authority: Authority, more: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(SiteError) as refused:
        good(authority, more)
    assert field.rpartition(".")[2] in str(refused.value)
    assert words in str(refused.value)


def test_a_switch_without_kamailio_has_none(authority: Authority) -> None:
    with pytest.raises(SiteError, match=r"Network\.tls: ends at Kamailio, and edge is False"):
        good(authority, edge=False)
    windows = [line for line in needs_linux(good(authority)) if "network.tls" in line]
    assert len(windows) == 1
    assert not [line for line in needs_linux(good(authority), apart=True) if "tls" in line]


def test_off_is_a_word_in_yaml_too(authority: Authority) -> None:
    """Take ``off`` of YAML, which reads it as a no."""
    assert good(authority, {"srtp": False}).network.srtp == "off"
    with pytest.raises(SiteError, match=r"srtp: is not one of the choices; use 'required', "):
        good(authority, {"srtp": True})


def test_an_end_that_is_near_is_told(authority: Authority) -> None:
    (said,) = warnings(good(authority))
    assert said.startswith("Site.network.tls.certificate: ")
    assert "renew it, or no phone comes by TLS" in said
    certificate, key = authority.certificate(DOMAIN, days=(-1, 60))
    assert warnings(described(certificate, key.read_text())) == []


def rules(site: Site) -> list[str]:
    made = packet_filter.configuration(site, [22])[paths.FIREWALL_RULES].text
    return [line.strip() for line in made.splitlines() if '"sip ' in line]


def test_without_it_from_where_the_site_says(authority: Authority) -> None:
    both = "ip saddr { 192.0.2.0/24, 198.51.100.0/24 } "
    offered = good(authority)
    assert rules(offered) == [
        f'{both}udp dport 5060 accept comment "sip udp"',
        f'{both}tcp dport 5060 accept comment "sip tcp"',
        f'{both}tcp dport 5061 accept comment "sip tls"',
    ]
    inside = good(authority, {"plain_from": OFFICES[:1]})
    assert rules(inside) == [
        'ip saddr { 192.0.2.0/24 } udp dport 5060 accept comment "sip udp"',
        'ip saddr { 192.0.2.0/24 } tcp dport 5060 accept comment "sip tcp"',
        f'{both}tcp dport 5061 accept comment "sip tls"',
    ]
    required = good(authority, {"plain_from": ()})
    assert rules(required) == [f'{both}tcp dport 5061 accept comment "sip tls"']
    config = kamailio.configuration(required, ALONE, ALONE)
    listens = re.findall(r"^listen=(.*)$", config[paths.KAMAILIO_CONFIG].text, re.MULTILINE)
    # FreeSWITCH comes by UDP.
    assert listens == ["tls:192.0.2.7:5061", "udp:192.0.2.7:5060"]


def test_an_address_may_hold_the_number_of_a_port(authority: Authority) -> None:
    site = good(authority, sip_from=("2001:db8::/32",))
    switch = Switch("cc1", address="2001:db8:5060::7")
    made = kamailio.configuration(site, switch, switch)
    config = made[paths.KAMAILIO_CONFIG].text
    (route,) = set(re.findall(r"<sip:\((\S+?)\)\(;transport", config))
    # Python takes POSIX' brackets, too, and warns.
    route = route.replace("[[]", r"\[").replace("[]]", r"\]")
    for port in (5060, 5061):
        assert re.fullmatch(route, f"[2001:db8:5060::7]:{port}")
    assert not re.fullmatch(route, "[2001:db8:5061::7]:5061")


def test_networks_that_are_not_said_require_nothing(authority: Authority) -> None:
    """Another packet filter may know them."""
    network = good(authority, sip_from=()).network
    assert dict(network.listeners) == {"udp": 5060, "tcp": 5060, "tls": 5061}
    assert network.for_all == ("udp", 5060)


def test_the_key_is_for_kamailio_alone(authority: Authority) -> None:
    tree = kamailio.configuration(good(authority), ALONE, ALONE)
    holding = [one for one in tree if b"PRIVATE KEY" in one.content]
    assert [(one.path, one.mode, one.group) for one in holding] == [
        (paths.KAMAILIO_TLS_KEY, 0o640, kamailio.GROUP)
    ]


@pytest.mark.skipif(KAMAILIO is None, reason="kamailio is not installed")
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"plain_from": ()},
        {"plain_from": OFFICES[:1]},
        {
            "plain_from": OFFICES[:1],
            "srtp": "offered",
            "wss": Wss(origins=["https://crm.example.net:8443"]),
        },
    ],
)
@pytest.mark.parametrize(
    ("edge", "behind"),
    [
        (ALONE, None),
        (ALONE, ALONE),
        *(
            (one, one)
            for one in (IPV6, NAT, Switch("cc1", address="10.0.0.7", stun="stun.example"))
        ),
        # On hosts of their own.
        (NAT, Switch("cc2", address="10.0.0.8", public_ip="203.0.113.8")),
        (Switch("e", address="10.0.0.9"), NAT),
        (Switch("e", address="10.0.0.9"), Switch("cc2", address="10.0.0.8")),
        (Switch("e", address="2001:db8::9"), IPV6),
    ],
)
def test_kamailio_reads_it(
    authority: Authority,
    tmp_path: Path,
    more: dict[str, Any],
    edge: Switch,
    behind: Switch | None,
) -> None:
    for file in kamailio.configuration(good(authority, more), edge, behind):
        content = file.content.replace(paths.KAMAILIO.encode(), str(tmp_path).encode())
        (tmp_path / Path(file.path).name).write_bytes(content)
    command = [str(KAMAILIO), "-c", "-f", str(tmp_path / "kamailio.cfg")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
