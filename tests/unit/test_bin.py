"""What a newcomer types first."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.suite import GROUPS, TIERS, chosen

ROOT = Path(__file__).resolve().parents[2]


def test_ci_runs_the_readmes_command() -> None:
    assert "bin/test" in (ROOT / ".ci/run").read_text()
    assert re.search(r"^    bin/lab .*\n    bin/test ", (ROOT / "README.md").read_text(), re.M)


def test_a_merge_requests_jobs_run_tiers_and_nothing_else() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    ran: set[str] = set()
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step), step
            if "run" in step:
                command, *words = step["run"].split()
                assert command == "bin/test"
                ran.update(chosen(words)[0])
            else:
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
    assert ran == set(chosen([])[0])
    # A fork's code never runs on a machine of one's own.
    assert "head.repo.full_name == github.repository" in workflow["jobs"]["switch"]["if"]
    assert "secrets." not in (ROOT / ".github/workflows/tests.yml").read_text()


@pytest.mark.parametrize("name", ["attack", "lab", "prove", "test", "_environment"])
def test_scripts_are_posix_shell(name: str) -> None:
    done = subprocess.run(
        ["sh", "-n", ROOT / "bin" / name], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_the_lock_names_all_that_is_needed() -> None:
    """The lock is installed without resolving dependencies, so it must name them all."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of what bin/test is before anything is installed, whose lock names one package."""
    made = tmp_path / "clone"
    shutil.copytree(ROOT / "bin", made / "bin")
    (made / "tests").mkdir()
    shutil.copy(ROOT / "tests/suite.py", made / "tests")
    (made / "requirements.lock").write_text("callcenter-nothing==1.0\n")
    return made


