"""Templates print, and do not decide: what they may say is listed here, and all else belongs into
``callcenter/render``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

from callcenter.render.services import _names

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.j2"))

TEXT = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Include, nodes.Macro)
VALUES = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.Call, nodes.Keyword)
CHOICES = (nodes.If, nodes.CondExpr, nodes.Not, nodes.For, nodes.Tuple)
FILTERS = {"join", "safe", "e", "forceescape", "tojson"}
"""Filters that write a value down in another way, and know nothing of what it means."""
METHODS = {"items", "values"}
"""Methods of a mapping, by which a loop goes through it. No other method is called."""


def decisions(source: str) -> Iterator[str]:
    """Yield what a template decides itself, each with its line."""
    for node in jinja2.Environment().parse(source).find_all(nodes.Node):
        said = f"line {node.lineno}: {type(node).__name__.lower()}"
        match node:
            case nodes.Filter(name=name):
                if name not in FILTERS:
                    yield f"{said} {name}"
            case nodes.Call(node=nodes.Getattr(attr=name)):
                if name not in METHODS:
                    yield f"{said} of a method, {name}"
            case nodes.For(test=nodes.Expr()):
                yield f"{said} that leaves some out"
            case _ if isinstance(node, nodes.Expr | nodes.Stmt | nodes.Template | nodes.Helper):
                if not isinstance(node, TEXT + VALUES + CHOICES):
                    yield said


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_prints(path: Path) -> None:
    """Template loops over a list, asks whether one thing is there, and prints. What would need more
    is handed to it ready."""
    assert list(decisions(path.read_text(encoding="utf-8"))) == []


KNOWN = {name: getattr(_names, name) for name in _names.__all__ if name.isupper()}
"""Names and their beginnings that are kept in one place, by the constant that holds them."""


def repeated(text: str, after: str = "") -> set[str]:
    """Return the constants whose names a text writes down itself. ``after``: expression of what
    has to follow."""
    return {
        constant
        for constant, name in KNOWN.items()
        if re.search(rf"(?<![\w-]){re.escape(name)}{after}", text)
    }


def test_a_template_repeats_no_name() -> None:
    """A name that calls are led to, or records read by, is printed from where it is kept."""
    found = {
        f"{path.relative_to(ROOT)}: names.{constant}"
        for path in TEMPLATES
        for node in jinja2.Environment()
        .parse(path.read_text(encoding="utf-8"))
        .find_all((nodes.TemplateData, nodes.Const))
        for constant in repeated(str(node.as_const()))
    }
    assert found == set()


def test_what_renders_repeats_no_name() -> None:
    """The same holds for texts that are put together. (Files are called voicemail-mail, too.)"""
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}: names.{constant}"
        for path in sorted((ROOT / "callcenter/render").rglob("*.py"))
        if path != Path(_names.__file__)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for constant in repeated(node.value, after=r"\Z")
    }
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "{% if site.caps and site.outbound %}x{% endif %}",
        "{{ one.name or one.number }}",
        "{% if one.mode == 'proxy' %}x{% endif %}",
        "{% if one.name in names %}x{% endif %}",
        "{{ 'proxy' if one.mode is defined }}",
        "{% for one in many if one.night %}x{% endfor %}",
        "{% for one in many | selectattr('night') %}x{% endfor %}",
        "{{ one.number[1:] }}",
        "{{ one.seconds * 1000 }}",
        "{{ 'route-' ~ one.name }}",
        "{% set name = one.name %}{{ name }}",
        "{{ one.name.upper() }}",
    ],
)
def test_a_template_that_decides_is_found(source: str) -> None:
    """Each of these was in a template once, or is what it would be written as next."""
    assert list(decisions(source)) != []


def test_what_templates_say() -> None:
    """Loops, one question, calls of what they were given, and macros."""
    assert not list(
        decisions(
            "{% macro at(one) %}{{ one.host }}{% endmacro %}"
            "{% for name, one in many.items() %}{% if not one.night %}{{ at(one) }}{% endif %}"
            "{{ 'true' if one.record else 'false' }}{{ one.codecs | join(',') }}{% endfor %}"
        )
    )


def test_kamailio_is_given_no_text_with_a_variable() -> None:
    """Texts are assigned as they stand; what functions are given is expanded."""
    source = (ROOT / "templates/kamailio/kamailio.cfg.j2").read_text()
    given = re.findall(r"\$[a-z_]+\([a-z_]+\) = ([\"$][^;\n]*)", source)
    assert given
    assert [one for one in given if "$" in "".join(re.findall(r'"([^"]*)"', one))] == []
