"""The Site's fields as a page to read, made from the models themselves."""

from __future__ import annotations

import json
from typing import Any

import click

from callcenter.site import Site

__all__ = ["command", "markdown"]

_INTRODUCTION = """# The Site, field by field

Made from the models by `python -m callcenter reference`; the same text is in
[site.schema.json](site.schema.json) for editors. `check PATH` says what is refused and why.
"""


def markdown() -> str:
    """Render the text of docs/site.md: one paragraph a field."""
    schema = Site.schema()
    parts = [_INTRODUCTION, *_model("Site", schema)]
    for name, model in schema["$defs"].items():
        parts += _model(name, model)
    return "\n".join(parts)


def _model(name: str, model: dict[str, Any]) -> list[str]:
    required = model.get("required", [])
    lines = [f"## {name}", "", f"{_sentence(model)}", ""]
    for field, about in model["properties"].items():
        lines += [f"**{field}** ({_kind(about)}{', required' if field in required else ''})"]
        lines += [f"{_sentence(about)}{_default(about)}".strip(), ""]
    return lines


def _sentence(about: dict[str, Any]) -> str:
    return " ".join(str(about.get("description", "")).replace("``", "`").split())


def _default(about: dict[str, Any]) -> str:
    # An empty default says nothing that the words do not say better.
    if about.get("default") in (None, ""):
        return ""
    return f" Default: `{json.dumps(about['default'], ensure_ascii=False)}`."


def _kind(about: dict[str, Any]) -> str:
    if "$ref" in about:
        name = about["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for union in ("anyOf", "oneOf", "allOf"):
        if union in about:
            kinds = (_kind(one) for one in about[union] if one.get("type") != "null")
            return " or ".join(dict.fromkeys(kinds))
    if "enum" in about:
        return " or ".join(f"`{choice}`" for choice in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    if about.get("type") == "array":
        items = about.get("items") or (about.get("prefixItems") or [{}])[0]
        return f"list of {_kind(items)}"
    bounds = [str(about[key]) for key in ("minimum", "maximum") if key in about]
    return f"{about.get('type', 'any')}{' ' + ' to '.join(bounds) if len(bounds) == 2 else ''}"


@click.command()
def command() -> None:
    """Print every field of a Site with its meaning and default, as Markdown."""
    click.echo(markdown(), nl=False)
