"""Links by which phones configure themselves: what is refused, rendered, and given to whom."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from callcenter.cli import main
from callcenter.cli.sheets import code, runs
from callcenter.client import npm
from callcenter.onhost import phones
from callcenter.render import packet_filter, paths, provisioning, users, web
from callcenter.render.hidden import HIDDEN
from callcenter.site import (
    Extension,
    Firewall,
    Media,
    Network,
    OpenPort,
    PhoneTls,
    Provisioning,
    Secret,
    Site,
    SiteError,
    Switch,
)
from callcenter.site.network import Srtp
from callcenter.site.provisioning import path_of
from callcenter.site.site_hosts import SiteHosts
from callcenter.site.where import needs_switch, one_giver
from tests.certificates import Authority

DOMAIN = "cc.example.net"
SWITCH = Switch("cc1", address="192.0.2.7")
PASSWORD = "correct-Horse-7battery"
NAMES = "{http://www.linphone.org/xsds/lpconfig.xsd}"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "own")


def described(
    authority: Authority, port: int = 443, *, srtp: Srtp = "required", **more: Any
) -> Site:
    certificate, key = authority.certificate(DOMAIN)
    own = Secret(literal=key.read_text())
    plain_from: list[str] | None = [] if srtp == "required" else None
    tls = PhoneTls(certificate, own, plain_from=plain_from, srtp=srtp)
    given: dict[str, Any] = {
        "network": Network(sip_from="anywhere", tls=tls),
        "firewall": Firewall(ssh_from="anywhere"),
        "secret_file": authority.folder / "secrets.json",
        "extensions": [
            Extension(1000, password=Secret(literal=PASSWORD), name="Ann & <Bob>"),
            Extension(1001),
        ],
    }
    given["provisioning"] = Provisioning(port=port)
    return Site(domain=DOMAIN, **(given | more))


@pytest.mark.parametrize(
    ("port", "more", "said"),
    [
        (5060, {}, "provisioning.port: 5060 is network.sip_port; use 443 or another"),
        (5061, {}, "provisioning.port: 5061 is network.tls.port"),
        (16400, {}, "provisioning.port: 16400 lies in network.rtp_ports"),
        (8021, {}, "provisioning.port: 8021 is event_socket.port"),
        (22, {}, "provisioning.port: 22 is ssh's"),
        (443, {"network": Network(sip_from="anywhere")}, "provisioning: is served with a cert"),
        (
            443,
            {"firewall": Firewall(ssh_from="anywhere", tcp_ports=[OpenPort(443)])},
            "firewall.tcp_ports[0]: 443 is provisioning.port, which network.sip_from opens",
        ),
    ],
)
def test_what_cannot_be_served_is_refused(
    authority: Authority, port: int, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(SiteError) as refused:
        described(authority, port, **more)
    assert said in str(refused.value)


def test_two_switches_serve_none(authority: Authority) -> None:
    site = described(authority)
    other = Switch("cc2", address="192.0.2.8")
    assert one_giver(site, [SWITCH]) == one_giver(site, [SWITCH, other]) == []
    routed = Switch("cc2", address="192.0.2.8", public_ip="203.0.113.8")
    six = Switch("cc2", address="2001:db8::8")
    for one, said in ((routed, "behind a router; leave it out"), (six, "of another family;")):
        (line,) = one_giver(site, [SWITCH, one])
        assert line.startswith("Site.provisioning: one of ")
        assert said in line
        assert one_giver(replace(site, provisioning=None), [SWITCH, one]) == []


def test_one_of_several_switches_gives_links_out(authority: Authority) -> None:
    """The others have no settings of phones; they ask the first by its certificate, and say who
    has asked them"""
    site = described(authority)
    other = Switch("cc0", address="192.0.2.8")
    own, first = (SiteHosts.of(one, [SWITCH, other]) for one in (SWITCH, other))
    files = {one.path: one for one in web.configuration(site, SWITCH, npm.library, hosts=own)}
    assert not [path for path in files if "phones" in path]
    config = files[paths.WEB_CONFIG].text
    assert "proxy_pass https://192.0.2.8:443$request_uri;" in config
    assert "proxy_ssl_verify on;" in config
    assert f"proxy_ssl_trusted_certificate {paths.AUTHORITIES};" in config
    assert web.packages(site, own) == ("ca-certificates",)
    given = web.configuration(site, other, npm.library, hosts=first)
    config = given[paths.WEB_CONFIG].text
    assert re.findall(r"real_ip_header X-Source;\n *set_real_ip_from (.*);", config) == [
        "192.0.2.7"
    ]
    assert f"proxy_pass http://unix:{paths.PHONES_SOCKET}:$request_uri;" in config
    here, there = (
        packet_filter.configuration(site, [22], hosts=one)[paths.FIREWALL_RULES].text
        for one in (own, first)
    )
    assert "ip daddr { 192.0.2.8/32 } tcp dport 443 accept" in here
    assert 'ip saddr { 192.0.2.7/32 } tcp dport 443 accept comment "links"' in there
    alone = web.configuration(site, SWITCH, npm.library)[paths.WEB_CONFIG].text
    assert "real_ip" not in alone
    assert "proxy_ssl" not in alone


def test_edges_alone_serve_none(authority: Authority) -> None:
    assert "Site.provisioning: needs a switch" in "\n".join(needs_switch(described(authority)))


def test_a_path_is_its_extensions_its_domains_and_its_secrets() -> None:
    known = {
        path_of(domain, number, secret)
        for domain in (DOMAIN, "other.example.net")
        for number in ("1000", "1001")
        for secret in ("one", "other")
    }
    assert len(known) == 8
    assert all(re.fullmatch(r"[a-z2-7]{32}", one) for one in known)


def sections(site: Site, number: str) -> dict[str, dict[str, str]]:
    """Settings of an extension's Linphone."""
    tree = web.configuration(site, SWITCH, npm.library)
    root = ElementTree.fromstring(tree[f"{paths.PHONES}/{number}.phone"].content)
    assert root.tag == f"{NAMES}config"
    out = {}
    for section in root:
        assert section.tag == f"{NAMES}section"
        out[section.attrib["name"]] = {one.attrib["name"]: one.text or "" for one in section}
        assert all(one.attrib["overwrite"] == "true" for one in section)
    return out


