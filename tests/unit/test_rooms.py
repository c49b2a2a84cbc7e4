"""Rooms of the code: who may import whom. CONTRIBUTING.md says why."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ROOMS = ("site", "onhost", "render", "client", "cli")
"""The rooms of ``callcenter``. Each imports those before it, and none after it."""
ALONE = ("site", "onhost")
"""Rooms that import none of ours: a description knows no host, and a program travels alone."""
OURS = ("callcenter", "deploy", "lab", "roles", "tests")
"""Packages of the call centre."""
PLUGIN = ROOT / "packages/pyinfra-windows"
"""Plugin of pyinfra's that knows no call centre."""


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, in whatever function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: {node.module} is imported by its place, not its name"
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_those_before_it(room: str) -> None:
    later = ROOMS[ROOMS.index(room) + 1 :] if room not in ALONE else set(ROOMS) - {room}
    barred = (*(f"callcenter.{name}" for name in later), "pyinfra_windows", "roles", "lab", "tests")
    if room == "onhost":
        barred = ("callcenter", *barred)
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / "callcenter" / room).rglob("*.py"))
        for name in imported(path)
        if any(name == one or name.startswith(f"{one}.") for one in barred)
    ]
    assert found == []


def test_pyinfra_is_in_roles_alone() -> None:
    """But for the words that pyinfra wraps a command into, which are no operation."""
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "callcenter").rglob("*.py")
        for name in imported(path)
        if name.partition(".")[0] == "pyinfra"
    }
    assert found == {"callcenter/client/ssh.py"}


def test_the_plugin_stands_alone() -> None:
    """Neither it nor its tests import what is ours: it is of use to whoever has Windows hosts."""
    files = sorted(PLUGIN.rglob("*.py"))
    assert {path.parent.name for path in files} == {"pyinfra_windows", "tests"}
    assert [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported(path)
        if name.partition(".")[0] in OURS
    ] == []


def test_nothing_lies_between_the_rooms() -> None:
    """A module of ``callcenter`` has a room, or nobody knows what it may import."""
    own = {path.name for path in (ROOT / "callcenter").glob("*.py")}
    assert own == {"__init__.py", "__main__.py"}


def test_the_labs_command_brings_no_site_along() -> None:
    """Import of what a Site may say takes ten times as long as all else that it does."""
    ask = "import lab.__main__, sys; print(*(one for one in sys.modules if one in sys.argv))"
    heavy = ("callcenter.render.paths", "callcenter.site", "pydantic", "pyinfra", "jinja2")
    done = subprocess.run(
        [sys.executable, "-c", ask, *heavy], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "callcenter.render.paths\n"
