"""Edges on hosts of their own before a switch: what each host is given, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callcenter.cli import main
from callcenter.cli.check import check
from callcenter.cli.phone import phone
from callcenter.cli.rehearsal import files
from callcenter.client.inventory import load
from callcenter.render import (
    beside,
    freeswitch,
    kamailio,
    packet_filter,
    paths,
    turn,
    users,
    web,
)
from callcenter.site import (
    Acme,
    Extension,
    Firewall,
    Network,
    OwnAuthority,
    PhoneTls,
    Provisioning,
    Site,
    SiteError,
    Switch,
    Turn,
    WebPhone,
    Wss,
)
from callcenter.site.edges import before_switches
from callcenter.site.ports import listeners
from callcenter.site.secrets import Secret
from callcenter.site.site_hosts import SiteHosts
from callcenter.site.where import not_relayed

EDGE = Switch("edge1", address="10.0.0.20", public_ip="203.0.113.20")
SWITCH = Switch("cc1", address="10.0.0.11", public_ip="203.0.113.11")
INSIDE = Switch("cc1", address="10.0.0.11")


def site(**fields: Any) -> Site:
    described: dict[str, Any] = {
        "domain": "sip.example.net",
        "extensions": [Extension("1000", password=Secret(literal="correct-Horse-7battery"))],
        "network": Network(sip_from="anywhere"),
        "firewall": Firewall(ssh_from="anywhere"),
    }
    return Site(**(described | fields))


def rules(made: Site, here: Switch, other: Switch, *, rtp: bool) -> str:
    tree = packet_filter.configuration(made, [22], rtp=rtp, inside=(here, other))
    return tree[paths.FIREWALL_RULES].text


def test_freeswitch_hears_the_edge_alone_and_names_it() -> None:
    tree = freeswitch.configuration(site(), SWITCH, EDGE)
    profile = tree["sip_profiles/internal.xml"].text
    params = dict(re.findall(r'<param name="([^"]+)" value="([^"]*)"', profile))
    assert params["sip-ip"] == params["rtp-ip"] == "10.0.0.11"
    assert params["ext-sip-ip"] == "10.0.0.20"
    assert params["outbound-proxy"] == "sip:10.0.0.20:5060"
    assert params["bind-params"] == "transport=udp"
    acl = tree["autoload_configs/acl.conf.xml"].text
    (edge,) = re.findall(r'<list name="edge" default="deny">(.*?)</list>', acl, re.DOTALL)
    assert re.findall(r'<node type="(\w+)" cidr="([^"]+)"', edge) == [("allow", "10.0.0.20/32")]


def test_the_switch_lets_no_phone_speak_sip_with_it() -> None:
    made = rules(site(), SWITCH, EDGE, rtp=True)
    accepted = [line.strip() for line in made.splitlines() if "5060" in line and "accept" in line]
    assert accepted == [
        # What FreeSWITCH itself begins, and what it hears.
        "ip daddr { 10.0.0.20/32 } udp dport 5060 accept",
        'ip saddr { 10.0.0.20/32 } udp dport 5060 accept comment "sip of the edge"',
    ]
    assert 'udp dport 16384-32767 accept comment "rtp"' in made
    # Nobody else on the host speaks with the edge, and nobody on it with FreeSWITCH.
    assert f'daddr {{ 10.0.0.20/32 }} udp dport 5060 meta skuid != "{users.FREESWITCH}"' in made
    assert "daddr { 10.0.0.11/32 } udp dport 5060 counter drop" in made


def test_who_spoke_with_kamailio_on_the_switch_goes_on_with_nobody() -> None:
    """A phone's packets are established as long as it sends some."""
    lines = [line.strip() for line in rules(site(), SWITCH, EDGE, rtp=True).splitlines()]
    chain = lines[lines.index("chain input {") :]
    closed = chain.index("ip daddr { 10.0.0.11/32 } udp dport 5060 counter drop")
    opened = chain.index(
        'ip saddr { 10.0.0.20/32 } udp dport 5060 accept comment "sip of the edge"'
    )
    assert opened < closed < chain.index("ct state established,related accept")


def test_the_edge_lets_in_phones_and_its_switch() -> None:
    made = rules(site(network=Network(sip_from=["198.51.100.0/24"])), EDGE, SWITCH, rtp=False)
    accepted = [line.strip() for line in made.splitlines() if "5060" in line and "accept" in line]
    assert accepted == [
        'ip saddr { 10.0.0.11/32 } udp dport 5060 accept comment "sip of the switch"',
        'ip saddr { 198.51.100.0/24 } udp dport 5060 accept comment "sip udp"',
        'ip saddr { 198.51.100.0/24 } tcp dport 5060 accept comment "sip tcp"',
    ]
    assert f'daddr {{ 10.0.0.11/32 }} udp dport 5060 meta skuid != "{users.KAMAILIO}"' in made
    assert "rtp" not in made


