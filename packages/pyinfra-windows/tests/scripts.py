"""Text that is hard to quote, and PowerShell's grammar, for tests of what is sent to a host."""

from __future__ import annotations

import base64

import pytest
from hypothesis import strategies as st
from pyinfra.api import StringCommand

from pyinfra_windows import powershell

__all__ = ["HARD", "parses", "whole"]

HARD = st.text(
    st.one_of(
        st.sampled_from(" \"'%$&|<>^!`()@;,=\\/{}[]#~\u2018\u2019\u201a\u201béß中"),
        st.characters(codec="utf-8"),
    ),
    max_size=40,
)


def whole(command: StringCommand) -> str:
    """Return the script that a command runs, after both parts of it have been parsed."""
    line = command.get_raw_value()
    assert powershell.is_script(line)
    assert len(line) <= powershell.LONGEST_LINE
    text = base64.b64decode(line.removeprefix(powershell.START)).decode("utf-16-le")
    parses(text)
    given = command.connector_arguments.get("_stdin")
    if given is None:
        return text
    assert "ReadToEnd" in text
    parses(str(given))
    return str(given)


def parses(text: str) -> None:
    """tree-sitter's grammar of PowerShell finds no error."""
    tree_sitter = pytest.importorskip("tree_sitter", reason="tree-sitter is not installed")
    grammar = pytest.importorskip("tree_sitter_pwsh", reason="tree-sitter-pwsh is not installed")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    assert not parser.parse(text.encode()).root_node.has_error, text
