"""Desk phones: what each make is given, and under which names it asks for it.

No name of a setting is made up: each function says by which pages of its maker they are known. What
stands on none of these is known from the makers' own templates, and from what phones show of
themselves, as public projects keep them: FusionPBX (https://github.com/fusionpbx/fusionpbx,
resources/templates/provision), Wazo (https://github.com/wazo-platform/wazo-provd-plugins, plugins)
and Nethesis' Tancredi (https://github.com/nethesis/tancredi, data/templates).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from markupsafe import Markup

from callcenter.render._templates import plain, text, xml
from callcenter.render.services.hours import posix_rule
from callcenter.site import DeskPhone, Extension, Site
from callcenter.site.provisioning import Make
from callcenter.site.served import phones_authority

__all__ = ["AUTHORITY", "EXPIRES", "MAKERS", "Served", "Zone", "address", "served"]

AUTHORITY: Final = "authority.pem"
"""Name below a link of the certificate that a phone is to trust."""
EXPIRES: Final = 3600
"""Seconds after which a phone registers again."""


@dataclass(frozen=True)
class Served:
    """A file below a phone's link."""

    name: str
    content: bytes
    is_secret: bool = True
    """Tells whether it is given once."""


@dataclass(frozen=True)
class Turn:
    """Moment of each year at which clocks are changed (RFC 8536, 3.3; POSIX's ``Mm.w.d/time``)."""

    month: int
    week: int
    """Week of the month, 1 to 5; 5 is the last."""
    day: int
    """Day of the week; 0 is Sunday."""
    hour: int

    @property
    def from_monday(self) -> int:
        """Day of the week, Monday 1 to Sunday 7."""
        return self.day or 7


@dataclass(frozen=True)
class Zone:
    """Time zone in numbers, which phones are told instead of its name."""

    rule: str
    """POSIX's form of it."""
    minutes: int
    """Minutes ahead of UTC, in winter."""
    summer: tuple[Turn, Turn] | None
    """Turns into summer time, of an hour, and out of it. None: there is no such time, or one that
    phones cannot be told."""

    @classmethod
    def of(cls, name: str) -> Zone:
        """Read a zone of the IANA's."""
        rule = posix_rule(name)
        found = re.fullmatch(r"[A-Za-z]+([+-]?[\d:]+)(?:[A-Za-z]+([+-]?[\d:]+)?,(.+),(.+))?", rule)
        assert found is not None, rule
        winter = -_minutes(found[1])
        if found[3] is None:
            return cls(rule, winter, None)
        summer = -_minutes(found[2]) if found[2] else winter + 60
        turns = _turn(found[3]), _turn(found[4])
        if summer < winter:
            # Ireland's law has summer as its standard.
            winter, summer, turns = summer, winter, (turns[1], turns[0])
        into, out = turns
        if into is None or out is None or summer - winter != 60:
            return cls(rule, winter, None)
        return cls(rule, winter, (into, out))

    def clock(self, *, short: bool = False) -> str:
        """Return what is added to UTC, as ``+05:30``; in short ``+5:30``, ``+1`` and ``0``."""
        sign, (hours, minutes) = "-" if self.minutes < 0 else "+", divmod(abs(self.minutes), 60)
        if short:
            return f"{sign}{hours}" + f":{minutes:02}" * bool(minutes) if self.minutes else "0"
        return f"{sign}{hours:02}:{minutes:02}"


def _minutes(text: str) -> int:
    hours, _, rest = text.partition(":")
    minutes = abs(int(hours)) * 60 + int(rest[:2] or 0)
    return -minutes if text.startswith("-") else minutes


def _turn(text: str) -> Turn | None:
    """Read one of POSIX's moments, or None where it is another day or no full hour of one."""
    found = re.fullmatch(r"M(\d+)\.(\d)\.(\d)(?:/(\d+))?", text)
    if found is None or (hour := int(found[4] or 2)) > 23:
        return None
    return Turn(int(found[1]), int(found[2]), int(found[3]), hour)


@dataclass(frozen=True)
class Key:
    """Line key of a phone."""

    number: str
    label: str
    is_lamp: bool


