"""What the packet filter holds now."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import FactBase

from callcenter.render import paths

__all__ = ["Filter", "FirewallState"]

LOADED = f"{paths.STATE}/firewall.loaded"
"""Digest of our table as the kernel listed it when it was last confirmed."""

SERVICES = r"sip\|rtp\|trunk"
"""Beginnings of the comments of rules for what FreeSWITCH or Kamailio serves (sed's expression)."""


@dataclass(frozen=True)
class Filter:
    """Our table, its files and its unit."""

    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path of our files that exist."""
    services: tuple[str, ...] = ()
    """Rules for SIP and RTP, as they are written to disk."""
    loaded: bool = False
    """Fact that the kernel's table is still the one that was confirmed."""
    present: bool = False
    """Fact that the kernel has a table of ours at all."""
    enabled: bool = False
    """Fact that the unit loads it at boot."""


class FirewallState(FactBase[Filter]):
    """Table, files and unit, in one command."""

    def command(self) -> str:
        # Terse: what the meters hold at a moment is nobody's difference.
        table = f"nft -s -t list table inet {paths.FIREWALL_TABLE}"
        return (
            f"sha256sum {paths.FIREWALL_RULES} /etc/systemd/system/{paths.FIREWALL_UNIT} "
            "2>/dev/null | sed 's/^/file /'; "
            rf"sed -n 's/^\s*\(.* comment \"\({SERVICES}\)\b.*\)/service \1/p' "
            f"{paths.FIREWALL_RULES} 2>/dev/null; "
            f"{table} >/dev/null 2>&1 && echo present; "
            f'[ "$({table} 2>/dev/null | sha256sum)" = "$(cat {LOADED} 2>/dev/null)" ] && '
            "echo loaded; "
            f"systemctl is-enabled --quiet {paths.FIREWALL_UNIT} 2>/dev/null && echo enabled; true"
        )

    @staticmethod
    def default() -> Filter:
        return Filter()

    def process(self, output: list[str]) -> Filter:
        digests: dict[str, str] = {}
        services: list[str] = []
        flags: set[str] = set()
        for line in output:
            if line.startswith("file "):
                digest, path = line.removeprefix("file ").split("  ", 1)
                digests[path] = digest
            elif line.startswith("service "):
                services.append(line.removeprefix("service "))
            else:
                flags.add(line)
        return Filter(
            digests, tuple(services), "loaded" in flags, "present" in flags, "enabled" in flags
        )
