"""A phone in a browser: what is refused, and what is rendered."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from callcenter.client import npm
from callcenter.render import (
    freeswitch,
    jssip,
    kamailio,
    packet_filter,
    paths,
    services,
    turn,
    users,
    web,
)
from callcenter.render.hidden import HIDDEN
from callcenter.render.host_files import steps
from callcenter.render.services._shape import NOTHING
from callcenter.site import (
    Extension,
    Firewall,
    Media,
    Network,
    PhoneTls,
    Provisioning,
    RingGroup,
    Secret,
    Site,
    SiteError,
    Switch,
    Turn,
    WebPhone,
    Wss,
)
from callcenter.site.site_hosts import SiteHosts
from callcenter.site.where import needs_switch, not_relayed
from roles.files.operations import masked
from tests.certificates import Authority

DOMAIN = "cc.example.net"
SWITCH = Switch("cc1", address="192.0.2.7")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "own")


def described(authority: Authority, wss: Wss | None = None, **more: Any) -> Site:
    certificate, key = authority.certificate(DOMAIN)
    own = Secret(literal=key.read_text())
    tls = PhoneTls(certificate, own, plain_from=[], srtp="required", wss=wss)
    given: dict[str, Any] = {
        "network": Network(sip_from="anywhere", tls=tls),
        "firewall": Firewall(ssh_from="anywhere"),
        "secret_file": authority.folder / "secrets.json",
        "extensions": [Extension(1000), Extension(1001)],
        "ring_groups": [RingGroup("all", ["1000", "1001"], number="6000")],
    }
    return Site(domain=DOMAIN, **(given | more))


def nothing() -> bytes:
    """Refuse to be fetched by who only looks."""
    raise AssertionError("it was fetched")


@pytest.mark.parametrize(
    ("wss", "more", "said"),
    [
        (
            None,
            {"web_phone": WebPhone()},
            "web_phone: needs a way for its SIP; set",
        ),
        (Wss(), {"web_phone": WebPhone(port=7443)}, "web_phone.port: 7443 is network.tls.wss.port"),
        (
            Wss(),
            {"web_phone": WebPhone(port=444), "provisioning": Provisioning()},
            "web_phone.port: 444 is not provisioning.port, and one web server serves both; use 443",
        ),
        (Wss(), {"media": Media(mode="bypass")}, "network.tls."),
        (Wss(), {"network": Network(sip_from="anywhere"), "web_phone": WebPhone()}, "certificate"),
        (
            Wss(turn=Turn(port=443)),
            {"web_phone": WebPhone()},
            "network.tls.wss.turn.port: 443 is web_phone.port; use 5349 or another",
        ),
        (
            Wss(turn=Turn()),
            {"firewall": Firewall(enabled=False)},
            "network.tls.wss.turn: is held to the ports of the switch's voice by the packet filter",
        ),
        (
            Wss(turn=Turn(), port=50000),
            {},
            "network.tls.wss.port: 50000 lies in 49152-53247, at which TURN hears the switch",
        ),
    ],
)
def test_what_is_refused(
    authority: Authority, wss: Wss | None, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(SiteError) as refused:
        described(authority, wss, **more)
    assert said in str(refused.value)


@pytest.mark.parametrize("origin", ["http://a.example", "https://a.example/", "https://a b", "*"])
def test_an_origin_is_a_place(origin: str) -> None:
    with pytest.raises(SiteError, match=r"origins\[0\]"):
        Wss(origins=[origin])


def test_edges_alone_have_none(authority: Authority) -> None:
    said = needs_switch(described(authority, Wss(), web_phone=WebPhone()))
    assert [line for line in said if "wss" in line or "web_phone" in line] == [
        "Site.web_phone: needs a switch, and the inventory has edges only; leave it out",
        "Site.network.tls.wss: needs a switch, and the inventory has edges only; leave it out",
    ]


def test_phones_and_browsers_are_rung_apart(authority: Authority) -> None:
    """No voice is for both: SRTP with a key in SDP is for phones, DTLS for browsers."""
    with_it = freeswitch.configuration(described(authority, Wss()), SWITCH)
    string = re.search(r'"dial-string" value="(.*)"', with_it["directory/default.xml"].text)
    assert string is not None
    phones, browsers = re.findall(r"\[([^\]]*)\](sofia/[^,\[]*)", string[1])
    assert phones[1] == "sofia/internal/${dialed_user}@${dialed_domain}"
    assert "rtp_secure_media=mandatory" in phones[0]
    assert browsers[1] == "sofia/internal/web-${dialed_user}@${dialed_domain}"
    assert "media_webrtc=true" in browsers[0]
    assert "rtp_secure_media" not in browsers[0]
    group = with_it["dialplan/services/ring_groups.xml"].text
    assert re.findall(r"sofia/internal/([^@]*)@", group) == ["1000", "web-1000", "1001", "web-1001"]
    without = freeswitch.configuration(described(authority), SWITCH)
    assert not [file.path for file in without if b"web-" in file.content]


def test_the_page_holds_no_script_and_no_secret(authority: Authority) -> None:
    site = described(authority, Wss(port=8443), web_phone=WebPhone())
    tree = web.configuration(site, SWITCH, nothing)
    page = tree[f"{paths.WEB_PAGES}/index.html"].text
    assert re.findall(r"<script(?![^>]* src=)|<style| on[a-z]+=|javascript:", page) == []
    assert re.findall(r'content="([^"]*port[^"]*)"', page) == [
        "{&#34;domain&#34;: &#34;cc.example.net&#34;, &#34;language&#34;: &#34;en&#34;, "
        "&#34;mailbox&#34;: null, &#34;messages&#34;: false, &#34;port&#34;: 8443}"
    ]
    assert f"connect-src wss://{DOMAIN}:8443;" in tree[paths.WEB_CONFIG].text
    script = tree[f"{paths.WEB_PAGES}/phone.js"].text
    assert re.findall(r"innerHTML|insertAdjacent|document\.write|\beval\(", script) == []
    words = re.findall(r"^  (en|zh): \{(.*?)^  \},", script, re.MULTILINE | re.DOTALL)
    keys = [re.findall(r"(\w+): \"", text) for _, text in words]
    assert keys[0] == keys[1]
    assert not [path for path in (one.path for one in tree) if "phones" in path]


def test_pages_that_may_open_a_websocket(authority: Authority) -> None:
    site = described(authority, Wss(origins=["https://crm.example.net:8443"]))
    config = kamailio.configuration(site, SWITCH, SWITCH)[paths.KAMAILIO_CONFIG].text
    (line,) = re.findall(r"\$hdr\(Origin\) =~ '([^']*)'", config)
    for origin, wanted in (
        (f"https://{DOMAIN}", True),
        ("https://crm.example.net:8443", True),
        ("https://crm.example.net", False),
        (f"https://{DOMAIN}.evil.example", False),
        (f"https://evil.example/https://{DOMAIN}", False),
        ("https://cc-example.net", False),
    ):
        assert bool(re.search(line, origin)) is wanted, origin


OTHER = Switch("cc2", address="192.0.2.8")
ROUTED = Switch("cc1", address="192.0.2.7", public_ip="203.0.113.10")


@pytest.mark.parametrize(
    ("switches", "begin"),
    [
        ([Switch("cc1", address="192.0.2.7", stun="stun.example.net")], "turns back what goes to"),
        ([ROUTED, OTHER], "of 2 switches each carries voice of all, and does not reach"),
        ([SWITCH, Switch("cc2", address="2001:db8::8")], "of several switches each carries"),
    ],
)
def test_turn_reaches_all_voice_or_is_refused(
    authority: Authority, switches: list[Switch], begin: str
) -> None:
    site = described(authority, Wss(turn=Turn()))
    (line,) = not_relayed(site, switches)
    assert line.startswith(f"Site.network.tls.wss.turn: {begin}")
    assert "; " in line
    assert not_relayed(described(authority, Wss()), switches) == []


def of_turn(site: Site, here: Switch, *switches: Switch) -> tuple[list[str], list[str]]:
    """Return what coturn of a host may speak with, and the rules of its packet filter about it."""
    hosts = SiteHosts.of(here, switches)
    config = turn.configuration(site, hosts)[paths.TURN_CONFIG].text
    rules = packet_filter.configuration(site, [22], hosts=hosts)[paths.FIREWALL_RULES].text
    lines = [line.strip() for line in rules.splitlines() if "49152-53247" in line]
    return re.findall(r"^allowed-peer-ip=(.*)$", config, re.MULTILINE), lines


def test_turn_of_each_switch_carries_voice_of_all(authority: Authority) -> None:
    """A browser finds one by the Site's domain for its call, and maybe another for TURN"""
    site = described(authority, Wss(turn=Turn()))
    assert not_relayed(site, [SWITCH, OTHER]) == []
    forth, back = (
        "udp sport 49152-53247 udp dport 16384-32767",
        ("udp sport 16384-32767 udp dport 49152-53247"),
    )
    assert of_turn(site, SWITCH, SWITCH, OTHER) == (
        ["192.0.2.7", "192.0.2.8"],
        [
            f"ip daddr {{ 192.0.2.7/32 }} {forth} accept",
            f"ip daddr {{ 192.0.2.8/32 }} {forth} accept",
            f"ip daddr {{ 192.0.2.7/32 }} {forth} accept",
            f"ip daddr {{ 192.0.2.8/32 }} {forth} accept",
            f"ip saddr {{ 192.0.2.8/32 }} {back} counter drop",
            f'ip saddr {{ 192.0.2.8/32 }} {forth} accept comment "rtp by TURN"',
        ],
    )
    told, rules = of_turn(site, SWITCH)
    assert told == ["192.0.2.7"]
    assert not [line for line in rules if "192.0.2.8" in line]


