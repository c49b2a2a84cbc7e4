"""The users of a host that our units run as, each for what a peer or another unit may not reach."""

from __future__ import annotations

from typing import Final

__all__ = ["BANS", "FAX", "FILTER", "FREESWITCH", "HTTP", "KAMAILIO", "MAIL", "OURS"]

FREESWITCH: Final = "freeswitch"
"""Made by FreeSWITCH's package."""
KAMAILIO: Final = "kamailio"
"""Made by Kamailio's package."""
MAIL: Final = "callcenter-mail"
"""Mails, and may read the mail server's password."""
FAX: Final = "callcenter-fax"
"""Reads documents that come from strangers, and has no network."""
HTTP: Final = "callcenter-http"
"""Asks the back ends of HTTP applications."""
BANS: Final = "callcenter-bans"
"""Reads who fails to log in, and decides who is shut out."""
FILTER: Final = "callcenter-filter"
"""Puts into the packet filter whom the user before has named."""
OURS: Final = (MAIL, FAX, HTTP, BANS, FILTER)
