"""A limit that was hit: the dialplan, a script and ``callcenter fax`` tell of it in the words that
``callcenter/onhost/alarm.py`` reads."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from callcenter.onhost import alarm

__all__ = ["SUBCLASS", "Hit"]

SUBCLASS = "callcenter::limit"
"""Subclass of the event that tells of a limit that was hit."""


@dataclass(frozen=True)
class Hit:
    """A limit that was hit, as the log and an event tell it. In the dialplan the texts are
    expressions."""

    limit: str
    trunk: str | None = None
    """Trunk whose limit it is; else the caller's."""
    extension: str | None = None
    """The extension that calls."""
    fax: str | None = None
    """Name of the fax that is sent."""
    called: str | None = None
    """Number that is called; None where a carrier's call came in."""

    @property
    def line(self) -> str:
        """Line of the log."""
        by = self.extension if self.fax is None else f"fax {self.fax}"
        if self.called is None:
            return alarm.hit(self.limit, f"trunk {self.trunk}", side="Inbound")
        if self.trunk is None:
            return alarm.hit(self.limit, str(by), f"to {self.called}")
        return alarm.hit(self.limit, f"trunk {self.trunk}", f"of {by} to {self.called}")

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the event, which is CUSTOM."""
        given = {
            "Event-Subclass": SUBCLASS,
            "Limit": self.limit,
            "Trunk": self.trunk,
            "Extension": self.extension,
            "Fax": self.fax,
            "Called": self.called,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def actions(self) -> Markup:
        """The dialplan's actions that tell of it."""
        event = ",".join(f"{name}={value}" for name, value in self.headers.items())
        return Markup(
            f'<action application="log" data="WARNING {self.line}"/>\n'
            f'    <action application="event" data="Event-Name=CUSTOM,{event}"/>'
        )