@pytest.mark.parametrize(
    ("edge", "switch", "written"),
    [
        # Voice goes to the switch's own public address.
        (EDGE, SWITCH, "/ 10[.]0[.]0[.]11(\\r?\\n)/ $var(address)\\1/g"),
        (Switch("edge1", address="10.0.0.20"), SWITCH, "/ 10[.]0[.]0[.]11(\\r?\\n)/"),
        (Switch("edge1", address="10.0.0.20"), INSIDE, None),
    ],
)
def test_phones_outside_are_told_where_voice_goes(
    edge: Switch, switch: Switch, written: str | None
) -> None:
    config = kamailio.configuration(site(), edge, switch)[paths.KAMAILIO_CONFIG].text
    assert '$si == "10.0.0.11" && $sp == 5060' in config
    assert '$du = "sip:10.0.0.11:5060;transport=udp"' in config
    assert "127.0.0.1" not in config
    assert ("subst_body" in config) == (written is not None)
    if written is not None:
        assert written in config
        assert '$var(address) = "203.0.113.11";' in config
        told = "203.0.113.20:5060" if edge == EDGE else "10.0.0.20:5060"
        assert f'$var(address) = "{told}";' in config


def test_what_stands_before_a_switch_is_told_apart(own_folder: Path) -> None:
    inventory = described(own_folder, site_text())
    assert check(inventory) == []
    edge, switch = load(inventory).hosts
    assert (edge.edge, edge.behind) == (None, switch.switch)
    assert (switch.edge, switch.behind) == (edge.switch, switch.switch)
    assert (edge.inside, switch.inside) == (
        (edge.switch, switch.switch),
        (switch.switch, edge.switch),
    )
    here = {one.path for one in files(site(), edge)}
    assert paths.KAMAILIO_CONFIG in here
    tree = files(site(), switch)
    # After a boot at which the filter could not be loaded, say.
    asked = "ExecStartPre=+/bin/sh -c 'nft list chain inet callcenter inside >/dev/null'"
    assert asked in tree[paths.UNIT_DROP_IN].text.splitlines()
    there = {one.path for one in tree}
    assert "sip_profiles/internal.xml" in there
    assert paths.KAMAILIO_CONFIG not in there


