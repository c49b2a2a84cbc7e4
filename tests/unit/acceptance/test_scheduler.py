"""The scheduler, run by pytest inside pytest: each test is a process, whatever becomes of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
PLUGINS = (
    *("-p", "tests.acceptance.support.report"),
    *("-p", "tests.acceptance.support.scheduler", "-p", "no:cacheprovider"),
)

CONFTEST = """
from functools import reduce
from operator import or_

import pytest
from tests.acceptance.support.scheduler import GRANTED, declarations
from tests.acceptance.support.uses import Resource, Uses, alone, some, uses

LAMP = Resource("lamp", "one")
PHONES = [Resource("phone", str(n)) for n in range(4)]

def pytest_proof_uses(item):
    if item.name == "test_here":
        return None
    return reduce(or_, (declare(None) for declare in declarations(item)), Uses())

def pytest_proof_waiting(nodeid, what):
    print(f"WAITS {nodeid.rpartition(':')[2]}: {what}")

@pytest.fixture
@uses(lambda given: some("phones", 2, PHONES))
def phones(request):
    return request.node.stash[GRANTED].names("phones")

@pytest.fixture
@uses(lambda given: alone(LAMP))
def lamp():
    return LAMP
"""


Run = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def conftest(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)


@pytest.fixture
def run(pytester: pytest.Pytester, inside: Run) -> Run:
    def run(test: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_t2_it=test)
        return inside(pytester.path, *PLUGINS, *options)

    return run


def test_each_outcome_is_as_if_the_test_had_run_here(run: Run, pytester: pytest.Pytester) -> None:
    done = run(
        """
        import warnings
        import pytest

        def test_passes():
            print("said")
            warnings.warn("beware")

        def test_fails(record_property):
            record_property("what", "kept")
            print("heard before")
            left, right = [1, 2], [1, 3]
            assert left == right

        def test_is_skipped():
            pytest.skip("not here")

        @pytest.mark.xfail(reason="known")
        def test_is_expected_to_fail():
            assert False

        @pytest.fixture
        def broken():
            yield
            raise RuntimeError("not undone")

        def test_is_not_torn_down(broken):
            pass

        @pytest.mark.parametrize("n", [1, 2])
        def test_of_many(n):
            pass
        """,
        *("--calls-at-once", "3", "--junitxml", "junit.xml", "-rA", "-o", "junit_family=xunit1"),
    )
    done.assert_outcomes(passed=4, failed=1, xfailed=1, errors=1, warnings=1)
    # What pytest adds to a failure arrives whole.
    done.stdout.fnmatch_lines(["*heard before*"])
    done.stdout.fnmatch_lines(["*At index 1 diff: 2 != 3*"])
    done.stdout.fnmatch_lines(["*UserWarning: beware*"])
    done.stdout.fnmatch_lines(["*RuntimeError: not undone*"])
    done.stdout.fnmatch_lines(["*, 1 does not apply here *"])
    [suite] = ElementTree.parse(pytester.path / "junit.xml").getroot().iter("testsuite")
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "7", "failures": "1", "errors": "1", "skipped": "2"}
    assert [one.get("value") for one in suite.iter("property")] == ["kept"]


def test_processes_do_not_share_what_they_print(run: Run) -> None:
    done = run(
        """
        import os
        import pytest
        import time

        @pytest.mark.parametrize("n", range(6))
        def test_prints(n):
            for _ in range(20):
                os.write(1, f"<{n}>".encode())
                time.sleep(0.005)
            assert False
        """,
        *("--calls-at-once", "6"),
    )
    done.assert_outcomes(failed=6)
    for n in range(6):
        assert f"<{n}>" * 20 in done.stdout.str()


@pytest.mark.parametrize(
    ("dies", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
        ("ctypes.string_at(0)", "ended by SIGSEGV"),
        ("os._exit(7)", "ended with exit code 7"),
    ],
)
def test_a_crash_costs_one_test_and_is_named(run: Run, dies: str, said: str) -> None:
    done = run(
        f"""
        import ctypes, os, signal

        def test_dies():
            \"\"\"A phone does not crash\"\"\"
            {dies}

        def test_lives():
            pass
        """,
    )
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines([f"*the test's process {said}, before the test did*"])
    done.stdout.fnmatch_lines(["FAILED T2 call: A phone does not crash"])
    if "SEGV" in said:
        done.stdout.fnmatch_lines(["*test_t2_it.py*in test_dies*"])


def test_a_crash_while_tearing_down_is_an_error_beside_what_passed(run: Run) -> None:
    done = run(
        """
        import os
        import pytest

        @pytest.fixture
        def falls():
            yield
            os._exit(9)

        def test_it(falls):
            pass
        """,
    )
    done.assert_outcomes(passed=1, errors=1)


def test_who_uses_the_same_does_not_run_at_once(run: Run) -> None:
    done = run(
        """
        import pathlib, time
        import pytest

        @pytest.mark.parametrize("n", range(3))
        def test_alone(n, lamp):
            mark = pathlib.Path("lit")
            mark.touch(exist_ok=False)
            time.sleep(0.1)
            mark.unlink()

        @pytest.mark.parametrize("n", range(4))
        def test_of_many(n, phones):
            assert len(set(phones)) == 2
            for one in phones:
                pathlib.Path(one).touch(exist_ok=False)
            time.sleep(0.1)
            for one in phones:
                pathlib.Path(one).unlink()
        """,
        *("--calls-at-once", "8"),
    )
    done.assert_outcomes(passed=7)


def test_tests_meet_that_must_run_at_once(run: Run) -> None:
    """Each waits for the other: they pass only side by side."""
    done = run(
        """
        import pathlib
        import pytest
        from tests.acceptance.support.waiting import eventually

        @pytest.mark.parametrize("mine", ["a", "b"])
        def test_meet(mine):
            pathlib.Path(mine).touch()
            other = pathlib.Path({"a": "b", "b": "a"}[mine])
            eventually(other.exists, bool, "the other")
        """,
        "-s",
    )
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines_random(["*WAITS test_meet?a?: the other", "*WAITS test_meet?b?: *"])


def test_order_by_seed(run: Run, pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        @pytest.mark.parametrize("n", range(8))
        def test_it(n):
            with open("order", "a") as file:
                file.write(str(n))
        """

    def order(*options: str) -> str:
        run(source, "--calls-at-once", "1", *options).assert_outcomes(passed=8)
        said = (pytester.path / "order").read_text()
        (pytester.path / "order").unlink()
        return said

    assert order() == "01234567"
    assert order("--order-seed", "3") == order("--order-seed", "3") != "01234567"


