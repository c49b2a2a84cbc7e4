"""The users of a host that our units run as, each for what a peer or another unit may not reach."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACME",
    "BANS",
    "FAX",
    "FILTER",
    "FREESWITCH",
    "HTTP",
    "KAMAILIO",
    "MAIL",
    "OURS",
    "PHONES",
    "TURN",
    "VOICEMAIL",
    "WEB",
]

FREESWITCH: Final = "freeswitch"
"""User that FreeSWITCH's package makes."""
KAMAILIO: Final = "kamailio"
"""User that Kamailio's package makes."""
MAIL: Final = "callcenter-mail"
"""User that mails, and may read the mail server's password."""
FAX: Final = "callcenter-fax"
"""User that reads documents that come from strangers, and has no network."""
HTTP: Final = "callcenter-http"
"""User that asks the back ends of HTTP applications."""
BANS: Final = "callcenter-bans"
"""User that reads who fails to log in, and decides who is shut out."""
FILTER: Final = "callcenter-filter"
"""User that puts into the packet filter whom the user before has named."""
WEB: Final = "callcenter-web"
"""User that speaks HTTPS with strangers, and may read the key of the certificate."""
PHONES: Final = "callcenter-phones"
"""User that reads what a phone is given, and hands it out once."""
VOICEMAIL: Final = "callcenter-voicemail"
"""User that shows an extension its voice messages, which are FreeSWITCH's, on a page."""
TURN: Final = "callcenter-turn"
"""User that carries the voice of browsers to FreeSWITCH, and may read the key of the
certificate."""
ACME: Final = "callcenter-acme"
"""User that asks an authority for certificates, and answers it at port 80. Hosts have it where
their Site asks."""
OURS: Final = (MAIL, FAX, HTTP, BANS, FILTER, WEB, PHONES, VOICEMAIL, TURN)