def test_a_plan_is_of_the_switch_whichever_host_comes_first(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory = str(described(own_folder, site_text()))
    assert main(["plan", inventory, inventory]) == 0
    assert capsys.readouterr().out == "nothing would change\n"
    assert main(["plan", inventory, inventory, "--host", "edge1"]) == 0
    assert capsys.readouterr().out == "nothing would change\n"
    assert main(["plan", inventory, inventory, "--host", "edge2"]) == 1
    assert "edge2 is no Linux host of" in capsys.readouterr().err


def described(
    folder: Path, text: str, *, edges: str = "{'address': '10.0.0.20'}",
    switches: str = "{'address': '10.0.0.11'}",
) -> Path:  # fmt: skip
    (folder / "group_data").mkdir(exist_ok=True)
    (folder / "group_data" / "office.py").write_text(text)
    inventory = folder / "office"
    inventory.write_text(
        "from callcenter.site import hosts\n"
        f"edges = hosts(('edge1', {edges}), group='edges')\n"
        f"switches = hosts(('cc1', {switches}))\n"
    )
    return inventory


def site_text(more: str = "") -> str:
    return (
        "from callcenter.site import *\nsite = Site(domain='sip.example.net', extensions=[1000], "
        "network=Network(sip_from='anywhere'), firewall=Firewall(ssh_from='anywhere')"
        f"{more})\n"
    )


def test_check_refuses_it_before_a_host_is_asked(own_folder: Path) -> None:
    public = described(own_folder, site_text(), edges="{'public_ip': '203.0.113.20'}")
    lines = check(public)
    assert lines[0].startswith("edges['edge1']: 203.0.113.20 is not in network.local_networks, and")
    assert lines[1].startswith("switches['cc1'].public_ip: is missing, and phones that reach the")


def test_a_host_in_both_groups_is_refused(own_folder: Path) -> None:
    inventory = described(own_folder, site_text())
    inventory.write_text(inventory.read_text().replace("edge1", "cc1"))
    (line,) = check(inventory)
    assert line.startswith("edges['cc1']: is in switches, too; leave edges out, and Kamailio")


PLAIN = Switch("edge1", address="10.0.0.20")


@pytest.mark.parametrize(
    ("edges", "switches", "fields", "begin"),
    [
        ([PLAIN, Switch("e2", address="10.0.0.21")], [INSIDE], {}, "edges: are 2 before a switch"),
        ([PLAIN], [INSIDE, Switch("cc2", address="10.0.0.12")], {}, "switches: are 2 behind an"),
        (
            [PLAIN],
            [Switch("cc1", address="10.0.0.11", stun="stun.example.net")],
            {},
            "switches['cc1'].stun: is told to Kamailio",
        ),
        (
            [PLAIN],
            [Switch("cc1", address="198.51.100.11")],
            {},
            "switches['cc1']: 198.51.100.11 is not in network.local_networks, and SIP between",
        ),
        (
            [Switch("edge1", address="2001:db8::20")],
            [INSIDE],
            {},
            "edges['edge1']: 2001:db8::20 is of IPv6, and the switch's 10.0.0.11 of IPv4;",
        ),
        (
            [PLAIN],
            [Switch("cc1", address="10.0.0.20")],
            {},
            "edges['edge1']: 10.0.0.20 is switches['cc1']'s, too; leave edges out",
        ),
        (
            [PLAIN],
            [Switch("cc1", address="10.0.0.11", trunk_address="10.0.0.20")],
            {},
            "edges['edge1']: 10.0.0.20 is switches['cc1']'s, too; leave edges out",
        ),
        ([EDGE], [INSIDE], {}, "switches['cc1'].public_ip: is missing, and phones that reach"),
        (
            [PLAIN],
            [INSIDE],
            {"network": Network(edge=False, sip_from=["10.0.0.0/8"])},
            "Site.network.edge: is False, and the inventory has edges before its switch",
        ),
        (
            [PLAIN],
            [INSIDE],
            {"firewall": Firewall(enabled=False)},
            "Site.firewall.enabled: is False, and nothing else keeps others than the edge",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    edges: list[Switch], switches: list[Switch], fields: dict[str, Any], begin: str
) -> None:
    (line,) = before_switches(site(**fields), edges, switches)
    assert line.startswith(begin)
    assert "; " in line


def test_the_edge_alone_asks_for_a_certificate() -> None:
    acme = PhoneTls(Acme("it@example.net", terms_agreed=True))
    made = site(network=Network(sip_from="anywhere", tls=acme))
    here = rules(made, EDGE, SWITCH, rtp=False)
    there = rules(made, SWITCH, EDGE, rtp=True)
    assert 'accept comment "acme"' in here
    assert "acme" not in there
    assert "5061" not in there


def test_a_linphone_is_pointed_at_the_edge(own_folder: Path) -> None:
    described(own_folder, site_text())
    # Whichever of the two comes first.
    inventory = own_folder / "office"
    first, *lines = inventory.read_text().splitlines()
    for order in (lines, lines[::-1]):
        inventory.write_text("\n".join([first, *order, ""]))
        assert "sip:10.0.0.20:5060;transport=udp" in phone(inventory, None, False)


def test_the_edge_alone_serves_links(own_authority: Network) -> None:
    made = site(network=own_authority, provisioning=Provisioning(port=8443))
    assert before_switches(made, [PLAIN], [INSIDE]) == []
    assert 'tcp dport 8443 accept comment "web"' in rules(made, EDGE, SWITCH, rtp=False)
    assert "8443" not in rules(made, SWITCH, EDGE, rtp=True)
    served = {
        here: [one.field for one in listeners(made, alone=here == "edge", apart=True)]
        for here in ("edge", "switch")
    }
    assert "provisioning.port" in served["edge"]
    assert "provisioning.port" not in served["switch"]


def with_page(own_authority: Network, **fields: Any) -> Site:
    """Return a Site with a page that is a phone, and a mailbox."""
    tls = PhoneTls(OwnAuthority(), wss=Wss())
    box = Extension("1000", password=Secret(literal="correct-Horse-7battery"), voicemail=True)
    given: dict[str, Any] = {"web_phone": WebPhone(port=8443), "extensions": [box]}
    return site(network=replace(own_authority, tls=tls), **(given | fields))


def test_the_edge_serves_the_page_and_asks_the_switch_for_messages(
    own_authority: Network, own_folder: Path
) -> None:
    """Which hears its web server alone."""
    made = with_page(own_authority, secret_file=own_folder / "secrets.json")
    assert before_switches(made, [EDGE], [SWITCH]) == []
    nginx = web.configuration(made, EDGE, bytes, SWITCH)[paths.WEB_CONFIG].text
    assert "listen 10.0.0.20:8443 ssl;" in nginx
    assert "proxy_pass http://10.0.0.11:8444$request_uri;" in nginx
    there = beside.configuration(made, realtime=False, inside=(SWITCH, EDGE))
    settings = json.loads(there[paths.VOICEMAIL_PAGE_CONFIG].text)
    assert settings["listens"] == ["10.0.0.11", 8444]
    unit = there[paths.VOICEMAIL_PAGE_UNIT].text
    assert "IPAddressAllow=localhost 10.0.0.20\n" in unit
    here, other = rules(made, EDGE, SWITCH, rtp=False), rules(made, SWITCH, EDGE, rtp=True)
    nobody = f'ip daddr {{ 10.0.0.11/32 }} tcp dport 8444 meta skuid != "{users.WEB}" counter drop'
    assert nobody in here
    assert "8443" in here
    assert "8443" not in other
    asked = 'ip saddr { 10.0.0.20/32 } tcp dport 8444 accept comment "voice messages"'
    assert [line for line in other.splitlines() if "8444" in line and "accept" in line] == [
        f"\t\t{asked}"
    ]
    ports = {one.field for one in listeners(made, apart=True)}
    assert "web_phone.messages_port" in ports
    assert "web_phone.port" not in ports


def test_without_a_mailbox_nothing_of_messages_is_between_the_hosts(
    own_authority: Network,
) -> None:
    plain = [Extension("1000", password=Secret(literal="correct-Horse-7battery"))]
    made = with_page(own_authority, extensions=plain)
    assert "8444" not in rules(made, EDGE, SWITCH, rtp=False)
    assert "8444" not in rules(made, SWITCH, EDGE, rtp=True)
    nginx = web.configuration(made, EDGE, bytes, SWITCH)[paths.WEB_CONFIG].text
    assert "voicemail" not in nginx
    assert "8444" not in {str(one.port) for one in listeners(made, apart=True)}


def test_the_edge_has_turn_and_reaches_the_switch_inside(own_authority: Network) -> None:
    """Switch is reached by its inside address, whichever of the two a browser is told"""
    tls = PhoneTls(OwnAuthority(), wss=Wss(turn=Turn()))
    made = site(network=replace(own_authority, tls=tls))
    assert before_switches(made, [EDGE], [SWITCH]) == []
    assert not_relayed(made, [SWITCH]) == []
    here, there = (SiteHosts.of(one, [SWITCH], [EDGE]) for one in (EDGE, SWITCH))
    config = turn.configuration(made, here)[paths.TURN_CONFIG].text
    assert "relay-ip=10.0.0.20\nallocation" in config
    assert re.findall("allowed-peer-ip=(.*)", config) == ["10.0.0.11", "203.0.113.11"]
    assert list(turn.configuration(made, there)) == []
    assert users.TURN in web.accounts(made)[paths.WEB_USERS].text
    forth = "udp sport 49152-53247 udp dport 16384-32767"
    own, other = (
        packet_filter.configuration(
            made, [22], rtp=one is there, inside=(one.here, beside), hosts=one
        )[paths.FIREWALL_RULES].text
        for one, beside in ((here, SWITCH), (there, EDGE))
    )
    assert f"ip daddr {{ 203.0.113.11/32 }} {forth} dnat ip to 10.0.0.11\n" in own
    assert f"ip daddr {{ 10.0.0.11/32 }} {forth} accept\n" in own
    assert f'ip saddr {{ 10.0.0.20/32 }} {forth} accept comment "rtp by TURN"\n' in other
    assert "tcp dport 5349 goto turn" in own
    assert "5349" not in other
    assert "dnat" not in other
    fields = {
        one.here.name: {each.field for each in listeners(made, alone=one is here, apart=True)}
        & {"network.tls.wss.turn.port"}
        for one in (here, there)
    }
    assert fields == {"edge1": {"network.tls.wss.turn.port"}, "cc1": set()}


@pytest.mark.parametrize("fields", [{"port": 8444}, {"messages_port": 7443}])
def test_the_port_of_messages_is_one_of_its_own(
    own_authority: Network, fields: dict[str, int]
) -> None:
    with pytest.raises(SiteError, match=r"web_phone\.(messages_)?port: \d+ is "):
        with_page(own_authority, web_phone=WebPhone(**fields))


@pytest.fixture
def own_authority() -> Network:
    return Network(sip_from="anywhere", tls=PhoneTls(OwnAuthority()))
