"""Inventories as they are named to pyinfra, which takes one that is not there for a host's name."""

from __future__ import annotations

import difflib
import socket
import sys
from pathlib import Path

import click

__all__ = ["refuse"]

HERE = Path("inventories")


def _fault(inventory: str) -> str | None:
    """Say what is wrong with an inventory as it was named, if anything is."""
    path = Path(inventory)
    if path.is_dir():
        return "is a folder; name a file of it, such as inventories/prod"
    if path.suffix in (".yaml", ".yml"):
        # pyinfra would run it as Python.
        return "is no inventory; name the one whose hosts it describes, such as inventories/prod"
    if path.exists() or "," in inventory or "@" in inventory:
        return None
    if "/" not in inventory:
        try:
            socket.getaddrinfo(inventory, None)
        except OSError:
            pass
        else:
            return None
    known = {one.name: str(one) for one in sorted(HERE.iterdir()) if one.is_file()}
    if meant := difflib.get_close_matches(path.name, known, 1):
        return f"is not there; {known[meant[0]]} is"
    return f"is neither an inventory nor a host; there are {', '.join(known.values())}"


def refuse() -> None:
    """End a run of pyinfra whose inventory is none, with a line that says which was meant."""
    named = str(click.get_current_context().params["inventory"])
    if fault := _fault(named):
        # An exception would be shown with a traceback.
        sys.exit(f"{named} {fault}")
