"""A package of Debian's whose service is a unit of our own. One that was there before is left
alone, and its own service runs on."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from callcenter.render import paths, shell
from roles.files import where

__all__ = ["InstalledHere", "no_package", "package", "with_lists"]


def with_lists(*command: str) -> str:
    """Return the command that runs one which installs packages, with the lists of their sources:
    read anew, unless a deploy has just done so."""
    known = (paths.APT_LISTS, paths.LOCAL_REPOSITORY, paths.APT_SOURCES)
    return shell.command(__file__, "with_lists", *known, *command)


class InstalledHere(FactBase[bool]):
    """Installation of a package by a deploy, which has left a mark then."""

    def command(self, mark: str) -> str:
        return where(mark, "echo", "ours")

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return "ours" in output


@operation()
def package(
    wanted: str, mark: str, installed: Mapping[str, str], further: Sequence[str] = ()
) -> Generator[StringCommand, None, None]:
    """Install it where it is lacking, without the service that it starts, and ``further`` ones,
    which stay."""
    lacking = [one for one in (wanted, *further) if one not in installed]
    if not lacking:
        return
    own = wanted if wanted in lacking else ""
    yield StringCommand(with_lists(*shell.words(__file__, "install", own, mark, *lacking)))


@operation()
def no_package(
    unwanted: str, mark: str, installed: Mapping[str, str], beside: str | None = None
) -> Generator[StringCommand, None, None]:
    """Remove it where a deploy had installed it, and what came ``beside`` it, unless another needs
    that."""
    if unwanted not in installed or not host.get_fact(InstalledHere, mark=mark):
        return
    yield StringCommand(shell.command(__file__, "purge", unwanted, mark, beside or ""))
