"""What a Site becomes: the whole of FreeSWITCH's configuration, and the files around it."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callcenter.render import (
    Difference,
    File,
    Tree,
    apt,
    beside,
    freeswitch,
    packet_filter,
    paths,
    public_address,
    services,
)
from callcenter.site import (
    AptRepository,
    Emergency,
    EventSocket,
    Extension,
    FeatureCodes,
    Firewall,
    LocalPackages,
    Media,
    Network,
    OpenPort,
    OutboundLimits,
    Route,
    SignalWire,
    Site,
    SiteError,
    Switch,
    Trunk,
)
from callcenter.site._types import Transport
from callcenter.site.secrets import Secret
from callcenter.site.where import unsaid

ROOT = Path(__file__).parents[2]
SWITCH = Switch("cc1.example.net", public_ip="203.0.113.10")
ALONE = Network(edge=False, sip_from=("10.0.0.0/8",))
PHONE = "correct-Horse-7battery"
ESL = "third-Horse-7battery"


def site(**fields: Any) -> Site:
    """Return a Site of one extension whose secrets are known."""
    described: dict[str, Any] = {
        "domain": "cc.example.net",
        "extensions": [Extension("1000", password=Secret(literal=PHONE))],
        "event_socket": EventSocket(password=Secret(literal=ESL)),
        "network": Network(sip_from="anywhere"),
        "firewall": Firewall(ssh_from="anywhere"),
    }
    return Site(**(described | fields))


def text(tree: Tree, path: str) -> str:
    return tree[path].text


def all_text(tree: Tree) -> str:
    return "".join(file.path + "\n" + file.text for file in tree)


def configuration(**fields: Any) -> Tree:
    return freeswitch.configuration(site(**fields), SWITCH)


def test_the_same_site_gives_the_same_bytes() -> None:
    assert configuration().digest == configuration().digest


def test_the_same_site_gives_the_same_bytes_in_another_process() -> None:
    script = (
        "import sys; sys.path.insert(0, '.'); from tests.unit.test_render import *; "
        "print(configuration().digest, beside.configuration(site(), realtime=True).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_the_order_of_extensions_does_not_matter() -> None:
    phones = [
        Extension(str(n), password=Secret(literal=f"Horse-battery-{n}-x")) for n in (1000, 1205, 17)
    ]
    one, other = configuration(extensions=phones), configuration(extensions=phones[::-1])
    assert one.digest == other.digest


def test_only_what_is_needed_is_loaded() -> None:
    loaded = re.findall(
        r'<load module="([^"]+)"', text(configuration(), "autoload_configs/modules.conf.xml")
    )
    assert loaded == [
        "mod_logfile", "mod_event_socket", "mod_commands", "mod_dptools", "mod_sndfile",
        "mod_dialplan_xml", "mod_hash", "mod_sofia", "mod_tone_stream", "mod_opus", "mod_spandsp",
    ]  # fmt: skip
    assert freeswitch.packages(site())[:3] == (
        "freeswitch",
        "freeswitch-systemd",
        "freeswitch-mod-logfile",
    )
    assert len(freeswitch.packages(site())) == len(loaded) + 2


@pytest.mark.parametrize(
    ("codecs", "modules"),
    [
        (("PCMU", "PCMA"), set()),
        (("OPUS",), {"mod_opus"}),
        (("G722", "GSM"), {"mod_spandsp"}),
        (("G729", "PCMA"), {"mod_g729"}),
    ],
)
def test_a_codec_brings_its_module_and_no_other(codecs: Any, modules: set[str]) -> None:
    made = site(media=Media(codecs=codecs))
    assert set(freeswitch.modules(made)) & {"mod_opus", "mod_spandsp", "mod_g729"} == modules
    tree = freeswitch.configuration(made, SWITCH)
    assert ("autoload_configs/opus.conf.xml" in tree) == ("OPUS" in codecs)
    assert ("dialplan/services/codecs.xml" in tree) == ("G729" in codecs)
    spoken = ",".join(codec for codec in codecs if codec != "G729")
    assert f'name="inbound-codec-prefs" value="{spoken}"' in text(tree, "sip_profiles/internal.xml")


@pytest.mark.parametrize(
    ("of_site", "of_route", "there"),
    [
        ("default", None, False),
        ("bypass", "default", False),
        ("proxy", "default", True),
        ("default", "proxy", True),
    ],
)
def test_what_passes_voice_on_is_there_where_a_call_needs_it(
    of_site: Any, of_route: Any, there: bool
) -> None:
    tree = configuration(
        media=Media(mode=of_site),
        trunks=[Trunk("a", host="192.0.2.1", caller_id="+4930123400")],
        outbound=[
            Route("r", pattern=r"^0\d{5}$", strip=1, prefix="+49", trunks=["a"], media=of_route)
        ],
        outbound_limits=OutboundLimits(countries=["+49"]),
        emergency=[Emergency("112", trunks=["a"])],
    )
    relay, past = 'data="relay XML services"', 'data="bypass_media=true"'
    assert ("dialplan/services/relays.xml" in tree) == there
    ring = text(tree, "dialplan/default.xml")
    assert (relay in ring, past in ring) == (of_site == "proxy", of_site == "bypass")
    emergency, route = text(tree, "dialplan/services/outbound.xml").split('name="route r"')
    assert relay not in emergency
    assert past not in emergency
    assert (relay in route, past in route) == (of_route == "proxy", False)


@pytest.mark.parametrize(
    ("denied", "number", "fits"),
    [
        ((), "+491701234567", True),
        (("+49900",), "+491701234567", True),
        (("+49900",), "+49900123456", False),
        ((), "+33123456789", False),
    ],
)
def test_where_phones_may_forward_calls(denied: tuple[str, ...], number: str, fits: bool) -> None:
    """To the Site's countries, but for what is denied; nothing may be."""
    made = site(
        features=FeatureCodes(forward="*72", forward_off="*73"),
        trunks=[Trunk("a", host="192.0.2.1", caller_id="+4930123400")],
        outbound=[Route("out", pattern=r"^0[1-9]\d{5,10}$", strip=1, prefix="+49", trunks=["a"])],
        outbound_limits=OutboundLimits(countries=["+49"], denied=denied),
    )
    tree = freeswitch.configuration(made, SWITCH)
    told = re.search(
        r'<extension name="forward outside">\s*<condition [^>]* expression="([^"]*)"',
        text(tree, "dialplan/services/features.xml"),
    )
    assert told
    assert (re.search(told[1], number) is not None) == fits


