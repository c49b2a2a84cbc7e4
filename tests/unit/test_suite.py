"""bin/test's runner, with tiers of a moment."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lab.system import LabError
from tests import suite
from tests.suite import GROUPS, ROOT, TIERS, Outcome, Suite, Tier, chosen, main


def sh(text: str, **more: object) -> Tier:
    """Return a tier of one script."""
    return Tier("", (f"timeout 60 sh -c '{text}'",), **more)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run tiers; the exit code and what was printed."""

    def run(tiers: Mapping[str, Tier], *arguments: str, **more: object) -> tuple[int, str]:
        made = Suite(tiers, arguments, reports=tmp_path / "reports", **more)  # type: ignore[arg-type]
        return made.run(), capfd.readouterr().out

    return run


def summary(said: str) -> list[str]:
    """Return the lines about tiers, without their seconds."""
    lines = said.partition("== tiers\n")[2].splitlines()[:-1]
    return [" ".join(word for word in line.split() if not word.isdigit()) for line in lines]


@pytest.mark.parametrize(
    ("words", "names", "arguments"),
    [
        ([], [name for name in TIERS if name != "smoke"], []),
        (["roles", "lint"], ["lint", "roles"], []),
        (["quick", "unit"], ["lint", "types", "unit", "smoke"], []),
        (["unit", "--", "-k", "lint", "--", "x"], ["unit"], ["-k", "lint", "--", "x"]),
    ],
)
def test_what_a_command_line_asks_for(
    words: list[str], names: list[str], arguments: list[str]
) -> None:
    assert chosen(words) == (names, arguments)


def test_an_unknown_tier_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "untit"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("bin/test: 'untit' is no tier; use lint, ")
    assert all(name in line for name in [*TIERS, *GROUPS])


def test_root_is_asked_for_where_a_tier_needs_it() -> None:
    assert main(["--needs-root", "lint", "types", "unit"]) == 1
    assert main(["--needs-root", "lint", "lab"]) == 0
    assert main(["--needs-root"]) == 0


def test_a_tier_that_fails_is_shown_and_stops_no_other(
    run: Callable[..., tuple[int, str]],
) -> None:
    code, said = run(
        {
            "one": sh("echo wrong here; exit 3"),
            "two": sh("echo all is well"),
            "three": Tier("", ("false", "echo not reached")),
        }
    )
    assert code == 1
    assert "all is well" in said
    assert "not reached" not in said.replace("echo not reached", "")
    end = said[said.index("== the end of") :]
    assert "wrong here" in end
    assert "all is well" not in end
    one, two, three = summary(said)
    assert one.startswith("FAILED one s exit code 3: timeout")
    assert two == "ran two s"
    assert three == "FAILED three s exit code 1: false"