def test_turn_behind_a_router_turns_back_its_address(authority: Authority) -> None:
    """To the host's own: browsers outside are told the one, those in local networks the other"""
    site = described(authority, Wss(turn=Turn()))
    assert not_relayed(site, [ROUTED]) == []
    told, rules = of_turn(site, ROUTED)
    assert told == ["192.0.2.7", "203.0.113.10"]
    turned = (
        f'meta skuid "{users.TURN}" ip daddr {{ 203.0.113.10/32 }} udp sport 49152-53247 '
        "udp dport 16384-32767 dnat ip to 192.0.2.7"
    )
    assert turned in rules
    assert not [line for line in of_turn(site, SWITCH)[1] if "dnat" in line or "ct state" in line]
    # Ports of phones and carriers may be the same: these may wait for FreeSWITCH's first packet.
    assert [line for line in rules if "ct state new" in line] == [
        "ip saddr { 192.0.2.7/32 } ip daddr { 192.0.2.7/32 } udp sport 16384-32767 "
        "udp dport 49152-53247 ct state new counter drop"
    ]


def test_relayed_voice_is_not_the_ports_of_calls(authority: Authority) -> None:
    tls = described(authority, Wss(turn=Turn())).network.tls
    network = Network(sip_from="anywhere", tls=tls, rtp_ports=(40000, 60000))
    with pytest.raises(SiteError, match=r"network.rtp_ports: 40000-60000 overlaps 49152-53247"):
        described(authority, network=network)


