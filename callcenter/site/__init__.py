"""The models of a site description. Pure: no pyinfra, no host, no network."""

from callcenter.secrets import Secret, secret
from callcenter.site._model import SiteError
from callcenter.site.destinations import (
    Destination,
    OpenDuring,
    ToExtension,
    ToHangUp,
    ToIvr,
    ToNotice,
    ToRingGroup,
    extension,
    hang_up,
    ivr,
    notice,
    open_during,
    ring_group,
)
from callcenter.site.event_socket import EventSocket
from callcenter.site.extensions import Extension
from callcenter.site.features import FeatureCodes
from callcenter.site.hours import Hours
from callcenter.site.ivrs import Ivr
from callcenter.site.maintenance import Maintenance
from callcenter.site.media import CODECS, Media
from callcenter.site.network import Firewall, Network
from callcenter.site.notices import Notice
from callcenter.site.packages import AptRepository, LocalPackages, Msi, Packages, SignalWire
from callcenter.site.recordings import Recording
from callcenter.site.ring_groups import RingGroup
from callcenter.site.site import Site
from callcenter.site.sounds import Announcement, Language, Say, Sound, Speech, say
from callcenter.site.switch import Switch, hosts

__all__ = [
    "CODECS",
    "Announcement",
    "AptRepository",
    "Destination",
    "EventSocket",
    "Extension",
    "FeatureCodes",
    "Firewall",
    "Hours",
    "Ivr",
    "Language",
    "LocalPackages",
    "Maintenance",
    "Media",
    "Msi",
    "Network",
    "Notice",
    "OpenDuring",
    "Packages",
    "Recording",
    "RingGroup",
    "Say",
    "Secret",
    "SignalWire",
    "Site",
    "SiteError",
    "Sound",
    "Speech",
    "Switch",
    "ToExtension",
    "ToHangUp",
    "ToIvr",
    "ToNotice",
    "ToRingGroup",
    "extension",
    "hang_up",
    "hosts",
    "ivr",
    "notice",
    "open_during",
    "ring_group",
    "say",
    "secret",
]