def typed(clone: Path, *words: str, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    """Type a command in a clone, with a cache of its own and nothing to download from."""
    given: dict[str, str | Path] = {
        "PATH": os.environ["PATH"],
        "XDG_CACHE_HOME": clone.parent / "cache",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
    }
    return subprocess.run(
        words,
        cwd=clone,
        env={**given, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=900,
        check=False,
    )


@pytest.mark.parametrize("word", ["untit", "--lf", "^", "-", "lint types"])
def test_an_unknown_tier_is_refused_before_anything_is_installed(clone: Path, word: str) -> None:
    (clone / "nothing").mkdir()
    before = sorted(clone.parent.rglob("*"))
    done = typed(clone, "bin/test", "lint", word)
    known = " ".join([*TIERS, *GROUPS])
    assert (done.returncode, done.stdout) == (2, "")
    said = f"bin/test: '{word}' is no tier; use {known} (and -- before pytest's arguments)\n"
    assert done.stderr == said
    assert sorted(clone.parent.rglob("*")) == before


def test_help_lists_every_tier(clone: Path) -> None:
    done = typed(clone, "bin/test", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    usage, *lines = done.stdout.splitlines()
    assert usage.startswith("usage: bin/test [TIER...] [-- PYTEST ARGUMENTS]")
    about = {name: tier.about for name, tier in TIERS.items()}
    about |= {name: group.about for name, group in GROUPS.items()}
    assert [line.split(maxsplit=1) for line in lines] == [[*one] for one in about.items()]
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("harder",), "bin/attack: 'harder' is not known; use "),
        (("--inventory",), "bin/attack: '--inventory' is not known; use "),
        (("--inventory", "inventories/none"), "bin/attack: there is no file inventories/none; "),
        (("--inventory", "inventories/lab", "-x"), "bin/attack: '--inventory inventories/lab -x' "),
    ],
)
def test_an_attack_that_is_not_known_is_refused(
    clone: Path, words: tuple[str, ...], said: str
) -> None:
    done = typed(clone, "bin/attack", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert not (clone / ".venv").exists()


def test_help_of_the_attacks(clone: Path) -> None:
    done = typed(clone, "bin/attack", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "bin/attack --inventory INVENTORY" in done.stdout


def lock(clone: Path, digest: str) -> None:
    """Make the lock of the one package."""
    text = f"callcenter-nothing==1.0 \\\n    --hash=sha256:{digest}\n"
    (clone / "requirements.lock").write_text(text)


def index_of_nothing(clone: Path) -> Path:
    """Make a folder with the one package, of which the lock has the hash."""
    index = clone.parent / "index"
    index.mkdir()
    about = "callcenter_nothing-1.0.dist-info"
    package = index / "callcenter_nothing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(package, "w") as wheel:
        wheel.writestr("callcenter_nothing.py", "print('here')\n")
        wheel.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: callcenter-nothing\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    lock(clone, hashlib.sha256(package.read_bytes()).hexdigest())
    return index


@pytest.fixture(scope="module")
def made_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment as Python makes it, with nothing but pip."""
    made = tmp_path_factory.mktemp("made") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", made], check=True)
    return made


@pytest.fixture
def environment(clone: Path, made_environment: Path) -> None:
    """Copy that one into a clone, as ``venv`` would have made it there."""
    own = clone / ".venv"
    shutil.copytree(made_environment, own, symlinks=True)
    for script in own.glob("bin/pip*"):
        script.write_text(script.read_text().replace(str(made_environment), str(own)))


SETUP = ("sh", "-c", ". bin/_environment; environment; python -m callcenter_nothing", "bin/x")


def test_a_second_clone_is_installed_without_a_download(clone: Path) -> None:
    kept = clone.parent / "cache/pyinfra-callcenter/wheels"
    killed = kept / "0123456789abcdef.new"
    killed.mkdir(parents=True)
    old = kept / "fedcba9876543210"
    old.mkdir()
    os.utime(old, (0, 0))

    failed = typed(clone, *SETUP)
    assert failed.returncode != 0
    assert "callcenter-nothing" in failed.stderr
    assert [path.name for path in kept.iterdir() if path.is_dir() and path.suffix != ".new"] == []

    about = "callcenter_nothing-1.0.dist-info"
    index = index_of_nothing(clone)
    done = typed(clone, *SETUP, PIP_FIND_LINKS=index)
    assert (done.stdout, done.returncode) == ("here\n", 0), done.stderr
    assert len([path for path in kept.iterdir() if path.is_dir()]) == 1

    # As if it were another clone, whose environment is empty.
    (clone / ".venv/.installed").unlink()
    [installed] = clone.glob(".venv/lib/*/site-packages/callcenter_nothing.py")
    installed.unlink()
    shutil.rmtree(installed.with_name(about))
    done = typed(clone, *SETUP)
    assert (done.stdout, done.returncode) == ("here\n", 0), done.stderr


@pytest.mark.usefixtures("environment")
def test_what_the_lock_has_no_hash_of_is_not_installed(clone: Path) -> None:
    index = index_of_nothing(clone)
    (clone / "requirements.lock").write_text("callcenter-nothing==1.0\n")
    failed = typed(clone, *SETUP, PIP_FIND_LINKS=index)
    assert failed.returncode != 0
    assert "--require-hashes" in failed.stderr
    lock(clone, "0" * 64)
    failed = typed(clone, *SETUP, PIP_FIND_LINKS=index)
    assert failed.returncode != 0
    assert "DO NOT MATCH THE HASHES" in failed.stderr


@pytest.mark.usefixtures("environment")
def test_a_kept_wheel_that_was_changed_is_fetched_anew(clone: Path) -> None:
    index = index_of_nothing(clone)
    assert typed(clone, *SETUP, PIP_FIND_LINKS=index).returncode == 0
    [kept] = clone.parent.glob("cache/pyinfra-callcenter/wheels/*/*.whl")
    with zipfile.ZipFile(kept, "a") as wheel:
        wheel.writestr("intruder.py", "")
    (clone / ".venv/.installed").unlink()
    failed = typed(clone, *SETUP)
    assert failed.returncode != 0
    assert "callcenter-nothing" in failed.stderr
    assert typed(clone, *SETUP, PIP_FIND_LINKS=index).returncode == 0
    assert list(clone.glob(".venv/lib/*/site-packages/intruder.py")) == []