@dataclass(frozen=True)
class Known:
    """All that a phone's settings are made of."""

    site: Site
    extension: Extension
    mac: str
    keys: Sequence[Key]
    zone: Zone
    a1_hash: str
    at: str
    """Address of the phone's link."""

    @property
    def shown(self) -> str:
        """Name that the phone shows of itself."""
        return self.extension.name or self.extension.number

    @property
    def password(self) -> str:
        """Password, for phones that take no a1-hash."""
        return self.site.reveal(self.extension.password)

    @property
    def port(self) -> int:
        """Port of SIP by TLS."""
        assert self.site.network.tls is not None
        return self.site.network.tls.port

    @property
    def is_own_authority(self) -> bool:
        """True where the phone is to trust another authority."""
        return phones_authority(self.site) is not None

    def by_srtp(self, **values: object) -> object:
        """Return the value for what the Site says of SRTP."""
        return values[self.site.network.srtp]

    def codecs(self, names: Mapping[str, str]) -> list[str]:
        """Return the Site's codecs that the make has, in their order, by its own names."""
        return [names[codec] for codec in self.site.media.codecs if codec in names]

    def authority(self) -> bytes:
        """Return the certificate that the phone is to trust, and nothing else of its file."""
        given = phones_authority(self.site)
        assert given is not None
        return load_pem_x509_certificate(given).public_bytes(Encoding.PEM)


def _yealink(known: Known) -> Iterator[Served]:
    """Yealink, firmware 83 and later: lines ``name = value``.

    Administrator Guide for SIP-T2 Series/T4 Series/T5 Series/CP920 IP Phones, of
    https://studylib.net/doc/26007723/: line keys
    (https://easymanua.ls/yealink/t5-series/manual/730711?p=349), summer time
    (https://manualshive.com/ru/manual/yealink/cp920/908503?page=228), SRTP
    (https://www.easymanua.ls/yealink/sip-t2-series/manual?p=910). Account, codecs, language and
    certificates: Yealink's template for the T54W, FusionPBX's yealink/t54w.
    """
    names = {"OPUS": "opus", "G722": "g722", "PCMU": "pcmu", "PCMA": "pcma", "G729": "g729"}
    chosen = known.codecs(names)
    values: dict[str, object] = {
        "account.1.enable": 1,
        "account.1.label": _line(known.shown) or known.extension.number,
        "account.1.display_name": _line(known.shown) or known.extension.number,
        "account.1.auth_name": known.extension.number,
        "account.1.user_name": known.extension.number,
        "account.1.password": known.password,
        "account.1.sip_server.1.address": known.site.domain,
        "account.1.sip_server.1.port": known.port,
        # 2: TLS.
        "account.1.sip_server.1.transport_type": 2,
        "account.1.sip_server.1.expires": EXPIRES,
        "account.1.srtp_encryption": known.by_srtp(required=2, offered=1, off=0),
        # Whoever the phone speaks TLS with is one that it trusts, by its name.
        "static.security.trust_certificates": 1,
        "static.security.cn_validation": 1,
    }
    for name in names.values():
        values[f"account.1.codec.{name}.enable"] = int(name in chosen)
        if name in chosen:
            values[f"account.1.codec.{name}.priority"] = chosen.index(name) + 1
    for index, key in enumerate(known.keys, 2):
        values |= {
            # 13: speed dial; 16: BLF.
            f"linekey.{index}.type": 16 if key.is_lamp else 13,
            f"linekey.{index}.line": 1,
            f"linekey.{index}.value": key.number,
            f"linekey.{index}.label": _line(key.label) or key.number,
        }
    values |= {
        "local_time.time_zone": known.zone.clock(short=True),
        "local_time.summer_time": int(known.zone.summer is not None),
        "lang.gui": {"en": "English", "zh": "Chinese_S"}[known.site.language],
    }
    if known.zone.summer is not None:
        # 1: by week.
        values["local_time.dst_time_type"] = 1
        for name, turn in zip(("start", "end"), known.zone.summer, strict=True):
            moment = f"{turn.month}/{turn.week}/{turn.from_monday}/{turn.hour}"
            values[f"local_time.{name}_time"] = moment
        values["local_time.offset_time"] = 60
    if known.is_own_authority:
        # 2: those that it came with, and ours.
        values["static.security.ca_cert"] = 2
        values["static.trusted_certificates.url"] = f"{known.at}/{AUTHORITY}"
        yield Served(AUTHORITY, known.authority(), is_secret=False)
    yield Served(f"{known.mac}.cfg", plain("provisioning/yealink.cfg.j2", values=values))