def test_a_service_that_is_off_is_not_there() -> None:
    tree = configuration(features=FeatureCodes(echo=None, tone=None))
    assert "mod_tone_stream" not in all_text(tree)
    dialplan = text(tree, "dialplan/default.xml")
    assert re.findall(r'<extension name="([^"]+)"', dialplan) == [
        "signs between digits", "a sign that ends", "no number", "who has logged in", "dialled",
        "sent on",
        "calls of a phone", "a phone beside the switch",
        "every call", "extension", "unknown",
    ]  # fmt: skip
    assert "9196" not in dialplan
    assert "9197" not in dialplan


def test_a_star_in_a_code_is_a_star_and_not_a_repetition() -> None:
    dialplan = text(configuration(features=FeatureCodes(echo="*9*")), "dialplan/default.xml")
    expression = re.search(r'expression="(\^\[\*\]9.*)\\z"', dialplan)
    assert expression is not None
    assert re.fullmatch(expression[1], "*9*")
    assert not re.fullmatch(expression[1], "9")


def test_nothing_of_the_vanilla_configuration_is_there() -> None:
    everything = all_text(configuration()).lower()
    for word in (
        "1234<", '"1234"', "cluecon", "stun:", "auto-nat", "mod_verto", "mod_signalwire",
        "vars.xml", "external.xml", "lumenvox", "brian", "freeswitch.org", "default_password",
        "mod_enum",
    ):  # fmt: skip
        assert word not in everything
    assert re.findall(r'<user id="(\d+)"', everything) == ["1000"]


