"""The Site: one frozen description of a call centre, checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from callcenter.site._model import Described, Problem, SiteError, describe, model
from callcenter.site._outside import check_sent_outside
from callcenter.site._places import Places, read
from callcenter.site._plan import (
    NAMED,
    callers_lost,
    check_billing,
    check_callers,
    check_destinations,
    check_members,
    check_names,
    check_numbers,
    check_outside,
    check_phones,
    slow_numbers,
)
from callcenter.site._types import Domain, Many, Map, Number, Timezone, dialled, no_entries
from callcenter.site.applications import Application
from callcenter.site.authorities import (
    ACME_PORT,
    HOST,
    ROOT,
    Acme,
    OwnAuthority,
    ending,
    issued,
    root,
)
from callcenter.site.billing import Billing
from callcenter.site.blocks import NUMBERS, unfolded
from callcenter.site.callers import Callers
from callcenter.site.caps import Cap, check_caps
from callcenter.site.cdr import Cdr, LocalPostgres, RemotePostgres
from callcenter.site.certificates import check_authority, check_certificates, check_served, fits
from callcenter.site.conferences import Conference
from callcenter.site.destinations import KEYS
from callcenter.site.event_socket import EventSocket
from callcenter.site.extensions import MAXIMUM_RANGE, UNANSWERED, Extension
from callcenter.site.faxes import Fax
from callcenter.site.features import FeatureCodes
from callcenter.site.guessers import Guessers
from callcenter.site.hours import Hours
from callcenter.site.http_applications import HttpApplication
from callcenter.site.ivrs import Ivr
from callcenter.site.maintenance import Maintenance
from callcenter.site.media import Media
from callcenter.site.network import ANYWHERE, Firewall, Network
from callcenter.site.notices import Notice
from callcenter.site.packages import LocalPackages, Msi, Packages
from callcenter.site.paging_groups import PagingGroup
from callcenter.site.parking import Parking
from callcenter.site.ports import SSH, check_further_ports
from callcenter.site.provisioning import Provisioning, secret_of
from callcenter.site.queues import Agent, AgentCodes, Queue
from callcenter.site.recording import Recording
from callcenter.site.ring_groups import RingGroup
from callcenter.site.scripts import LuaScript
from callcenter.site.secrets import Secret, Vault, pin_weakness, weakness
from callcenter.site.smtp import Smtp
from callcenter.site.sounds import Announcement, Language, Speech
from callcenter.site.switch import Switch
from callcenter.site.trunks import (
    TAKEN_FOR_LOCAL,
    Did,
    Emergency,
    OutboundLimits,
    Route,
    Trunk,
)
from callcenter.site.voicemail import Voicemail
from callcenter.site.web_phone import WebPhone

__all__ = ["Site"]

SECRET_FOLDER = Path(".secrets")

RENEWED_BEFORE = timedelta(days=21)
"""Time before its end at which a certificate is told of. certbot renews 30 days before."""

_RANGE = re.compile(r"([1-9][0-9]{1,14})-([1-9][0-9]{1,14})")
"""Range without a leading zero: Extension.range counts, and 0100 to 0119 would lose theirs."""


def _expanded(given: object) -> object:
    """Expand what YAML writes for extensions: ``"1000-1019"`` for a range, and ``1000`` for one
    without options."""
    if not isinstance(given, list | tuple):
        return given
    out: list[object] = []
    for item in given:
        # Where it is to stand: what is refused later is counted in this list, too.
        index = len(out)
        alike: Any = item if isinstance(item, Mapping) else {"number": item}
        alike = {str(key): value for key, value in alike.items()}
        number = alike.pop("number", None)
        if isinstance(number, str) and "-" in number:
            if not (ends := _RANGE.fullmatch(number.strip())):
                raise Problem(f"[{index}]", "is no range; use one such as '1000-1019'")
            try:
                out += Extension.range(int(ends[1]), int(ends[2]), **alike)
            except SiteError as refused:
                raise SiteError(
                    f"[{index}]" + line.removeprefix("Extension").removeprefix(".range")
                    for line in refused.problems
                ) from None
        elif isinstance(item, str | int) and not isinstance(item, bool):
            out.append({"number": dialled(item)})
        else:
            out.append(item)
    return out


def _agents(given: object) -> object:
    """Expand what YAML writes for agents: the extensions ``"1000-1049"`` for a range."""
    if not isinstance(given, list | tuple):
        return given
    out: list[object] = []
    for item in given:
        index = len(out)
        extension = item.get("extension") if isinstance(item, Mapping) else None
        if not (isinstance(extension, str) and "-" in extension):
            out.append(item)
            continue
        if not (ends := _RANGE.fullmatch(extension.strip())):
            raise Problem(f"[{index}].extension", "is no range; use one such as '1000-1049'")
        first, last = int(ends[1]), int(ends[2])
        if last < first:
            raise Problem(f"[{index}].extension", f"{first} is above {last}; put the lower first")
        if last - first >= MAXIMUM_RANGE:
            raise Problem(f"[{index}].extension", f"holds more than {MAXIMUM_RANGE} numbers")
        if item.get("outside") is not None:
            raise Problem(f"[{index}].outside", "is one agent's; write that one by itself")
        out += [{**item, "extension": str(number)} for number in range(first, last + 1)]
    return out


_EXPANDED: Mapping[str, Callable[[object], object]] = {
    "extensions": _expanded,
    "agents": _agents,
    "inbound": unfolded,
}
"""Lists of which one item in YAML may be several."""


@model
class Site:
    """Everything that is to be true of the call centre. What stands nowhere in it is not there."""

    _places: ClassVar[Places | None] = None

    domain: Domain
    """Domain of phones, which register as number@domain. It is the realm of their digests."""
    _: KW_ONLY
    extensions: Annotated[Many[Extension], Field(min_length=1), BeforeValidator(_expanded)]
    """Extensions, which can be called. At least one."""
    timezone: Timezone = "UTC"
    """Time zone of logs and announcements, by its IANA name."""
    language: Language = "en"
    """Language of announcements and prompts, where they name no other."""
    packages: Packages = Field(default_factory=LocalPackages, kw_only=True)
    """Source of FreeSWITCH. Default: a local folder of packages."""
    windows: Msi | None = None
    """Source of FreeSWITCH on Windows hosts; its version is that of packages. Default: the site has
    no Windows host."""
    network: Network = Field(default_factory=Network, kw_only=True)
    """Ports, transports, and who may come."""
    firewall: Firewall = Field(default_factory=Firewall, kw_only=True)
    """The host's packet filter."""
    guessers: Guessers = Field(default_factory=Guessers, kw_only=True)
    """Treatment of addresses that guess passwords."""
    media: Media = Field(default_factory=Media, kw_only=True)
    """Codecs and capacity."""
    provisioning: Provisioning | None = None
    """Links by which phones configure themselves. Default: none."""
    web_phone: WebPhone | None = None
    """Page that is a phone. Default: none."""
    event_socket: EventSocket = Field(default_factory=EventSocket, kw_only=True)
    """Socket by which fs_cli and applications on the host steer FreeSWITCH."""
    dialling: Literal["en-bloc", "digit-by-digit"] = "en-bloc"
    """The way in which phones send a number: whole, as SIP phones do, or ``digit-by-digit``, as
    some behind adapters and with a dial plan of their own do. These call a number as soon as it is
    one, so ``check`` and deploys warn of numbers that begin with others."""
    features: FeatureCodes = Field(default_factory=FeatureCodes, kw_only=True)
    """Numbers that are a service."""
    hours: Many[Hours] = ()
    """Opening hours, by which destinations differ."""
    ivrs: Many[Ivr] = ()
    """Menus that callers steer by keys."""
    notices: Many[Notice] = ()
    """Announcements with a name: destinations, and what people are called with."""
    queues: Many[Queue] = ()
    """Queues in which callers wait for agents."""
    agents: Annotated[Many[Agent], BeforeValidator(_agents)] = ()
    """Agents, who answer the queues. Logged out until they log in."""
    agent_codes: AgentCodes = Field(default_factory=AgentCodes, kw_only=True)
    """Codes that agents dial to log in, to log out, and for a pause."""
    ring_groups: Many[RingGroup] = ()
    """Groups of several extensions under one number."""
    paging_groups: Many[PagingGroup] = ()
    """Groups of phones that answer by themselves and hear whoever pages them."""
    applications: Many[Application] = ()
    """Programs of the operator's that calls are handed to."""
    http_applications: Many[HttpApplication] = ()
    """Web servers of the operator's that are asked what a call does."""
    scripts: Many[LuaScript] = ()
    """Lua programs that run in FreeSWITCH."""
    conferences: Many[Conference] = ()
    """Rooms in which several people talk."""
    faxes: Many[Fax] = ()
    """Fax machines."""
    parking: Parking | None = None
    """Places in which calls wait until somebody takes them. Default: there is none."""
    speed_dials: Map[Number, Number] = Field(default_factory=no_entries, kw_only=True)
    """Numbers that are dialled for others: ``{"*01": "1000"}``. A number outside is called with the
    routes, limits and caller ID of whoever dials it."""
    voicemail: Voicemail = Field(default_factory=Voicemail, kw_only=True)
    """Settings of all mailboxes; extensions say whether they have one."""
    smtp: Smtp | None = None
    """The mail server that messages are sent through. Default: the switch sends no mail."""
    speech: Speech = Field(default_factory=Speech, kw_only=True)
    """Engine that speaks the Site's announcements."""
    hold_music: Announcement | Literal["tune"] | None = "tune"
    """Music that a caller on hold hears, over and over. Default: a quiet tune of our own. None:
    silence."""
    recording: Recording = Field(default_factory=Recording, kw_only=True)
    """Settings of recordings, which are made of the calls of those who say ``record``."""
    trunks: Many[Trunk] = ()
    """The ways to and from the telephone network."""
    inbound: Annotated[Many[Did], BeforeValidator(unfolded)] = ()
    """The numbers by which the world reaches the site. Nothing else can be called from outside."""
    callers: Callers | None = None
    """Treatment of callers from outside. Default: phones show what the carrier sends."""
    outbound: Many[Route] = ()
    """Routes of calls that extensions may make outside, in the order in which they are looked
    at."""
    emergency: Many[Emergency] = ()
    """Numbers that every extension reaches."""
    outbound_limits: OutboundLimits = Field(default_factory=OutboundLimits, kw_only=True)
    """Limits of what calls outside may cost."""
    caps: Many[Cap] = ()
    """Limits on the calls, minutes or money of calls outside within an hour or a day."""
    database: Annotated[LocalPostgres | RemotePostgres, Field(discriminator="source")] | None = None
    """Database that keeps what is counted. Default: there is none."""
    cdr: Cdr | None = None
    """A record of every call. Default: none is kept."""
    billing: Billing | None = None
    """Prepaid calls to the outside. Default: no call is charged."""
    maintenance: Maintenance = Field(default_factory=Maintenance, kw_only=True)
    """Rules of what a deploy may do to live calls."""
    secret_file: Path | None = None
    """File of this site's own secrets. Default: ``.secrets/<domain>.json`` below the folder that
    pyinfra is run from."""
    encrypted_secrets: Path | None = None
    """A sops or age (``.age``) file of secrets, looked at before the site's own."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_numbers(self)
        check_names(self)
        check_members(self)
        check_destinations(self)
        check_outside(self)
        check_callers(self)
        check_billing(self)
        check_caps(self)
        check_sent_outside(self)
        check_phones(self)
        self._check_ports()
        self._check_mail()
        self._check_database()
        self._check_secrets()
        self._check_certificates()
        return self

    def _check_mail(self) -> None:
        for index, extension in enumerate(self.extensions):
            mailbox = extension.mailbox
            if mailbox is not None and mailbox.email is not None and self.smtp is None:
                raise Problem(
                    f"extensions[{index}].voicemail.email",
                    "needs a mail server; give smtp=Smtp(…), or leave it out",
                )

        for index, fax in enumerate(self.faxes):
            if fax.mail is not None and self.smtp is None:
                raise Problem(
                    f"faxes[{index}].mail",
                    "needs a mail server; give smtp=Smtp(…), or leave it out",
                )
        if self.guessers.alarm is not None:
            if self.smtp is None:
                raise Problem(
                    "guessers.alarm",
                    "needs a mail server; give smtp=Smtp(…), or leave it out",
                )
            if not self.shuts_out:
                raise Problem(
                    "guessers.alarm",
                    "would never ring, since guessers or the packet filter are switched off; leave "
                    "it out",
                )
        if self.outbound_limits.alarm is not None:
            if self.smtp is None:
                raise Problem(
                    "outbound_limits.alarm",
                    "needs a mail server; give smtp=Smtp(…), or leave it out",
                )
            if not self.trunks:
                raise Problem(
                    "outbound_limits.alarm",
                    "would never ring, since no trunk leads outside; give one, or leave it out",
                )

    def _check_database(self) -> None:
        wanted = self.cdr is not None and self.cdr.to == "database"
        if wanted and self.database is None:
            raise Problem(
                "cdr.to",
                "'database' needs one; give database=LocalPostgres(), or use 'json' or 'csv'",
            )
        if self.prepaid is not None and self.database is None:
            raise Problem("billing", "needs a database; give database=LocalPostgres()")
        if self.database is not None and not wanted and self.prepaid is None:
            raise Problem(
                "database",
                'is used by nothing; give cdr=Cdr("database") or billing=Billing(…), or leave it '
                "out",
            )

    def _check_ports(self) -> None:
        first, last = self.network.rtp_ports
        have, need = last - first + 1, self.media.rtp_ports_needed
        if have < need:
            raise Problem(
                "network.rtp_ports",
                f"{first}-{last} holds {have} ports, and {self.media.max_calls} calls need {need} "
                f"(two legs, two ports each); end it at {first + need - 1} or above, or lower "
                "media.max_calls",
            )
        if first <= self.event_socket.port <= last:
            raise Problem(
                "event_socket.port",
                f"{self.event_socket.port} lies in network.rtp_ports {first}-{last}; use 8021",
            )
        if self.event_socket.port == self.network.sip_port:
            raise Problem(
                "event_socket.port",
                f"{self.event_socket.port} is network.sip_port; use 8021",
            )
        others = {
            self.network.sip_port: "network.sip_port",
            self.event_socket.port: "event_socket.port",
        }
        trunk_port = self.network.trunk_port
        taken = "network.rtp_ports" if first <= trunk_port <= last else others.get(trunk_port)
        if self.trunks and taken is not None:
            raise Problem("network.trunk_port", f"{trunk_port} is {taken}; use 5080 or another")
        http_port = self.network.http_port
        others |= {trunk_port: "network.trunk_port"} if self.trunks else {}
        taken = "network.rtp_ports" if first <= http_port <= last else others.get(http_port)
        if self.http_applications and taken is not None:
            raise Problem("network.http_port", f"{http_port} is {taken}; use 8089 or another")
        others |= {http_port: "network.http_port"} if self.http_applications else {}
        if (tls := self.event_socket.tls) is not None:
            taken = "network.rtp_ports" if first <= tls.port <= last else others.get(tls.port)
            if taken is not None:
                raise Problem("event_socket.tls.port", f"{tls.port} is {taken}; use 8031")
        if (phones := self.network.tls) is not None:
            port, path = phones.port, "network.tls.port"
            taken = "network.rtp_ports" if first <= port <= last else others.get(port)
            if taken is not None:
                raise Problem(path, f"{port} is {taken}; use 5061 or another")
            others[port] = path
        if (wss := self.network.wss) is not None:
            port, path = wss.port, "network.tls.wss.port"
            taken = "network.rtp_ports" if first <= port <= last else others.get(port)
            if tls is not None and port == tls.port:
                taken = "event_socket.tls.port"
            if taken is not None:
                raise Problem(path, f"{port} is {taken}; use 7443 or another")
            others[port] = path
        for field in ("provisioning", "web_phone"):
            if getattr(self, field) is not None and self.network.tls is None:
                raise Problem(field, "is served with a certificate; give one as network.tls")
        if self.web_phone is not None and self.network.wss is None:
            raise Problem("web_phone", "needs a way for its SIP; set network.tls.wss=Wss()")
        if (web := self.web_server) is not None:
            path, port = web
            if self.web_phone is not None and self.web_phone.port != port:
                raise Problem(
                    "web_phone.port",
                    f"{self.web_phone.port} is not provisioning.port, and one web server serves "
                    f"both; use {port}",
                )
            taken = "network.rtp_ports" if first <= port <= last else others.get(port)
            if tls is not None and port == tls.port:
                taken = "event_socket.tls.port"
            if port == SSH:
                taken = "ssh's"
            if port == ACME_PORT and self.acme is not None:
                taken = "where ACME asks for network.tls.certificate"
            if taken is not None:
                raise Problem(path, f"{port} is {taken}; use 443 or another")
            others[port] = path
        for index, trunk in enumerate(self.trunks):
            if trunk.transport != "tls":
                continue
            port, path = trunk.tls_port, f"trunks[{index}].tls_port"
            taken = "network.rtp_ports" if first <= port <= last else others.get(port)
            if taken is not None:
                raise Problem(path, f"{port} is {taken}; use 5081 or another")
            others[port] = path
        for index, application in enumerate(self.applications):
            if self.http_applications and application.port == http_port:
                raise Problem(
                    f"applications[{index}].port",
                    f"{http_port} is network.http_port; use 8084 or another",
                )
            if tls is not None and application.port == tls.port:
                raise Problem(
                    f"applications[{index}].port",
                    f"{tls.port} is event_socket.tls.port; use 8084 or another",
                )
            if application.port == self.event_socket.port:
                raise Problem(
                    f"applications[{index}].port",
                    f"{application.port} is event_socket.port, where FreeSWITCH itself listens; "
                    "use 8084 or another",
                )
        check_further_ports(self)

    def _check_secrets(self) -> None:
        owners: dict[object, str] = {}
        numbers = {
            f"extensions[{index}].{field}": extension.number
            for index, extension in enumerate(self.extensions)
            for field in ("password", "voicemail.pin")
        }
        numbers |= {
            f"conferences[{index}].{field}": room.number
            for index, room in enumerate(self.conferences)
            for field in ("pin", "moderator_pin")
            if room.number is not None
        }
        for path, wanted in self.secrets():
            if wanted.kind in ("key", "certificate"):
                # Several trunks may have one certificate; see _check_certificates.
                continue
            value = self.vault.known(wanted)
            is_pin = wanted.kind == "pin"
            # One that is still to be made is known by its name. PINs are short enough for two
            # people to have the same by chance.
            is_given = wanted.kind == "given"
            same: object = wanted if value is None or is_pin or is_given else value
            if is_pin and wanted.literal is not None:
                same = path
            if same in owners:
                raise Problem(path, f"the secret is also that of {owners[same]}; give each its own")
            owners[same] = path
            if value is None:
                continue
            if path.startswith("packages.") and " " in value:
                raise Problem(path, "the secret holds a space, which apt's login file cannot")
            if is_given:
                # Of whatever strength: nobody here can change it.
                if not value or not value.isprintable():
                    raise Problem(path, "the secret is empty or holds a control character")
                continue
            related = [numbers[path]] if path in numbers else []
            if is_pin:
                if (wrong := pin_weakness(value, related=related)) is not None:
                    raise Problem(
                        path,
                        f"the PIN {wrong}; leave the field out, and a random one is made, or use "
                        "6 digits or more that nobody can guess",
                    )
                continue
            if (wrong := weakness(value, related=related)) is not None:
                raise Problem(
                    path,
                    f"the secret {wrong}; leave the field out, and a strong one is made, or use "
                    "12 characters or more that nobody can guess",
                )
        logins = [
            *_secrets_in(self.event_socket, "event_socket"),
            ("guessers.password", self.guessers.password),
        ]
        readers = [(*login, "fs_cli's configuration") for login in logins]
        readers += [
            (f"extensions[{index}].password", one.password, "a Yealink's settings")
            for index, one in enumerate(self.extensions)
            if any(phone.make == "yealink" for phone in one.phones)
        ]
        for path, wanted, reader in readers:
            value = self.vault.known(wanted)
            if value is not None and not all(sign.isalnum() or sign in "._~-" for sign in value):
                raise Problem(
                    path,
                    f"the secret holds signs that {reader} cannot; use letters, digits and . _ ~ -",
                )

    def _check_certificates(self) -> None:
        for index, trunk in enumerate(self.trunks):
            if trunk.certificate is None or trunk.key is None:
                continue
            path = f"trunks[{index}].key"
            if (key := self.vault.known(trunk.key)) is None:
                raise Problem(path, self.vault.lacking(trunk.key))
            own = check_certificates(f"trunks[{index}].certificate", trunk.certificate)[0]
            if (wrong := fits(key, own)) is not None:
                raise Problem(path, wrong)
        given = None if self.network.tls is None else self.network.tls.certificate
        field = "network.tls.certificate"
        if self._file is not None:
            served, wanted = self._file
            if (key := self.vault.known(wanted)) is None:
                raise Problem("network.tls.key", self.vault.lacking(wanted))
            if (wrong := fits(key, check_served(field, served, self.domain))) is not None:
                raise Problem("network.tls.key", wrong)
        if self.acme is not None and (wrong := self.acme.refuses(self.domain)) is not None:
            raise Problem(field, wrong)
        if self.provisioning is not None and (file := self.provisioning.authority) is not None:
            if isinstance(given, OwnAuthority):
                raise Problem(
                    "provisioning.authority",
                    f"is given to phones already where {field} is OwnAuthority(); leave it out",
                )
            check_authority(
                "provisioning.authority", file, given if isinstance(given, Path) else None
            )

    @property
    def _file(self) -> tuple[Path, Secret] | None:
        """Certificate for phones by TLS and its key, where the operator gives both."""
        tls = self.network.tls
        if tls is None or tls.key is None or not isinstance(tls.certificate, Path):
            return None
        return tls.certificate, tls.key

    @property
    def acme(self) -> Acme | None:
        """Authority that hosts ask for the certificate by ACME, or None."""
        tls = self.network.tls
        return tls.certificate if tls is not None and isinstance(tls.certificate, Acme) else None

    def served(self) -> tuple[bytes, bytes] | None:
        """Return what deploys put on the hosts for phones by TLS, as PEM: the certificate with
        those that follow it, and its key. Return None where hosts get it by ACME, or need none."""
        if self._file is not None:
            path, wanted = self._file
            return path.read_bytes(), f"{self.reveal(wanted).strip()}\n".encode()
        if self.network.tls is None or self.acme is not None:
            return None
        return issued(self.vault, self.domain)

    def phones_authority(self) -> bytes | None:
        """Return the certificates (PEM) of the authority that phones have to be given, or None
        where they know it."""
        tls = self.network.tls
        if tls is not None and isinstance(tls.certificate, OwnAuthority):
            return root(self.vault)
        if self.provisioning is not None and self.provisioning.authority is not None:
            return self.provisioning.authority.read_bytes()
        return None

    def needs_switch(self) -> list[str]:
        """List what of the Site an inventory without a switch cannot have, a line each."""
        out = [
            f"Site.features.{name}: {code} needs a switch, and the inventory has edges only; "
            "set it to None"
            for name, code in self.features.items()
        ]
        out += [
            f"Site.{kind}: needs a switch, and the inventory has edges only; leave it out"
            for kind in NAMED
            if getattr(self, kind)
        ]
        out += [
            f"Site.extensions[{index}].{field}: needs a switch, and the inventory has edges only; "
            "leave it out"
            for index, extension in enumerate(self.extensions)
            for field in (*UNANSWERED, "voicemail", "pickup_groups")
            if getattr(extension, field)
        ]
        out += [
            f"Site.{field}: needs a switch, and the inventory has edges only; leave it out"
            for field in (
                "parking",
                "speed_dials",
                "callers",
                "cdr",
                "billing",
                "caps",
                "provisioning",
                "web_phone",
            )
            if getattr(self, field)
        ]
        out += [
            f"Site.event_socket.{field}: needs a switch, and the inventory has edges only; leave "
            "it out"
            for field in ("users", "tls")
            if getattr(self.event_socket, field)
        ]
        if self.network.srtp:
            out.append(
                "Site.network.tls.srtp: needs a switch, and the inventory has edges only; leave it "
                "out"
            )
        if self.network.wss is not None:
            out.append(
                "Site.network.tls.wss: needs a switch, and the inventory has edges only; leave it "
                "out"
            )
        if self.media.mode != "bypass":
            out.append(
                f"Site.media.mode: {self.media.mode!r} needs a switch, and the inventory has edges "
                "only; use 'bypass'"
            )
        return self.placed(out)

    def behind_edge(self, switch: Switch) -> list[str]:
        """List what a switch cannot have behind an edge of its own, a line each."""
        if self.network.edge and switch.is_windows:
            return [
                "Site.network.edge: is Kamailio's, which does not run on Windows; set it to False "
                "in a site of the Windows hosts' own, whose phones are in local networks"
            ]
        return []

    def misleads(self, switch: Switch) -> list[str]:
        """List the carriers that a switch behind a NAT could not tell the right address, a line
        each."""
        shared = {n: one for n, one in enumerate(self.trunks) if one.transport != "tls"}
        sources = [source for trunk in shared.values() for source in trunk.sources]
        if not switch.is_trunk_behind_nat:
            return []
        if self.network.holds(sources) is not None:
            return []
        out = []
        for index, trunk in shared.items():
            field, local = (
                f"Site.trunks[{index}].{trunk.proxy_field}",
                self.network.holds(trunk.reached_at),
            )
            if local and trunk.is_named:
                out.append(
                    f"{field}: {trunk.proxy} is a name, for which FreeSWITCH does not look into "
                    "network.local_networks, and other trunks are outside of these; give its "
                    "address"
                )
            if local is False and trunk.proxy.startswith(TAKEN_FOR_LOCAL):
                out.append(
                    f"{field}: FreeSWITCH takes {trunk.proxy} for a local address, and other "
                    "trunks are in network.local_networks; give its name"
                )
        return out

    def unsaid(self, *, windows: bool = False) -> list[str]:
        """List the fields, a line each, in which the Site must say who may connect and does not.
        ``windows`` is for a Windows host: its own rules say who may administer it."""
        if not self.firewall.enabled:
            return []
        asked = {"network.sip_from": (self.network.sip_from, "your phones and offices")}
        if not windows:
            asked["firewall.ssh_from"] = (self.firewall.ssh_from, "those who administer the host")
        return self.placed(
            f"Site.{path}: is not said; name the networks of {whose}, such as ['203.0.113.0/24'], "
            'or "anywhere"'
            for path, (networks, whose) in asked.items()
            if not networks
        )

    def warnings(self) -> list[str]:
        """List what is no fault and may surprise somebody, a line each."""
        slow = slow_numbers(self) if self.dialling == "digit-by-digit" else []
        return self.placed([*slow, *callers_lost(self), *self._ending()])

    def _ending(self) -> list[str]:
        """List the certificates that phones will refuse soon, a line each."""
        path = "network.tls.certificate"
        if (
            self.acme is not None
            and self.acme.is_public
            and self.network.holds(self.network.sip_from)
        ):
            return [
                f"Site.{path}: Let's Encrypt asks at port {ACME_PORT} of {self.domain} from the "
                "internet, and network.sip_from names local networks alone; see that it gets there"
            ]
        if self.network.tls is None or self.acme is not None:
            return []
        if self._file is None:
            if (made := ending(self.vault)) is None:
                return []
            return [
                f"Site.{path}: that of the Site's own authority ends on {made:%Y-%m-%d}; deploy, "
                "which makes another"
            ]
        file, _ = self._file
        end = min(one.not_valid_after_utc for one in check_certificates(path, file))
        if end - datetime.now(UTC) > RENEWED_BEFORE:
            return []
        return [f"Site.{path}: {file} ends on {end:%Y-%m-%d}; renew it, or no phone comes by TLS"]

    def ungiven(self) -> list[str]:
        """List the secrets, a line each, that others give and nobody has set."""
        return self.placed(
            f"Site.{path}: {self.vault.lacking(wanted)}"
            for path, wanted in self.secrets()
            if wanted.kind == "given" and self.vault.known(wanted) is None
        )

    def needs_linux(self) -> list[str]:
        """List what of the Site a Windows host cannot have, a line each."""
        out = []
        if self.firewall.ssh_from not in ((), ANYWHERE):
            out.append(
                "Site.firewall.ssh_from: needs a Linux host, and this is a Windows one, whose own "
                "rules say who may administer it; leave it out, or give Windows hosts a site of "
                "their own"
            )
        if self.faxes:
            out.append(
                "Site.faxes: needs a Linux host, whose programs make and mail the documents; leave "
                "it out"
            )
        out += [
            f"Site.trunks[{index}].transport: 'tls' needs a Linux host; use 'tcp' or 'udp'"
            for index, trunk in enumerate(self.trunks)
            if trunk.transport == "tls"
        ]
        if self.http_applications:
            out.append(
                "Site.http_applications: needs a Linux host, where a service stands before them; "
                "leave it out"
            )
        if self.network.tls is not None:
            out.append("Site.network.tls: needs a Linux host, which has Kamailio; leave it out")
        if self.event_socket.tls is not None:
            out.append("Site.event_socket.tls: needs a Linux host, which has stunnel; leave it out")
        if self.outbound_limits.alarm is not None:
            out.append(
                "Site.outbound_limits.alarm: needs a Linux host, where a service mails it; leave "
                "it out"
            )
        if self.guessers.alarm is not None:
            out.append(
                "Site.guessers.alarm: needs a Linux host, where a service mails it; leave it out"
            )
        if self.smtp is not None:
            out.append("Site.smtp: needs a Linux host, which has msmtp; leave it out")
        if self.cdr is not None:
            out.append(
                "Site.cdr: needs a Linux host, where a service delivers the records; leave it out"
            )
        if self.caps:
            out.append("Site.caps: needs a Linux host, where calls are counted; leave it out")
        if self.prepaid is not None:
            out.append(
                "Site.billing: needs a Linux host, where a pool of connections answers for the "
                "database; leave it out, and account of extensions with it"
            )
        if self.mailboxes and self.voicemail.keep_days is not None:
            out.append(
                "Site.voicemail.keep_days: needs a Linux host, where a timer deletes old messages; "
                "set it to None"
            )
        return self.placed(out)

    @property
    def vault(self) -> Vault:
        """Vault of the values of this site's secrets."""
        file = self.secret_file or SECRET_FOLDER / f"{self.domain}.json"
        return Vault.open(file, self.encrypted_secrets)

    def secrets(self) -> list[tuple[str, Secret]]:
        """List every secret of the site with the path of its field."""
        out = list(_secrets_in(self, ""))
        if self.provisioning is not None:
            out += [("provisioning", secret_of(one.number)) for one in self.extensions]
        tls = self.network.tls
        if tls is not None and isinstance(tls.certificate, OwnAuthority):
            out += [("network.tls.certificate", one) for one in (ROOT, HOST)]
        return out

    def reveal(self, wanted: Secret) -> str:
        """Return the value of one of the site's secrets; all missing ones are made in one go."""
        if self.vault.known(wanted) is None:
            self.vault.ensure(one for _, one in self.secrets())
        return self.vault.value(wanted)

    @cached_property
    def extension_by_number(self) -> dict[str, Extension]:
        """Extensions by the number that is dialled."""
        return {extension.number: extension for extension in self.extensions}

    @property
    def prepaid(self) -> Billing | None:
        """Prices of accounts, or None where no extension has one."""
        return self.billing if self.accounts else None

    @property
    def shuts_out(self) -> bool:
        """True where addresses that guess are shut out of Linux switches."""
        return self.guessers.enabled and self.firewall.enabled

    @cached_property
    def accounts(self) -> tuple[str, ...]:
        """The names of the prepaid accounts, sorted."""
        return tuple(sorted({one.account for one in self.extensions if one.account is not None}))

    def one_ledger(self, switches: int) -> list[str]:
        """List why so many switches cannot bill, a line each: an account is in one place."""
        if self.prepaid is None or switches < 2 or not isinstance(self.database, LocalPostgres):
            return []
        return self.placed(
            [
                f"Site.database: each of the {switches} switches would have balances of its own, "
                "and money could be spent on each; use RemotePostgres(…), or one switch"
            ]
        )

    @property
    def web_server(self) -> tuple[str, int] | None:
        """Field and number of the port of HTTPS, or None where nothing is served."""
        for field in ("provisioning", "web_phone"):
            if (served := getattr(self, field)) is not None:
                return f"{field}.port", served.port
        return None

    def one_asked(self, hosts: int) -> list[str]:
        """List why so many hosts cannot get a certificate by ACME, a line each: one of them is
        asked, and another has asked for it."""
        if self.acme is None or hosts < 2:
            return []
        return self.placed(
            [
                f"Site.network.tls.certificate: HTTP-01 asks one of the {hosts} hosts behind "
                f"{self.domain}, whichever that is; give a certificate as a file, or use one host"
            ]
        )

    def one_giver(self, switches: int) -> list[str]:
        """List why so many switches cannot serve links, a line each: a link is good once."""
        if self.provisioning is None or switches < 2:
            return []
        return self.placed(
            [
                f"Site.provisioning: each of the {switches} switches would hand out each link "
                "once; leave it out, or use one switch"
            ]
        )

    @cached_property
    def mailboxes(self) -> tuple[Extension, ...]:
        """The extensions that have a mailbox."""
        return tuple(one for one in self.extensions if one.mailbox is not None)

    def named(self, kind: str, name: str) -> Any:
        """Return one of the Site's hours, IVR menus, … by the field that they are in and its
        name."""
        return next(one for one in getattr(self, kind) if one.name == name)

    def to_json(self) -> Any:
        """Return the description, with secrets by name only, for ``pyinfra … debug-inventory``."""
        return TypeAdapter(type(self)).dump_python(self, mode="json")

    def placed(self, lines: Iterable[str]) -> list[str]:
        """Return refusals of this Site, each behind file, line and column where it is YAML."""
        return list(lines) if self._places is None else self._places.told(lines)

    @classmethod
    def load(cls, path: str | Path) -> Site:
        """Read a Site from YAML: the same fields, the same refusals."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SiteError([f"{path}: there is no such file"]) from None
        except (OSError, UnicodeDecodeError) as wrong:
            why = type(wrong).__name__
            raise SiteError([f"{path}: cannot be read as UTF-8 text ({why})"]) from None
        data, places = read(path, text)
        for field, expand in _EXPANDED.items():
            places.expand(field, data.get(field), expand)
        try:
            made = TypeAdapter(cls).validate_python(data)
        except ValidationError as refused:
            raise SiteError(places.told(describe(refused, cls)), placed=True) from None
        # What is no field, since a Site that is written in Python and is the same is equal.
        object.__setattr__(made, "_places", places)
        return made

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the YAML form."""
        schema = TypeAdapter(cls).json_schema(schema_generator=Described)
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        schema["patternProperties"] = {"^x-": {"description": "Place for YAML's anchors."}}
        extensions = schema["properties"]["extensions"]
        span = {"type": "string", "pattern": rf"^\s*{_RANGE.pattern}\s*$"}
        shorthand = [
            {"type": "integer", "minimum": 10},
            {"type": "string", "pattern": r"^\s*[0-9]{2,15}\s*$"},
            span,
        ]
        extensions["items"] = {"anyOf": [extensions["items"], *shorthand]}
        definitions = schema["$defs"]
        for source in (
            "SignalWire",
            "AptRepository",
            "LocalPackages",
            "LocalPostgres",
            "RemotePostgres",
        ):
            definitions[source].setdefault("required", []).append("source")
        numbers = definitions["Extension"]["properties"]["number"]["anyOf"]
        numbers.append(span)
        agents = definitions["Agent"]["properties"]["extension"]
        agents.setdefault("anyOf", []).append(span)
        # Beside a block of DIDs; elsewhere `check` refuses it.
        target = definitions["ToExtension"]["properties"]["extension"]
        target["anyOf"].append(span)
        block = {"type": "string", "pattern": rf"^\s*{NUMBERS.pattern}\s*$"}
        number = definitions["Did"]["properties"]["number"]
        single = {key: number.pop(key) for key in ("type", "pattern")}
        number["anyOf"] = [single, block]
        # One that has a default, too, is chosen by its key.
        for destination, key in KEYS.items():
            definitions[destination]["required"] = sorted(
                {key, *definitions[destination].get("required", ())}
            )
        # An extension's own secrets are named after its number: no one value is the default.
        del definitions["Extension"]["properties"]["password"]["default"]
        del definitions["EventSocketUser"]["properties"]["password"]["default"]
        del definitions["Mailbox"]["properties"]["pin"]["default"]
        definitions["EventSocket"]["properties"]["password"]["default"] = {"secret": "esl"}
        definitions["Guessers"]["properties"]["password"]["default"] = {"secret": "guessers"}
        return schema


def _secrets_in(value: object, path: str) -> Iterator[tuple[str, Secret]]:
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _secrets_in(item, f"{path}[{index}]")
    elif is_dataclass(value):
        for field in fields(value):
            below = f"{path}.{field.name}" if path else field.name
            yield from _secrets_in(getattr(value, field.name), below)
