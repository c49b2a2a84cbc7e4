"""Calls as carriers ask for them: keys, timers, packets, headers, ringing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import callcenter.site
from callcenter.onhost.delivery import record_of
from callcenter.render import freeswitch
from callcenter.site import Site, SiteError, Switch
from callcenter.site.dialled import FORWARDERS
from callcenter.site.families import other_family
from callcenter.site.presets import PRESETS, SOURCES
from callcenter.site.secrets import Secret
from callcenter.site.where import misleads

m: Any = callcenter.site
ROOT = Path(__file__).resolve().parents[2]
SWITCH = Switch("cc1", address="10.0.0.5")
ALL = """
domain: cc.example.net
extensions: [{number: 1000, routes: [out]}]
trunks:
  - name: a
    host: 192.0.2.1
    caller_id: "+4930123400"
    ringback: gb
    dtmf: in-band
    packet_ms: 30
    codecs: [PCMA, PCMU]
    session_seconds: null
    longest_call: 7200
    headers: {X-Account: "42", P-Charge-Info: "<sip:+4930123400@a.example>"}
  - {name: b, host: 192.0.2.2, caller_id: "+4930123400"}
inbound: [{number: "+4930123401", to: {extension: 1000}}]
outbound: [{name: out, pattern: '^00\\d{5,14}$', strip: 2, prefix: "+", trunks: [a, b]}]
emergency: [{number: 112, trunks: [a]}]
outbound_limits: {countries: ["+49"]}
"""


def files(own_folder: Path, text: str = ALL) -> dict[str, str]:
    Path("site.yaml").write_text(text)
    tree = freeswitch.configuration(Site.load("site.yaml"), SWITCH)
    return {file.path: file.text.replace("&#36;", "$") for file in tree}


def test_each_call_by_the_trunk_has_it(own_folder: Path) -> None:
    made = files(own_folder)
    text = made["dialplan/services/outbound.xml"]
    lines = [line for line in text.splitlines() if "sofia/gateway/a/" in line]
    assert len(lines) == 2
    emergency, outward = sorted(lines, key=lambda line: "sched_hangup" in line)
    for line in (emergency, outward):
        for part in (
            "dtmf_type=none",
            "execute_on_answer_1=start_dtmf",
            "sofia_session_timeout=0",
            "sip_h_X-Account=42",
            "ignore_early_media=true",
            "absolute_codec_string=PCMA@30i,PCMU@30i",
        ):
            assert part in line
    # Help is never cut off.
    assert "sched_hangup +7200 ALLOTTED_TIMEOUT" in outward
    assert "sched_hangup" not in emergency
    [other] = [line for line in text.splitlines() if "sofia/gateway/b/" in line]
    for part in ("dtmf_type", "sofia_session_timeout", "sip_h_", "execute_on_answer", "@30i"):
        assert part not in other
    # The next trunk's callers hear its own ringing again.
    assert text.index("instant_ringback=true") < text.index('"unset" data="instant_ringback"')
    public = made["dialplan/public.xml"]
    for part in ("dtmf_type=none", "sched_hangup +7200", "sofia_session_timeout=0", "PCMA@30i"):
        assert public.count(part) == 1


def test_left_out_nothing_of_it_is_there(own_folder: Path) -> None:
    plain = re.sub(r"    (ringback|dtmf|packet_ms|codecs|session_seconds|longest_call|headers).*\n",
                   "", ALL)  # fmt: skip
    made = files(own_folder, plain)
    for part in ("dtmf_type", "sofia_session", "sched_hangup", "sip_h_X", "instant_ring", "@30i"):
        for path in ("dialplan/services/outbound.xml", "dialplan/public.xml"):
            assert part not in made[path]


@pytest.mark.parametrize(
    ("field", "header", "number"),
    [
        ("sip_h_Diversion", '"Ann" <sip:+4930555100@a.example>;reason=no-answer', "+4930555100"),
        ("sip_h_Diversion", "<tel:030555100;phone-context=x>;counter=1", "030555100"),
        ("sip_h_Diversion", "<sip:${system(x)}@a>", None),
        ("sip_h_Diversion", "<sip:1@a>", None),
        ("sip_h_Diversion", "<sip:+4930555100@a>\n", None),
        ("sip_history_info", "<sip:+49301@a;cause=302>;index=1, <sip:+4930@a>;index=1.1", "+49301"),
        ("sip_history_info", "<sip:+4930@a>;index=1", None),
        ("sip_history_info", "<sip:111@a>;index=1,<sip:222@a>;index=1.1,<sip:333@a>", "222"),
    ],
)
def test_who_has_sent_a_call_on(field: str, header: str, number: str | None) -> None:
    found = re.match(FORWARDERS[field].replace(r"\z", r"\Z"), header)
    assert (found[1] if found else None) == number


def test_its_record_names_it() -> None:
    step = {"extension": {}, "caller_profile": {"destination_number": "030123401"}}
    said = dict.fromkeys(("duration", "billsec", "start_uepoch", "end_uepoch"), "1")
    leg = {
        "variables": {**said, "uuid": "u", "hangup_cause": "NORMAL_CLEARING", "trunk": "a"},
        "callflow": [step],
        "switchname": "cc1",
    }
    for given, kept in (("%2B4930555100", "+4930555100"), ("030", "030"), ("=cmd|x", None)):
        leg["variables"]["forwarded_by"] = given  # type: ignore[index]
        made = record_of(leg)
        assert made is not None
        assert made.forwarded_by == kept


CHINA = """
domain: cc.example.net
extensions: [1000]
trunks:
  - name: mobile
    host: ims.ln.chinamobile.com
    outbound_proxy: 192.0.2.9
    username: "+862412345678"
    auth_username: 862412345678@ims.ln.chinamobile.com
    password: correct-Horse-7battery
    national: "+86"
  - name: telecom
    host: gd.ctcims.cn
    outbound_proxy: 192.0.2.10
    username: "+8675512345678"
    auth_username: "+8675512345678@gd.ctcims.cn"
    password: another-Horse-8battery
    national: "+86"