def _line(words: str) -> str:
    """Return a name as one value of a file in which nothing is escaped: without the signs to which
    its readers might give a meaning."""
    return " ".join(re.sub(r"""["#$%&'<>=;\\`{}\[\]]""", " ", words).split())


def _grandstream(known: Known) -> Iterator[Served]:
    """Grandstream GRP260x and GRP26xx: XML of items by name.

    SIP Device Provisioning Guide (names of files):
    https://documentation.grandstream.com/knowledge-base/sip-device-provisioning-guide/. Items and
    their values: Grandstream's "Configuration Template for GRP261x/2x/3x/5x/7x" of firmware
    1.0.9.103, FusionPBX's grandstream/grp2614. Self-defined time zone:
    https://www.easymanua.ls/grandstream-networks/ucm6510-ip-pbx/manual?p=62.
    """
    names = {"OPUS": "OPUS", "G722": "G.722", "PCMU": "PCMU", "PCMA": "PCMA", "G729": "G.729A/B"}
    chosen = known.codecs(names)
    values: dict[str, object] = {
        "account.1.enable": "Yes",
        "account.1.name": known.shown,
        "account.1.sip.server.1.address": f"{known.site.domain}:{known.port}",
        "account.1.sip.userid": known.extension.number,
        "account.1.sip.subscriber.userid": known.extension.number,
        "account.1.sip.subscriber.password": known.password,
        "account.1.sip.subscriber.name": known.shown,
        # Minutes.
        "account.1.sip.registerExpiration": EXPIRES // 60,
        # TLS, by its number.
        "account.1.sip.transport": 2,
        "account.1.sip.uriSchemeWhenUsingTls": "sip",
        "account.1.sip.validate.domainCertificates": "Yes",
        "account.1.sip.validate.certificationChain": "Yes",
        "account.1.audio.srtpMode": known.by_srtp(
            required="EnabledAndForced", offered="EnabledButNotForced", off="Disabled"
        ),
        "trustedCACertificates.load": "All Certificates",
        "dateTime.timezone": "customize",
        "dateTime.timezone.custom": known.zone.rule,
        "dateTime.override.dhcp.allowOption2": "No",
        "language.gui": known.site.language,
    }
    # All eight choices are said: those that are left would be what the phone came with.
    for index in range(8):
        values[f"account.1.codec.choice.{index + 1}"] = chosen[min(index, len(chosen) - 1)]
    for index, key in enumerate(known.keys, 2):
        values |= {
            # 0: speed dial; 1: BLF.
            f"pks.vpk.{index}.keyMode": int(key.is_lamp),
            # 0: account 1.
            f"pks.vpk.{index}.account": 0,
            f"pks.vpk.{index}.description": key.label[:32],
            f"pks.vpk.{index}.value": key.number,
        }
    yield Served(f"cfg{known.mac}.xml", _xml("grandstream.xml", values))


