"""A description in YAML, and where in its file each of its fields stands."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from callcenter.site._model import Problem, SiteError

__all__ = ["Places", "read"]


class _Refused(yaml.constructor.ConstructorError):
    """YAML that is well-formed and does not mean what it seems to."""


class _Loader(yaml.SafeLoader):
    """Refuses what YAML 1.1 would change in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"gives the key {key.value!r} twice"
                    raise _Refused("keep one of them", None, problem, key.start_mark)
                seen.add(key.value)
                # A key of a menu, or a holiday: all keys of a Site are text.
                if _DECIMAL.fullmatch(key.value) or _DATE.fullmatch(key.value):
                    key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | str:
        if _DIALLED.fullmatch(node.value):
            return str(node.value)
        if not _DECIMAL.fullmatch(node.value):
            problem = "holds a number that YAML would not read as it stands"
            raise _Refused("put quotes around it", None, problem, node.start_mark)
        return int(node.value)

    def construct_date(self, node: yaml.ScalarNode) -> str:
        if not _DATE.fullmatch(node.value):
            problem = "holds a moment that YAML would not read as it stands"
            raise _Refused("put quotes around it", None, problem, node.start_mark)
        return str(node.value)


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""Date of a holiday, which is text in a Site."""
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)")
"""Number that YAML reads as it stands."""
_DIALLED = re.compile(r"[0+][0-9]+|[0-9]{1,2}:[0-9]{2}")
"""Number that is dialled, or a time of day: YAML 1.1 would make 64 of 0100, and 630 of 10:30."""
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)

_REASONS = (
    (
        r"but got ':'",
        "has a bracket that is not closed before, or a colon in text",
        "close it, or put quotes around the text",
    ),
    (r"'\\t'", "holds a tab", "indent by spaces"),
    (r"expected ',' or '[\]}]'", "has a bracket that is not closed", "close it"),
    (r"expected a single document", "holds a second document", "leave out the line ---"),
    (r"undefined alias", "has text that begins with *", "put quotes around it"),
    (r"mapping values are not allowed", "has a colon in text", "put quotes around the text"),
    (r"unknown escape|end of stream|quoted scalar", "has a quote that is not closed", "close it"),
)
"""The parser's reasons, each with ours and what would be right. Its own words would quote the line,
which may hold a secret."""


def _reason(wrong: yaml.YAMLError) -> tuple[str, str]:
    if isinstance(wrong, _Refused):
        return str(wrong.problem), str(wrong.context)
    if isinstance(wrong, yaml.reader.ReaderError):
        return "holds a sign that no text has", "leave it out"
    said = f"{getattr(wrong, 'context', '')} {getattr(wrong, 'problem', '')}"
    for pattern, problem, right in _REASONS:
        if re.search(pattern, said):
            return problem, right
    return "is no YAML", "check its indentation"


_PATH = re.compile(
    r"(?:^|: )Site((?:\.[^.\[\]:\s]+|\[[0-9]+\]|\['[^']*'\]|\[\"[^\"]*\"\])*)(?=[:.\s])"
)
_STEP = re.compile(r"\.([^.\[\]:\s]+)|\[([0-9]+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


class Places:
    """File, line and column of what a description says."""

    def __init__(self, path: str | Path, root: yaml.Node) -> None:
        self._path, self._root = path, root
        self._expanded: dict[str, tuple[list[object], Callable[[object], object]]] = {}
        self._begins: dict[str, list[int]] = {}

    def expand(self, field: str, given: object, expand: Callable[[object], object]) -> None:
        """Count as ``expand`` does in a list, of which an item may become several."""
        if isinstance(given, list):
            self._expanded[field] = given, expand

    def placed(self, lines: Iterable[str]) -> list[str]:
        """Return refusals, each behind the place of its field, or of what lacks it."""
        return [f"{_place(self._path, self._mark(line))}: {line}" for line in lines]

    def _mark(self, line: str) -> yaml.Mark | None:
        path = _PATH.search(line)
        steps = ["".join(one) for one in _STEP.findall(path[1])] if path else []
        node, mark = self._root, self._root.start_mark
        for depth, step in enumerate(steps):
            if isinstance(node, yaml.MappingNode):
                found = [pair for pair in node.value if pair[0].value == step]
                if not found:
                    break
                key, node = found[-1]
                # Of a list or of keys, where it is named.
                named = not isinstance(node, yaml.ScalarNode) or ": unknown key;" in line
                mark = key.start_mark if named else node.start_mark
            elif isinstance(node, yaml.SequenceNode) and step.isdigit():
                index = self._written(steps[0], int(step)) if depth == 1 else int(step)
                if index >= len(node.value):
                    break
                node = node.value[index]
                mark = node.start_mark
            else:
                break
        return mark

    def _written(self, field: str, index: int) -> int:
        """Return which item of a list has become the one of that index."""
        if field not in self._expanded:
            return index
        if field not in self._begins:
            given, expand = self._expanded[field]
            sizes = [_size(expand, item) for item in given]
            self._begins[field] = list(itertools.accumulate(sizes, initial=0))
        return bisect.bisect_right(self._begins[field], index) - 1


def _size(expand: Callable[[object], object], item: object) -> int:
    """Tell how many an item becomes; one that is refused stays where it stands."""
    try:
        became = expand([item])
    except (Problem, SiteError):
        return 1
    return len(became) if isinstance(became, list) else 1


def _place(path: str | Path, mark: yaml.Mark | None) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"


def read(path: str | Path, text: str) -> tuple[dict[Any, Any], Places]:
    """Read the text of a file, and refuse what is none of YAML, or no description."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        data = loader.construct_document(root) if root else None
    except yaml.YAMLError as wrong:
        problem, right = _reason(wrong)
        place = _place(path, _mark_of(wrong, text))
        raise SiteError([f"{place}: {problem}; {right}"], placed=True) from None
    if root is None or not data:
        empty = f"{_place(path, None)}: is empty; a Site needs domain and extensions"
        raise SiteError([empty], placed=True)
    if not isinstance(data, dict):
        kind = type(data).__name__
        place = _place(path, root.start_mark)
        raise SiteError([f"{place}: is a {kind}; write 'domain: …' and so on"], placed=True)
    # A place for what several fields share by an anchor.
    shared = {key for key in data if str(key).startswith("x-")}
    return {key: value for key, value in data.items() if key not in shared}, Places(path, root)


def _mark_of(wrong: yaml.YAMLError, text: str) -> yaml.Mark | None:
    if isinstance(wrong, yaml.reader.ReaderError):
        before = text[: wrong.position]
        column = wrong.position - before.rfind("\n") - 1
        return yaml.Mark("", wrong.position, before.count("\n"), column, None, 0)
    mark: yaml.Mark | None = getattr(wrong, "problem_mark", None)
    return mark
