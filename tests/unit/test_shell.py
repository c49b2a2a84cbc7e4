"""Shell is in files: none is made of text in Python, and shellcheck reads each file."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from callcenter.render import shell

ROOT = Path(__file__).parents[2]
FOLDERS = ("callcenter", "lab", "packages", "roles")
PROGRAMS = sorted(path for one in FOLDERS for path in (ROOT / one).rglob("*.sh"))
WINDOWS = (ROOT / "packages/pyinfra-windows", ROOT / "roles/windows")
"""Folders of another language: cmd.exe takes one line, and no program with arguments. How values
are quoted there, `packages/pyinfra-windows/tests/test_quoting.py` holds."""
MODULES = [
    path
    for one in FOLDERS
    for path in sorted((ROOT / one).rglob("*.py"))
    if not any(path.is_relative_to(folder) for folder in WINDOWS)
]

SYNTAX = re.compile(
    r"&&|\|\||\$\(|\"\$[\w@#{]|<<"
    # Where something goes to, or comes from.
    r"|\b2>|\s>>?\s?(?:&|/|\"|'|\{)|>/dev/null"
    # What one program says is what the next one reads.
    r"|\|\s*(?:awk|cat|cut|grep|head|sed|sh|sha256sum|sort|tail|tr|wc|while|xargs)\b"
    # One command after the other.
    r"|[;&]\s*(?:apt-get|cd|chmod|do|done|echo|elif|else|exit|export|false|fi|for|if|install -|mv"
    r"|nft|printf|rm|sh|systemctl|then|touch|trap|true|while|\{)(?=\s|;|$)"
    r"|(?:^|[\s;!(])\[ (?:! )?-[a-z] |^(?:for \w+ in|if|until|while) .*[;\[]|\bsh -c\b"
    r"|\btest -[a-z] "
)
"""Signs and words that a shell takes for more than words, as no sentence has them."""

COMMAND = re.compile(
    r"^\s*(?:apt-get|cat|cd|chgrp|chmod|chown|cp|dpkg|dpkg-query|echo|env|export|fs_cli -|install -"
    r"|journalctl|kamcmd|mkdir|mv|nft|openssl|printf|psql|python3|rm|rmdir|runuser|sed|sh|sha256sum"
    r"|sudo|systemctl|systemd-\w+|tar|test -|touch|userdel)\s"
)
"""Beginning of a command: values are words of it, by `shlex.join`, and no part of its text."""

EXCUSED = {
    # An expression for FreeSWITCH's variables, `$` being its sign, too.
    "callcenter/render/_templates.py": {r"\$(\\*)\{"},
    "callcenter/site/trunks.py": {r"\$([1-9])"},
    # Fields that apt-get puts in.
    "lab/image.py": {"$(LABEL) $(REPO_URI)"},
}
"""Texts by module that no shell reads."""


def texts(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """Yield every text of a module but its docstrings: line, text with `{}` for a value, and
    whether values are put into it or added."""
    nodes = list(ast.walk(tree))
    parts = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    docs = {node.value for node in nodes if isinstance(node, ast.Expr)}
    filled = {node.left for node in nodes if isinstance(node, ast.BinOp)}
    filled |= {
        node.value for node in nodes if isinstance(node, ast.Attribute) and node.attr == "format"
    }
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            said = ("{}" if isinstance(one, ast.FormattedValue) else one for one in node.values)
            text = "".join(one if isinstance(one, str) else ast.literal_eval(one) for one in said)
            yield node.lineno, text, True
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node not in docs | parts
        ):
            yield node.lineno, node.value, node in filled


def shell_in(source: str, excused: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """List the texts of a module that are shell, or a command into which values are put."""
    return [
        f"line {line}: {text}"
        for line, text, filled in texts(ast.parse(source))
        if text not in excused and (SYNTAX.search(text) or (filled and COMMAND.search(text)))
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_makes_shell_of_text(module: Path) -> None:
    name = str(module.relative_to(ROOT))
    assert shell_in(module.read_text(encoding="utf-8"), EXCUSED.get(name, set())) == []


@pytest.mark.parametrize(
    "line",
    [
        'f"[ -e {path} ] || systemctl reload {unit}"',
        'f"systemctl restart {unit}"',
        '"systemctl restart {}".format(unit)',
        '"systemctl restart %s" % unit',
        '"rm -f " + path',
        'f"cat {record} 2>/dev/null"',
        'f"sha256sum {names} >{record}"',
        'f"kamcmd ul.dump | grep {number}"',
        'f"if [ -e {path} ]; then systemctl stop {unit}; fi"',
        'f"for name in {names}; do apt-mark auto $name; done"',
        '"echo $(id -u)"',
        "'[ \"$1\" = 0 ] && exit'",
        'f"cd {folder}; exec {program}"',
        'f"sh -c {script}"',
    ],
)
def test_shell_that_is_made_of_text_is_found(line: str) -> None:
    assert shell_in(line.replace('f"', 'x = f"') if line[0] == "f" else f"x = {line}") != []


@pytest.mark.parametrize(
    "line",
    [
        '"systemctl daemon-reload"',
        'shlex.join(["systemctl", "restart", unit])',
        'f"{name} is no host; set _sudo=True, or log in as root"',
        'f"<3>{path} cannot be written: {why}"',
        'f"start {name}"',
    ],
)
def test_words_and_sentences_are_no_shell(line: str) -> None:
    assert shell_in(f"x = {line}") == []


def named(module: Path) -> Iterator[str]:
    """Yield the shell programs that a module names."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Name)
            and node.args[0].id == "__file__"
            and ast.unparse(node.func) in ("command", "shell.command", "shell.text", "shell.words")
        ):
            assert isinstance(node.args[1], ast.Constant), f"{module}: a program has no fixed name"
            yield str(node.args[1].value)


def test_each_shell_program_is_run_by_a_module_beside_it() -> None:
    assert PROGRAMS
    assert {path.parent.name for path in PROGRAMS} == {"scripts"}
    run = {module.parent / "scripts" / f"{name}.sh" for module in MODULES for name in named(module)}
    assert run == set(PROGRAMS)


@pytest.fixture(params=PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def program(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_a_shell_program_says_first_what_it_does(program: Path) -> None:
    first, second, *_ = program.read_text(encoding="utf-8").splitlines()
    assert first == "#!/bin/sh"
    assert second.startswith("# ")


@pytest.mark.skipif(
    not shutil.which("shellcheck"), reason="shellcheck is not installed (Debian package shellcheck)"
)
def test_shellcheck_finds_nothing(program: Path) -> None:
    done = subprocess.run(
        ["shellcheck", "--shell=sh", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_values_are_arguments_whatever_they_hold(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/say.sh").write_text("""printf '%s\\0' "$@"\n""")
    odd = ["it's", "$(id)", "a b", '"', "", "`id`", "*", "\\", "line\nline", "-n"]
    made = shell.command(str(tmp_path / "module.py"), "say", *odd)
    # As it is given by way of others.
    made = shell.in_turn("true", shell.in_turn(made))
    done = subprocess.run(["sh", "-c", made], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == odd


def test_what_fails_ends_the_turn() -> None:
    done = subprocess.run(
        ["sh", "-c", shell.in_turn("echo a", "exit 3", "echo b")], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "a\n")
