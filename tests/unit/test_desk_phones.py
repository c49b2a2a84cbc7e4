"""Desk phones that configure themselves: what is refused, what each make is given, and when."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
import zoneinfo
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from cryptography import x509

from callcenter.cli import main
from callcenter.client import npm
from callcenter.onhost import phones
from callcenter.render import paths, provisioning, users, web
from callcenter.render.desk_phones import MAKERS, Zone
from callcenter.render.hidden import HIDDEN
from callcenter.render.services import a1_hash
from callcenter.site import DeskPhone, Extension, Media, Provisioning, Secret, Site, SiteError
from callcenter.site.network import Srtp
from callcenter.site.provisioning import Make
from tests.certificates import Authority
from tests.unit.test_provisioning import DOMAIN, PASSWORD, SITE, SWITCH, described

MAC = "001565123456"
MAKES: tuple[Make, ...] = get_args(Make)
HOSTILE = (
    'Ann "#1" <script>alert(1)</script>',
    "account.1.password = x # y",
    "]]></item><item name='account.1.sip.server.1.address'>",
    "%NULL% ${domain} $PROXY `id` \\n",
    "a;b=c&d|e",
    "###",
    "前台 Ω é",
)
"""Names that are text, and look like something else to a reader of some make."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "own")


def with_phones(
    authority: Authority, *given: DeskPhone, name: str = "Ann", own: bool = False, **more: Any
) -> Site:
    """Return a Site whose extension 1000 has these phones."""
    password = Secret(literal=PASSWORD)
    extensions = [
        Extension(1000, password=password, name=name, phones=given),
        Extension(1001, name="Bob"),
        Extension(1002),
    ]
    served = Provisioning(authority=authority.file) if own else Provisioning()
    usual: dict[str, Any] = {"extensions": extensions, "provisioning": served}
    return described(authority, **(usual | more))


@pytest.mark.parametrize(
    "given", ["00:15:65:12:34:56", "00-15-65-12-34-56", "001565123456", " 00:15:65:12:34:56 "]
)
def test_a_mac_is_known_however_it_is_written(given: str) -> None:
    assert DeskPhone("yealink", given).mac == MAC


