"""Docstrings begin alike: those of fields with a noun, those of functions with a verb."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("callcenter", "packages", "roles", "lab", "tests")

QUESTIONS = "how what when where whether which who whom whose why"
PREPOSITIONS = """
    above after among as at because before behind below beneath beside between beyond by during for
    from if in inside into of off on onto out outside over since so than then there through to
    under unless until up upon while with within without
"""
PRONOUNS = """
    all another anybody anyone anything both each either everybody everything he her him his it its
    itself neither nobody none not nothing others ours she somebody someone something such that
    their theirs them these they this those us we whichever whoever you
"""
VALUES = "false true"
NO_BEGINNING = frozenset(" ".join((QUESTIONS, PREPOSITIONS, PRONOUNS, VALUES)).split())
ARTICLES = frozenset({"a", "an", "the"})


def docstrings(source: str) -> Iterator[tuple[bool, int, str]]:
    """Yield whether it is a function's, line and text; properties have none that count."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_named(node):
            for line, text in _string(node.body[0]):
                yield True, line, text
        body = getattr(node, "body", None)
        for before, statement in pairwise(body if isinstance(body, list) else ()):
            if isinstance(before, ast.Assign | ast.AnnAssign):
                for line, text in _string(statement):
                    yield False, line, text


def _is_named(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether nobody calls it: others name a property or a fixture, and pytest a test."""
    given = (
        re.sub(r"\(.*", "", ast.unparse(one), flags=re.DOTALL) for one in function.decorator_list
    )
    names = {name.rpartition(".")[2] for name in given}
    is_test = function.name.startswith(("test_", "pytest_"))
    return is_test or bool(names & {"property", "cached_property", "fixture"})


def _string(statement: ast.stmt) -> Iterator[tuple[int, str]]:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        text = statement.value.value
        if isinstance(text, str):
            yield statement.lineno, " ".join(text.split())


def wrong(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each docstring that does not begin as it shall."""
    for is_function, line, text in docstrings(source):
        first = text.partition(" ")[0].strip("`.,:;").lower()
        if first in NO_BEGINNING or (is_function and first in ARTICLES):
            yield line, text


def test_a_field_is_a_noun_and_a_function_a_verb() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in wrong(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_what_is_told_apart() -> None:
    source = '''
"""What a module is for."""

LIMIT = 3
"""How many there may be."""
SECONDS = 3
"""Seconds until it ends."""


class One:
    """What a class is for."""

    name: str
    """The name of it."""
    is_there: bool = False
    """True if it is there."""

    def __init__(self) -> None:
        self.left = 3
        """Of all."""

    @property
    def rest(self) -> int:
        """What is left."""

    @functools.cached_property
    def all(self) -> int:
        """The whole."""

    def take(self) -> int:
        """The one that was taken."""


@pytest.fixture(scope="module")
def phone() -> int:
    """The phone of a test."""


def test_it() -> None:
    """It does so."""


async def ask() -> None:
    """Ask for one."""


def told() -> str:
    """``What`` was told."""
'''
    assert sorted(wrong(source)) == [
        (5, "How many there may be."),
        (16, "True if it is there."),
        (20, "Of all."),
        (31, "The one that was taken."),
        (48, "``What`` was told."),
    ]
