"""A site without a switch: what Kamailio is given, and what is refused."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from callcenter.cli.check import check
from callcenter.client.inventory import Host, Inventory
from callcenter.render import Tree, freeswitch, kamailio, packet_filter, paths
from callcenter.render.where import needs_linux
from callcenter.site import (
    Billing,
    Cap,
    Cdr,
    Extension,
    FeatureCodes,
    Firewall,
    LocalPostgres,
    Media,
    Network,
    OutboundLimits,
    Rate,
    RemotePostgres,
    Route,
    Site,
    SiteError,
    Switch,
    Trunk,
    hosts,
    secret,
)
from callcenter.site.secrets import Secret
from callcenter.site.where import behind_edge, needs_switch, one_count, one_ledger

KAMAILIO = shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin:/usr/bin")
EDGE = Switch("sip.example.net", address="192.0.2.7")
PHONE = "correct-Horse-7battery"
NO_SWITCH: dict[str, Any] = {
    "media": Media(mode="bypass"),
    "features": FeatureCodes(echo=None, tone=None),
}


def site(**fields: Any) -> Site:
    described: dict[str, Any] = {
        "domain": "sip.example.net",
        "extensions": [Extension("1000", password=Secret(literal=PHONE), ring_seconds=20)],
        "network": Network(sip_from="anywhere"),
        "firewall": Firewall(ssh_from="anywhere"),
        **NO_SWITCH,
    }
    return Site(**(described | fields))


def text(tree: Tree, path: str) -> str:
    return tree[path].text


def test_the_hash_is_there_and_the_password_is_not() -> None:
    made = kamailio.configuration(site(), EDGE, None)
    wanted = hashlib.md5(f"1000:sip.example.net:{PHONE}".encode()).hexdigest()
    assert f"1000:0:0:{wanted}:0\n" in text(made, f"{paths.KAMAILIO}/ha1")
    assert "1000:0:1:20000:0\n" in text(made, f"{paths.KAMAILIO}/ring")
    assert not any(PHONE.encode() in file.content for file in made)
    secret = made[f"{paths.KAMAILIO}/ha1"]
    assert (secret.mode, secret.group) == (0o640, "kamailio")


@pytest.mark.parametrize(
    ("network", "edge", "listens"),
    [
        (Network(), EDGE, ["udp:192.0.2.7:5060", "tcp:192.0.2.7:5060"]),
        (Network(transports=("udp",)), EDGE, ["udp:192.0.2.7:5060"]),
        (
            Network(sip_port=5070, transports=("tcp",)),
            Switch("e", address="10.0.0.2", public_ip="203.0.113.9"),
            ["tcp:10.0.0.2:5070 advertise 203.0.113.9:5070"],
        ),
        (
            Network(transports=("udp",)),
            Switch("e", address="2001:db8::2"),
            ["udp:[2001:db8::2]:5060"],
        ),
    ],
)
def test_it_listens_where_the_site_says(network: Network, edge: Switch, listens: list[str]) -> None:
    config = text(kamailio.configuration(site(network=network), edge, None), paths.KAMAILIO_CONFIG)
    assert re.findall(r"^listen=(.*)$", config, re.MULTILINE) == listens
    assert ("disable_tcp=yes" in config) == ("tcp" not in network.transports)


@pytest.mark.skipif(KAMAILIO is None, reason="kamailio is not installed")
@pytest.mark.parametrize("transports", [("udp",), ("tcp",), ("udp", "tcp")])
def test_kamailio_reads_it(tmp_path: Path, transports: Any) -> None:
    made = kamailio.configuration(site(network=Network(transports=transports)), EDGE, None)
    for file in made:
        (tmp_path / Path(file.path).name).write_bytes(
            file.content.replace(paths.KAMAILIO.encode(), str(tmp_path).encode())
        )

    def said() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(KAMAILIO), "-c", "-f", str(tmp_path / "kamailio.cfg")],
            capture_output=True,
            text=True,
            check=False,
        )

    good = said()
    assert good.returncode == 0, good.stderr
    config = tmp_path / "kamailio.cfg"
    config.write_text(config.read_text().replace("t_relay()", "t_relay_it()"))
    assert said().returncode != 0


@pytest.mark.parametrize(
    ("network", "taken"),
    [
        ({"sip_from": ["10.0.0.0/8", "fd00::/48"]}, True),
        ({"sip_from": ["198.51.100.0/24"], "local_networks": ["198.51.0.0/16"]}, True),
        ({"sip_from": "anywhere"}, False),
        ({"sip_from": ["192.168.0.0/16", "198.51.100.0/24"]}, False),
        ({"sip_from": ["10.0.0.0/7"]}, False),
        ({"sip_from": ["::/0"]}, False),
    ],
)
def test_freeswitch_by_itself_faces_no_strangers(network: dict[str, Any], taken: bool) -> None:
    if taken:
        assert not Network(edge=False, **network).edge
        return
    with pytest.raises(SiteError, match=r"sip_from.* edge is False: .*; leave edge out, or name"):
        Network(edge=False, **network)


def test_windows_has_no_edge() -> None:
    windows = Switch("@winrm/cc2", address="10.0.0.5")
    (said,) = behind_edge(site(network=Network()), windows)
    assert said.startswith("Site.network.edge: ")
    assert behind_edge(site(network=Network(edge=False)), windows) == []
    assert behind_edge(site(network=Network()), windows, Switch("e", address="10.0.0.6")) == []


def test_before_a_switch(tmp_path: Path) -> None:
    """FreeSWITCH binds loopback, tells phones the edge's address, and speaks with nobody else."""
    network = Network(sip_from="anywhere", transports=("tcp",))
    behind = site(network=network, media=Media(), features=FeatureCodes())
    switch = Switch("cc1", address="192.0.2.7")
    tree = freeswitch.configuration(behind, switch)
    profile = tree["sip_profiles/internal.xml"].text
    params = dict(re.findall(r'<param name="([^"]+)" value="([^"]*)"', profile))
    assert params["sip-ip"] == "127.0.0.1"
    assert params["rtp-ip"] == params["ext-sip-ip"] == "192.0.2.7"
    assert params["outbound-proxy"] == "sip:192.0.2.7:5060"
    assert params["apply-inbound-acl"] == "edge"
    assert '<node type="allow" cidr="192.0.2.7/32"/>' in tree["autoload_configs/acl.conf.xml"].text
    config = text(kamailio.configuration(behind, switch, switch), paths.KAMAILIO_CONFIG)
    # UDP is FreeSWITCH's alone here: the packet filter does not open it.
    assert re.findall(r"^listen=(.*)$", config, re.MULTILINE) == [
        "tcp:192.0.2.7:5060",
        "udp:192.0.2.7:5060",
    ]
    rules = text(packet_filter.configuration(behind, [22]), paths.FIREWALL_RULES)
    assert 'accept comment "sip tcp"' in rules
    assert 'accept comment "sip udp"' not in rules
    assert "udp sport 5060 accept" not in rules


