"""Facts about the certificate that an authority has given a host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pyinfra.api import FactBase

from callcenter.render import paths, shell
from callcenter.site.authorities import is_late

__all__ = ["Acme", "AcmeState"]

_UNIT = paths.ACME_UNIT.rpartition("/")[2]


@dataclass(frozen=True)
class Acme:
    """Certificate that is served, and its renewal."""

    name: str = ""
    """Name of what services have read: a digest of who was asked for what, and one of what was
    given."""
    begin: datetime | None = None
    end: datetime | None = None
    timer: bool = False
    """Fact that the timer of its renewal runs, and will after the next boot."""
    failed: bool = False
    """Fact that who asks has failed last time."""

    @property
    def is_over(self) -> bool:
        """True where phones refuse it, or there is none."""
        return self.end is None or self.end <= datetime.now(UTC)

    def complaints(self) -> Iterator[str]:
        """Yield what would lock phones out if nobody looked at it, a line each."""
        see = f"see journalctl -u {_UNIT}"
        if self.end is None or self.begin is None:
            return
        if self.failed:
            yield f"its certificate ends on {self.end:%Y-%m-%d}, and was not renewed; {see}"
        elif is_late(self.begin, self.end):
            yield f"its certificate ends on {self.end:%Y-%m-%d}, and nobody has renewed it; {see}"


class AcmeState(FactBase[Acme]):
    """Certificate and timer, in one command."""

    def command(self) -> str:
        return shell.command(__file__, "state", paths.ACME_CURRENT, paths.ACME_CERTIFICATE, _UNIT)

    @staticmethod
    def default() -> Acme:
        return Acme()

    def process(self, output: list[str]) -> Acme:
        said = {}
        for line in output:
            kind, _, rest = line.replace("=", " ", 1).partition(" ")
            said[kind] = rest
        return Acme(
            said.get("name", ""),
            _moment(said.get("notBefore")),
            _moment(said.get("notAfter")),
            "timer" in said,
            "failed" in said,
        )


def _moment(text: str | None) -> datetime | None:
    """Read a moment as openssl prints it, such as ``2027-01-01 00:00:00Z``."""
    return None if text is None else datetime.fromisoformat(text)
