"""All faults of a file of Python at once: a model that is refused is kept, and told of at the end.

Python makes the innermost models first, and one that raised would hide the faults of all that come
after it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Faults", "collected", "collecting"]


@dataclass
class _Refused:
    model: object
    """Outermost model that holds what was refused."""
    place: str
    lines: list[str]


class Faults:
    """The faults of the models that one file makes."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._refused: list[_Refused] = []
        self._told: set[tuple[str, str]] = set()

    @property
    def lines(self) -> list[str]:
        """Lines of all faults, each with its place."""
        return [f"{one.place}: {line}" for one in self._refused for line in one.lines]

    def add(self, model: object, lines: Iterable[str]) -> None:
        """Keep a model that is refused. What one line of the file makes many times is told once."""
        place = self._place()
        new = [line for line in lines if (place, line) not in self._told]
        self._told.update((place, line) for line in new)
        self._refused.append(_Refused(model, place, new))

    def within(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that hold refused models, without these."""
        if not self._refused:
            return {}
        return {
            name: _without(value, self._is_refused)
            for name, value in arguments.items()
            if any(True for _ in _found("", value, self._is_refused))
        }

    def adopt(self, model: object, arguments: Mapping[str, Any]) -> None:
        """Have the refused models among the arguments belong to the one that is made of these."""
        for name, value in arguments.items():
            for path, part in list(_found(f".{name}", value, self._is_refused)):
                for one in self._refused:
                    if one.model is part:
                        begin, path = type(part).__name__, f"{type(model).__name__}{path}"
                        one.lines = [path + line.removeprefix(begin) for line in one.lines]
                        one.model = model

    def _is_refused(self, value: object) -> bool:
        return any(one.model is value for one in self._refused)

    def _place(self) -> str:
        frame = sys._getframe()
        while frame.f_code.co_filename != self._path and frame.f_back is not None:
            frame = frame.f_back
        return f"{self._path}:{frame.f_lineno}"


collected: ContextVar[Faults | None] = ContextVar("collected", default=None)
"""Faults of the file that is read, where all of them are wanted."""


@contextmanager
def collecting(path: Path) -> Iterator[Faults]:
    """Have models that are refused be kept, instead of raising, while a file is run."""
    faults = Faults(path)
    token = collected.set(faults)
    try:
        yield faults
    finally:
        collected.reset(token)


def _found(path: str, value: Any, wanted: Callable[[object], bool]) -> Iterator[tuple[str, object]]:
    """Yield what is wanted in a value, with its path."""
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _found(f"{path}[{index}]", item, wanted)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _found(f"{path}[{key!r}]", item, wanted)
    elif wanted(value):
        yield path, value


def _without(value: Any, unwanted: Callable[[object], bool]) -> Any:
    if isinstance(value, list | tuple):
        return [_without(item, unwanted) for item in value if not unwanted(item)]
    if isinstance(value, Mapping):
        return {key: _without(item, unwanted) for key, item in value.items() if not unwanted(item)}
    return value
