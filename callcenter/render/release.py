"""The configuration that a host's FreeSWITCH has accepted: how it is asked for, and what making it
another costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from callcenter.render import paths, shell
from callcenter.render._files import Difference, Tree
from callcenter.render.costs import COMPARED, Action, plan, restarted

__all__ = ["Release", "question"]


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

    @property
    def is_healthy(self) -> bool:
        """True where FreeSWITCH runs with it, and will after the next boot."""
        return self.running and self.enabled and self.settled

    def actions(self, wanted: Tree, difference: Difference) -> tuple[Action, ...]:
        """List the actions that make the accepted release the wanted one."""
        actions = plan(difference.paths, self.contents, compared(wanted))
        return restarted(actions) if self.restart_needed else actions

    @classmethod
    def parse(cls, output: Iterable[str]) -> Release:
        """Read what a host answers to the :func:`question`."""
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
        return cls(
            digests=digests,
            contents={path: "\n".join(lines) + "\n" for path, lines in texts.items()},
            running=unit[:1] == ["active"],
            enabled=unit[1:2] == ["enabled"],
            settled="settled" in flags,
            restart_needed="restart" in flags,
        )


def compared(tree: Tree) -> dict[str, str]:
    """Return the texts of a tree that decide what a change costs."""
    return {file.path: file.text for file in tree if file.path.startswith(COMPARED)}


def question() -> str:
    """Return the shell command, which changes nothing, that a host answers for its release."""
    texts = [name.rstrip("/") for name in COMPARED]
    return shell.command(
        __file__, "release", paths.UNIT, paths.RESTART_NEEDED, paths.CURRENT, paths.APPLIED, *texts
    )
