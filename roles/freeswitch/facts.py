"""Which configuration FreeSWITCH has accepted, and whether it runs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from pyinfra.api import FactBase

from callcenter.render import paths
from callcenter.render.costs import COMPARED

__all__ = ["Release", "ReleaseState"]


@dataclass(frozen=True)
class Release:
    """The accepted release of the configuration, and the service."""

    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path of the files as they are now: a change by hand shows."""
    contents: dict[str, str] = field(default_factory=dict)
    """Texts of the files whose parameters decide what a change costs. They hold no secret."""
    running: bool = False
    enabled: bool = False
    settled: bool = False
    """Fact that FreeSWITCH reads the accepted release."""
    restart_needed: bool = False
    """Fact that packages or the unit have changed below a running FreeSWITCH."""


class ReleaseState(FactBase[Release]):
    """The accepted release and the service, in one command."""

    def command(self) -> str:
        unit, applied = shlex.quote(paths.UNIT), shlex.quote(paths.APPLIED)
        compared = " ".join(shlex.quote(name.rstrip("/")) for name in COMPARED)
        return (
            f"echo unit $(systemctl is-active {unit}) $(systemctl is-enabled {unit} 2>/dev/null); "
            f"[ -e {paths.RESTART_NEEDED} ] && echo restart; "
            f'[ "$(readlink {paths.CURRENT})" = "$(readlink {applied})" ] && echo settled; '
            f"cd {applied}/ 2>/dev/null && "
            "find . -type f -printf '%P\\0' | xargs -0 -r sha256sum | sed 's/^/file /' && "
            f"find {compared} -type f 2>/dev/null | while read -r f; do "
            'echo "text $f"; sed \'s/^/| /\' "$f"; done; true'
        )

    @staticmethod
    def default() -> Release:
        return Release()

    def process(self, output: list[str]) -> Release:
        digests: dict[str, str] = {}
        texts: dict[str, list[str]] = {}
        current: list[str] = []
        unit: list[str] = []
        flags: set[str] = set()
        for line in output:
            kind, _, rest = line.partition(" ")
            if kind == "file":
                digest, path = rest.split("  ", 1)
                digests[path] = digest
            elif kind == "text":
                current = texts.setdefault(rest, [])
            elif kind == "|":
                current.append(rest)
            elif kind == "unit":
                unit = rest.split()
            else:
                flags.add(kind)
        return Release(
            digests=digests,
            contents={path: "\n".join(lines) + "\n" for path, lines in texts.items()},
            running=unit[:1] == ["active"],
            enabled=unit[1:2] == ["enabled"],
            settled="settled" in flags,
            restart_needed="restart" in flags,
        )