def test_a_secret_of_turn_is_no_phones(authority: Authority) -> None:
    """It is coturn's and Kamailio's, in no form that the other has, and goes with the password"""
    site = described(authority, Wss(turn=Turn()))
    known = kamailio.configuration(site, SWITCH, SWITCH)[f"{paths.KAMAILIO}/secrets"].text
    tree = turn.configuration(site, SiteHosts.of(SWITCH))
    told = {one.number: kamailio.turn_password(site, one) for one in site.extensions}
    ha1 = [services.a1_hash(site, one) for one in site.extensions]
    for number, password in told.items():
        assert f"turn-{number}:0:0:{password}:0\n" in known
        assert password not in masked(known.encode())
    assert paths.TURN_USERS.endswith(tuple(HIDDEN))
    for file in tree:
        assert not any(one in file.text for one in (*told.values(), *ha1)), file.path
    held = {file.path: (file.mode, file.group) for file in tree if file.mode != 0o644}
    assert held == dict.fromkeys((paths.TURN_KEY, paths.TURN_USERS), (0o640, users.TURN))
    one = site.extensions[0]
    other = replace(one, password=Secret(literal="another-password-of-it"))
    assert kamailio.turn_password(site, other) != told[one.number]


def test_a_new_extension_ends_no_voice_by_turn(authority: Authority) -> None:
    trees = [
        turn.configuration(site, SiteHosts.of(SWITCH))
        for site in (
            described(authority, Wss(turn=Turn())),
            described(authority, Wss(turn=Turn()), extensions=[*Extension.range(1000, 1002)]),
            described(authority, Wss(turn=Turn(port=5350))),
        )
    ]
    said = []
    for tree in trees[1:]:
        found = tree.against({file.path: file.digest for file in trees[0]})
        said.append([(one.command, one.cost) for one in steps(found, {file.path for file in tree})])
    unit = "callcenter-turn.service"
    lost = "calls of browsers by TURN lose their voice"
    assert said == [[(f"reload {unit}", NOTHING)], [(f"restart {unit}", lost)]]