def test_no_port_is_open_for_voice() -> None:
    rules = text(packet_filter.configuration(site(), [22], rtp=False), paths.FIREWALL_RULES)
    assert "16384" not in rules
    assert "udp dport 5060 accept" in rules


def test_records_of_calls_need_a_switch_and_linux() -> None:
    made = site(cdr=Cdr())
    assert [line for line in needs_switch(made) if "Site.cdr" in line]
    assert [line for line in needs_linux(made) if "Site.cdr" in line]


def test_billing_needs_a_switch_linux_and_one_place_for_each_account() -> None:
    fields: dict[str, Any] = {
        "extensions": [Extension(1000, account="family")],
        "billing": Billing(currency="EUR", rates=[Rate("+49", 1)]),
    }
    made = site(**fields, database=LocalPostgres())
    assert [line for line in needs_switch(made) if "Site.billing" in line]
    assert [line for line in needs_linux(made) if "Site.billing" in line]
    assert one_ledger(made, 1) == []
    (line,) = one_ledger(made, 2)
    assert line.startswith("Site.database: each of the 2 switches")
    shared = site(**fields, database=RemotePostgres("db.example.net", password=secret("db")))
    assert one_ledger(shared, 2) == []


def test_several_switches_say_who_counts_for_caps(tmp_path: Path) -> None:
    """In a deploy, and for whoever asks about the inventory."""
    fields: dict[str, Any] = {
        "trunks": [Trunk("a", host="192.0.2.1", caller_id="+4930123400")],
        "outbound": [Route("r", pattern=r"^0\d{6}$", strip=1, prefix="+49", trunks=["a"])],
        "outbound_limits": OutboundLimits(countries=["+49"]),
        "caps": [Cap("c", per="day", calls=1)],
    }
    made = site(**fields)
    assert one_count(made, 1) == []
    (line,) = one_count(made, 2)
    assert line.startswith("Site.caps_counted_by: is not said")
    assert one_count(site(**fields, caps_counted_by="switch"), 2) == []
    remote = RemotePostgres("db.example.net", password=secret("db"))
    assert one_count(site(**fields, caps_counted_by="site", database=remote), 2) == []
    names = ("cc1.example.net", "cc2.example.net")
    data = {"public_ip": "203.0.113.9", "site": made}
    two = Inventory(tmp_path, tuple(Host(name, ("switches",), data) for name in names))
    with pytest.raises(SiteError, match="each of the 2 switches"):
        _ = two.site


