"""Words that mean one thing: the table of CONTRIBUTING.md, and the names that hold them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

ROOT = Path(__file__).parents[2]
HEADING = "## Words that mean one thing"


def table() -> dict[str, list[str]]:
    """Return the names that may hold a word, by the word."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition(f"{HEADING}\n")[2]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE)
    return {word: re.findall(r"`([^`]+)`", names) for word, names in rows}


WORDS = table()


def in_python(source: str) -> Iterator[tuple[str, int]]:
    """Yield names with their lines; what is defined as a function ends in ``()``."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{name}()", node.lineno
            case ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.keyword(arg=str(name)):
                yield name, node.lineno
            case ast.alias(name=name, asname=other):
                yield from ((part, node.lineno) for part in (*name.split("."), other) if part)


def in_template(source: str) -> Iterator[tuple[str, int]]:
    """Yield Jinja's names with their lines; what is defined as a macro ends in ``()``."""
    for node in jinja2.Environment().parse(source).find_all(nodes.Node):
        match node:
            case nodes.Macro(name=name):
                yield f"{name}()", node.lineno
            case nodes.Name(name=name) | nodes.Getattr(attr=name) | nodes.Keyword(key=name):
                yield name, node.lineno


def names() -> Iterator[tuple[str, str]]:
    """Yield every name of ours, and where it stands. A module's name is one, too."""
    for folder in ("callcenter", "roles"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.stem, f"{path.relative_to(ROOT)}"
            for name, line in in_python(path.read_text(encoding="utf-8")):
                yield name, f"{path.relative_to(ROOT)}:{line}"
    for path in sorted((ROOT / "templates").rglob("*.j2")):
        for name, line in in_template(path.read_text(encoding="utf-8")):
            yield name, f"{path.relative_to(ROOT)}:{line}"


def holds(word: str, name: str) -> bool:
    """Tell whether a part of a name begins with a word."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return re.search(rf"(?:^|_){word}", snake) is not None


def test_a_word_means_one_thing() -> None:
    """A new name with such a word is written into the table where it means that, else changed."""
    found = {
        f"{where}: {name} holds `{word}`, which means one thing: see {HEADING[3:]!r}"
        for name, where in names()
        for word, allowed in WORDS.items()
        if holds(word, name) and not any(fnmatchcase(name, one) for one in allowed)
    }
    assert not found, "\n".join(sorted(found))


def test_the_table_is_read() -> None:
    assert set(WORDS) == {"no_answer", "passed", "told", "announce", "outside", "way"}
    assert all(WORDS.values())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def no_answer(known): ...", "no_answer()"),
        ("from callcenter.site import PASSED", "PASSED"),
        ("import callcenter.render.services._way as one", "_way"),
        ("xml(told=1)", "told"),
        ("switch.announced_address", "announced_address"),
        ("class Outside: ...", "Outside"),
        ("for way in ways: ...", "ways"),
    ],
)
def test_what_it_is_for_is_found(source: str, found: str) -> None:
    """Names of another meaning, as they stood before there was a table."""
    assert found in {name for name, _ in in_python(source)}
    [word] = [word for word in WORDS if holds(word, found)]
    assert not any(fnmatchcase(found, one) for one in WORDS[word])


def test_names_of_a_template_are_found() -> None:
    source = "{% macro told() %}{% endmacro %}{% for way in ways %}{{ a.announced }}{% endfor %}"
    assert {"told()", "way", "ways", "announced"} <= {name for name, _ in in_template(source)}
