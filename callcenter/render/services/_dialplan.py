"""How the dialplan sends a call to a destination."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping

from markupsafe import Markup

from callcenter.render import sounds
from callcenter.render._files import File
from callcenter.render._templates import xml, xml_escape
from callcenter.render.services import _names as names
from callcenter.render.services._voice import Voice
from callcenter.site import Announcement, Destination, OpenDuring, Say, Site, ToOutside, ToQueue
from callcenter.site.destinations import target_of
from callcenter.site.network import Srtp

__all__ = [
    "CONTEXT",
    "SRTP_SUITES",
    "WEB",
    "action",
    "config",
    "encrypted",
    "leads_on",
    "legs",
    "name_of",
    "records",
    "rung_outside",
    "transfer_to",
    "voices",
]

CONTEXT = "services"
"""The dialplan context of all destinations. No caller enters it but by a transfer of ours."""

SRTP_SUITES = ("AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80")
"""Suites of SRTP, preferred first."""
_UNHURRIED = "60:300"
"""Milliseconds of the jitter buffer of an encrypted leg: usual, and most. Without a buffer
FreeSWITCH reads the keys that come while it turns to another prompt without decrypting them
(do_flush of switch_rtp.c, 1.10.12): the caller is misheard. In a bridge the buffer rests."""


def encrypted(demand: str) -> dict[str, str]:
    """Return the variables of a leg whose voice is encrypted: ``mandatory`` or ``optional``."""
    return {"rtp_secure_media": demand, "jitterbuffer_msec": _UNHURRIED}


_PHONE_SRTP: Mapping[Srtp, Mapping[str, str]] = {
    "required": encrypted("mandatory"),
    "offered": encrypted("optional") | {"rtp_allow_crypto_in_avp": "true"},
    "off": {},
}
"""Variables of a phone's leg, by what the Site says of SRTP. Where it is offered, Kamailio takes
keys out of what goes without TLS, and one may stand beside voice by its plain name (RFC 8643)."""

WEB = "web-"
"""Prefix of an extension's number where its browsers are meant, not its phones."""

_BROWSER = {"media_webrtc": "true", "jitterbuffer_msec": _UNHURRIED}
"""Variables of a browser's leg. Its voice is encrypted by DTLS, so _PHONE_SRTP is not for it."""


def name_of(destination: Destination) -> str:
    """Return the name of the destination in the context of services."""
    field, target = target_of(destination)
    if isinstance(destination, OpenDuring):
        # The same hours may lead to other places elsewhere.
        choice = hashlib.sha256(repr((destination.open, destination.closed)).encode()).hexdigest()
        return f"during-{target}-{choice[:8]}"
    if isinstance(destination, ToQueue) and destination.priority:
        return f"{names.beginning(field)}{target}-priority-{destination.priority}"
    if isinstance(destination, ToOutside):
        return f"{names.OUTSIDE}{destination.by}-{target}"
    return f"{names.beginning(field)}{target}"


def rung_outside(number: str, by: str | None) -> str:
    """Return what rings a number outside among others: it goes through the dialplan in a leg of its
    own, which is answered once whoever answers has pressed a key."""
    return f"[loopback_bowout=false]loopback/{names.ASKED}{by}-{number}/{CONTEXT}/XML"


def legs(site: Site, user: str, domain: str, quiet: str = "", common: str = "") -> Markup:
    """Return what rings an extension behind Kamailio: its phones and, where the Site lets browsers
    in, these as well. Each leg is one call, which Kamailio takes to all of them.

    FreeSWITCH takes the first leg's cause where nobody answers, so phones come first."""
    kinds = {"": _PHONE_SRTP[site.network.srtp]}
    if site.network.wss is not None:
        kinds[WEB] = {**_BROWSER, "sip_invite_to_uri": f"<sip:{user}@{domain}>"}
    out = []
    for prefix, variables in kinds.items():
        said = ",".join([*([common] if common else []), *map("=".join, variables.items())])
        leg = f"sofia/internal/{prefix}{user}@{domain}{quiet}"
        out.append(f"[{said}]{leg}" if said else leg)
    # The expressions in it are ours.
    return Markup(html.escape(",".join(out), quote=True))


def voices(site: Site) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Return who calls, by what Kamailio says of it in X-Way, and the variables of its call."""
    out: dict[str, tuple[str, Mapping[str, str]]] = {}
    if variables := _PHONE_SRTP[site.network.srtp]:
        out[""] = ("phone", variables)
    if site.network.wss is not None:
        # FreeSWITCH knows a browser that calls by what it offers.
        own = {name: value for name, value in _BROWSER.items() if name != "media_webrtc"}
        out["wss"] = ("browser", own)
    return out


def transfer_to(destination: Destination | None) -> tuple[str, str]:
    """Return the dialplan application that leads to a destination, and its argument."""
    if destination is None:
        return "hangup", "NORMAL_CLEARING"
    return "transfer", f"{name_of(destination)} XML {CONTEXT}"


def action(destination: Destination | None) -> Markup:
    """Return the same as the dialplan's XML."""
    application, data = transfer_to(destination)
    return Markup(f'<action application="{application}" data="{xml_escape(data)}"/>')


def leads_on(site: Site) -> bool:
    """Tell whether a call that an extension does not answer goes anywhere."""
    return any(one.leads_on for one in site.extensions)


def records(site: Site) -> bool:
    """Tell whether any call is recorded."""
    return any(
        any(one.record for one in many) for many in (site.extensions, site.queues, site.trunks)
    )


def config(path: str, site: Site, **values: object) -> File:
    """Render a file of the configuration, from the template of the same place."""

    def sound(wanted: Announcement | None, usual: Announcement | None = None) -> str:
        """Return the file of what the Site wants to be said, or else of what usually is."""
        said = wanted or usual
        assert said is not None
        return sounds.path(site, said)

    def say(english: str, chinese: str) -> Announcement:
        return Say({"en": english, "zh": chinese}[site.language], language=site.language)

    values = {
        "site": site,
        "names": names,
        "service_name": names.service,
        "action": action,
        "sound": sound,
        "say": say,
        "voice": Voice.of(site),
        **values,
    }
    made = xml(f"freeswitch/{path}.j2", **values)
    return File(path, made, 0o640)
