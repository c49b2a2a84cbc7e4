"""What all models share: frozen, typed, and refusals that say what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import ErrorDetails

__all__ = ["Problem", "SiteError", "model"]

T = TypeVar("T")


class SiteError(ValueError):
    """The description is refused. One line a problem: the field's path, what is wrong, what is
    right.

    Values never appear in it unless a rule puts them there, so a refused secret stays secret.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Problem(ValueError):
    """Raised by a rule, with the path below its model, such as ``extensions[3].number``."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(message)


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def model(cls: type[T]) -> type[T]:
    """Make a frozen, hashable pydantic dataclass whose refusals are a :class:`SiteError`."""
    made: Any = pydantic_dataclass(
        frozen=True,
        config=ConfigDict(extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True),
    )(cls)
    validating_init: Callable[..., None] = made.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            validating_init(self, *args, **kwargs)
        except ValidationError as refused:
            raise SiteError(describe(refused, made.__name__, _known_keys(made))) from None

    __init__.__wrapped__ = validating_init  # type: ignore[attr-defined]
    made.__init__ = __init__
    return made  # type: ignore[no-any-return]


def _known_keys(cls: Any) -> tuple[str, ...]:
    return tuple(cls.__dataclass_fields__)


def describe(refused: ValidationError, root: str, known: tuple[str, ...] = ()) -> list[str]:
    """Every error of a refusal as ``path: what is wrong; what would be right``."""
    lines: list[str] = []
    for error in refused.errors(include_url=False, include_input=False):
        line = _line(error, root, known)
        # A union reports one error for each of its members at the same path.
        if line not in lines:
            lines.append(line)
    return lines


def _line(error: ErrorDetails, root: str, known: tuple[str, ...]) -> str:
    path = _path(error["loc"])
    cause = (error.get("ctx") or {}).get("error")
    if isinstance(cause, SiteError):
        return "\n".join(f"{root}.{_join(path, line)}" for line in cause.problems)
    if isinstance(cause, Problem):
        return f"{root}.{_join(path, cause.path)}: {cause}".replace(f"{root}.:", f"{root}:")
    where = f"{root}.{path}" if path else root
    return f"{where}: {_message(error, known)}"


def _join(path: str, rest: str) -> str:
    return f"{path}.{rest}" if path and rest else path or rest


def _path(loc: Iterable[int | str]) -> str:
    out = ""
    for part in loc:
        if isinstance(part, int):
            out += f"[{part}]"
        # pydantic names union members and validators in brackets or by type; not the user's words.
        elif not any(sign in part for sign in "[]()-"):
            out += f".{part}" if out else part
    return out


def _message(error: ErrorDetails, known: tuple[str, ...]) -> str:
    kind = error["type"]
    context: Mapping[str, Any] = error.get("ctx") or {}
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        name = str(error["loc"][-1])
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"unknown key; {hint}"
    if kind in ("missing", "missing_argument"):
        return "is missing; give it a value"
    if kind == "literal_error":
        return f"is not one of the choices; use {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("unexpected_positional_argument", "multiple_argument_values"):
        return "was given by position; give it by name"
    return f"{error['msg'][0].lower()}{error['msg'][1:]}"
