"""Quoting: what is accepted arrives as it is, and the rest is refused by name."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scripts import HARD, parses, whole

from pyinfra_windows import operations, powershell
from pyinfra_windows.connectors import Refused, _in_context
from pyinfra_windows.facts import FirewallRule, PowerShell


def cmd_sees(line: str) -> str:
    """Return what cmd.exe hands to a program: outside quotes ^ escapes, and % is expanded
    anywhere."""
    out, quoted, escaped = [], False, False
    for sign in line:
        if escaped:
            escaped = False
        elif sign == "%":
            raise AssertionError("cmd.exe would expand this")
        elif sign == '"':
            quoted = not quoted
        elif not quoted and sign == "^":
            escaped = True
            continue
        elif not quoted and sign in "&|<>()\n":
            raise AssertionError("cmd.exe would act on this")
        out.append(sign)
    return "".join(out)


def argv(line: str) -> list[str]:
    """CommandLineToArgvW: backslashes count only before a quote."""
    out, current, quoted, started, index = [], "", False, False, 0
    while index < len(line):
        slashes = re.match(r"\\*", line[index:])
        assert slashes is not None
        run, index = len(slashes[0]), index + len(slashes[0])
        at_quote = index < len(line) and line[index] == '"'
        current += "\\" * (run // 2 if at_quote else run)
        started = started or run > 0
        if index >= len(line):
            break
        if at_quote and run % 2:
            current += '"'
        elif at_quote:
            quoted, started = not quoted, True
        elif line[index] in " \t" and not quoted:
            if started:
                out.append(current)
            current, started, index = "", False, index + 1
            continue
        else:
            current, started = current + line[index], True
        index += 1
    return [*out, current] if started else out


def powershell_literal(text: str) -> str:
    """Return the value of a single-quoted PowerShell literal: two apostrophes of any shape are
    one."""
    assert text[0] == text[-1] == "'"
    body, out, index = text[1:-1], "", 0
    while index < len(body):
        if body[index] in "'\u2018\u2019\u201a\u201b":
            assert body[index + 1] == body[index]
            index += 1
        out += body[index]
        index += 1
    return out


@given(HARD)
def test_a_cmd_argument_arrives_or_is_refused(value: str) -> None:
    try:
        quoted = powershell.cmd_quote(value)
    except ValueError as refused:
        assume("holds" not in str(refused))
        raise
    assert argv(cmd_sees(f"a.exe {quoted} b")) == ["a.exe", value, "b"]


@given(HARD)
def test_a_path_arrives_or_is_refused(name: str) -> None:
    whole_path = f"C:\\call centre\\{name}"
    try:
        quoted = powershell.path(whole_path)
    except ValueError:
        return
    assert argv(cmd_sees(f"a.exe {quoted}")) == ["a.exe", whole_path.rstrip("\\")]
    assert not set('<>"|?*/%') & set(name)


@given(HARD)
def test_an_environment_variable_arrives_or_is_refused(value: str) -> None:
    try:
        line = _in_context("echo", {"_env": {"NAME": value}})
    except Refused as refused:
        assume("holds" not in str(refused))
        raise
    assert cmd_sees(line.replace("&& echo", "")) == f'set "NAME={value}"'


@given(HARD)
def test_a_firewall_rules_name_arrives_or_is_refused(name: str) -> None:
    rule = FirewallRule(name, "udp", ("1",), name, (), name)
    try:
        lines = operations.firewall_script(name, [rule], {})
    except ValueError as refused:
        assume("U+" not in str(refused))
        raise
    literals = re.findall("'(?:[^'\u2018-\u201b]|['\u2018-\u201b]{2})*'", lines[0])
    program = [name] if name else []
    assert [powershell_literal(one) for one in literals] == [name, name, name, "1", *program]
    whole(powershell.script(lines))


@given(HARD)
def test_a_powershell_literal_arrives_or_is_refused(value: str) -> None:
    try:
        quoted = powershell.quote(value)
    except ValueError as refused:
        assume("U+" not in str(refused))
        raise
    assert powershell_literal(quoted) == value


@given(HARD)
def test_an_msi_property_cannot_end_its_quotes(value: str) -> None:
    try:
        written = powershell.property_value("NAME", value)
    except ValueError as refused:
        assume("NAME" not in str(refused) and "U+" not in str(refused))
        raise
    assert cmd_sees(written) == f'NAME="{value}"'
    assert '"' not in value
    assert not value.endswith("\\")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("100%", "%"),
        ('a"b', '"'),
        ("a\nb", "U+000A"),
        ("a\0b", "U+0000"),
        ("\ud800", "U+D800"),
    ],
)
def test_what_cmd_cannot_carry_is_named(value: str, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        powershell.cmd_quote(value)


@pytest.mark.parametrize(
    "wrong",
    ["relative", r"\rooted", "/unix", r"C:\a|b", r"C:\a:stream", "C:\\a \\b", r"C:\a.", r"C:\a%b"],
)
def test_what_is_no_path_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"holds|no absolute|ends in"):
        powershell.path(wrong)


@given(st.lists(HARD, max_size=3))
def test_a_script_is_whole_and_ends_in_its_sentinel(values: list[str]) -> None:
    lines = []
    for value in values:
        try:
            lines.append(f"$x = {powershell.quote(value)}")
        except ValueError:
            continue
    text = whole(powershell.script(lines))
    assert text.startswith("$ErrorActionPreference='Stop';$ProgressPreference='SilentlyContinue'\n")
    assert text.endswith(f"Write-Output '{powershell.SENTINEL}'\nexit 0")
    assert all(line in text for line in lines)


def test_a_script_that_cmd_would_cut_off_travels_on_standard_input() -> None:
    lines = [f"$x = {powershell.quote('é' * 4000)}"]
    command = powershell.script(lines)
    assert lines[0] in whole(command)
    assert "é" not in command.get_raw_value()
    assert len(command.get_raw_value()) < 2000


NAMES = ["FreeSWITCH-SIP", "a 'b' $c `d` %e% &f", "Grüße 中", "\u2018x\u2019"]


@pytest.mark.parametrize("name", NAMES)
def test_every_firewall_script_is_powershell(name: str) -> None:
    wanted = [
        FirewallRule("plain", "udp", ("5060",), "C:\\a b\\c.exe", ("10.0.0.0/8",), "g"),
        FirewallRule(name, "tcp", ("80", "90-99"), name, (), "g"),
    ]
    present = {name: FirewallRule(name, "udp"), "gone " + name: FirewallRule("gone", "udp")}
    lines = operations.firewall_script("g", wanted, present)
    text = whole(powershell.script(lines))
    assert text.count("New-NetFirewallRule") == len(wanted)
    assert text.count("Remove-NetFirewallRule") == 2


def test_the_guard_is_powershell() -> None:
    line = PowerShell().command()
    (encoded,) = re.findall(r"-EncodedCommand (\S+)", line)
    parses(base64.b64decode(encoded).decode("utf-16-le"))
