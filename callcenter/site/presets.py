"""Carriers whose public pages say what they ask for. docs/carriers.md names each page, and what was
proved. A field that the Site gives itself comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["PRESETS", "SOURCES", "Preset"]

Preset = Literal["flowroute", "sipgate", "telekom", "telekom-companyflex", "telnyx", "twilio"]

PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    # Known by its address and a prefix; numbers of E.164 without a plus.
    "flowroute": {
        "host": "us-west-or.sip.flowroute.com",
        "number_format": "digits",
        "caller_id_in": "p-asserted-identity",
    },
    # The caller in P-Preferred-Identity, as digits; From holds the account.
    "sipgate": {
        "host": "sipconnect.sipgate.de",
        "from_domain": "sipconnect.sipgate.de",
        "caller_id_in": "p-preferred-identity",
        "caller_id_format": "digits",
    },
    # No address behind the name: SRV leads to the servers. Numbers of E.164, before the domain.
    "telekom": {
        "host": "tel.t-online.de",
        "from_domain": "tel.t-online.de",
        "national": "+49",
    },
    # By TCP to a proxy that is the customer's own; numbers of E.164, A-law before mu-law.
    "telekom-companyflex": {
        "host": "tel.t-online.de",
        "from_domain": "tel.t-online.de",
        "transport": "tcp",
        "national": "+49",
        "codecs": ("PCMA", "PCMU"),
    },
    # NAPTR and SRV lead to both servers of the region.
    "telnyx": {"host": "sip.telnyx.com"},
    # The password answers at each call, nothing is registered, and host is the trunk's own name.
    "twilio": {"register": False},
}
"""Fields of a trunk for each."""

SOURCES: Mapping[Preset, tuple[str, ...]] = {
    "flowroute": (
        "https://support.bcmone.com/flowroute-support/docs/"
        "flowroute-service-guide-technical-specifications",
    ),
    "sipgate": (
        "https://help.sipgate.de/trunking/wie-setze-ich-bei-sipgate-trunking-die-absenderrufnummer",
    ),
    "telekom": (
        "https://github.com/arnonym/ha-plugins/issues/30",
        "https://github.com/arnonym/ha-plugins/issues/132",
    ),
    "telekom-companyflex": ("https://github.com/DMontgomery40/Faxbot",),
    "telnyx": ("https://sip.telnyx.com.au/",),
    "twilio": (
        "https://www.twilio.com/docs/sip-trunking/sending-sip-to-twilio-best-practices",
        "https://twilio.com/docs/sip-trunking/ip-addresses",
        "https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Interoperability/"
        "Providers-ITSPs/2883943",
    ),
}
"""Pages that say so."""
