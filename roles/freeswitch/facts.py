"""Which configuration FreeSWITCH has accepted, and whether it runs."""

from __future__ import annotations

from pyinfra.api import FactBase

from callcenter.render.release import Release, question

__all__ = ["Release", "ReleaseState"]


class ReleaseState(FactBase[Release]):
    """The accepted release and the service, in one command."""

    def command(self) -> str:
        return question()

    @staticmethod
    def default() -> Release:
        return Release()

    def process(self, output: list[str]) -> Release:
        return Release.parse(output)
