"""A run of a process that forks is one of the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.support.waiting import PATIENCE
from tests.forks import COMMAND, ROOT, Forks, Pyinfra

SAID = "env | grep -v ^_= | sort; pwd; ls -l /proc/$PPID/fd/0"


@pytest.fixture(scope="module")
def forking() -> Iterator[Pyinfra]:
    """One process, whose environment is that of its first run."""
    made = Pyinfra()
    yield made
    made.close()


def environment(**more: str) -> dict[str, str]:
    """Return what a test's runs get."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "A": "of all runs", **more}


def said(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


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
        forked, started = both(forking, tmp_path, *words)
        assert said(forked) == said(started)
    assert started.returncode != 0


def test_a_module_does_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import os, sys\nprint(sys.argv, sys.path[0], os.environ['B'])"
    )
    forks = Forks(["callcenter.cli"], unread=["B"])
    try:
        for module, *words in (["callcenter", "--no-such-option"], ["mine", "a", "b"]):
            command = [sys.executable, "-m", module, *words]
            for one in ("first", "second"):
                given = environment(B=one)
                forked = forks.run(command, cwd=tmp_path, environment=given)
                started = subprocess.run(
                    command, cwd=tmp_path, env=given, capture_output=True, text=True, check=False
                )
                assert said(forked) == said(started)
    finally:
        forks.close()
    assert started.stdout


def test_several_go_on_at_once(tmp_path: Path) -> None:
    """Each has a folder, output and end of its own, and is told of its end while others go on."""
    (tmp_path / "waits.py").write_text(
        "import sys\nprint(sys.argv[1], flush=True)\nopen(sys.argv[1]).read()\nsys.exit(3)"
    )
    forks = Forks(["json"])
    try:
        runs = {}
        for name in ("first", "second"):
            os.mkfifo(tmp_path / name)
            command = [sys.executable, "-m", "waits", name]
            run = forks.start(command, cwd=tmp_path, environment=environment(), together=True)
            assert run.stdout
            assert run.stdout.readline() == f"{name}\n"
            runs[name] = run
        assert [run.poll() for run in runs.values()] == [None, None]
        (tmp_path / "second").write_text("")
        assert runs["second"].wait(PATIENCE) == 3
        assert runs["first"].poll() is None
        runs["first"].send_signal(signal.SIGINT)
        said, _ = runs["first"].communicate(timeout=PATIENCE)
        assert said.endswith("KeyboardInterrupt\n")
        assert runs["first"].returncode == -signal.SIGINT
    finally:
        forks.close()


def test_it_is_where_and_what_it_shall_be(forking: Pyinfra, tmp_path: Path) -> None:
    for more in ({}, {"A": "of one run"}, {"DOCKER_HOST": "unix:///another"}):
        forked, started = both(forking, tmp_path, "-y", "@local", "exec", "--", SAID, **more)
        assert forked.returncode == started.returncode == 0
        assert set(forked.stdout.split()) == set(started.stdout.split())
        assert f"{tmp_path}" in forked.stderr + forked.stdout


def test_one_that_takes_too_long_is_ended(forking: Pyinfra, tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text("import os\nopen('mine', 'w').write(str(os.getpid()))\n")
    with (tmp_path / "inventory").open("a") as inventory:
        inventory.write("os.mkfifo('never')\nopen('never').read()\n")
    command: list[str | Path] = [COMMAND, "inventory", "debug-inventory"]
    with pytest.raises(subprocess.TimeoutExpired):
        forking.run(command, cwd=tmp_path, environment=environment(), timeout=10)
    assert not Path(f"/proc/{(tmp_path / 'mine').read_text()}").exists()
    again = forking.run(
        [COMMAND, "@local", "exec", "--", "true"], cwd=tmp_path, environment=environment()
    )
    assert again.returncode == 0
