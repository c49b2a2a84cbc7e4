"""The models of a site description. Pure: no pyinfra, no host, no network."""

from callcenter.secrets import Secret, secret
from callcenter.site._model import SiteError
from callcenter.site.event_socket import EventSocket
from callcenter.site.extension import Extension
from callcenter.site.features import FeatureCodes
from callcenter.site.maintenance import Maintenance
from callcenter.site.media import CODECS, Media
from callcenter.site.network import Firewall, Network
from callcenter.site.packages import AptRepository, LocalPackages, Msi, Packages, SignalWire
from callcenter.site.site import Site
from callcenter.site.switch import Switch, hosts

__all__ = [
    "CODECS",
    "AptRepository",
    "EventSocket",
    "Extension",
    "FeatureCodes",
    "Firewall",
    "LocalPackages",
    "Maintenance",
    "Media",
    "Msi",
    "Network",
    "Packages",
    "Secret",
    "SignalWire",
    "Site",
    "SiteError",
    "Switch",
    "hosts",
    "secret",
]
