"""The report plugin, run by pytest inside pytest."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
PLUGIN = ("-p", "tests.acceptance.support.report", "-p", "no:cacheprovider")

REGISTER = '''
import pytest

def test_phones_register():
    """Every extension registers.

    And more that the table does not show.
    """

@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_transport(transport):
    """A phone registers over"""
    if transport == "tls":
        pytest.skip("TLS is not enabled in the site")

def test_guessing_gets_banned():
    pytest.xfail("fail2ban is not there yet")
'''

CALL = '''
import pytest

@pytest.fixture
def broken():
    raise RuntimeError("no phone")

def test_call(evidence, hide):
    """Two extensions talk."""
    password = hide("s3cr3t<&'1")
    evidence.on("cc1", "cc2")
    evidence.add("SIP ladder", "INVITE --> & <b>" + password)
    evidence.add("journal", lambda: 1 / 0)
    print("printed", password)
    assert password == "other", "one way audio: " + password

def test_fixture(broken):
    """Nobody gets here."""

@pytest.mark.tier(3)
def test_marked(evidence):
    """The marker goes before the module's name."""
    evidence.add("never read", lambda: open("was-read", "w").write("x") and "")
'''


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def run(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(test_t1_register=REGISTER, test_t2_call=CALL, test_other="def test_x(): 1")
    return pytester.runpytest_subprocess(
        *PLUGIN, "--report", "out/report.html", "--junitxml", "junit.xml"
    )


def table(run: pytest.RunResult) -> list[str]:
    text = run.stdout.str().partition("what was proved")[2]
    return [line for line in text.splitlines() if line.startswith("T")]


def test_the_table_says_what_was_proved_where(run: pytest.RunResult) -> None:
    run.assert_outcomes(passed=4, failed=1, errors=1, skipped=1, xfailed=1)
    lines = [re.sub(r"  +", "|", line) for line in table(run)]
    assert [re.sub(r"\d+\.\d", "S", line) for line in lines] == [
        "Tier|Proved|Host|Result|Seconds",
        "T1 register|Every extension registers|passed|S",
        "T1 register|A phone registers over [udp]|passed|S",
        "T1 register|A phone registers over [tls]|skipped|S|(TLS is not enabled in the site)",
        "T1 register|guessing gets banned|xfailed|S|(fail2ban is not there yet)",
        "T2 call|Two extensions talk|cc1, cc2|FAILED|S",
        "T2 call|Nobody gets here|ERROR|S",
        "T3 service|The marker goes before the module's name|passed|S",
    ]


def test_a_failures_evidence_is_shown_and_a_passes_is_never_read(
    run: pytest.RunResult, pytester: pytest.Pytester
) -> None:
    run.stdout.fnmatch_lines(["*SIP ladder*", "INVITE --> & <b>[*][*][*]"])
    run.stdout.fnmatch_lines(["could not be read: ZeroDivisionError: division by zero"])
    run.stdout.fnmatch_lines(["FAILED *::test_call - AssertionError: one way audio: *"])
    assert not (pytester.path / "was-read").exists()


def test_the_page_holds_each_failure_with_its_evidence(
    run: pytest.RunResult, pytester: pytest.Pytester
) -> None:
    page = (pytester.path / "out/report.html").read_text()
    assert "3 passed" in page
    assert "1 FAILED" in page
    assert "one way audio: ***" in page
    assert "INVITE --&gt; &amp; &lt;b&gt;***" in page
    assert "could not be read: ZeroDivisionError" in page
    assert "RuntimeError: no phone" in page
    assert "TLS is not enabled in the site" in page
    assert not re.search(r"<(script|link|img)|https?://", page)


def test_junit_holds_the_evidence_too(run: pytest.RunResult, pytester: pytest.Pytester) -> None:
    (failure,) = ElementTree.parse(pytester.path / "junit.xml").iter("failure")
    assert failure.text
    assert "INVITE --> & <b>***" in failure.text
    assert "division by zero" in failure.text


def test_a_hidden_secret_is_nowhere(run: pytest.RunResult, pytester: pytest.Pytester) -> None:
    page, junit = (pytester.path / name for name in ("out/report.html", "junit.xml"))
    for text in (run.stdout.str(), page.read_text(), junit.read_text()):
        assert "***" in text
        assert "s3cr3t" not in text


def test_a_run_without_tiers_has_no_table(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(): 1")
    run = pytester.runpytest_subprocess(*PLUGIN)
    run.assert_outcomes(passed=1)
    run.stdout.no_fnmatch_line("*what was proved*")


def test_a_testinfra_host_names_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_t0_host="""
        def test_up(host):
            "The host answers"
        """
    )
    run = pytester.runpytest_subprocess(*PLUGIN, "--hosts", "local://")
    run.stdout.fnmatch_lines(["T0 host*The host answers*local*passed*"])


def test_a_conftest_of_the_whole_run_may_register_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["tests.acceptance.support.report"]')
    pytester.makepyfile(test_t2_call='def test_x():\n    "It rings."')
    run = pytester.runpytest_subprocess("--report", "page.html")
    run.stdout.fnmatch_lines(["T2 call*It rings*passed*", "report: page.html"])
