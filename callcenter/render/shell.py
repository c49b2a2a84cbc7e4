"""Shell programs that hosts run: each is a file, and its values are arguments."""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path

__all__ = ["command", "in_turn", "text", "words"]


@cache
def text(beside: str, name: str) -> str:
    """Return a shell program: ``scripts/NAME.sh`` beside a module (its ``__file__``)."""
    return (Path(beside).parent / "scripts" / f"{name}.sh").read_text(encoding="utf-8")


def words(beside: str, name: str, *arguments: str) -> tuple[str, ...]:
    """Return the words of the command that runs a shell program with its arguments."""
    return ("sh", "-c", text(beside, name), name, *arguments)


def command(beside: str, name: str, *arguments: str) -> str:
    """Return the same command as a host's shell reads it."""
    return shlex.join(words(beside, name, *arguments))


def in_turn(*commands: str) -> str:
    """Return the command that runs commands one after the other, until one fails."""
    return command(__file__, "in_turn", *commands)
