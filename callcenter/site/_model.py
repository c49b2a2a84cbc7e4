"""What all models share: frozen, typed, and refusals that say what would be right."""

from __future__ import annotations

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.dataclasses import rebuild_dataclass
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema

from callcenter.site._faults import Faults, collected

__all__ = ["Described", "Problem", "SiteError", "built", "composite", "model"]

T = TypeVar("T")

_PLAIN = frozenset((str, int, float, bool, NoneType))


class SiteError(ValueError):
    """The description is refused. One line a problem: the field's path, what is wrong, what is
    right.

    Values never appear in it unless a rule puts them there, so a refused secret stays secret.
    """

    def __init__(self, problems: Iterable[str], *, placed: bool = False) -> None:
        self.problems = tuple(problems)
        self.placed = placed
        """Presence of a place in a file at the beginning of each line."""
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
        config=ConfigDict(
            # Few are used by themselves, and each that has another builds it, too.
            defer_build=True,
            extra="forbid",
            hide_input_in_errors=True,
            str_strip_whitespace=True,
        ),
    )(cls)
    validating_init: Callable[..., None] = made.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        built(made)
        faults = collected.get()
        if faults is not None and faults.within(given := _by_name(made, args, kwargs)):
            faults.add(self, _other_faults(made, given, faults))
            faults.adopt(self, given)
            return
        try:
            validating_init(self, *args, **kwargs)
        except ValidationError as refused:
            lines = describe(refused, made)
            if faults is None:
                raise SiteError(lines) from None
            faults.add(self, lines)

    __init__.__wrapped__ = validating_init  # type: ignore[attr-defined]
    made.__init__ = __init__
    return made  # type: ignore[no-any-return]


def built(cls: type[T]) -> type[T]:
    """Return a model, with what validates it: pydantic makes that when it is first asked for."""
    made: Any = cls
    if not made.__pydantic_complete__:
        ours = made.__init__
        # By the names of its module, and none of whoever asks.
        rebuild_dataclass(made, _parent_namespace_depth=0)
        made.__init__ = ours
    return cls


@cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))


def composite(made: object) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a model that may hold others: among thousands of extensions, most hold
    text or numbers."""
    for name in _names(type(made)):  # type: ignore[arg-type]
        value = getattr(made, name)
        if type(value) not in _PLAIN and value != ():
            yield name, value


def _by_name(cls: type, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    names = [one.name for one in fields(cls) if not one.kw_only]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _other_faults(cls: Any, given: Mapping[str, Any], faults: Faults) -> list[str]:
    """List what is wrong with the fields that hold no refused model. Rules between fields are not
    asked, since they would miss what was refused."""
    without = faults.within(given)
    try:
        TypeAdapter(built(cls)).validate_python({**given, **without})
    except ValidationError as refused:
        return describe(refused, cls, skipped=without)
    except AttributeError:
        # A rule has read a refused model, which has no fields, and the rest is told next time.
        return []
    return []


class Described(GenerateJsonSchema):
    """JSON Schema whose fields are described by their docstrings.

    pydantic can read these as well, but only when a model is made: each deploy would pay for it.
    """

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        made = super().dataclass_schema(schema)
        for name, text in _docstrings(schema["cls"]).items():
            made["properties"][name]["description"] = text
        return made


def _docstrings(cls: type) -> dict[str, str]:
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text)
        for field, docstring in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(docstring, ast.Expr)
        and isinstance(docstring.value, ast.Constant)
        and isinstance(text := docstring.value.value, str)
    }


def describe(
    refused: ValidationError, root: type, skipped: Container[str] | None = None
) -> list[str]:
    """List every error of a refusal as ``path: what is wrong; what would be right``: with
    ``skipped``, those of single fields that are not among these."""
    errors = [
        error
        for error in refused.errors(include_url=False, include_input=False)
        if skipped is None or (error["loc"] and error["loc"][0] not in skipped)
    ]
    lines: list[str] = []
    for error in errors:
        # A list whose items were refused is not short of items as well.
        if error["type"] == "too_short" and any(
            len(other["loc"]) > len(error["loc"])
            and other["loc"][: len(error["loc"])] == error["loc"]
            for other in errors
        ):
            continue
        # A word that would do as well is not what somebody meant who wrote something else.
        if "".join(map(str, error["loc"][-1:])).startswith("literal[") and any(
            other is not error and other["loc"][: len(error["loc"]) - 1] == error["loc"][:-1]
            for other in errors
        ):
            continue
        # A union reports one error for each of its members at the same path.
        for line in _lines(error, root):
            if line not in lines:
                lines.append(line)
    return lines


def _lines(error: ErrorDetails, root: type) -> list[str]:
    place = _Place(root, error)
    path = place.path
    cause = (error.get("ctx") or {}).get("error")
    if isinstance(cause, SiteError):
        return [_join(path, line) for line in cause.problems]
    if isinstance(cause, Problem):
        return [f"{_join(path, cause.path)}: {cause}"]
    return [f"{path}: {_message(error, place)}"]


def _join(path: str, rest: str) -> str:
    return path + rest if rest.startswith("[") or not rest else f"{path}.{rest}"


class _Place:
    """Where an error is, in the operator's words: found by following the models' type hints."""

    def __init__(self, root: type, error: ErrorDetails) -> None:
        self.path = root.__name__
        self.models: tuple[type, ...] = (root,)
        """Models whose key the last part of the path is."""
        self.members: list[Any] = [root]
        """Types that may stand at the path."""
        bad_key = error["type"] == "invalid_key"
        loc = error["loc"]
        for depth, part in enumerate(loc):
            is_last = depth == len(loc) - 1
            self.models = tuple(
                one for one in self.members if isinstance(one, type) and is_dataclass(one)
            )
            known = self.known
            if isinstance(part, int) and self.models and not bad_key:
                positional = [f.name for f in fields(self.models[0]) if not f.kw_only]
                if part < len(positional):
                    self._enter(positional[part])
            elif isinstance(part, int):
                self.path += f"[{part}]"
                self.members = [
                    type_
                    for one in self.members
                    for argument in get_args(one)
                    for type_ in _members(argument)
                ]
            elif named := [one for one in self.models if one.__name__ == part]:
                self.members = list(named)
            elif part in known:
                self._enter(part)
            elif mapped := [one for one in self.members if get_origin(one) is dict]:
                self.path += f"[{part!r}]"
                self.members = [type_ for one in mapped for type_ in _members(get_args(one)[1])]
            elif tagged := [one for one in self.models if part in _tags(one)]:
                self.members = list(tagged)
            elif is_last and error["type"] in _UNKNOWN_KEY:
                self.path += f".{part}"
            # Else the name of a validator or of a union's member: none of the operator's words.
        if error["type"].startswith("union_tag"):
            self.path += "." + str(error["ctx"]["discriminator"]).strip("'")

    @property
    def known(self) -> tuple[str, ...]:
        """Keys of the models at hand."""
        return tuple(dict.fromkeys(f.name for one in self.models for f in fields(one)))

    def _enter(self, name: str) -> None:
        self.path += f".{name}"
        self.members = [
            member
            for one in self.models
            if name in (hints := get_type_hints(one, include_extras=True))
            for member in _members(hints[name])
        ]


def _members(hint: Any) -> list[Any]:
    """List the types of a hint without Annotated, unions and None."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [one for member in get_args(hint) for one in _members(member)]
    return [] if hint is NoneType or hint is Ellipsis else [hint]