def test_the_event_socket_listens_on_loopback_only() -> None:
    conf = text(configuration(), "autoload_configs/event_socket.conf.xml")
    assert 'name="listen-ip" value="127.0.0.1"' in conf
    assert 'value="loopback.auto"' in conf


def test_a_password_is_stored_as_its_hash_only() -> None:
    # RFC 2617, 3.2.2.2: A1 = username ":" realm ":" password.
    expected = hashlib.md5(f"1000:cc.example.net:{PHONE}".encode()).hexdigest()
    assert services.a1_hash(site(), site().extensions[0]) == expected
    everything = all_text(configuration())
    assert f'name="a1-hash" value="{expected}"' in everything
    assert PHONE not in everything


def test_no_file_of_the_configuration_is_readable_by_all() -> None:
    assert {file.mode for file in configuration()} == {0o640}


def test_fs_cli_logs_in_as_the_event_socket_asks() -> None:
    tree = configuration(event_socket=EventSocket(port=8055, password=Secret(literal=ESL)))
    assert text(tree, ".fs_cli_conf").splitlines()[1:] == [
        "host => 127.0.0.1",
        "port => 8055",
        f"password => {ESL}",
    ]
    with_esl = [file.path for file in tree if ESL in file.text]
    assert with_esl == [".fs_cli_conf", "autoload_configs/event_socket.conf.xml"]


def test_the_limits_are_the_sites() -> None:
    tree = configuration(
        media=Media(max_calls=7, max_calls_per_second=3), network=Network(rtp_ports=(20000, 20100))
    )
    conf = text(tree, "autoload_configs/switch.conf.xml")
    for name, value in (
        ("max-sessions", 14),
        ("sessions-per-second", 6),
        ("rtp-start-port", 20000),
        ("rtp-end-port", 20100),
    ):
        assert f'name="{name}" value="{value}"' in conf


def test_a_switch_behind_nat_announces_its_public_address() -> None:
    switch = Switch("cc2", address="10.0.0.12", public_ip="203.0.113.12")
    alone = site(network=ALONE)
    profile = text(freeswitch.configuration(alone, switch), "sip_profiles/internal.xml")
    assert 'name="sip-ip" value="10.0.0.12"' in profile
    assert 'name="ext-rtp-ip" value="autonat:203.0.113.12"' in profile


@pytest.mark.parametrize(
    ("trunks", "ext", "own"),
    [
        pytest.param(["198.51.100.7", "2.0.0.1"], "203.0.113.12", [], id="all outside"),
        pytest.param(["10.9.0.7", "192.168.9.7"], None, [], id="all inside"),
        pytest.param(
            ["198.51.100.7", "10.9.0.7"], "autonat:203.0.113.12", ["10.9.0.7"], id="some inside"
        ),
    ],
)
def test_carriers_are_told_what_they_can_reach(
    trunks: list[str], ext: str | None, own: list[str]
) -> None:
    switch = Switch("cc2", address="10.0.0.12", public_ip="203.0.113.12")
    made = site(trunks=[Trunk(f"t{n}", host=host) for n, host in enumerate(trunks)])
    tree = freeswitch.configuration(made, switch)
    profile = text(tree, "sip_profiles/external.xml")
    assert re.findall(r'name="ext-[a-z]+-ip" value="([^"]+)"', profile) == (
        [ext] * 2 if ext else []
    )
    own_address = 'name="contact-host" value="sip-ip"'
    assert own == [
        host for n, host in enumerate(trunks) if own_address in text(tree, f"gateways/t{n}.xml")
    ]


@pytest.mark.parametrize(
    ("networks", "told"), [(["10.9.0.0/24"], []), (["198.51.100.0/24"], ["203.0.113.12"] * 2)]
)
def test_a_carrier_by_tls_is_where_its_networks_are(
    certificates: None, networks: list[str], told: list[str]
) -> None:
    switch = Switch("cc2", address="10.0.0.12", public_ip="203.0.113.12")
    trunk = Trunk(
        "secure",
        host="sip.carrier.example",
        transport="tls",
        ca_file=Path("authority.pem"),
        networks=networks,
    )
    other = Trunk("other", host="198.51.100.7")
    tree = freeswitch.configuration(site(trunks=[trunk, other]), switch)
    profile = text(tree, "sip_profiles/tls-secure.xml")
    assert re.findall(r'name="ext-[a-z]+-ip" value="([^"]+)"', profile) == told


