"""Documents: each is in the site's contents, each link leads somewhere, each command is told of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from callcenter.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = (*PAGES, *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")))


def links(text: str) -> Iterator[str]:
    """Find where links lead that are not in code, and to no other site."""
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    for where in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if "://" not in where:
            yield where


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings, as GitHub and MkDocs make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page.read_text(encoding="utf-8")):
        where, _, anchor = link.partition("#")
        there = (page.parent / where).resolve() if where else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_contents_once() -> None:
    contents = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]

    def named(entry: object) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict):
            for below in entry.values():
                yield from named(below)
        elif isinstance(entry, list):
            for below in entry:
                yield from named(below)

    assert sorted(named(contents)) == [page.name for page in PAGES]


def test_every_command_is_in_the_table_once() -> None:
    """Each has a row of its own, or shares one."""
    text = (ROOT / "docs/start.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", text, re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    assert sorted(told) == sorted(COMMANDS)