def test_turn_has_room_for_each_processor(authority: Authority) -> None:
    """coturn has up to 128 threads that relay, half as many that ask who comes, and a few more."""
    unit = turn.configuration(described(authority, Wss(turn=Turn())), SiteHosts.of(SWITCH))[
        paths.TURN_UNIT
    ].text
    # What stands last counts.
    assert int(re.findall(r"^TasksMax=(\d+)$", unit, re.MULTILINE)[-1]) >= 128 + 65 + 3


def test_connections_to_turn_fit_its_memory(authority: Authority) -> None:
    """All that the packet filter lets in, before anybody has logged in, and all that is carried."""
    unit = turn.configuration(described(authority, Wss(turn=Turn())), SiteHosts.of(SWITCH))[
        paths.TURN_UNIT
    ].text
    # What stands last counts.
    memory, files = (
        int(re.findall(rf"^{name}=(\d+)", unit, re.MULTILINE)[-1])
        for name in ("MemoryMax", "LimitNOFILE")
    )
    assert "MemoryMax=256M\n" in unit
    # 44 kB each, of at most so many MB; the rest is for voice.
    assert memory * 1000 * 0.6 > packet_filter.TURN_CONNECTIONS * 44
    assert files > packet_filter.TURN_CONNECTIONS + turn.SESSIONS > 2 * turn.SESSIONS


def test_turn_switched_off_is_nowhere(authority: Authority) -> None:
    site = described(authority, Wss())
    assert not turn.configuration(site, SiteHosts.of(SWITCH))
    assert "X-Turn" not in kamailio.configuration(site, SWITCH, SWITCH)[paths.KAMAILIO_CONFIG].text
    rules = packet_filter.configuration(site, [22])[paths.FIREWALL_RULES].text
    assert "chain relay" not in rules
    assert "5349" not in rules


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry of packages on this machine, and a cache that is empty."""
    folder = tmp_path / "registry"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield folder
        server.shutdown()


def test_a_package_that_cannot_be_had_is_named(registry: Path) -> None:
    with pytest.raises(SiteError, match=r"jssip-\S+ cannot be fetched \(File not found\); set"):
        npm.library()


def test_a_package_that_is_another_is_refused(registry: Path, tmp_path: Path) -> None:
    made = registry / jssip.PACKAGES[0].path
    made.parent.mkdir(parents=True)
    made.write_bytes(b"something else")
    with pytest.raises(SiteError, match="as it is known"):
        npm.library()
    assert not list((tmp_path / "cache").rglob("*.tgz"))
    assert len(npm.lacking()) == 1


def test_the_library_is_the_one_that_the_page_names(authority: Authority) -> None:
    try:
        made = npm.library()
    except SiteError as wrong:
        pytest.skip(str(wrong))
    digest = hashlib.sha256(made)
    assert digest.hexdigest() == jssip.DIGEST
    site = described(authority, Wss(), web_phone=WebPhone())
    tree = web.configuration(site, SWITCH, npm.library)
    named = base64.b64encode(digest.digest()).decode()
    assert f'integrity="sha256-{named}"' in tree[f"{paths.WEB_PAGES}/index.html"].text
    assert tree[web.LIBRARY].load() == made
    assert made.count(b"Permission is hereby granted") >= len(jssip.PACKAGES) - 1