def test_a_switch_without_nat_announces_nothing_else() -> None:
    assert "ext-" not in text(configuration(network=ALONE), "sip_profiles/internal.xml")


def test_a_switch_that_asks_a_stun_server_announces_what_it_is_told() -> None:
    switch = Switch("cc2", address="10.0.0.12", stun="stun.example.net:5349")
    tree = freeswitch.configuration(site(network=ALONE), switch)
    assert f'cmd="include" data="{paths.STUN_ANSWER}"' in text(tree, "freeswitch.xml")
    for name in ("ext-sip-ip", "ext-rtp-ip"):
        line = f'name="{name}" value="autonat:$${{public_address}}"'
        assert line in text(tree, "sip_profiles/internal.xml")
    asks = f"{paths.STUN_TOOL} stun.example.net 5349 10.0.0.12 "
    files = public_address.configuration(switch)
    assert asks in text(files, paths.STUN_DROP_IN)
    assert asks in text(files, f"{paths.STUN}.service")
    # The other drop-in begins anew what is done before a start.
    assert paths.STUN_DROP_IN > paths.UNIT_DROP_IN


def test_without_a_stun_server_there_is_nothing_of_it() -> None:
    switch = Switch("cc2", address="10.0.0.12", public_ip="203.0.113.12")
    assert len(public_address.configuration(switch)) == 0
    for file in freeswitch.configuration(site(), switch):
        assert "public_address" not in file.text
        assert "stun" not in file.text.lower()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_transport_that_is_off_is_closed(transport: Transport) -> None:
    other = "tcp" if transport == "udp" else "udp"
    made = site(network=replace(ALONE, transports=(transport,)))
    rules = text(packet_filter.configuration(made, [22]), paths.FIREWALL_RULES)
    assert f"{transport} dport 5060 accept" in rules
    assert f"{other} dport 5060" not in rules
    profile = text(freeswitch.configuration(made, SWITCH), "sip_profiles/internal.xml")
    assert f'value="transport={transport}"' in profile


def test_no_firewall_means_no_files() -> None:
    assert len(packet_filter.configuration(site(firewall=Firewall(enabled=False)), [22])) == 0


def test_a_site_that_does_not_say_who_may_come_lets_nobody_in() -> None:
    made = site(network=Network(), firewall=Firewall())
    assert [line.partition(":")[0] for line in unsaid(made)] == [
        "Site.network.sip_from",
        "Site.firewall.ssh_from",
    ]
    assert all("such as ['203.0.113.0/24'], or \"anywhere\"" in line for line in unsaid(made))
    assert accepted(made) == []
    assert unsaid(site()) == []
    # Without a packet filter nobody is asked; on Windows its own rules say who administers it.
    assert unsaid(site(network=Network(), firewall=Firewall(enabled=False))) == []
    assert len(unsaid(made, windows=True)) == 1


def accepted(made: Site) -> list[str]:
    rules = text(packet_filter.configuration(made, [2222, 22, 22]), paths.FIREWALL_RULES)
    return [line.strip() for line in rules.splitlines() if 'comment "' in line]


def test_the_firewall_opens_what_the_site_says_from_where_it_says() -> None:
    made = site(
        network=Network(sip_from=("192.0.2.0/24", "2001:db8::/32"), transports=("udp",)),
        firewall=Firewall(ssh_from=("198.51.100.0/24",), tcp_ports=(9100,)),
    )
    assert accepted(made) == [
        'ip saddr { 198.51.100.0/24 } tcp dport { 22, 2222 } accept comment "ssh"',
        'ip saddr { 192.0.2.0/24 } udp dport 5060 accept comment "sip udp"',
        'ip saddr { 192.0.2.0/24 } udp dport 16384-32767 accept comment "rtp"',
        'ip6 saddr { 2001:db8::/32 } udp dport 5060 accept comment "sip udp"',
        'ip6 saddr { 2001:db8::/32 } udp dport 16384-32767 accept comment "rtp"',
        'tcp dport { 9100 } accept comment "further services"',
    ]


