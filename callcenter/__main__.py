"""``python -m callcenter``: look at a description without touching a host.

schema           print the JSON Schema of the YAML form
check PATH       check a Site in YAML (.yaml, .yml), or a pyinfra inventory with its group_data
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from callcenter.secrets import SecretUnavailable
from callcenter.site import Site, SiteError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 1 where a description is refused."""
    parser = argparse.ArgumentParser(prog="python -m callcenter")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("schema", help="print the JSON Schema of a Site in YAML")
    checked = commands.add_parser("check", help="check a Site in YAML, or an inventory")
    checked.add_argument("path", type=Path, help="prod.yaml, or inventories/prod")
    given = parser.parse_args(arguments)
    if given.command == "schema":
        print(schema(), end="")
        return 0
    refusals = check(given.path)
    for line in refusals:
        print(line, file=sys.stderr)
    if not refusals:
        print("ok")
    return 1 if refusals else 0


def schema() -> str:
    """The text of docs/site.schema.json."""
    return json.dumps(Site.schema(), indent=2, ensure_ascii=False) + "\n"


def check(path: Path) -> list[str]:
    """Every refusal of a description, or nothing."""
    try:
        if path.suffix in (".yaml", ".yml"):
            Site.load(path)
        else:
            _check_inventory(path)
    except SiteError as refused:
        return list(refused.problems)
    except SecretUnavailable as unavailable:
        return [str(unavailable)]
    return []


def _check_inventory(path: Path) -> None:
    """The inventory's hosts, and the data of the groups that pyinfra would load for them."""
    groups = _run(path)
    if not any(isinstance(value, list) and value for value in groups.values()):
        raise SiteError([f"{path}: has no host; write switches = hosts(…)"])
    data_folder = path.parent / "group_data"
    names = [path.name, *(name for name, value in groups.items() if isinstance(value, list)), "all"]
    sites = []
    for name in dict.fromkeys(names):
        file = data_folder / f"{name}.py"
        if file.is_file():
            site = _run(file).get("site")
            if isinstance(site, Site):
                sites.append(site)
    if not sites:
        raise SiteError([f"{path}: has no site; write one in {data_folder / path.name}.py"])


def _run(file: Path) -> dict[str, Any]:
    """The names that a Python file defines, as pyinfra would read it."""
    names: dict[str, Any] = {"__file__": str(file), "__name__": file.name}
    try:
        code: CodeType = compile(file.read_text(encoding="utf-8"), str(file), "exec")
    except (OSError, UnicodeDecodeError) as wrong:
        raise SiteError([f"{file}: cannot be read ({type(wrong).__name__})"]) from None
    except SyntaxError as wrong:
        raise SiteError([f"{file}: is no Python at line {wrong.lineno}: {wrong.msg}"]) from None
    exec(code, names)
    return {name: value for name, value in names.items() if not name.startswith("_")}


if __name__ == "__main__":
    sys.exit(main())