def test_linphone_is_given_its_account_and_no_password(authority: Authority) -> None:
    site = described(authority, media=Media(codecs=["OPUS", "PCMA"]))
    given = sections(site, "1000")
    assert given["proxy_0"]["reg_identity"] == f'"Ann & <Bob>" <sip:1000@{DOMAIN}>'
    assert given["proxy_0"]["reg_proxy"] == f"<sip:{DOMAIN}:5061;transport=tls>"
    assert given["sip"]["media_encryption"] == "srtp"
    assert given["sip"]["media_encryption_mandatory"] == "1"
    assert given["auth_info_0"]["username"] == "1000"
    assert re.fullmatch("[0-9a-f]{32}", given["auth_info_0"]["ha1"])
    assert [given[f"audio_codec_{n}"]["mime"] for n in range(2)] == ["opus", "PCMA"]
    assert "audio_codec_2" not in given
    for file in web.configuration(site, SWITCH, npm.library):
        assert PASSWORD.encode() not in file.content, file.path
        if given["auth_info_0"]["ha1"].encode() in file.content:
            assert file.path.endswith(tuple(HIDDEN)), "a diff would show it"


def test_voice_may_go_plain_where_the_site_says_so(authority: Authority) -> None:
    words: tuple[tuple[Srtp, str], ...] = (("offered", "srtp"), ("off", "none"))
    for srtp, encryption in words:
        given = sections(described(authority, srtp=srtp), "1001")
        assert given["sip"]["media_encryption"] == encryption
        assert given["sip"]["media_encryption_mandatory"] == "0"


def test_who_may_read_what(authority: Authority) -> None:
    tree = web.configuration(described(authority), SWITCH, npm.library)
    modes = {file.path: (file.mode, file.group) for file in tree}
    assert modes[paths.WEB_KEY] == (0o640, users.WEB)
    assert modes[f"{paths.PHONES}/1000.phone"] == (0o640, users.PHONES)
    links = json.loads(tree[paths.PHONES_INDEX].content)["links"]
    assert sorted(links.values()) == ["1000", "1001"]
    # A digest: whoever reads the index can open no link.
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in links)


def test_without_it_there_is_nothing(authority: Authority) -> None:
    site = replace(described(authority), provisioning=None)
    assert list(web.configuration(site, SWITCH, npm.library)) == []
    assert [path for path, _ in site.secrets() if path == "provisioning"] == []


@pytest.fixture
def links(authority: Authority, tmp_path: Path) -> tuple[phones.Links, dict[str, str]]:
    """Links as a host's program reads them, and the path of each."""
    site = described(authority)
    tree = web.configuration(site, SWITCH, npm.library)
    for name in ("phones", "state"):
        (tmp_path / name).mkdir()
    for file in tree:
        if file.path.startswith(f"{paths.PHONES}/"):
            (tmp_path / "phones" / Path(file.path).name).write_bytes(file.content)
    index = json.loads(tree[paths.PHONES_INDEX].content)
    index |= {"folder": str(tmp_path / "phones"), "state": str(tmp_path / "state")}
    (tmp_path / "index.json").write_text(json.dumps(index))
    known = {
        one.number: provisioning.link(site, one).removeprefix(f"https://{DOMAIN}")
        for one in site.extensions
    }
    return phones.Links.read(str(tmp_path / "index.json")), known


