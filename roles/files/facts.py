"""Which files are on a host, and in what state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pyinfra.api import FactBase

from callcenter.render import shell
from callcenter.render.host_files import asked, of_file

__all__ = ["ManagedFiles", "MaskedContents", "Present"]


@dataclass(frozen=True)
class Present:
    """Files of one group as they are on a host."""

    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path, of those that exist."""
    modes: dict[str, int] = field(default_factory=dict)
    managed: frozenset[str] = frozenset()
    """Paths that an earlier deploy put there."""
    begun: frozenset[str] = frozenset()
    """Paths with which a deploy had begun that died: what follows was not done."""


class ManagedFiles(FactBase[Present]):
    """The files that a group holds, and those that it shall hold, in one command."""

    def command(self, group: str, wanted: Iterable[str]) -> str:
        return asked([group], wanted)

    @staticmethod
    def default() -> Present:
        return Present()

    def process(self, output: list[str]) -> Present:
        digests, modes, managed, begun = {}, {}, set(), set()
        for line in output:
            kind, _, rest = line.partition(" ")
            if kind == "managed":
                managed.add(rest)
            elif kind == "begun":
                begun.add(rest)
            elif kind == "file":
                path, mode, digest = of_file(rest)
                digests[path], modes[path] = digest, mode
        return Present(digests, modes, frozenset(managed), frozenset(begun))


class MaskedContents(FactBase[dict[str, str]]):
    """Texts of files for a diff. Secrets are taken out on the host, so no log ever holds them."""

    def command(self, names: Iterable[str], below: str = "") -> str:
        return shell.command(__file__, "masked", MASK_SED, *(f"{below}{name}" for name in names))

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def process(self, output: list[str]) -> dict[str, str]:
        texts: dict[str, list[str]] = {}
        current: list[str] = []
        for line in output:
            if line.startswith("\001"):
                current = texts.setdefault(line[1:], [])
            else:
                current.append(line)
        return {path: "\n".join(lines) + "\n" for path, lines in texts.items()}


MASK_SED = (
    r's/(name="([^"]*-)?(a1-hash|password|secret|token|pin)" value=")[^"]*/\1***/g; '
    r"s/(password( =>)? ).*/\1***/; "
    r"s/(expression=\"\^)[0-9a-f]{32}/\1***/; "
    # Kamailio's tables of a1-hashes and keys.
    r"s/^([0-9a-z-]+:0:0:)[0-9a-f]{32,64}:/\1***:/"
)
