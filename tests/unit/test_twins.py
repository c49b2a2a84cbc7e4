"""Each Python example has its YAML beside it, and both say the same."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter

import callcenter.site
from callcenter.site import Route, Site, Trunk
from callcenter.site._places import read
from tests.certificates import Authority
from tests.unit.test_docs_python import whole

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LISTS = {Trunk: "trunks", Route: "outbound"}
"""Fields of what an example makes by itself."""
HINTS = get_type_hints(Site, include_extras=True)

pytestmark = pytest.mark.usefixtures("certificates")


def twins() -> Iterator[Any]:
    """Yield each Python example of a Site, and what stands next to it."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        blocks = [*BLOCK.finditer(text)]
        for index, block in enumerate(blocks):
            after = blocks[index + 1] if index + 1 < len(blocks) else None
            # Hosts are Python in both forms.
            is_site = "Site(" in block[2] or "hosts(" not in block[2]
            if block[1] != "python" or not is_site or "Site.load(" in block[2]:
                continue
            line = text.count("\n", 0, block.start()) + 1
            yaml = after[2] if after is not None and after[1] == "yaml" else None
            yield pytest.param(block[2], yaml, id=f"{page.stem}-{line}")


@cache
def field(name: str) -> TypeAdapter[Any]:
    """Return the reader of one of the Site's fields."""
    return TypeAdapter(HINTS[name])


def described(code: str) -> dict[str, Any]:
    """Run an example, and return the fields that it gives to a Site or makes by itself. It leaves
    out what other fields need: only these are read."""
    given: dict[str, Any] = {}

    def site(domain: str | None = None, **fields: Any) -> None:
        given.update(fields if domain in (None, "…") else {"domain": domain, **fields})

    names = {name: getattr(callcenter.site, name) for name in callcenter.site.__all__}
    names |= {"Site": site, "Path": Path}
    tree = ast.parse(whole(code).replace('Site("cc.example.net", ', "Site("))
    tree.body = [one for one in tree.body if not isinstance(one, ast.Import | ast.ImportFrom)]
    for one in tree.body:
        if isinstance(one, ast.Expr):
            made = eval(compile(ast.Expression(one.value), "example", "eval"), names)
            if made is not None:
                given.setdefault(LISTS[type(made)], []).append(made)
        else:
            exec(compile(ast.Module([one], []), "example", "exec"), names)
    given |= {
        name: names[name] for name in HINTS.keys() & names.keys() if not callable(names[name])
    }
    return {name: value for name, value in given.items() if value != []}


@pytest.fixture(autouse=True)
def _files(certificates: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the examples the files that they name."""
    authority = Authority.make(Path())
    for name in ("cc1", "pbx"):
        authority.certificate(name)
    shutil.copy(authority.file, "programs.pem")
    Path("customers.csv").write_text("number,name,group\n+4930123456,Ann,vip\n")
    Path("examples/lua").mkdir(parents=True)
    shutil.copy(ROOT / "examples/lua/ask.lua", "examples/lua")
    monkeypatch.setenv("CALLCENTER_SECRET_PBX_KEY", Path("pbx.key").read_text())


@pytest.mark.parametrize(("code", "text"), [*twins()])
def test_an_example_says_the_same_in_yaml(code: str, text: str | None) -> None:
    assert text is not None, "the next block is no YAML"
    python = described(debian(code))
    yaml: Mapping[str, Any] = read("example", debian(text))[0]
    assert yaml.keys() == python.keys()
    for name in python:
        assert field(name).validate_python(yaml[name]) == field(name).validate_python(python[name])


def debian(text: str) -> str:
    """Return an example with an authority that is there, instead of Debian's."""
    return text.replace("/etc/ssl/certs/ca-certificates.crt", "authority.pem")


def test_there_are_examples() -> None:
    assert len([*twins()]) >= 20


def test_the_shipped_example_says_the_same_in_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    folder = Path("inventories/group_data")
    assert Site.load(folder / "prod.yaml") == runpy.run_path(str(folder / "prod.py"))["site"]