def _poly(known: Known) -> Iterator[Served]:
    """Poly and Polycom with UC Software: a file that names the other, which has the settings.

    Administrator Guides: names of files
    (http://audio.manualsonline.com/manuals/mfg/polycom/sip_31.html?p=156), servers
    (https://www.easymanua.ls/polycom/cx5500/manual/163087?p=293), SRTP (the same, ?p=186), time
    (https://azmanual.top/manuals/189944/polycom-soundpoint-sip-220.html?page=165). Codecs, lamps,
    languages and certificates: FusionPBX's polycom/5.x and 6.x.
    """
    srtp = known.by_srtp(required=1, offered=1, off=0)
    names = {"OPUS": "Opus", "G722": "G722", "PCMU": "G711_Mu", "PCMA": "G711_A", "G729": "G729_AB"}
    chosen = known.codecs(names)
    values: dict[str, object] = {
        "reg.1.displayName": known.shown,
        "reg.1.label": known.shown,
        "reg.1.address": known.extension.number,
        "reg.1.auth.userId": known.extension.number,
        "reg.1.auth.password": known.password,
        "reg.1.server.1.address": known.site.domain,
        "reg.1.server.1.port": known.port,
        "reg.1.server.1.transport": "TLS",
        "reg.1.server.1.expires": EXPIRES,
        "sec.srtp.enable": srtp,
        "sec.srtp.offer": srtp,
        "sec.srtp.require": known.by_srtp(required=1, offered=0, off=0),
        "sec.TLS.SIP.strictCertCommonNameValidation": 1,
        "lcl.ml.lang": {"en": "English_United_Kingdom", "zh": "Chinese_China"}[known.site.language],
        "tcpIpApp.sntp.gmtOffset.overrideDHCP": 1,
        "tcpIpApp.sntp.gmtOffset": known.zone.minutes * 60,
        "tcpIpApp.sntp.daylightSavings.enable": int(known.zone.summer is not None),
    }
    for name in names.values():
        # 0: not used.
        values[f"voice.codecPref.{name}"] = chosen.index(name) + 1 if name in chosen else 0
    if known.zone.summer is not None:
        values["tcpIpApp.sntp.daylightSavings.fixedDayEnable"] = 0
        for name, turn in zip(("start", "stop"), known.zone.summer, strict=True):
            below = f"tcpIpApp.sntp.daylightSavings.{name}"
            values |= {
                f"{below}.month": turn.month,
                # 1, 8, 15, 22: the first, the second, … such day of the month.
                f"{below}.date": min(turn.week, 4) * 7 - 6,
                # 1: Sunday.
                f"{below}.dayOfWeek": turn.day + 1,
                f"{below}.dayOfWeek.lastInMonth": int(turn.week == 5),
                f"{below}.time": turn.hour,
            }
    # A speed dial would be in the phone's directory, which is its user's.
    for index, key in enumerate((one for one in known.keys if one.is_lamp), 1):
        below = f"attendant.resourceList.{index}"
        values |= {
            f"{below}.address": f"{key.number}@{known.site.domain}",
            f"{below}.label": key.label,
            f"{below}.type": "normal",
        }
    if known.is_own_authority:
        values["sec.TLS.customCaCert.1"] = known.authority().decode("ascii")
    own = f"{known.mac}-phone.cfg"
    master = _xml("poly.cfg", {"CONFIG_FILES": own}, element="APPLICATION")
    yield Served(f"{known.mac}.cfg", master, is_secret=False)
    yield Served(own, _xml("poly.cfg", values, element="PHONE_CONFIG"))


def _snom(known: Known) -> Iterator[Served]:
    """Snom's D series: XML of settings, with an a1-hash instead of the password.

    Form, account and language
    (https://service.snom.com/display/wiki/Desk+Phone+Configuration+Files), ``user_hash`` and
    ``user_outbound`` (http://wiki.snom.com/Web_Interface/Identities/Login), keys
    (https://service.snom.com/display/wiki/Function+Key+Types), certificates
    (https://service.snom.com/display/wiki/Can+I+use+self-signed+certificates+for+secure+provisioning).
    ``user_srtp``, ``user_savp`` and ``codec_priority_list``: Wazo's wazo_snom.
    """
    # The password itself stays here.
    yield _settings(known, {"user_hash": known.a1_hash})


def _gigaset(known: Known) -> Iterator[Served]:
    """Gigaset's P800 series, whose form of file and whose settings are Snom's.

    Form, account, language and kinds of content
    (https://teamwork.gigaset.com/gigawiki/display/GPPPO/Configuration+files), certificates
    (https://teamwork.gigaset.com/gigawiki/plugins/viewsource/viewpagesrc.action?pageId=1517322424),
    names of the account (https://teamwork.gigaset.com/gigawiki/display/GPPPO/FAQ+Desktop+-+user_pname).
    These pages are Snom's in Gigaset's name; what they do not show of the account, of SRTP, codecs
    and keys is known from Snom's.
    """
    yield _settings(known, {"user_pass": known.password})


