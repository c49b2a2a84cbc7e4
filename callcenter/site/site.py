"""The Site: one frozen description of a call centre, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from callcenter.site import _ranges
from callcenter.site._model import SiteError, built, describe, model
from callcenter.site._outside import check_sent_outside
from callcenter.site._places import Places, read
from callcenter.site._plan import (
    check_billing,
    check_callers,
    check_destinations,
    check_members,
    check_names,
    check_numbers,
    check_outbound,
    check_phones,
)
from callcenter.site._schema import schema_of
from callcenter.site._types import Domain, Many, Map, Number, Timezone, no_entries
from callcenter.site.applications import Application
from callcenter.site.authorities import Acme
from callcenter.site.billing import Billing
from callcenter.site.blocks import unfolded
from callcenter.site.callers import Callers
from callcenter.site.caps import Cap, check_caps
from callcenter.site.cdr import Cdr, LocalPostgres, RemotePostgres, check_database
from callcenter.site.conferences import Conference
from callcenter.site.event_socket import EventSocket
from callcenter.site.extensions import Extension
from callcenter.site.faxes import Fax
from callcenter.site.features import FeatureCodes
from callcenter.site.guessers import Guessers
from callcenter.site.hours import Hours
from callcenter.site.http_applications import HttpApplication
from callcenter.site.ivrs import Ivr
from callcenter.site.maintenance import Maintenance
from callcenter.site.media import Media
from callcenter.site.named_secrets import check_secrets, secrets_of
from callcenter.site.network import Firewall, Network
from callcenter.site.notices import Notice
from callcenter.site.packages import LocalPackages, Msi, Packages
from callcenter.site.paging_groups import PagingGroup
from callcenter.site.parking import Parking
from callcenter.site.ports import check_further_ports, check_ports
from callcenter.site.provisioning import Provisioning
from callcenter.site.queues import Agent, AgentCodes, Queue
from callcenter.site.recording import Recording
from callcenter.site.ring_groups import RingGroup
from callcenter.site.scripts import LuaScript
from callcenter.site.secrets import Secret, Vault
from callcenter.site.served import check_tls
from callcenter.site.smtp import Smtp, check_mail
from callcenter.site.sounds import Announcement, Language, Speech
from callcenter.site.trunks import Did, Emergency, OutboundLimits, Route, Trunk
from callcenter.site.voicemail import Voicemail
from callcenter.site.web_phone import WebPhone

__all__ = ["Site"]

SECRET_FOLDER = Path(".secrets")


@model
class Site:
    """Everything that is to be true of the call centre. What stands nowhere in it is not there."""

    _places: ClassVar[Places | None] = None

    domain: Domain
    """Domain of phones, which register as number@domain. It is the realm of their digests."""
    _: KW_ONLY
    extensions: Annotated[Many[Extension], Field(min_length=1), BeforeValidator(_ranges.extensions)]
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
    agents: Annotated[Many[Agent], BeforeValidator(_ranges.agents)] = ()
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
    caps_counted_by: Literal["site", "switch"] | None = None
    """Counting of what ``caps`` are about. ``site``: all switches together, in a RemotePostgres.
    ``switch``: each by itself, so several may spend as many times what a cap says. Default: the
    switch, where there is one; several must say it."""
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
        check_outbound(self)
        check_callers(self)
        check_billing(self)
        check_caps(self)
        check_sent_outside(self)
        check_phones(self)
        check_ports(self)
        check_further_ports(self)
        check_mail(self)
        check_database(self)
        check_secrets(self)
        check_tls(self)
        return self

    @property
    def acme(self) -> Acme | None:
        """Authority that hosts ask for the certificate by ACME, or None."""
        tls = self.network.tls
        return tls.certificate if tls is not None and isinstance(tls.certificate, Acme) else None

    @property
    def vault(self) -> Vault:
        """Vault of the values of this site's secrets."""
        return Vault.open(self._secrets_at, self.encrypted_secrets)

    @cached_property
    def _secrets_at(self) -> Path:
        return self.secret_file or SECRET_FOLDER / f"{self.domain}.json"

    def secrets(self) -> list[tuple[str, Secret]]:
        """List every secret of the site with the path of its field."""
        return secrets_of(self)

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
    def shares_caps(self) -> bool:
        """True where calls that caps count are in the database, those of all switches."""
        return bool(self.caps) and self.caps_counted_by == "site"

    @property
    def needs_pool(self) -> bool:
        """True where FreeSWITCH asks the database, by a pool of connections on its host."""
        return self.prepaid is not None or self.shares_caps

    @property
    def shuts_out(self) -> bool:
        """True where addresses that guess are shut out of Linux switches."""
        return self.guessers.enabled and self.firewall.enabled

    @cached_property
    def accounts(self) -> tuple[str, ...]:
        """The names of the prepaid accounts, sorted."""
        return tuple(sorted({one.account for one in self.extensions if one.account is not None}))

    @property
    def web_server(self) -> tuple[str, int] | None:
        """Field and number of the port of HTTPS, or None where nothing is served."""
        for field in ("provisioning", "web_phone"):
            if (served := getattr(self, field)) is not None:
                return f"{field}.port", served.port
        return None

    @property
    def shows_messages(self) -> bool:
        """True where extensions see their voice messages on the page that is a phone."""
        return self.web_phone is not None and bool(self.mailboxes)

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
        return TypeAdapter(built(type(self))).dump_python(self, mode="json")

    def placed(self, lines: Iterable[str]) -> list[str]:
        """Return refusals of this Site, each behind file, line and column where it is YAML."""
        return list(lines) if self._places is None else self._places.placed(lines)

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
        for field, expand in _ranges.EXPANDED.items():
            places.expand(field, data.get(field), expand)
        try:
            made = TypeAdapter(built(cls)).validate_python(data)
        except ValidationError as refused:
            raise SiteError(places.placed(describe(refused, cls)), placed=True) from None
        # What is no field, since a Site that is written in Python and is the same is equal.
        object.__setattr__(made, "_places", places)
        return made

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the YAML form."""
        return schema_of(cls)