def test_the_first_failure_is_the_last_to_begin(run: Run) -> None:
    done = run(
        """
        import pytest

        @pytest.mark.parametrize("n", range(5))
        def test_it(n):
            assert n != 1
        """,
        *("-x", "--calls-at-once", "1"),
    )
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*stopping after 1 failures*"])
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_pytest_exit_in_a_test_ends_the_run(run: Run) -> None:
    done = run(
        """
        import pytest

        def test_it():
            pytest.exit("no more", 5)
        """,
    )
    done.stdout.fnmatch_lines(["*Exit: no more*"])
    assert done.ret == 5


def test_what_declares_nothing_runs_in_this_process(run: Run) -> None:
    done = run(
        """
        import os

        PARENT = os.getpid()

        def test_there():
            assert os.getpid() != PARENT

        def test_here():
            assert os.getpid() == PARENT
        """,
    )
    done.assert_outcomes(passed=2)


def test_only_collected_nothing_runs(run: Run) -> None:
    done = run("def test_it():\n    assert False", "--collect-only", "-q")
    done.stdout.fnmatch_lines(["test_t2_it.py::test_it"])
    assert done.ret == 0


@pytest.mark.parametrize("given", ["0", "many"])
def test_a_number_that_makes_no_sense_is_refused(run: Run, given: str) -> None:
    done = run("def test_it(): ...", "--calls-at-once", given)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--calls-at-once*"])


def test_interrupted_all_are_torn_down_and_nobody_is_left(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_t2_it="""
        import os, pathlib, time
        import pytest

        @pytest.fixture
        def host(request):
            pathlib.Path(f"up-{request.node.name}").write_text(str(os.getpid()))
            yield
            time.sleep(0.2)
            pathlib.Path(f"down-{request.node.name}").touch()

        @pytest.mark.parametrize("n", range(5))
        def test_waits(n, host, request):
            pathlib.Path(f"in-{request.node.name}").touch()
            time.sleep(600)
        """
    )
    command = [sys.executable, "-m", "pytest", *PLUGINS, "--calls-at-once", "3", "-q"]
    process = subprocess.Popen(
        command,
        cwd=pytester.path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore interrupts, and so does all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    # What their setup has come to has been said by then.
    while len(list(pytester.path.glob("in-*"))) < 3:
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in said
    # A test whose setup alone was over has proved nothing.
    assert not re.search(r"[1-9]\d* proved", said)
    assert len(list(pytester.path.glob("down-*"))) == 3
    for up in pytester.path.glob("up-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(up.read_text()), 0)


def test_the_libraries_of_phones_start_apart(run: Run) -> None:
    """A library that keeps its state in the process numbers its calls in each by itself."""
    done = run(
        """
        import pytest
        from tests.acceptance.support.phones import Exchange

        @pytest.mark.parametrize("n", range(4))
        def test_call(n):
            with Exchange("127.0.0.1", port=15060 + n) as exchange:
                alice, bob = exchange.phone("alice"), exchange.phone("bob")
                call = alice.call("bob")
                bob.incoming().answer()
                call.wait_established()
                print("ID", call.messages[0].call_id)
                assert False
        """,
        *("--calls-at-once", "4"),
    )
    done.assert_outcomes(failed=4)
    found = set(re.findall(r"^ID (\S+)", done.stdout.str(), re.MULTILINE))
    assert len(found) == 4
