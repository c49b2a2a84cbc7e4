"""Naming a site, in one form for all commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from callcenter.client.inventory import Inventory, load
from callcenter.site import Site, SiteError

__all__ = ["YAML", "apart", "argument", "chosen", "entered", "inventory_of", "site_of"]

YAML = (".yaml", ".yml")
"""Endings of a description in YAML."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def argument(function: _Function) -> _Function:
    """Give a command the argument PATH, as ``path``."""
    return click.argument("path", type=click.Path(path_type=Path), default=Path())(function)


def apart(words: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    """Return the path that words begin with, by default this folder, and the options behind it."""
    if words and not words[0].startswith("-"):
        return Path(words[0]), tuple(words[1:])
    return Path(), tuple(words)


def chosen(path: Path) -> Path:
    """Return the inventory, or the description in YAML, that a path names. A folder names the only
    one below its ``inventories``, or ``prod`` of several."""
    if not path.is_dir():
        return path
    folder = path if path.absolute().name == "inventories" else path / "inventories"
    if not folder.is_dir():
        raise SiteError(
            [f"{path}: has no folder inventories; stand in a site's folder, or name its inventory"]
        )
    known = sorted(one for one in folder.iterdir() if one.is_file() and one.name[0] != ".")
    if (folder / "prod") in known:
        return folder / "prod"
    if len(known) != 1:
        names = ", ".join(str(one) for one in known) or "none"
        raise SiteError([f"{path}: which inventory is meant? There are: {names}"])
    return known[0]


def entered(path: Path) -> Path:
    """Return what a path names, and stand in its site's folder from now on: relative paths of a
    Site, and the secrets that are made for it, are there."""
    path = chosen(path)
    # Typed within inventories, it has a folder too.
    whole = path.absolute()
    root = whole.parent.parent
    if whole.parent.name != "inventories" or not root.is_dir() or root.resolve() == Path.cwd():
        return path
    os.chdir(root)
    return Path(whole.parent.name, whole.name)


def inventory_of(path: Path) -> Inventory:
    """Load the inventory that a path names, from its site's folder."""
    path = entered(path)
    if path.suffix in YAML:
        # As Python it would be refused with words about Python.
        raise SiteError([f"{path}: has no hosts; name the inventory that it describes"])
    return load(path)


def site_of(path: Path) -> Site:
    """Return the Site of a YAML file, or of an inventory from its site's folder."""
    path = entered(path)
    return Site.load(path) if path.suffix in YAML else load(path).site
