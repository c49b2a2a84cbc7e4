"""Operations that are of use alone, through each door."""

from __future__ import annotations

import pytest

from tests.windows.support.machine import Machine

TREE = """
from pyinfra_windows import operations
files = operations.Files({files})
operations.tree(name="Tree", folder=r"C:\\callcenter tree\\conf", wanted=files)
"""
FILES = """
from pathlib import Path
from pyinfra_windows import operations
operations.file(name="File", target=r"C:\\callcenter tree\\a file.txt", content="100% `x` $y ü\\n")
operations.template(
    name="Template", target=r"C:\\callcenter tree\\t.txt", source=Path("t.j2"), who="a & b"
)
"""


def tree(**files: str) -> str:
    """Return a deploy of a tree; two underscores stand for a slash."""
    return TREE.format(
        files={name.replace("__", "/"): text.encode() for name, text in files.items()}
    )


def test_a_tree_is_exchanged_as_a_whole(machine: Machine) -> None:
    folder = "C:\\callcenter tree\\conf"
    machine.put("not ours", folder + "\\stray.xml")
    first = {"one.xml": "1", "folder__two.xml": "2 Grüße"}
    run = machine.deploy(tree(**first))
    assert (run.code, run.changed) == (0, 1), run.output
    assert machine.text(folder + "\\folder\\two.xml") == "2 Grüße"
    assert not machine.exists(folder + "\\stray.xml")
    assert machine.text(folder + ".old\\stray.xml") == "not ours"
    assert machine.deploy(tree(**first)).changed == 0
    run = machine.deploy(tree(**first | {"folder__two.xml": "3"}, more="m"))
    assert (run.code, run.changed) == (0, 1), run.output
    assert machine.text(folder + "\\one.xml") == "1"
    assert machine.text(folder + "\\folder\\two.xml") == "3"
    # As if the connection had been lost between its two moves.
    machine.line(f'rd /s /q "{folder}.old"& move "{folder}" "{folder}.old"')
    run = machine.deploy(tree(**first))
    assert (run.code, run.changed) == (0, 1), run.output
    assert machine.text(folder + "\\folder\\two.xml") == "2 Grüße"
    assert not machine.exists(folder + "\\more")
    machine.line('rd /s /q "C:\\callcenter tree"')


def test_a_name_that_tar_cannot_be_trusted_with_is_refused(machine: Machine) -> None:
    run = machine.deploy(tree(**{"grüße.xml": "1"}))
    assert run.code != 0
    assert "is not ASCII" in run.output, run.output
    assert not machine.exists("C:\\callcenter tree\\conf\\grüße.xml")


def test_files_and_templates(machine: Machine) -> None:
    (machine.folder / "t.j2").write_text("for {{ who }}\n")
    run = machine.deploy(FILES)
    assert (run.code, run.changed) == (0, 2), run.output
    assert machine.text("C:\\callcenter tree\\a file.txt") == "100% `x` $y ü\n"
    assert machine.text("C:\\callcenter tree\\t.txt") == "for a & b\n"
    assert machine.deploy(FILES).changed == 0
    machine.line('rd /s /q "C:\\callcenter tree"')


def test_firewall_rules_come_and_go(machine: Machine) -> None:
    if not machine.has_powershell():
        pytest.skip("firewall rules need PowerShell, and the one here is not real")
    rules = """
from callcenter.render import windows_paths as paths
from pyinfra_windows import operations
from pyinfra_windows.facts import FirewallRule
rules = [FirewallRule("callcenter-test", "udp", ("16384-32767",), paths.PROGRAM, ("10.0.0.0/8",))]
operations.firewall_rules(name="Rules", group="callcenter-test", wanted=%s)
"""
    assert machine.deploy(rules % "rules").changed == 1
    assert machine.deploy(rules % "rules").changed == 0
    assert machine.deploy(rules % "[]").changed == 1