@pytest.mark.parametrize(
    ("make", "mac", "keys", "said"),
    [
        ("nokia", MAC, [], "DeskPhone.make: is not one of the choices; use 'cisco',"),
        ("yealink", "00:15:65:12:34", [], "DeskPhone.mac: is no MAC address; use the one on the"),
        ("yealink", "00:15-65:12:34:56", [], "DeskPhone.mac: is no MAC address"),
        ("yealink", f"{MAC}\n00", [], "DeskPhone.mac: is no MAC address"),
        ("yealink", "../../etc/passwd", [], "DeskPhone.mac: is no MAC address"),
        ("poly", "000000000000", [], "DeskPhone.mac: is no single phone's MAC address"),
        ("yealink", "ff:ff:ff:ff:ff:ff", [], "DeskPhone.mac: is no single phone's MAC address"),
        ("yealink", MAC, ["1001", "1001"], "DeskPhone.keys[1]: 1001 is on a key before it"),
        ("yealink", MAC, ["1001;x"], "DeskPhone.keys[0]: cannot be dialled"),
    ],
)
def test_what_is_no_phone_is_refused(make: Any, mac: str, keys: list[str], said: str) -> None:
    with pytest.raises(SiteError) as refused:
        DeskPhone(make, mac, keys=keys)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("given", "more", "said"),
    [
        (
            [DeskPhone("yealink", MAC), DeskPhone("snom", MAC)],
            {},
            f"extensions[0].phones[1].mac: {MAC} is also that of extensions[0].phones[0]",
        ),
        ([DeskPhone("snom", MAC, keys=[1000])], {}, "phones[0].keys[0]: 1000 is itself"),
        ([DeskPhone("snom", MAC, keys=[1001, 7777])], {}, "phones[0].keys[1]: 7777 is no number"),
        (
            [DeskPhone("snom", MAC)],
            {"provisioning": None},
            "extensions[0].phones[0]: needs a link; set provisioning=Provisioning()",
        ),
        (
            [DeskPhone("fanvil", MAC)],
            {"srtp": "offered"},
            "extensions[0].phones[0].make: a Fanvil's own way of demanding SRTP is not documented",
        ),
    ],
)
def test_what_no_site_can_have_is_refused(
    authority: Authority, given: list[DeskPhone], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(SiteError) as refused:
        with_phones(authority, *given, **more)
    assert said in str(refused.value)


def test_keys_are_numbers_of_the_site(authority: Authority) -> None:
    keys = ["1001", "9196", "*01"]
    site = with_phones(authority, DeskPhone("yealink", MAC, keys=keys), speed_dials={"*01": "1002"})
    assert site.extensions[0].phones[0].keys == tuple(keys)


YAML = """
domain: cc.example.net
extensions:
  - number: 1000
    phones:
      - {make: yealink, mac: MAC, keys: [1001, "9196"]}
  - 1001
network:
  sip_from: anywhere
  edge: true
  tls: {certificate: CERTIFICATE, key: {secret: key}}
firewall: {ssh_from: anywhere}
provisioning: {}
"""


def test_yaml_has_the_same(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.certificate(DOMAIN)
    monkeypatch.setenv("CALLCENTER_SECRET_KEY", key.read_text())
    file = tmp_path / "prod.yaml"
    text = YAML.replace("CERTIFICATE", str(certificate))
    file.write_text(text.replace("MAC", "00:15:65:AB:CD:EF"))
    known = Site.load(file).extensions[0].phones
    assert known == (DeskPhone("yealink", "001565abcdef", keys=[1001, "9196"]),)
    # Which YAML would read as a number to the base of sixty.
    file.write_text(text.replace("MAC", "10:15:25:12:34:56"))
    with pytest.raises(SiteError, match="put quotes around it"):
        Site.load(file)


def test_a_range_has_no_phones() -> None:
    with pytest.raises(SiteError, match=r"range\.phones: is one extension's"):
        Extension.range(1000, 1001, phones=[DeskPhone("snom", MAC)])  # type: ignore[call-arg]


def test_an_authority_is_that_of_the_certificate(authority: Authority, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other")
    for wrong, said in (
        (other.file, "has not signed the last certificate of"),
        (tmp_path / "none.pem", "cannot be read; give a PEM file"),
    ):
        with pytest.raises(SiteError) as refused:
            with_phones(authority, provisioning=Provisioning(authority=wrong))
        assert "Site.provisioning.authority: " in str(refused.value)
        assert said in str(refused.value)
    both = tmp_path / "both.pem"
    both.write_bytes(authority.file.read_bytes() + other.file.read_bytes())
    with pytest.raises(SiteError, match="holds 2 certificates; give the authority's alone"):
        with_phones(authority, provisioning=Provisioning(authority=both))


def test_a_yealinks_password_is_one_that_its_file_holds(authority: Authority) -> None:
    password = Secret(literal="correct #Horse = battery")
    for make, is_refused in (("yealink", True), ("poly", False)):
        extension = Extension(1000, password=password, phones=[DeskPhone(make, MAC)])  # type: ignore[arg-type]
        if is_refused:
            with pytest.raises(SiteError) as refused:
                described(authority, extensions=[extension])
            assert (
                "extensions[0].password: the secret holds signs that a Yealink's settings"
                in str(refused.value)
            )
        else:
            site = described(authority, extensions=[extension])
            assert settings(site, make)["reg.1.auth.password"] == "correct #Horse = battery"


def contents(site: Site) -> dict[str, bytes]:
    """Return what phones are given, by the name of its file on the host."""
    return {
        Path(file.path).name: file.content
        for file in web.configuration(site, SWITCH, npm.library)
        if file.path.startswith(f"{paths.PHONES}/")
    }


def parsed(make: str, content: bytes) -> dict[str, str]:
    """Settings of a phone's file, by its maker's rules."""
    if make == "yealink":
        # Its first line is this one; others are blank, remarks, or name = value.
        first, *lines = content.decode().splitlines()
        assert first == "#!version:1.0.0.1"
        out = {}
        for line in lines:
            found = re.fullmatch(r"([a-z0-9_.]+) = ([^\s].*)", line)
            assert found is not None, line
            assert found[1] not in out, line
            out[found[1]] = found[2]
        return out
    root = ElementTree.fromstring(content)
    if make == "poly":
        assert root.tag == "PHONE_CONFIG"
        return dict(root.attrib)
    if make == "grandstream":
        assert (root.tag, root.attrib) == ("gs_provision", {"version": "1"})
        [config] = root
        assert (config.tag, config.attrib) == ("config", {"version": "2"})
        pairs = [(one.attrib["name"], one.text or "") for one in config]
    elif make == "cisco":
        assert root.tag == "flat-profile"
        pairs = [(one.tag, one.text or "") for one in root]
    elif make == "fanvil":
        assert root.tag == "sysConf"
        assert root.findtext("Version") == "2.0000000000"
        pairs = []
        for path, elements in (
            ("", root.findall("sip/line[@index='1']/*")),
            ("", root.findall("phone/display/*")),
            ("ssl ", root.findall("dot1x/sslMode/*")),
        ):
            pairs += [(f"{path}{one.tag}", one.text or "") for one in elements]
        for one in root.findall("dsskey/dssSide[@index='1']/Fkey"):
            said = ": ".join(part.text or "" for part in one)
            assert [part.tag for part in one] == ["Type", "Value", "Title"]
            pairs.append((f"key {one.attrib['index']}", said))
    else:
        assert root.tag == "settings"
        given = root.find("phone-settings")
        assert given is not None
        pairs = [(one.tag, one.text or "") for one in given]
        keys = root.find("functionKeys")
        for one in () if keys is None else keys:
            pairs.append((f"fkey {one.attrib['idx']}", f"{one.attrib['label']}: {one.text}"))
        trusted = root.find("certificates")
        for one in () if trusted is None else trusted:
            assert one.tag == "certificate"
            pairs.append((f"certificate {one.attrib['type']}", one.text or ""))
        assert {one.tag for one in root} <= {"phone-settings", "functionKeys", "certificates"}
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def settings(site: Site, make: str) -> dict[str, str]:
    """Settings of the phone of extension 1000."""
    return parsed(make, contents(site)[f"1000.{MAC}.phone"])


KNOWN: Mapping[Make, str] = {
    "yealink": (
        r"account\.1\.(enable|label|display_name|auth_name|user_name|password|srtp_encryption"
        r"|sip_server\.1\.(address|port|transport_type|expires)"
        r"|codec\.(opus|g722|pcmu|pcma|g729)\.(enable|priority))"
        r"|linekey\.\d+\.(type|line|value|label)|lang\.gui"
        r"|local_time\.(time_zone|summer_time|dst_time_type|start_time|end_time|offset_time)"
        r"|static\.(security\.(trust_certificates|cn_validation|ca_cert)|trusted_certificates\.url)"
    ),
    "grandstream": (
        r"account\.1\.(enable|name|sip\.(server\.1\.address|userid|registerExpiration|transport"
        r"|uriSchemeWhenUsingTls|subscriber\.(userid|password|name)"
        r"|validate\.(domainCertificates|certificationChain))|audio\.srtpMode|codec\.choice\.[1-8])"
        r"|pks\.vpk\.\d+\.(keyMode|account|description|value)|trustedCACertificates\.load"
        r"|dateTime\.(timezone(\.custom)?|override\.dhcp\.allowOption2)|language\.gui"
    ),
    "poly": (
        r"reg\.1\.(displayName|label|address|auth\.(userId|password)"
        r"|server\.1\.(address|port|transport|expires))|sec\.srtp\.(enable|offer|require)"
        r"|sec\.TLS\.(SIP\.strictCertCommonNameValidation|customCaCert\.1)|lcl\.ml\.lang"
        r"|voice\.codecPref\.(Opus|G722|G711_Mu|G711_A|G729_AB)"
        r"|attendant\.resourceList\.\d+\.(address|label|type)"
        r"|tcpIpApp\.sntp\.(gmtOffset(\.overrideDHCP)?|daylightSavings\.(enable|fixedDayEnable"
        r"|(start|stop)\.(month|date|time|dayOfWeek(\.lastInMonth)?)))"
    ),
    "snom": (
        r"language|user_(active|realname|name|host|hash|outbound|srtp|savp)|codec_priority_list"
        r"|fkey \d+|certificate base64"
    ),
    "gigaset": (
        r"language|user_(active|realname|name|host|pass|outbound|srtp|savp)|codec_priority_list"
        r"|fkey \d+|certificate base64"
    ),
    "cisco": (
        r"(Line_Enable|Display_Name|User_ID|Auth_ID|Password|Proxy|Register(_Expires)?"
        r"|SIP_Transport|TLS_Name_Validate|Secure_Call_Option|(Second_|Third_)?Preferred_Codec"
        r"|(OPUS|G722|G711u|G711a|G729a)_Enable)_1_|(Extension|Extended_Function)_\d+_|Time_Zone"
        r"|Daylight_Saving_Time_(Enable|Rule)|Custom_CA_Rule"
    ),
    "fanvil": (
        r"(Phone|Display|Sip)(Number|Name)|Register(Addr|Port|User|Pswd|TTL)|EnableReg|Transport"
        r"|TLSVersion|MediaCrypto|VoiceCodecMap|DefaultLanguage|key \d+"
        r"|ssl (PermissionCTF|CommonName)"
    ),
}
"""Settings that each maker's documents name (callcenter/render/desk_phones.py says which)."""
SECRETS: Mapping[Make, str] = {
    "yealink": "account.1.password",
    "grandstream": "account.1.sip.subscriber.password",
    "poly": "reg.1.auth.password",
    "snom": "user_hash",
    "gigaset": "user_pass",
    "cisco": "Password_1_",
    "fanvil": "RegisterPswd",
}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("make", MAKES)
def test_a_phone_is_given_what_its_maker_documents(
    authority: Authority, make: Make, own: bool
) -> None:
    phone = DeskPhone(make, MAC, keys=["1001", "9196"])
    site = with_phones(authority, phone, own=own, timezone="Europe/Berlin")
    given = settings(site, make)
    assert [name for name in given if not re.fullmatch(KNOWN[make], name)] == []
    login = a1_hash(site, site.extensions[0]) if make == "snom" else PASSWORD
    assert [name for name, value in given.items() if login in value] == [SECRETS[make]]
    # Firmware and the phone's own pages are its administrator's.
    assert not re.search("firmware|upgrade|admin", " ".join(given), re.IGNORECASE)


@pytest.mark.parametrize("make", MAKES)
def test_nothing_else_holds_what_a_phone_logs_in_by(authority: Authority, make: Make) -> None:
    site = with_phones(authority, DeskPhone(make, MAC), own=True)
    for file in web.configuration(site, SWITCH, npm.library):
        if PASSWORD.encode() in file.content:
            assert make != "snom"
            assert file.path == f"{paths.PHONES}/1000.{MAC}.phone"
        if file.path.startswith(f"{paths.PHONES}/"):
            assert file.path.endswith(tuple(HIDDEN)), "a diff would show it"
            assert (file.mode, file.group) == (0o640, users.PHONES)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("make", MAKES)
def test_a_name_stays_a_name(authority: Authority, make: Make, name: str) -> None:
    other = Extension(1001, name=name)
    own = Extension(
        1000,
        name=name,
        password=Secret(literal=PASSWORD),
        phones=[DeskPhone(make, MAC, keys=[1001])],
    )
    plain = [
        Extension(1000, name="A", password=own.password, phones=own.phones),
        Extension(1001, name="B"),
    ]
    given = settings(described(authority, extensions=[own, other]), make)
    usual = settings(described(authority, extensions=plain), make)
    assert given.keys() == usual.keys()
    shown = {
        "yealink": "account.1.display_name",
        "grandstream": "account.1.sip.subscriber.name",
        "poly": "reg.1.displayName",
        "snom": "user_realname",
        "gigaset": "user_realname",
        "cisco": "Display_Name_1_",
        "fanvil": "DisplayName",
    }[make]
    if make == "yealink":
        assert not set("\"'#<>%&;=`$\\[]{}") & set(given[shown])
        words = {*re.split(r"""["'#<>%&;=`$\\\[\]{}\s]+""", name), "1000"}
        assert set(given[shown].split()) <= words
    else:
        assert given[shown] == name
    differing = {key for key in given if given[key] != usual[key]}
    assert len(differing) <= 4
    assert SECRETS[make] not in differing


@pytest.mark.parametrize("make", MAKES)
def test_voice_is_encrypted_where_the_site_says_so(authority: Authority, make: Make) -> None:
    where, *wanted = {
        "yealink": ("account.1.srtp_encryption", "2", "1", "0"),
        "grandstream": (
            "account.1.audio.srtpMode",
            *("EnabledAndForced", "EnabledButNotForced", "Disabled"),
        ),
        "poly": ("sec.srtp.require", "1", "0", "0"),
        "snom": ("user_savp", "mandatory", "optional", "off"),
        "gigaset": ("user_savp", "mandatory", "optional", "off"),
        "cisco": ("Secure_Call_Option_1_", "Required", "Optional", "Optional"),
        "fanvil": ("MediaCrypto", "2"),
    }[make]
    words: tuple[Srtp, ...] = ("required", "offered", "off")
    for srtp, value in zip(words, wanted, strict=make != "fanvil"):
        given = settings(with_phones(authority, DeskPhone(make, MAC), srtp=srtp), make)
        assert given[where] == value
        if make == "poly":
            assert given["sec.srtp.offer"] == ("0" if srtp == "off" else "1")


@pytest.mark.parametrize("make", MAKES)
def test_it_speaks_tls_with_the_site(authority: Authority, make: Make) -> None:
    given = settings(with_phones(authority, DeskPhone(make, MAC)), make)
    wanted = {
        "yealink": {
            "account.1.sip_server.1.address": DOMAIN,
            "account.1.sip_server.1.port": "5061",
            "account.1.sip_server.1.transport_type": "2",
            "static.security.cn_validation": "1",
        },
        "grandstream": {
            "account.1.sip.server.1.address": f"{DOMAIN}:5061",
            "account.1.sip.transport": "2",
            "account.1.sip.validate.certificationChain": "Yes",
        },
        "poly": {
            "reg.1.server.1.address": DOMAIN,
            "reg.1.server.1.port": "5061",
            "reg.1.server.1.transport": "TLS",
        },
        "snom": {"user_host": DOMAIN, "user_outbound": f"{DOMAIN}:5061;transport=tls"},
        "gigaset": {"user_host": DOMAIN, "user_outbound": f"{DOMAIN}:5061;transport=tls"},
        "cisco": {
            "Proxy_1_": f"{DOMAIN}:5061",
            "SIP_Transport_1_": "TLS",
            "TLS_Name_Validate_1_": "Yes",
        },
        "fanvil": {
            "RegisterAddr": DOMAIN,
            "RegisterPort": "5061",
            "Transport": "3",
            "ssl PermissionCTF": "1",
            "ssl CommonName": "1",
        },
    }[make]
    assert given | wanted == given


def test_codecs_are_the_sites_in_their_order(authority: Authority) -> None:
    media = Media(codecs=["PCMA", "GSM", "OPUS"])
    given = {
        make: settings(with_phones(authority, DeskPhone(make, MAC), media=media), make)
        for make in MAKES
    }
    assert given["yealink"]["account.1.codec.pcma.priority"] == "1"
    assert given["yealink"]["account.1.codec.opus.priority"] == "2"
    assert given["yealink"]["account.1.codec.g722.enable"] == "0"
    choices = [given["grandstream"][f"account.1.codec.choice.{n}"] for n in range(1, 9)]
    assert choices == ["PCMA", *["OPUS"] * 7]
    assert given["poly"]["voice.codecPref.G711_A"] == "1"
    assert given["poly"]["voice.codecPref.G722"] == "0"
    assert given["snom"]["codec_priority_list"] == "pcma,opus,telephone-event"
    assert given["cisco"]["Preferred_Codec_1_"] == "G711a"
    assert given["cisco"]["Third_Preferred_Codec_1_"] == "Unspecified"
    assert given["cisco"]["G722_Enable_1_"] == "No"
    assert given["fanvil"]["VoiceCodecMap"] == "PCMA,OPUS"


def test_line_keys_are_lamps_and_speed_dials(authority: Authority) -> None:
    given = {
        make: settings(with_phones(authority, DeskPhone(make, MAC, keys=["1001", "9196"])), make)
        for make in MAKES
    }
    yealink = given["yealink"]
    assert [yealink[f"linekey.2.{one}"] for one in ("type", "value", "label")] == [
        *("16", "1001", "Bob")
    ]
    assert (yealink["linekey.3.type"], yealink["linekey.3.value"]) == ("13", "9196")
    assert given["grandstream"]["pks.vpk.2.keyMode"] == "1"
    assert given["grandstream"]["pks.vpk.3.keyMode"] == "0"
    assert given["poly"]["attendant.resourceList.1.address"] == f"1001@{DOMAIN}"
    assert "attendant.resourceList.2.address" not in given["poly"]
    assert given["snom"]["fkey 1"] == f"Bob: blf sip:1001@{DOMAIN}"
    assert given["snom"]["fkey 2"] == "9196: speed 9196"
    assert given["cisco"]["Extended_Function_2_"] == "fnc=sd+blf;sub=1001@$PROXY;nme=Bob"
    assert given["fanvil"]["key 2"] == "1: 1001@1/ba: Bob"
    assert given["fanvil"]["key 3"] == "1: 9196@1/f: 9196"


def test_clocks_are_told_the_sites_time(authority: Authority) -> None:
    def of(make: Make, timezone: str) -> dict[str, str]:
        site = with_phones(authority, DeskPhone(make, MAC), timezone=timezone)
        return settings(site, make)

    berlin = of("yealink", "Europe/Berlin")
    assert berlin["local_time.time_zone"] == "+1"
    assert berlin["local_time.start_time"] == "3/5/7/2"
    assert berlin["local_time.end_time"] == "10/5/7/3"
    assert of("yealink", "Asia/Kolkata")["local_time.time_zone"] == "+5:30"
    assert of("yealink", "Asia/Shanghai")["local_time.summer_time"] == "0"
    rule = of("cisco", "America/New_York")["Daylight_Saving_Time_Rule"]
    assert rule == "start=3/8/7/2;end=11/1/7/2;save=1"
    assert of("cisco", "Asia/Shanghai")["Time_Zone"] == "GMT+08:00"
    poly = of("poly", "America/New_York")
    assert poly["tcpIpApp.sntp.gmtOffset"] == "-18000"
    assert poly["tcpIpApp.sntp.daylightSavings.start.date"] == "8"
    custom = of("grandstream", "Asia/Tehran")["dateTime.timezone.custom"]
    assert custom == "LCL-3:30"


@pytest.mark.parametrize("name", sorted(zoneinfo.available_timezones() - {"Factory", "localtime"}))
def test_every_zone_can_be_told(name: str) -> None:
    """Its winter, and the hour of its summer where phones can be told that."""
    zone = Zone.of(name)
    for month in (1, 7):
        moment = datetime(2026, month, 15, 12, tzinfo=UTC)
        here = moment.astimezone(zoneinfo.ZoneInfo(name)).utcoffset()
        told = timedelta(minutes=zone.minutes)
        if zone.summer is not None:
            into, out = zone.summer
            is_summer = (
                into.month < month < out.month
                if into.month < out.month
                else not out.month <= month <= into.month
            )
            told += timedelta(hours=is_summer)
            assert here == told, (name, zone)
        elif zone.rule.count(",") == 0:
            assert here == told, (name, zone)


def test_an_authority_of_ones_own_is_given(authority: Authority) -> None:
    own = authority.file.read_text()
    for make, name in (("yealink", "static.trusted_certificates.url"), ("cisco", "Custom_CA_Rule")):
        site = with_phones(authority, DeskPhone(make, MAC), own=True)  # type: ignore[arg-type]
        assert re.fullmatch(
            rf"https://{DOMAIN}/[a-z2-7]{{32}}/authority\.pem", settings(site, make)[name]
        )
        assert contents(site)[f"1000.{MAC}.authority.pem.phone"].decode() == own
    site = with_phones(authority, DeskPhone("poly", MAC), own=True)
    assert settings(site, "poly")["sec.TLS.customCaCert.1"] == own
    wanted = x509.load_pem_x509_certificate(authority.file.read_bytes())
    for make in ("snom", "gigaset"):
        site = with_phones(authority, DeskPhone(make, MAC), own=True)  # type: ignore[arg-type]
        given = "".join(settings(site, make)["certificate base64"].split())
        assert x509.load_der_x509_certificate(base64.b64decode(given, validate=True)) == wanted


def test_each_make_is_given_the_root_or_says_where_it_is_loaded(authority: Authority) -> None:
    """A make whose file does not change with the authority names a place of its own pages."""
    for make in MAKES:
        known, own = (
            settings(with_phones(authority, DeskPhone(make, MAC), own=own), make)
            for own in (False, True)
        )
        assert (known == own) == bool(MAKERS[make].root), make


@pytest.fixture
def asked(authority: Authority, tmp_path: Path) -> Iterator[Any]:
    """Runs the program of a host, at a socket, and asks it: status, kind and body."""
    running = []

    def serve(site: Site) -> Any:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        for name in ("phones", "state"):
            (folder / name).mkdir()
        for name, content in contents(site).items():
            (folder / "phones" / name).write_bytes(content)
        tree = web.configuration(site, SWITCH, npm.library)
        at = Path(tempfile.mkdtemp()) / "socket"
        index = json.loads(tree[paths.PHONES_INDEX].content) | {
            "folder": str(folder / "phones"),
            "state": str(folder / "state"),
            "socket": str(at),
        }
        (folder / "index.json").write_text(json.dumps(index))
        text = tree[paths.PHONES_TOOL].content.decode()
        tool = folder / "tool.py"
        tool.write_text(text.replace(phones.INDEX, str(folder / "index.json")))

        def run(*words: str) -> str:
            command = (sys.executable, "-I", str(tool), *words)
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        process = subprocess.Popen((sys.executable, "-I", str(tool), "serve"))
        running.append(process)

        def ask(path: str) -> tuple[int, str, bytes]:
            plain = socket.socket(socket.AF_UNIX)
            while True:
                try:
                    plain.connect(str(at))
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    assert process.poll() is None
            with plain:
                over = http.client.HTTPConnection(DOMAIN)
                over.sock = plain
                over.request("GET", path, headers={"X-Source": "192.0.2.9"})
                answer = over.getresponse()
                return answer.status, answer.headers["Content-Type"], answer.read()

        return ask, run

    yield serve
    for process in running:
        process.terminate()
        process.wait()


def path_below(site: Site, phone: DeskPhone) -> str:
    """Path below which a phone's files are, which ends with a slash."""
    address = provisioning.link(site, site.extensions[0], phone)
    assert address.startswith(f"https://{DOMAIN}/")
    path = address.removeprefix(f"https://{DOMAIN}")
    return f"{path}/" if MAKERS[phone.make].is_bare else f"{path.rpartition('/')[0]}/"


ORDERS: Mapping[Make, tuple[list[str], str]] = {
    "yealink": ([f"{MAC}.boot", "y000000000000.boot", "y000000000096.cfg"], f"{MAC}.cfg"),
    "grandstream": ([f"cfg{MAC}", f"cfg{MAC}.bin"], f"cfg{MAC}.xml"),
    "poly": ([f"{MAC}-license.cfg", "000000000000.cfg"], f"{MAC}-phone.cfg"),
    "snom": (["snomD785.htm"], f"{MAC}.xml"),
    "gigaset": (["gigasetP850.htm"], f"{MAC}.xml"),
    "cisco": (["CP-8851-3PCC.xml"], f"{MAC}.xml"),
    "fanvil": (["f0V62000000.cfg"], f"{MAC}.cfg"),
}
"""Files that each make asks for, and the one that it is given."""


@pytest.mark.parametrize("make", MAKES)
def test_its_file_is_given_once(authority: Authority, make: Make, asked: Any) -> None:
    phone = DeskPhone(make, MAC)
    site = with_phones(authority, phone, own=True)
    ask, run = asked(site)
    base, (others, own) = path_below(site, phone), ORDERS[make]
    wrong = [f"{base}{name}" for name in (*others, "001565654321.cfg", "1000.phone", "..", "")]
    for path in (*wrong, base.rstrip("/"), f"/{'a' * 32}/{own}", f"{base}x/{own}", f"{base}%2e"):
        assert ask(path)[0] == 404, path
    assert run("used") == "{}\n"
    if make == "poly":
        # It is told what to ask for, and may ask so again.
        for _ in range(2):
            status, _, master = ask(f"{base}{MAC}.cfg")
            assert status == 200
            assert ElementTree.fromstring(master).attrib["CONFIG_FILES"] == own
    if make in ("yealink", "cisco"):
        for _ in range(2):
            assert ask(f"{base}authority.pem")[2] == authority.file.read_bytes()
    assert run("used") == "{}\n"
    status, kind, body = ask(f"{base}{own.upper() if make == 'poly' else own}")
    assert status == 200
    assert kind == ("text/plain" if make == "yealink" else "application/xml")
    assert body == contents(site)[f"1000.{MAC}.phone"]
    assert ask(f"{base}{own}")[0] == 404
    assert json.loads(run("used"))[f"1000.{MAC}"]["from"] == "192.0.2.9"
    # The extension's Linphone has a link of its own, which is still good.
    linphone = provisioning.link(site, site.extensions[0]).removeprefix(f"https://{DOMAIN}")
    assert linphone + "/" != base
    assert ask(linphone)[0] == 200
    run("again", "1000")
    assert ask(f"{base}{own}")[2] == body
    assert ask(f"{base}{own}")[0] == 404


def test_a_phone_has_nothing_of_anothers(authority: Authority, asked: Any) -> None:
    """Neither by the other's MAC address, nor by its make's name."""
    one, other = DeskPhone("yealink", MAC), DeskPhone("yealink", "00:15:65:65:43:21")
    site = with_phones(authority, one, other)
    ask, _ = asked(site)
    assert path_below(site, one) != path_below(site, other)
    assert ask(f"{path_below(site, one)}{other.mac}.cfg")[0] == 404
    assert ask(f"{path_below(site, one)}cfg{MAC}.xml")[0] == 404
    assert ask(f"{path_below(site, other)}{other.mac}.cfg")[0] == 200


def test_the_web_server_passes_on_what_is_below_links(authority: Authority) -> None:
    def passed(site: Site) -> str:
        config = web.configuration(site, SWITCH, npm.library)[paths.WEB_CONFIG].content.decode()
        found = re.search(r'request_uri !~ "(\S+)"', config)
        assert found is not None
        return found[1]

    link = f"/{'a' * 32}"
    without = passed(with_phones(authority))
    assert re.search(without, link)
    assert not re.search(without, f"{link}/{MAC}.cfg")
    with_one = passed(with_phones(authority, DeskPhone("yealink", MAC)))
    for path in (link, f"{link}/{MAC}.cfg", f"{link}/y000000000096.cfg"):
        assert re.search(with_one, path), path
    for path in (f"{link}/", f"{link}/a/b", f"{link}/%2e", f"{link}/a?b", f"{link}/{'a' * 41}"):
        assert not re.search(with_one, path), path


PHONES = """
from callcenter.site import DeskPhone

desk = [DeskPhone("yealink", "00:15:65:12:34:56"), DeskPhone("snom", "00:04:13:12:34:56")]
"""


@pytest.fixture
def shop(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site's folder, which one stands in, with two desk phones."""
    certificate, key = authority.certificate(DOMAIN)
    (tmp_path / "inventories/group_data").mkdir(parents=True)
    (tmp_path / "inventories/prod").write_text(
        "from callcenter.site import hosts\n"
        "switches = hosts(('cc1.example.net', {'public_ip': '203.0.113.10'}))\n"
    )
    text = SITE.replace("CERTIFICATE", repr(str(certificate))).replace(
        'name="Reception, ground floor"', 'name="Reception", phones=desk'
    )
    text = text.replace("MORE", "provisioning=Provisioning(),").replace("1999", "1003")
    (tmp_path / "inventories/group_data/prod.py").write_text(PHONES + text)
    monkeypatch.setenv("CALLCENTER_SECRET_KEY", key.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_they_are_listed_with_what_to_type_where(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["phones"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    link = rf"https://{re.escape(DOMAIN)}/[a-z2-7]{{32}}"
    for line, ending in zip(
        lines,
        (
            "",
            rf"/  Yealink  001565123456  {re.escape(MAKERS['yealink'].where)}",
            rf"/000413123456\.xml  Snom  000413123456  {re.escape(MAKERS['snom'].where)}",
        ),
        strict=False,
    ):
        assert re.fullmatch(rf"1000  Reception  {link}{ending}", line), line
    assert main(["phones", "--csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "number,name,link,make,mac,place"
    assert rows[2].endswith(f"/,Yealink,001565123456,{MAKERS['yealink'].where}")
    file = shop / "cards.pdf"
    assert main(["phones", "--pdf", str(file)]) == 0
    assert file.read_bytes().startswith(b"%PDF-")


def test_what_a_root_is_loaded_with_is_told_beside_the_list(
    shop: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["phones"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    file = shop / "inventories/group_data/prod.py"
    text = file.read_text().replace('"snom"', '"grandstream"')
    own = f"Provisioning(authority={str(authority.file)!r})"
    file.write_text(text.replace("Provisioning()", own))
    assert main(["phones"]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == len(printed.out.splitlines())
    first, *others = told.err.splitlines()
    assert "`callcenter authority` prints" in first
    assert [line.split(":")[0].strip() for line in others] == ["Linphone", "Grandstream", "Yealink"]
    assert f"Grandstream: {MAKERS['grandstream'].root}" in told.err
    assert "root_ca below [sip]" in told.err
    assert main(["authority"]) == 0
    assert capsys.readouterr().out == authority.file.read_text()
    plain, given = shop / "plain.pdf", shop / "given.pdf"
    assert main(["phones", "--pdf", str(given)]) == 0
    assert capsys.readouterr().err.endswith(told.err)
    file.write_text(text)
    assert main(["phones", "--pdf", str(plain)]) == 0
    assert len(given.read_bytes()) > len(plain.read_bytes())