def test_the_first_of_twenty_at_once_is_given_it(
    links: tuple[phones.Links, dict[str, str]],
) -> None:
    known, path = links
    with ThreadPoolExecutor(20) as at_once:
        given = list(at_once.map(lambda _: known.take(path["1000"], "192.0.2.1"), range(20)))
    assert len([one for one in given if one is not None]) == 1
    assert phones.used(known)["1000"]["from"] == "192.0.2.1"
    assert known.take(path["1001"], "192.0.2.2") is not None


def test_it_is_given_again_where_the_operator_says_so(
    links: tuple[phones.Links, dict[str, str]],
) -> None:
    known, path = links
    first = known.take(path["1000"], "192.0.2.1")
    assert known.take(path["1000"], "192.0.2.1") is None
    assert phones.again(known, "1000")
    assert phones.used(known) == {}
    assert known.take(path["1000"], "192.0.2.9") == first
    assert not phones.again(known, "9999")


@pytest.mark.parametrize("path", ["/", "", "/" + "a" * 32, "/../1000.phone", "/1000.phone"])
def test_nothing_else_is_a_link(links: tuple[phones.Links, dict[str, str]], path: str) -> None:
    known, _ = links
    assert known.take(path, "192.0.2.1") is None
    assert list(known.state.iterdir()) == []


SITE = """
from callcenter.site import *

site = Site(
    domain="cc.example.net",
    extensions=[Extension(1000, name="Reception, ground floor"), *Extension.range(1001, 1999)],
    network=Network(sip_from="anywhere", tls=PhoneTls(CERTIFICATE, secret("key"))),
    firewall=Firewall(ssh_from="anywhere"),
    MORE
)
"""


@pytest.fixture
def shop(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site's folder, which one stands in, with a thousand phones."""
    certificate, key = authority.certificate(DOMAIN)
    (tmp_path / "inventories/group_data").mkdir(parents=True)
    (tmp_path / "inventories/prod").write_text(
        "from callcenter.site import hosts\n"
        "switches = hosts(('cc1.example.net', {'public_ip': '203.0.113.10'}))\n"
    )
    text = SITE.replace("CERTIFICATE", repr(str(certificate)))
    (tmp_path / "inventories/group_data/prod.py").write_text(text)
    monkeypatch.setenv("CALLCENTER_SECRET_KEY", key.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def enabled(shop: Path, more: str) -> None:
    file = shop / "inventories/group_data/prod.py"
    file.write_text(file.read_text().replace("MORE", more))


def test_links_are_listed_and_drawn(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enabled(shop, "provisioning=Provisioning(port=8443),")
    assert main(["phones"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1000
    link = re.fullmatch(
        r"1000  Reception, ground floor  (https://cc\.example\.net:8443/[a-z2-7]{32})", lines[0]
    )
    assert link is not None
    assert main(["phones", "--csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[:2] == [
        "number,name,link,make,mac,place",
        f'1000,"Reception, ground floor",{link[1]},,,',
    ]
    assert main(["phones", "--qr", "1000"]) == 0
    drawn = capsys.readouterr().out
    assert "█" in drawn
    assert max(map(len, drawn.splitlines())) < 80


def test_cards_are_printed_for_their_owner_alone(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enabled(shop, "provisioning=Provisioning(),")
    file = shop / "cards.pdf"
    file.write_text("of another day, readable by all")
    assert main(["phones", "--pdf", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_bytes()
    assert text.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", text)) == 125
    assert [one.name for one in shop.glob("*.pdf*")] == ["cards.pdf"]
    assert capsys.readouterr().out == ""


def test_what_is_drawn_is_the_code() -> None:
    made = code(f"https://{DOMAIN}/{'a' * 32}")
    drawn = [
        {column + n for column, length in runs(row) for n in range(length)} for row in made.matrix
    ]
    assert drawn == [{n for n, dark in enumerate(row) if dark} for row in made.matrix]


@pytest.mark.parametrize(
    ("more", "words", "said"),
    [
        ("", [], "Site.provisioning: is not set, so there are no links; set Provisioning()"),
        ("provisioning=Provisioning(),", ["--qr", "7"], "7 is no extension of cc.example.net"),
        ("provisioning=Provisioning(),", ["--again", "7"], "7 is no extension of cc.example.net"),
    ],
)
def test_what_there_is_no_link_of_is_said(
    shop: Path, capsys: pytest.CaptureFixture[str], more: str, words: list[str], said: str
) -> None:
    enabled(shop, more)
    assert main(["phones", *words]) == 1
    assert said in capsys.readouterr().err