def _settings(known: Known, login: Mapping[str, str]) -> Served:
    """Return the file of a phone of Snom's kind, which logs in by one setting."""
    names = {"OPUS": "opus", "G722": "g722", "PCMU": "pcmu", "PCMA": "pcma", "G729": "g729"}
    account: dict[str, object] = {
        "user_active": "on",
        "user_realname": known.shown,
        "user_name": known.extension.number,
        "user_host": known.site.domain,
        **login,
        "user_outbound": f"{known.site.domain}:{known.port};transport=tls",
        "user_srtp": known.by_srtp(required="on", offered="on", off="off"),
        "user_savp": known.by_srtp(required="mandatory", offered="optional", off="off"),
        "codec_priority_list": ",".join([*known.codecs(names), "telephone-event"]),
    }
    # How it names Chinese is not known.
    values = {"language": "English"} if known.site.language == "en" else {}
    keys = {
        index: (
            text(key.label),
            text(
                f"blf sip:{key.number}@{known.site.domain}"
                if key.is_lamp
                else f"speed {key.number}"
            ),
        )
        # 0 is its own line.
        for index, key in enumerate(known.keys, 1)
    }
    # PEM's lines between its two marks.
    root = known.authority().decode("ascii").splitlines()[1:-1] if known.is_own_authority else []
    content = _xml(
        "snom.xml",
        values,
        account=_escaped(account),
        keys=keys,
        root=[text(line) for line in root],
    )
    return Served(f"{known.mac}.xml", content)


def _cisco(known: Known) -> Iterator[Served]:
    """Cisco's Multiplatform Phones: a flat profile in XML.

    Administration Guides of Multiplatform Phones: time
    (https://manualshive.com/en/manual/cisco/8800-series/63905?page=426), SIP over TLS
    (https://manualshive.com/en/manual/cisco/6800-series/19535?page=138). Names and their values:
    what a phone shows of itself, FusionPBX's cisco/9861; line keys: Wazo's wazo_cisco_sip.
    """
    names = {"OPUS": "OPUS", "G722": "G722", "PCMU": "G711u", "PCMA": "G711a", "G729": "G729a"}
    chosen = known.codecs(names)
    values: dict[str, object] = {
        "Line_Enable_1_": "Yes",
        "Display_Name_1_": known.shown,
        "User_ID_1_": known.extension.number,
        "Auth_ID_1_": known.extension.number,
        "Password_1_": known.password,
        "Proxy_1_": f"{known.site.domain}:{known.port}",
        "Register_1_": "Yes",
        "Register_Expires_1_": EXPIRES,
        "SIP_Transport_1_": "TLS",
        "TLS_Name_Validate_1_": "Yes",
        "Secure_Call_Option_1_": known.by_srtp(
            required="Required", offered="Optional", off="Optional"
        ),
    }
    for place, name in zip(
        ("", "Second_", "Third_"), [*chosen, *["Unspecified"] * 2], strict=False
    ):
        values[f"{place}Preferred_Codec_1_"] = name
    for name in names.values():
        values[f"{name}_Enable_1_"] = "Yes" if name in chosen else "No"
    for index, key in enumerate(known.keys, 2):
        label = re.sub(r"[;=$]", " ", key.label)
        to = f"{key.number}@$PROXY;nme={label}"
        values[f"Extension_{index}_"] = "Disabled"
        values[f"Extended_Function_{index}_"] = (
            f"fnc=sd+blf;sub={to}" if key.is_lamp else f"fnc=sd;ext={to}"
        )
    offset = known.zone.clock()
    values["Time_Zone"] = "GMT" if offset == "+00:00" else f"GMT{offset}"
    values["Daylight_Saving_Time_Enable"] = "Yes" if known.zone.summer else "No"
    if known.zone.summer is not None:
        into, out = (
            # The last such day is the first on or before the month's last.
            f"{one.month}/{-1 if one.week == 5 else one.week * 7 - 6}/{one.from_monday}/{one.hour}"
            for one in known.zone.summer
        )
        values["Daylight_Saving_Time_Rule"] = f"start={into};end={out};save=1"
    if known.is_own_authority:
        values["Custom_CA_Rule"] = f"{known.at}/{AUTHORITY}"
        yield Served(AUTHORITY, known.authority(), is_secret=False)
    yield Served(f"{known.mac}.xml", _xml("cisco.xml", values))