def test_what_all_pass_ends_with_0_and_keeps_logs(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, said = run({"one": sh("echo kept whole; echo to the end >&2")})
    assert code == 0
    assert (tmp_path / "reports/one.log").read_text() == "kept whole\nto the end\n"
    assert said.count("kept whole\nto the end\n") == 1


def test_tiers_wait_side_by_side(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    for name in ("a", "b"):
        os.mkfifo(tmp_path / name)
    code, _ = run(
        {
            "one": sh(f"echo >{tmp_path}/a; read x <{tmp_path}/b", cores=0.1),
            "two": sh(f"read x <{tmp_path}/a; echo >{tmp_path}/b", cores=0.1),
        }
    )
    assert code == 0


@pytest.mark.parametrize("much", [{"cores": suite.CORES}, {"hosts": suite.LAB_HOSTS}])
def test_what_would_be_too_much_is_run_later(
    run: Callable[..., tuple[int, str]], tmp_path: Path, much: dict[str, float]
) -> None:
    # The longest is begun first.
    code, said = run(
        {
            "one": sh(f"test -e {tmp_path}/two && touch {tmp_path}/one", **much),
            "two": sh(f"test ! -e {tmp_path}/one && touch {tmp_path}/two", seconds=60, **much),
        }
    )
    assert (code, summary(said)) == (0, ["ran one s", "ran two s"])


def test_without_freeswitch_a_tier_is_skipped_or_another_runs(
    run: Callable[..., tuple[int, str]],
) -> None:
    tiers = {
        "one": sh("exit 1", freeswitch=True),
        "two": sh("exit 1", freeswitch=True, without=sh("exit 0", note="on an edge")),
    }
    code, said = run(tiers, freeswitch=False)
    assert code == 0
    assert summary(said) == [f"skipped one: {suite.NO_FREESWITCH}", "ran two s on an edge"]
    code, said = run({"one": tiers["one"]}, freeswitch=False)
    assert code == 1, "nothing ran"


def test_a_tier_that_cannot_be_prepared_is_skipped_with_the_reason(
    run: Callable[..., tuple[int, str]],
) -> None:
    lacking = Tier("", ("false",), prepare="echo compiling; echo no compiler >&2; exit 1")
    code, said = run({"one": lacking, "two": sh("exit 0")})
    assert code == 0
    assert summary(said) == ["skipped one: no compiler", "ran two s"]


def test_packages_are_installed_once_and_only_beside_a_tier_that_needs_root(
    run: Callable[..., tuple[int, str]],
) -> None:
    asked: list[Mapping[str, str]] = []
    tiers = {
        "one": sh("exit 0", packages={"bin/a": "a"}),
        "two": sh("exit 0", packages={"bin/b": "b"}, root=True),
    }
    run({"one": tiers["one"]}, install=asked.append)
    assert asked == []
    run(tiers, install=asked.append)
    assert asked == [{"bin/a": "a", "bin/b": "b"}]


def test_what_cannot_be_installed_fails_those_that_need_it(
    run: Callable[..., tuple[int, str]],
) -> None:
    def fail(packages: Mapping[str, str]) -> None:
        raise LabError("could not install b; mend apt and try again:\nE: no such package")

    tiers = {"one": sh("exit 0"), "two": sh("exit 0", packages={"bin/b": "b"}, root=True)}
    code, said = run(tiers, install=fail)
    assert code == 1
    assert summary(said) == [
        "ran one s",
        "FAILED two s could not install b; mend apt and try again:",
    ]


TESTS = """
import pytest
def test_one(): pass
def test_other(): pass
@pytest.mark.skip(reason="no moon tonight")
def test_moon(): pass
"""


@pytest.fixture
def tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tier:
    """A tier of three tests, which need no plugin."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return Tier("", (f"pytest -c {tmp_path}/pytest.ini {tmp_path}/test_*.py",))


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ([], 0, "ran one s passed, skipped"),
        (["-k", "other"], 0, "ran one s passed"),
        (["-k", "moon"], 1, "skipped one: no moon tonight"),
        (["-k", "nothing"], 1, "skipped one: no test matches"),
    ],
)
def test_pytests_arguments_and_counts(
    run: Callable[..., tuple[int, str]], tests: Tier, arguments: list[str], code: int, line: str
) -> None:
    ended, said = run({"one": tests}, *arguments)
    assert (ended, summary(said)) == (code, [line])


def test_the_slowest_tests_are_named(tmp_path: Path) -> None:
    cases = "".join(
        f'<testcase classname="tests.a" name="test_{seconds}" time="{seconds}.04"/>'
        for seconds in (0, 2, 12, 3, 1)
    )
    (tmp_path / "a.xml").write_text(
        f'<testsuites><testsuite tests="5" failures="1">{cases}</testsuite></testsuites>'
    )
    outcome = Outcome("a", seconds=18.4)
    suite.read(tmp_path / "a.xml", outcome)
    assert outcome.slowest == [
        "  12.0 s  tests.a::test_12",
        "   3.0 s  tests.a::test_3",
        "   2.0 s  tests.a::test_2",
    ]
    assert outcome.line() == "ran      a                   18 s  4 passed, 1 failed"


PROGRAM = """
import sys
from pathlib import Path
from tests.suite import Suite, Tier
tiers = {name: Tier("", (line,)) for name, line in zip(("one", "two"), sys.argv[2:])}
sys.exit(Suite(tiers, reports=Path(sys.argv[1])).run())
"""


def until(pipe: int, word: bytes, times: int) -> bytes:
    """Read until a word has come so many times; what was read."""
    said = b""
    while said.count(word) < times:
        assert select.select([pipe], [], [], 60)[0], said
        more = os.read(pipe, 100)
        assert more, said
        said += more
    return said


ONE_FAILS = """
import pytest

@pytest.fixture
def broken():
    yield
    raise OSError
def test_wrong():
    print("ERROR this is no test's name")
    assert not "FAILED nor is this"
def test_left(broken): pass
"""
ONE_WAITS = """
def test_waits(): open({fifo!r}).readline()
"""


@pytest.mark.parametrize("options", ["", " -p xdist -n 2 --dist loadfile"])
@pytest.mark.parametrize("beside", [[], ["true"]], ids=["alone", "beside another"])
def test_a_failed_test_is_named_while_others_run(
    tmp_path: Path, options: str, beside: list[str]
) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    held = os.open(fifo, os.O_RDWR)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.failures"]\n')
    (tmp_path / "test_a.py").write_text(ONE_FAILS)
    (tmp_path / "test_b.py").write_text(ONE_WAITS.format(fifo=str(fifo)))
    line = f"pytest -c {tmp_path}/pytest.ini {tmp_path}/test_*.py{options}"
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "reports"), line, *beside]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            said = until(process.stdout.fileno(), b"test_a.py::test_left", 1)
            os.write(held, b"go on\n")
            said += process.stdout.read()
        finally:
            process.kill()
            os.close(held)
    names = [b"FAILED test_a.py::test_wrong", b"ERROR test_a.py::test_left"]
    # The log as a whole follows, or pytest's own list.
    before = said.partition(b"== one\n" if beside else b" ERRORS ")[0].splitlines()
    begin = b"-- one: " if beside else b""
    assert [line for line in before if b"::" in line] == [begin + name for name in names], said


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_tiers_are_told_when_the_run_is_ended(tmp_path: Path, by: signal.Signals) -> None:
    for name in ("begun", "told"):
        os.mkfifo(tmp_path / name)
    script = tmp_path / "script"
    # Two of them: each opens the pipe for writing, and the first reading end takes both lines.
    script.write_text(
        f'trap "echo told >{tmp_path}/told; exit" INT\n'
        f"echo begun >{tmp_path}/begun\nwhile :; do sleep 0.05; done\n"
    )
    begun = os.open(tmp_path / "begun", os.O_RDWR)
    told = os.open(tmp_path / "told", os.O_RDWR)
    reports = str(tmp_path / "reports")
    command = [sys.executable, "-c", PROGRAM, reports, *[f"sh {script}"] * 2]
    running = 2 if suite.CORES >= 2 else 1
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            until(begun, b"begun", running)
            process.send_signal(by)
            until(told, b"told", running)
            assert process.wait(60) == (-by if by == signal.SIGKILL else 130)
        finally:
            process.kill()
    os.close(begun)
    os.close(told)


def test_a_runs_folder_goes_with_it_and_a_killed_runs_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "STATE", tmp_path / "labs")
    monkeypatch.setattr(suite, "RUN", tmp_path)
    somebodys = tmp_path / "labs/lab"
    somebodys.mkdir(parents=True)
    killed = tmp_path / "labs/.bin-test-0"
    killed.mkdir()
    with suite.labs() as own:
        assert not killed.exists()
        (own / "in use").touch()
        assert own.exists()
        # As another run would begin beside it.
        suite._remove(own)
        assert (own / "in use").exists()
    assert not own.exists()
    assert somebodys.exists()
