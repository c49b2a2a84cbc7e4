"""Holes of FreeSWITCH that are known to the public, by the version that closes each.

Add one when an advisory appears: its CVE, the first version without it, what it is, where that is
said, and what of ours keeps it from being reached, if anything does.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import Final

__all__ = ["HOLES", "Hole", "holes_of"]


@dataclass(frozen=True)
class Hole:
    """A published vulnerability."""

    cve: str
    fixed: str
    """The first version of FreeSWITCH without it."""
    _: KW_ONLY
    what: str
    source: str
    """Address of the advisory."""
    closed_by: str = ""
    """Part of a deployed site that keeps it from being reached. Empty: nothing does."""

    def __str__(self) -> str:
        out = f"{self.cve} (fixed in {self.fixed}): {self.what}; {self.source}"
        return f"{out}; not reached: {self.closed_by}" if self.closed_by else out


def _nvd(cve: str) -> str:
    return f"https://nvd.nist.gov/vuln/detail/{cve}"


HOLES: Final = (
    Hole(
        "CVE-2021-36513",
        "1.10.6",
        what="an answer to NOTIFY tells what is in memory",
        source=_nvd("CVE-2021-36513"),
    ),
    Hole(
        "CVE-2021-37624",
        "1.10.7",
        what="text messages (SIP MESSAGE) pass without a password",
        source=_nvd("CVE-2021-37624"),
        closed_by="chat is off in every profile",
    ),
    Hole(
        "CVE-2021-41105",
        "1.10.7",
        what="SRTP packets that are not valid end calls",
        source=_nvd("CVE-2021-41105"),
    ),
    Hole(
        "CVE-2021-41145",
        "1.10.7",
        what="a flood of SIP messages takes all memory",
        source=_nvd("CVE-2021-41145"),
    ),
    Hole(
        "CVE-2021-41157",
        "1.10.7",
        what="SUBSCRIBE passes without a password by default",
        source=_nvd("CVE-2021-41157"),
        closed_by="auth-subscriptions is on",
    ),
    Hole(
        "CVE-2021-41158",
        "1.10.7",
        what="a gateway's challenge is answered with a digest that can be guessed offline",
        source=_nvd("CVE-2021-41158"),
    ),
    Hole(
        "CVE-2023-51443",
        "1.10.11",
        what="a DTLS hello of a stranger ends a call that is being set up",
        source="https://github.com/signalwire/freeswitch/security/advisories/GHSA-39gv-hq72-j6m6",
    ),
    Hole(
        "CVE-2026-49840",
        "1.11.1",
        what="a negative length damages the memory of the Event Socket's client library",
        source=_nvd("CVE-2026-49840"),
        closed_by="fs_cli speaks with FreeSWITCH on loopback alone",
    ),
    Hole(
        "CVE-2026-49841",
        "1.11.1",
        what="a POST to mod_verto writes past its memory before any password",
        source="https://github.com/signalwire/freeswitch/security/advisories/GHSA-wfrq-qvg2-f88f",
        closed_by="mod_verto is not loaded",
    ),
    Hole(
        "CVE-2026-116574",
        "1.11.2",
        what="a peer's text writes one byte past its memory where it is written as XML",
        source="https://github.com/signalwire/freeswitch/security/advisories/GHSA-r6vh-qmwm-h3cc",
        closed_by="records are JSON, and our programs hear plain events; let yours hear no XML",
    ),
    Hole(
        "CVE-2026-116780",
        "1.11.2",
        what="a part of a variable beyond its end is memory of others, in eval and expand",
        source="https://github.com/signalwire/freeswitch/security/advisories/GHSA-2p6g-9c8q-232p",
        closed_by="only the dialplan takes parts of variables, in a way that has not this fault",
    ),
    Hole(
        "CVE-2026-116779",
        "1.11.3",
        what="a text message (SIP MESSAGE) is a command of FreeSWITCH's, and a shell's",
        source=_nvd("CVE-2026-116779"),
        closed_by="chat is off in every profile",
    ),
)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:3])


def holes_of(version: str) -> tuple[Hole, ...]:
    """Return the holes of a version of FreeSWITCH, such as 1.10.12."""
    return tuple(hole for hole in HOLES if _number(version) < _number(hole.fixed))