def _tags(cls: type) -> tuple[Any, ...]:
    """Return what chooses a model among those of a union."""
    return get_args(get_type_hints(cls).get("source"))


_UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")

_MESSAGES: Mapping[str, str] = {
    "missing": "is missing; give it a value",
    "missing_argument": "is missing; give it a value",
    "unexpected_positional_argument": "takes fewer values by position; give the others by name",
    "multiple_argument_values": "was given by position and by name; give it once",
    "literal_error": "is not one of the choices; use {expected}",
    "union_tag_invalid": "is not one of the choices; use {expected_tags}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "too_long": "has too many items; give {max_length} at most",
    "string_too_long": "is longer than {max_length} characters; shorten it",
    "string_type": "must be text, such as 'a b'",
    "string_unicode": "holds a lone surrogate, which is no character; use printable text",
    **dict.fromkeys(
        ("decimal_parsing", "decimal_type", "finite_number"), "is no number; use one such as '0.02'"
    ),
    "int_type": "must be a whole number, without quotes and without a 0 before it",
    "bool_type": "must be true or false, without quotes",
    "path_type": "must be the path of a file, such as 'folder/file'",
    "tuple_type": "must be a list, such as [a, b]",
    "dataclass_type": "must be {class_name}(…), or in YAML a mapping of its keys: {known}",
    "model_attributes_type": "must be one of {classes}, or in YAML a mapping with the key source",
}


def _message(error: ErrorDetails, place: _Place) -> str:
    kind = error["type"]
    context: dict[str, Any] = dict(error.get("ctx") or {})
    if kind in _UNKNOWN_KEY:
        name = str(error["loc"][-1])
        close = difflib.get_close_matches(name, place.known, n=1)
        known = ", ".join(place.known)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {known}"
        return f"unknown key; {hint}"
    if kind == "invalid_key":
        return f"is no key, since keys are words; known keys: {', '.join(place.known)}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "too_short":
        least, have = context["min_length"], context["actual_length"]
        return "is empty; give at least one" if not have else f"has {have}; give at least {least}"
    models = [one for one in place.members if is_dataclass(one)]
    if kind == "union_tag_not_found":
        tags = [repr(tag) for one in models for tag in _tags(one)]  # type: ignore[arg-type]
        return f"is missing; use one of {', '.join(tags)}"
    context["classes"] = ", ".join(f"{one.__name__}(…)" for one in models)  # type: ignore[union-attr]
    context["known"] = ", ".join(f.name for one in models for f in fields(one))
    if kind in _MESSAGES:
        return _MESSAGES[kind].format(**context)
    return f"{error['msg'][0].lower()}{error['msg'][1:]}"
