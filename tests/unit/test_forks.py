"""A run of a process that forks is one of pyinfra's command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forks import COMMAND, ROOT, Pyinfra

SAID = "env | grep -v ^_= | sort; pwd; ls -l /proc/$PPID/fd/0"


@pytest.fixture
def forking() -> Iterator[Pyinfra]:
    made = Pyinfra()
    yield made
    made.close()


def environment(**more: str) -> dict[str, str]:
    """Return what a test's runs get."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def both(
    forking: Pyinfra, folder: Path, *words: str, **more: str
) -> list[subprocess.CompletedProcess[str]]:
    """Return the same run of both."""
    return [
        one.run([COMMAND, *words], cwd=folder, environment=environment(**more))
        for one in (forking, Pyinfra(forks=False))
    ]


def test_it_says_and_returns_the_same(forking: Pyinfra, tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text("import os\nhosts = [('@local', {'a': os.environ['A']})]\n")
    for words in (
        ("inventory", "debug-inventory"),
        ("@local", "exec", "--", "exit 3"),
        ("--no-such-option",),
    ):
        forked, started = both(forking, tmp_path, *words, A="of this run")
        assert (forked.returncode, forked.stdout, forked.stderr) == (
            started.returncode,
            started.stdout,
            started.stderr,
        )
    assert started.returncode != 0


def test_it_is_where_and_what_it_shall_be(forking: Pyinfra, tmp_path: Path) -> None:
    for more in ({}, {"A": "of one run"}, {"PYTEST_CURRENT_TEST": "another"}):
        forked, started = both(forking, tmp_path, "-y", "@local", "exec", "--", SAID, **more)
        assert forked.returncode == started.returncode == 0
        assert set(forked.stdout.split()) == set(started.stdout.split())
        assert f"{tmp_path}" in forked.stderr + forked.stdout


def test_one_that_takes_too_long_is_ended(forking: Pyinfra, tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text("import os\nopen('mine', 'w').write(str(os.getpid()))\n")
    with (tmp_path / "inventory").open("a") as inventory:
        inventory.write("os.mkfifo('never')\nopen('never').read()\n")
    command: list[str | Path] = [COMMAND, "inventory", "debug-inventory"]
    with pytest.raises(TimeoutError):
        forking.run(command, cwd=tmp_path, environment=environment(), timeout=10)
    assert not Path(f"/proc/{(tmp_path / 'mine').read_text()}").exists()
    again = forking.run(
        [COMMAND, "@local", "exec", "--", "true"], cwd=tmp_path, environment=environment()
    )
    assert again.returncode == 0