"""


def test_what_public_pages_say_of_chinas_networks(own_folder: Path) -> None:
    """Gateways as docs/carriers.md describes them."""
    made = files(own_folder, CHINA)
    for name, realm, proxy, account, login in (
        ("mobile", "ims.ln.chinamobile.com", "192.0.2.9", "+862412345678", "862412345678"),
        ("telecom", "gd.ctcims.cn", "192.0.2.10", "+8675512345678", "+8675512345678"),
    ):
        gateway = dict(re.findall(r'param name="([a-z-]+)" value="([^"]*)"',
                                  made[f"gateways/{name}.xml"]))  # fmt: skip
        assert gateway["realm"] == gateway["proxy"] == realm
        assert gateway["outbound-proxy"].startswith(proxy)
        assert gateway["register-proxy"].startswith(proxy)
        assert gateway["username"] == account
        assert gateway["auth-username"] == f"{login}@{realm}"
        assert gateway["register"] == "true"


GIVEN: dict[str, dict[str, Any]] = {
    "flowroute": {"number_prefix": "12345678*"},
    "telekom-companyflex": {"outbound_proxy": "123456789012.primary.companyflex.de"},
    "twilio": {"host": "acme.pstn.twilio.com"},
}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_the_same_in_yaml_and_gives_way(preset: str, own_folder: Path) -> None:
    account = {"username": "u", "password": Secret(literal="correct-Horse-7battery")}
    fields = {"networks": ["203.0.113.0/24"], **account, **GIVEN.get(preset, {})}
    made = m.Trunk("a", preset=preset, **fields)
    for field, value in PRESETS[preset].items():  # type: ignore[index]
        assert getattr(made, field) == value
    assert TypeAdapter(m.Trunk).validate_python({"name": "a", "preset": preset, **fields}) == made
    other = m.Trunk("a", preset=preset, **{**fields, "host": "other.twilio.com"})
    assert other.host == "other.twilio.com"
    text = (ROOT / "docs/carriers.md").read_text()
    assert f"| `{preset}` |" in text
    for page in SOURCES[preset]:  # type: ignore[index]
        assert page in text


def trunk(**fields: Any) -> object:
    return m.Trunk("a", **{"host": "192.0.2.1", **fields})


def routed(mode: str, **fields: Any) -> Site:
    made: Site = m.Site(
        "cc.example.net",
        extensions=[1000],
        trunks=[trunk(**fields)],
        outbound=[m.Route("r", pattern=r"^0\d{5,9}$", strip=1, prefix="+49", trunks=["a"],
                          media=mode)],
        outbound_limits=m.OutboundLimits(countries=["+49"]),
    )  # fmt: skip
    return made


def bypassing(**fields: Any) -> Site:
    made: Site = m.Site(
        "cc.example.net",
        extensions=[1000],
        media=m.Media(mode="bypass"),
        trunks=[trunk(**fields)],
    )
    return made


@pytest.mark.parametrize(
    ("made", "path", "words"),
    [
        (lambda: trunk(preset="acme"), "Trunk.preset", "use 'flowroute'"),
        (lambda: trunk(preset="sipgate"), "Trunk.username", "is missing for sipgate"),
        (lambda: m.Trunk("a", preset="telekom-companyflex", networks=["203.0.113.0/24"],
                         username="u", password=Secret(literal="x" * 14 + "9A")),
         "Trunk.outbound_proxy", "ends in '.primary.companyflex.de'"),
        (lambda: trunk(forwarded_in="p-served-user"), "Trunk.forwarded_in", "history-info"),
        (lambda: trunk(preset="flowroute"), "Trunk.number_prefix", "give its prefix"),
        (lambda: trunk(preset="twilio", username="u", password=Secret(literal="x" * 14 + "9A")),
         "Trunk.host", "is no trunk of twilio"),
        (lambda: m.Trunk("a", networks=["203.0.113.0/24"]), "Trunk.host", "is missing"),
        (lambda: trunk(dtmf="rfc4733"), "Trunk.dtmf", ""),
        (lambda: trunk(packet_ms=30), "Trunk.codecs", "is missing beside packet_ms"),
        (lambda: trunk(packet_ms=25, codecs=["PCMA"]), "Trunk.packet_ms", ""),
        (lambda: trunk(packet_ms=30, codecs=["OPUS"]), "Trunk.packet_ms", "is not for OPUS"),
        (lambda: trunk(session_seconds=60), "Trunk.session_seconds", ""),
        (lambda: trunk(longest_call=1), "Trunk.longest_call", ""),
        (lambda: trunk(longest_call=True), "Trunk.longest_call", ""),
        (lambda: trunk(ringback="xx"), "Trunk.ringback", ""),
        (lambda: trunk(ringback="de", early_media=False), "Trunk.early_media", "beside ringback"),
        (lambda: trunk(headers={"Via": "x"}), "Trunk.headers", "begins with X- or P-"),
        (lambda: trunk(headers={"X A": "x"}), "Trunk.headers", "begins with X- or P-"),
        (lambda: trunk(headers={"X-A\nVia": "x"}), "Trunk.headers", "begins with X- or P-"),
        (lambda: trunk(headers={"P-Asserted-Identity": "x"}), "Trunk.headers", "use caller_id_in"),
        (lambda: trunk(headers={"X-A": "a\nVia: b"}), "Trunk.headers['X-A']", "cannot carry"),
        (lambda: trunk(headers={"X-A": "${x}"}), "Trunk.headers['X-A']", "cannot carry"),
        (lambda: trunk(headers={"X-A": "a;b=c"}), "Trunk.headers['X-A']", "cannot carry"),
        (lambda: trunk(headers={"X-A": ""}), "Trunk.headers['X-A']", "cannot carry"),
        (lambda: trunk(headers={"X-A": "1", "x-a": "2"}), "Trunk.headers", "X- or P-"),
        (lambda: trunk(headers={"X-A": "1", "X-a": "2"}), "Trunk.headers", "has one twice"),
        (lambda: routed("proxy", dtmf="info"), "Site.outbound[0].media", "for dtmf of trunk"),
        (lambda: routed("bypass", ringback="de"), "Site.outbound[0].media", "for ringback of"),
        (lambda: routed("bypass", packet_ms=30, codecs=["PCMA"]), "Site.outbound[0].media",
         "for packet_ms of"),
        (lambda: bypassing(dtmf="in-band"), "Site.trunks[0].dtmf", "media.mode is 'bypass'"),
        (lambda: bypassing(ringback="us"), "Site.trunks[0].ringback", "media.mode is"),
    ],
)  # fmt: skip
def test_refused(made: Any, path: str, words: str, own_folder: Path) -> None:
    with pytest.raises(SiteError) as refused:
        made()
    assert any(line.startswith(path) and words in line for line in refused.value.problems), (
        refused.value.problems
    )


def test_carriers_at_an_address_of_their_own(own_folder: Path) -> None:
    Path("site.yaml").write_text(ALL)
    site = Site.load("site.yaml")
    vlan = Switch("cc1", address="10.0.0.5", public_ip="203.0.113.5", trunk_address="10.9.0.5")
    tree = {file.path: file.text for file in freeswitch.configuration(site, vlan)}
    external, internal = (tree[f"sip_profiles/{name}.xml"] for name in ("external", "internal"))
    assert external.count('-ip" value="10.9.0.5"') == 2
    # They are told it as it stands; the address of the router is for phones, by Kamailio.
    assert "203.0.113.5" not in external
    assert "10.9.0.5" not in internal
    assert misleads(site, vlan) == []


def test_carriers_behind_a_router_of_their_own(own_folder: Path) -> None:
    Path("site.yaml").write_text(ALL)
    site = Site.load("site.yaml")
    vlan = Switch(
        "cc1", address="10.0.0.5", trunk_address="10.9.0.5", trunk_public_ip="203.0.113.9"
    )
    tree = {file.path: file.text for file in freeswitch.configuration(site, vlan)}
    external, internal = (tree[f"sip_profiles/{name}.xml"] for name in ("external", "internal"))
    assert external.count('value="10.9.0.5"') == 2
    assert external.count('name="ext-sip-ip" value="203.0.113.9"') == 1
    assert external.count('name="ext-rtp-ip" value="203.0.113.9"') == 1
    assert "203.0.113.9" not in internal


def test_carriers_may_be_of_the_other_family(own_folder: Path) -> None:
    Path("site.yaml").write_text(ALL)
    site = Site.load("site.yaml")
    assert other_family(site, Switch("cc1", address="fd00::5", trunk_address="10.9.0.5")) == []
    first, *_ = other_family(site, Switch("cc1", address="10.0.0.5", trunk_address="fd00::5"))
    assert first.startswith(
        "Site.trunks[0].host: 192.0.2.1 is of IPv4, and the switch's trunk_addr"
    )


@pytest.mark.parametrize(
    ("made", "path", "words"),
    [
        (lambda: switch("10.0.0.5"), "Switch.trunk_address", "where phones are served"),
        (lambda: switch("0.0.0.0"), "Switch.trunk_address", "cannot be announced to carriers"),
        (lambda: switch("127.0.0.1"), "Switch.trunk_address", "cannot be announced to carriers"),
        (lambda: switch("224.0.0.1"), "Switch.trunk_address", "cannot be announced"),
        (lambda: switch("fe80::1"), "Switch.trunk_address", "link-local"),
        (lambda: switch("sip.example.net"), "Switch.trunk_address", "is no IP address"),
        (lambda: switch("10.9.0.5", "10.9.0.9"), "Switch.trunk_public_ip", "is no address that"),
        (lambda: switch("10.9.0.5", "0.0.0.0"), "Switch.trunk_public_ip", "is no address that"),
        (lambda: switch("10.9.0.5", "2001:db9::1"), "Switch.trunk_public_ip", "of IPv4"),
        (lambda: switch(None, "203.0.113.9"), "Switch.trunk_public_ip", "that of trunk_address"),
        (lambda: m.hosts(("a", {"address": "10.0.0.1", "trunk_address": "10.0.0.2"}),
                         ("b", {"address": "10.0.0.2"})), "switches['b']", "belongs to 'a'"),
        (lambda: m.hosts(("a", {"address": "10.0.0.1", "trunk_address": "10.0.0.2"}),
                         group="edges"), "edges['a'].trunk_address", "is for carriers"),
    ],
)  # fmt: skip
def test_an_address_that_is_refused(made: Any, path: str, words: str) -> None:
    with pytest.raises(SiteError) as refused:
        made()
    assert any(line.startswith(path) and words in line for line in refused.value.problems), (
        refused.value.problems
    )


def switch(trunk_address: str | None, public: str | None = None) -> object:
    return m.Switch("cc1", address="10.0.0.5", trunk_address=trunk_address, trunk_public_ip=public)