def test_further_ports_are_open_to_whom_the_site_says() -> None:
    made = site(
        firewall=Firewall(
            ssh_from="anywhere",
            tcp_ports=[9100, OpenPort(9187, sources=["192.0.2.5", "2001:db8::/64"]), 80],
            udp_ports=[OpenPort(161, sources=["192.0.2.5"]), OpenPort(162, sources=["192.0.2.5"])],
        )
    )
    assert [line for line in accepted(made) if "further" in line] == [
        'tcp dport { 9100, 80 } accept comment "further services"',
        'ip saddr { 192.0.2.5/32 } tcp dport { 9187 } accept comment "further services"',
        'ip6 saddr { 2001:db8::/64 } tcp dport { 9187 } accept comment "further services"',
        'ip saddr { 192.0.2.5/32 } udp dport { 161, 162 } accept comment "further services"',
    ]
    # Who may come there is no stranger that knocks.
    rules = text(packet_filter.configuration(made, [22]), paths.FIREWALL_RULES)
    (unknown,) = {line.strip() for line in rules.splitlines() if "192.0.2.5/32" in line
                  and "jump strangers" in line}  # fmt: skip
    assert unknown.startswith("ip saddr != {")


@pytest.mark.parametrize(
    ("networks", "matches"),
    [
        (("0.0.0.0/0",), [""]),
        (("0.0.0.0/0", "::/0"), [""]),
        # All of IPv6 is not all of IPv4.
        (("10.0.0.0/8", "::/0"), ["ip saddr { 10.0.0.0/8 } ", "meta nfproto ipv6 "]),
        (("0.0.0.0/0", "fd00::/8"), ["meta nfproto ipv4 ", "ip6 saddr { fd00::/8 } "]),
        # A set of intervals takes none twice, nor one inside another.
        (("10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8"), ["ip saddr { 10.0.0.0/8 } "]),
    ],
)
def test_networks_become_matches(networks: tuple[str, ...], matches: list[str]) -> None:
    lines = accepted(site(firewall=Firewall(ssh_from=networks)))
    assert [line for line in lines if '"ssh"' in line] == [
        f'{match}tcp dport {{ 22, 2222 }} accept comment "ssh"' for match in matches
    ]


def test_what_leaves_the_event_socket_closed() -> None:
    assert "8021" not in text(packet_filter.configuration(site(), [22]), paths.FIREWALL_RULES)


SITES: dict[str, Callable[[], Site]] = {
    "the defaults": site,
    "narrow": lambda: site(
        network=Network(sip_from=("192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32")),
        firewall=Firewall(
            ssh_from=("0.0.0.0/0", "fd00::/8"), tcp_ports=(9100, 80), udp_ports=(161,)
        ),
    ),
    "IPv6": lambda: site(network=Network(sip_from=("10.0.0.0/8", "::/0"))),
}


@pytest.mark.parametrize("made", SITES.values(), ids=SITES)
def test_nft_takes_the_rules(made: Callable[[], Site], tmp_path: Path) -> None:
    file = tmp_path / "rules.nft"
    rules = text(packet_filter.configuration(made(), [22]), paths.FIREWALL_RULES)
    # This machine has none of a switch's users.
    file.write_text(re.sub(r'skuid (!= )?"[a-z-]+"', r"skuid \1 0", rules))
    # In a network of its own: nothing on this machine is asked or changed.
    command = ["unshare", "--user", "--map-root-user", "--net", "nft", "-c", "-f", str(file)]
    try:
        possible = subprocess.run([*command[:4], "nft", "list", "ruleset"], capture_output=True)
    except FileNotFoundError as missing:
        pytest.skip(f"{missing.filename} is not installed")
    if possible.returncode:
        pytest.skip("this machine gives no network of one's own")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_signalwires_source_has_its_login_apart() -> None:
    made = site(packages=SignalWire(token=Secret(literal="pat_AbcDefGhiJkl")))
    tree = apt.configuration(made, "bookworm")
    assert text(tree, paths.APT_SOURCES).splitlines() == [
        "Types: deb",
        "URIs: https://freeswitch.signalwire.com/repo/deb/debian-release",
        "Suites: bookworm",
        "Components: main",
        f"Signed-By: {paths.APT_KEY}",
    ]
    assert tree[paths.APT_AUTH].mode == 0o600
    assert text(tree, paths.APT_AUTH) == (
        "machine freeswitch.signalwire.com/repo/deb/debian-release "
        "login signalwire password pat_AbcDefGhiJkl\n"
    )
    assert [file.path for file in tree if "pat_" in file.text] == [paths.APT_AUTH]
    assert "Pin: version 1.10.12*" in text(tree, paths.APT_PREFERENCES)


