"""Commands typed wrongly, or without what they need: they print one clear line and do nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.__main__ import parser as lab_parser
from tests.forks import ROOT, Forks


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The repository's scripts alone: there is nothing that they could install or boot with."""
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    (tmp_path / "inventories").mkdir()
    (tmp_path / "path").mkdir()
    for name in ("sh", "cat", "dirname"):
        (tmp_path / "path" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def in_words(bare: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return run(bare / "bin" / name, *words, PATH=str(bare / "path"))


@pytest.mark.parametrize(
    ("name", "words", "refusal"),
    [
        ("lab", ["dwon"], "bin/lab: 'dwon' is not known; use bin/lab, bin/lab down, "),
        ("lab", ["down", "cc1"], "bin/lab: 'down cc1' is not known; use bin/lab, "),
        ("lab", ["--driver"], "bin/lab: '--driver' is not known; use bin/lab, "),
        ("lab", ["--driver", "docker"], "bin/lab: '--driver docker' is not known; use bin/lab, "),
        ("prove", [], "bin/prove: name an inventory; bin/prove INVENTORY [OPTION...], such as: "),
        ("prove", ["nosuch"], "bin/prove: there is no file nosuch; bin/prove INVENTORY "),
        ("prove", ["inventories"], "bin/prove: there is no file inventories; bin/prove INVENTORY "),
        ("prove", ["--phones", "all"], "bin/prove: there is no file --phones; bin/prove INVENTORY"),
    ],
)
def test_words_that_are_not_known_are_refused_in_a_line_and_nothing_is_done(
    bare: Path, name: str, words: list[str], refusal: str
) -> None:
    done = in_words(bare, name, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(refusal)
    assert done.stderr.count("\n") == 1
    assert not (bare / ".venv").exists()


@pytest.mark.parametrize("name", ["lab", "prove"])
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_a_few_lines_and_does_nothing(bare: Path, name: str, word: str) -> None:
    done = in_words(bare, name, word)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"bin/{name} ")
    assert done.stdout.count("\n") <= 5


ENVIRONMENT = """
set -eu
cd "$(dirname "$0")/.."
packages=apt
as_root() { :; }
environment() { :; }
have_packages() { [ -r "$packages/Packages" ]; }
python() { :; }
"""


@pytest.mark.parametrize("packages", [True, False])
def test_bin_lab_ends_with_what_to_do_next(bare: Path, packages: bool) -> None:
    """Its last lines, where all that it starts succeeds."""
    (bare / "bin/_environment").write_text(ENVIRONMENT)
    (bare / "bin/prove").write_text("#!/bin/sh\n")
    (bare / "apt").mkdir()
    if packages:
        (bare / "apt/Packages").touch()
    done = in_words(bare, "lab")
    assert done.returncode == 0, done.stderr
    host, inventory = ("cc1", "lab") if packages else ("edge1", "lab-edges")
    assert done.stdout.count("\n") <= 15
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert f"python -m callcenter phone inventories/{inventory} " in done.stdout
    assert f"reports/{inventory}.html" in done.stdout
    assert "bin/lab down" in done.stdout
    # Each command is one that there is.
    verbs = re.findall(r"python -m lab (\w+) (\S+)", done.stdout)
    of_host = {"ssh", "logs", "sip"} | ({"fs_cli"} if packages else set())
    assert {verb for verb, named in verbs if named == host} == of_host
    for words in verbs:
        assert lab_parser().parse_args(words).verb == words[0]


Pytest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def pytest_here() -> Iterator[Pytest]:
    """pytest's command, in the repository."""
    forks = Forks(["pytest", "callcenter.client.inventory"])
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    # As `-m` finds what is in the folder: who forks has begun elsewhere.
    yield lambda *words: forks.run(
        [*command, *words], cwd=ROOT, environment={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    forks.close()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["tests/acceptance"], "tests/acceptance needs the hosts to verify, such as: pytest "),
        (["tests/acceptance/test_t2_call.py::test_busy", "-q"], "tests/acceptance needs the hosts"),
        (["tests/acceptance", "--inventory", "inventories/tow"], "inventories/tow: cannot be read"),
        (["tests/acceptance", "--inventory", "pyproject.toml"], "pyproject.toml: is no Python at"),
    ],
)
def test_acceptance_without_hosts_is_refused_in_a_line(
    words: list[str], refusal: str, pytest_here: Pytest
) -> None:
    done = pytest_here(*words)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"ERROR: {refusal}")
    assert done.stderr.strip().count("\n") == 0


def test_other_tests_run_without_hosts_and_name_acceptance_in_a_line(pytest_here: Pytest) -> None:
    done = pytest_here("-q", "tests/unit/test_speech.py", "tests/acceptance", "--co", "-rs")
    assert done.returncode == 0, done.stdout
    assert "tests/unit/test_speech.py::" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "acceptance" in line]
    assert line.endswith("tests/acceptance: no --inventory was given")