def _fanvil(known: Known) -> Iterator[Served]:
    """Fanvil, of the generation that reads ``sysConf``: XML of modules.

    None of its maker's pages on its settings was found. Form, account and codecs: FusionPBX's
    fanvil/v62, x4u and x6u, and Wazo's wazo_fanvil. ``Transport`` is 3 for TLS in both and in
    Tancredi's fanvil-X5; only FusionPBX's templates of older phones (x4, h5) have 2.
    ``MediaCrypto``: Tancredi's. Keys: Wazo's and Tancredi's fanvil.macros. ``sslMode`` is in what
    phones show of themselves; what its page refuses:
    https://docs.fusionpbx.com/en/latest/applications/provision/provision_auto_fanvil.html.
    """
    names = {"OPUS": "OPUS", "G722": "G722", "PCMU": "PCMU", "PCMA": "PCMA", "G729": "G729"}
    values: dict[str, object] = {
        "PhoneNumber": known.extension.number,
        "DisplayName": known.shown,
        "SipName": known.extension.number,
        "RegisterAddr": known.site.domain,
        # Nothing but TLS is heard there: a phone that took the number below for something else
        # would be answered by nobody.
        "RegisterPort": known.port,
        "RegisterUser": known.extension.number,
        "RegisterPswd": known.password,
        "RegisterTTL": EXPIRES,
        "EnableReg": 1,
        # 3: TLS.
        "Transport": 3,
        # 2: TLS 1.2.
        "TLSVersion": 2,
        "MediaCrypto": 2,
        "VoiceCodecMap": ",".join(known.codecs(names)),
    }
    keys = {
        # ba: BLF; f: speed dial. Both by line 1.
        index: (text(f"{key.number}@1/{'ba' if key.is_lamp else 'f'}"), text(key.label))
        for index, key in enumerate(known.keys, 2)
    }
    # How each of its phones names Chinese is not known.
    language = "en" if known.site.language == "en" else ""
    content = _xml("fanvil.xml", values, language=language, keys=keys)
    yield Served(f"{known.mac}.cfg", content)


def _escaped(values: Mapping[str, object]) -> Mapping[str, Markup]:
    return {name: text(value) for name, value in values.items()}


def _xml(template: str, values: Mapping[str, object], **more: object) -> bytes:
    return xml(f"provisioning/{template}.j2", values=_escaped(values), **more)


@dataclass(frozen=True)
class Maker:
    """Maker of desk phones, and what its phones want."""

    name: str
    """Name that people know it by."""
    serve: Callable[[Known], Iterator[Served]]
    where: str
    """Field of the phone's own pages into which its link is typed."""
    file: str = ""
    """Name of the file that is typed after the link. Default: the phone itself knows what to ask
    for there."""
    is_bare: bool = False
    """Absence of a slash at the end of its link, as it is typed."""
    root: str = ""
    """Place in the phone's own pages for the root of an authority that it does not know. Default:
    its file brings it."""


MAKERS: Mapping[Make, Maker] = {
    "cisco": Maker("Cisco", _cisco, "Voice > Provisioning > Profile Rule", "{mac}.xml"),
    "fanvil": Maker(
        "Fanvil",
        _fanvil,
        "System > Auto Provision > Static Provisioning Server (HTTPS) > Server Address",
        is_bare=True,
        root="Phone settings > Trusted Certificates",
    ),
    "gigaset": Maker("Gigaset", _gigaset, "Setup > Advanced > Update > Setting URL", "{mac}.xml"),
    "grandstream": Maker(
        "Grandstream",
        _grandstream,
        "Upgrade and Provisioning (HTTPS) > Config Server Path, without https://",
        root="Maintenance > Security Settings > Trusted CA Certificates",
    ),
    "poly": Maker("Poly", _poly, "Settings > Provisioning Server (HTTPS) > Server Address"),
    "snom": Maker("Snom", _snom, "Setup > Advanced > Update > Setting URL", "{mac}.xml"),
    "yealink": Maker("Yealink", _yealink, "Settings > Auto Provision > Server URL"),
}
"""Makers by the word for them in a Site."""


def address(base: str, phone: DeskPhone) -> str:
    """Return what is typed into a phone, of its link."""
    maker = MAKERS[phone.make]
    return base if maker.is_bare else f"{base}/{maker.file.format(mac=phone.mac)}"


def served(
    site: Site, extension: Extension, phone: DeskPhone, a1_hash: str, base: str
) -> Iterator[Served]:
    """Yield all files below a phone's link."""
    keys = []
    for number in phone.keys:
        other = site.extension_by_number.get(number)
        label = (other.name if other else "") or number
        keys.append(Key(number, label, other is not None))
    known = Known(
        site, extension, phone.mac, keys, Zone.of(site.timezone), a1_hash=a1_hash, at=base
    )
    yield from MAKERS[phone.make].serve(known)
