"""Command lines for Windows, and what goes inside them.

Two languages are quoted here, and neither has a way to write everything. What cannot be carried is
refused with a :class:`ValueError` that names it, never sent half right.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from pyinfra.api import StringCommand

__all__ = ["LONGEST_LINE", "SENTINEL", "START", "cmd_quote", "path", "property_value", "quote"]
__all__ += ["is_script", "question", "script"]

SENTINEL = "pyinfra-script-done"
"""The last line that a script prints. A powershell.exe that is none exits 0 and prints nothing."""

START = "powershell.exe -NoProfile -NonInteractive -EncodedCommand "

LONGEST_LINE = 8191
"""cmd.exe takes no longer line, and cuts one off without a word."""

_FIRST = (
    "$ErrorActionPreference='Stop';$ProgressPreference='SilentlyContinue'\n"
    # A session without a console has no such thing to set.
    "try { [Console]::OutputEncoding=New-Object Text.UTF8Encoding $false } catch { }"
)

_FROM_STDIN = (
    "$in=New-Object IO.StreamReader([Console]::OpenStandardInput(),[Text.Encoding]::UTF8)\n"
    "& ([ScriptBlock]::Create($in.ReadToEnd()))"
)
"""Statement for scripts that are longer than a line."""

# PowerShell takes these for an apostrophe wherever it stands: twice, it is itself.
_APOSTROPHES = "'\u2018\u2019\u201a\u201b"

# cmd.exe expands %name% even between quotes, and from a command line (unlike in a .cmd file)
# nothing stops it. A quote ends the quoted part, so &|<> would act. ! is expanded only with /v:on,
# which nobody here uses.
_NOT_IN_CMD = '"%'


def _sendable(value: str) -> None:
    for sign in value:
        if sign < " " or sign in "\u007f\u0085\u2028\u2029" or 0xD800 <= ord(sign) <= 0xDFFF:
            raise ValueError(
                f"holds U+{ord(sign):04X}, which no command line can carry; use printable text"
            )


def quote(value: str) -> str:
    """Return a PowerShell literal: nothing in it is expanded."""
    _sendable(value)
    return "'" + re.sub(f"([{_APOSTROPHES}])", r"\1\1", value) + "'"


def cmd_quote(value: str) -> str:
    """Quote one argument of a program that cmd.exe starts, by the rules of CommandLineToArgvW."""
    _sendable(value)
    for sign in _NOT_IN_CMD:
        if sign in value:
            raise ValueError(f"holds {sign}, which cmd.exe gives a meaning to even in quotes")
    # Backslashes are literal unless a quote follows them.
    tail = len(value) - len(value.rstrip("\\"))
    return f'"{value}{chr(92) * tail}"'


def path(value: str) -> str:
    """Return a path in quotes, for programs and for cmd.exe's own words such as ``type`` and
    ``move``."""
    if not re.match(r"[A-Za-z]:\\", value):
        raise ValueError(f"{value!r} is no absolute Windows path; use one such as 'C:\\folder'")
    for sign in '<>"|?*/':
        if sign in value:
            raise ValueError(f"{value!r} holds {sign}, which no Windows path can")
    if ":" in value[2:]:
        raise ValueError(f"{value!r} holds a second colon, which would name a hidden stream")
    if any(part != part.rstrip(". ") for part in value.split("\\")):
        raise ValueError(f"{value!r} has a part that ends in a dot or space, which Windows drops")
    # Without its last backslash cmd.exe's own words and programs read it alike.
    return cmd_quote(value if len(value) == 3 else value.rstrip("\\"))


def property_value(name: str, value: str) -> str:
    """Write ``NAME="value"`` as msiexec reads it: it has rules of its own."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_.]*", name):
        raise ValueError(
            f"{name!r} is no public MSI property; use capitals such as INSTALLLOCATION"
        )
    _sendable(value)
    for sign in _NOT_IN_CMD:
        if sign in value:
            raise ValueError(f"{name} holds {sign}, which msiexec's command line cannot carry")
    if value.endswith("\\"):
        raise ValueError(f"{name} ends in a backslash, which msiexec would read with the quote")
    return f'{name}="{value}"'


def script(lines: Iterable[str]) -> StringCommand:
    """Return a command that runs PowerShell statements, stops at the first error, and proves that
    it reached its end. A script that is longer than a line travels on standard input.

    Nothing secret belongs in it: command lines are in the process list, and encoded is not hidden.
    """
    text = "\n".join([_FIRST, *lines, f"Write-Output '{SENTINEL}'", "exit 0"])
    line = START + _encoded(text)
    if len(line) <= LONGEST_LINE:
        return StringCommand(line)
    return StringCommand(START + _encoded(_FROM_STDIN), _stdin=text)


def question(lines: Iterable[str]) -> str:
    """Return a command line whose failure is no failure: its caller judges what it prints."""
    text = "\n".join([_FIRST, *lines])
    return (
        f"powershell.exe -NonInteractive -NoProfile -EncodedCommand {_encoded(text)} 2>nul& exit 0"
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-16-le")).decode()


def is_script(line: str) -> bool:
    """Tell whether a command line was made by :func:`script`, so that its sentinel must be
    printed."""
    return START in line
