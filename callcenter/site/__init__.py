"""The models of a site description. Pure: no pyinfra, no host, no network."""

from callcenter.site._model import SiteError
from callcenter.site.applications import Application
from callcenter.site.authorities import Acme, DnsHook, OwnAuthority
from callcenter.site.billing import Billing, Rate
from callcenter.site.callers import CallerRule, Callers
from callcenter.site.caps import Cap
from callcenter.site.cdr import Cdr, LocalPostgres, RemotePostgres
from callcenter.site.conferences import Conference
from callcenter.site.destinations import (
    Destination,
    OpenDuring,
    ToApplication,
    ToConference,
    ToExtension,
    ToFax,
    ToHangUp,
    ToHttpApplication,
    ToIvr,
    ToNotice,
    ToOutside,
    ToQueue,
    ToRingGroup,
    ToScript,
    ToVoicemail,
    application,
    conference,
    extension,
    fax,
    hang_up,
    http_application,
    ivr,
    notice,
    open_during,
    outside,
    queue,
    ring_group,
    script,
    voicemail,
)
from callcenter.site.event_socket import EventSocket, EventSocketTls, EventSocketUser
from callcenter.site.extensions import Extension
from callcenter.site.faxes import Fax
from callcenter.site.features import FeatureCodes
from callcenter.site.guessers import Guessers
from callcenter.site.hours import Hours
from callcenter.site.http_applications import HttpApplication
from callcenter.site.ivrs import Ivr
from callcenter.site.maintenance import Maintenance
from callcenter.site.media import CODECS, PASSTHROUGH_CODEC, Media
from callcenter.site.network import Firewall, Network, OpenPort, PhoneTls, Turn, Wss
from callcenter.site.notices import Notice
from callcenter.site.packages import AptRepository, LocalPackages, Msi, Packages, SignalWire
from callcenter.site.paging_groups import PagingGroup
from callcenter.site.parking import Parking
from callcenter.site.provisioning import DeskPhone, Provisioning
from callcenter.site.queues import Agent, AgentCodes, Queue
from callcenter.site.recording import Recording
from callcenter.site.ring_groups import RingGroup
from callcenter.site.scripts import LuaScript
from callcenter.site.secrets import Secret, secret
from callcenter.site.site import Site
from callcenter.site.smtp import Smtp
from callcenter.site.sounds import Announcement, Language, Say, Sound, Speech, say
from callcenter.site.switch import Switch, hosts
from callcenter.site.trunks import Did, Emergency, OutboundLimits, Rewrite, Route, Trunk
from callcenter.site.voicemail import Mailbox, Voicemail
from callcenter.site.web_phone import WebPhone

__all__ = [
    "CODECS",
    "PASSTHROUGH_CODEC",
    "Acme",
    "Agent",
    "AgentCodes",
    "Announcement",
    "Application",
    "AptRepository",
    "Billing",
    "CallerRule",
    "Callers",
    "Cap",
    "Cdr",
    "Conference",
    "DeskPhone",
    "Destination",
    "Did",
    "DnsHook",
    "Emergency",
    "EventSocket",
    "EventSocketTls",
    "EventSocketUser",
    "Extension",
    "Fax",
    "FeatureCodes",
    "Firewall",
    "Guessers",
    "Hours",
    "HttpApplication",
    "Ivr",
    "Language",
    "LocalPackages",
    "LocalPostgres",
    "LuaScript",
    "Mailbox",
    "Maintenance",
    "Media",
    "Msi",
    "Network",
    "Notice",
    "OpenDuring",
    "OpenPort",
    "OutboundLimits",
    "OwnAuthority",
    "Packages",
    "PagingGroup",
    "Parking",
    "PhoneTls",
    "Provisioning",
    "Queue",
    "Rate",
    "Recording",
    "RemotePostgres",
    "Rewrite",
    "RingGroup",
    "Route",
    "Say",
    "Secret",
    "SignalWire",
    "Site",
    "SiteError",
    "Smtp",
    "Sound",
    "Speech",
    "Switch",
    "ToApplication",
    "ToConference",
    "ToExtension",
    "ToFax",
    "ToHangUp",
    "ToHttpApplication",
    "ToIvr",
    "ToNotice",
    "ToOutside",
    "ToQueue",
    "ToRingGroup",
    "ToScript",
    "ToVoicemail",
    "Trunk",
    "Turn",
    "Voicemail",
    "WebPhone",
    "Wss",
    "application",
    "conference",
    "extension",
    "fax",
    "hang_up",
    "hosts",
    "http_application",
    "ivr",
    "notice",
    "open_during",
    "outside",
    "queue",
    "ring_group",
    "say",
    "script",
    "secret",
    "voicemail",
]