def test_a_repository_has_its_key_and_login(tmp_path: Path) -> None:
    key = tmp_path / "key.gpg"
    key.write_bytes(b"\x99key")
    login = Secret(literal="apt-Horse-7battery")
    source = AptRepository(
        url="http://apt.example.net:8080/fs/", key=key, user="me", password=login
    )
    tree = apt.configuration(site(packages=source), "trixie")
    assert tree[paths.APT_KEY].content == b"\x99key"
    assert "URIs: http://apt.example.net:8080/fs\nSuites: trixie" in text(tree, paths.APT_SOURCES)
    # Over plain http, apt gives a login only to an entry that says so.
    assert text(tree, paths.APT_AUTH).startswith("machine http://apt.example.net:8080/fs login me ")


def test_a_repository_without_its_key_is_refused(tmp_path: Path) -> None:
    source = AptRepository(url="https://apt.example.net", key=tmp_path / "none")
    with pytest.raises(SiteError, match=r"Site\.packages\.key: .* is no file; give the repository"):
        apt.configuration(site(packages=source), "trixie")


def test_a_folder_of_packages_needs_neither_key_nor_login() -> None:
    tree = apt.configuration(site(packages=LocalPackages()), "bookworm")
    assert [file.path for file in tree] == [paths.APT_PREFERENCES, paths.APT_SOURCES]
    assert "Trusted: yes" in text(tree, paths.APT_SOURCES)


@pytest.mark.parametrize("realtime", [True, False])
def test_the_unit_asks_for_realtime_only_where_the_host_grants_it(realtime: bool) -> None:
    unit = text(beside.configuration(site(), realtime=realtime), paths.UNIT_DROP_IN)
    assert ("CPUSchedulingPolicy=other" in unit) == (not realtime)
    assert "-nonat" in unit
    assert "Environment=TZ=UTC" in unit


class TestTree:
    """Files and what differs from them."""

    files = Tree([File("b", b"2"), File("a", b"1", 0o600)])

    def test_is_in_order_whatever_was_given(self) -> None:
        assert [file.path for file in self.files] == ["a", "b"]
        assert len(self.files) == 2

    def test_refuses_two_files_of_one_path(self) -> None:
        with pytest.raises(ValueError, match="two files are rendered as a"):
            Tree([File("a", b""), File("a", b"")])

    def test_has_the_manifest_that_sha256sum_checks(self, tmp_path: Path) -> None:
        for file in self.files:
            (tmp_path / file.path).write_bytes(file.content)
        (tmp_path / "manifest").write_text(self.files.manifest())
        subprocess.run(["sha256sum", "--strict", "-c", "manifest"], cwd=tmp_path, check=True)

    def test_knows_what_differs(self) -> None:
        digest = self.files["a"].digest
        assert self.files.against({"a": digest, "b": "0", "c": "1"}) == Difference(
            changed=("b",), removed=("c",)
        )
        assert self.files.against({"a": digest}).paths == ("b",)
        assert not self.files.against({file.path: file.digest for file in self.files})

    def test_travels_with_its_modes(self) -> None:
        archive = self.files.archive(["a"], [File("apply", b"true")])
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            assert [(one.name, one.mode) for one in tar] == [("files/a", 0o600), ("apply", 0o644)]

    def test_never_shows_a_files_content(self) -> None:
        assert "geheim" not in repr(File("a", b"geheim"))
