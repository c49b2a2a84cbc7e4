"""What the packet filter holds now."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import FactBase

from callcenter.render import paths, shell

__all__ = ["Filter", "FirewallState"]

LOADED = f"{paths.STATE}/firewall.loaded"
"""Digest of our table as the kernel listed it when it was last confirmed."""

OURS = (paths.FIREWALL_RULES, paths.FIREWALL_UNIT, paths.FIREWALL_TABLE, LOADED)
"""File of rules, unit, table and digest, as the shell programs here are given them."""


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
        return shell.command(__file__, "state", *OURS)

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
