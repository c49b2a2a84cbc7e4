"""Whether PgBouncer is ours."""

from __future__ import annotations

from pyinfra.api import FactBase

from callcenter.render import paths

__all__ = ["PoolInstalledHere"]


class PoolInstalledHere(FactBase[bool]):
    """Whether a deploy has installed it: one that was there before is left alone, and runs on."""

    def command(self) -> str:
        return f"[ ! -e {paths.POOL_OURS} ] || echo ours"

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return "ours" in output
