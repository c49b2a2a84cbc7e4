"""Scripts: Lua of the operator's that runs in FreeSWITCH."""

from __future__ import annotations

from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from callcenter.site._model import model
from callcenter.site._types import Name, Number
from callcenter.site.destinations import Destination

__all__ = ["LuaScript"]


def _lua(path: Path) -> Path:
    path = path.expanduser().absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"{path} is not there; give a Lua file of this machine") from None
    except (OSError, UnicodeDecodeError) as wrong:
        why = type(wrong).__name__
        raise ValueError(f"{path} cannot be read as UTF-8 text ({why}); give a Lua file") from None
    if not text.strip() or "\0" in text:
        raise ValueError(f"{path} holds no program; give a Lua file, not what luac made of it")
    return path


@model
class LuaScript:
    """A Lua program that a call is handed to: mod_lua, with the call as ``session``."""

    name: Name
    """Name that destinations call it by."""
    file: Annotated[Path, AfterValidator(_lua)]
    """File on the machine that deploys. It travels with the configuration's release and is taken
    back with it."""
    _: KW_ONLY
    number: Number | None = None
    """Number that extensions dial for it. Default: other parts of the Site alone reach it."""
    otherwise: Destination | None = None
    """Destination of a call that the program has not ended, also when it fails. Default: the call
    ends."""