def test_a_carrier_by_tls_needs_linux(certificates: object) -> None:
    carrier = Trunk(
        "a",
        host="sip.example.net",
        networks=["192.0.2.1"],
        transport="tls",
        ca_file=Path("authority.pem"),
    )
    made = Site("cc.example.net", extensions=tuple(Extension.range(10, 11)), trunks=[carrier])
    assert needs_linux(made) == [
        "Site.trunks[0].transport: 'tls' needs a Linux host; use 'tcp' or 'udp'"
    ]


def test_what_needs_a_switch_is_named() -> None:
    assert needs_switch(site()) == []
    lines = needs_switch(site(media=Media(), features=FeatureCodes(tone=None)))
    assert [line.partition(":")[0] for line in lines] == ["Site.features.echo", "Site.media.mode"]
    assert all("needs a switch" in line and "; " in line for line in lines)


def test_check_refuses_an_inventory_of_edges_that_needs_a_switch(own_folder: Path) -> None:
    (own_folder / "group_data").mkdir()
    inventory = own_folder / "office"
    inventory.write_text(
        "from callcenter.site import hosts\n"
        "edges = hosts(('sip.example.net', {'public_ip': '203.0.113.20'}), group='edges')\n"
    )
    data = own_folder / "group_data" / "office.py"
    start = (
        "from callcenter.site import *\nsite = Site(domain='sip.example.net', extensions=[1000], "
        "network=Network(sip_from='anywhere'), firewall=Firewall(ssh_from='anywhere')"
    )
    data.write_text(f"{start})\n")
    assert len(check(inventory)) == 3
    data.write_text(
        f"{start}, media=Media(mode='bypass'), features=FeatureCodes(echo=None, tone=None))\n"
    )
    assert check(inventory) == []


def test_refusals_name_the_group() -> None:
    with pytest.raises(SiteError, match=r"edges\['e'\]\.address: is missing"):
        hosts(("e", {}), group="edges")
    with pytest.raises(SiteError, match=r"'@winrm/e'\]: is a Windows host"):
        hosts(("@winrm/e", {"address": "192.0.2.7"}), group="edges")
