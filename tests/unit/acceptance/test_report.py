"""The report plugin, run by pytest inside pytest."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.acceptance.support.proofs import COLUMNS, columns

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
PLUGIN = ("-p", "tests.acceptance.support.report", "-p", "no:cacheprovider")

REGISTER = '''
import pytest
from tests.acceptance.support.proofs import not_tried

def test_phones_register():
    """Every extension registers.

    And more that the table does not show.
    """

@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_transport(transport):
    """A phone registers over"""
    if transport == "tls":
        pytest.skip("TLS is not enabled in the site")

def test_meetings():
    not_tried("reaches what everybody uses; give --phones all")

def test_guessing_gets_banned():
    pytest.xfail("fail2ban is not there yet")
'''

CALL = '''
import pytest
from tests.acceptance.support.ladder import Ladder, Message

INVITE = Message(
    1.0, True, "UDP", "phone", "switch", "INVITE sip:<1002> SIP/2.0\\nCSeq: 1 INVITE", "1001"
)
BUSY = Message(
    1.5, False, "UDP", "switch", "phone",
    "SIP/2.0 486 Busy Here\\nCSeq: 1 INVITE\\nX-Word: s3cr3t<&'1", "1001",
)

@pytest.fixture
def broken():
    raise RuntimeError("no phone")

def test_call(evidence, hide):
    """Two extensions talk."""
    password = hide("s3cr3t<&'1")
    evidence.on("cc1", "cc2")
    evidence.add("SIP ladder", "INVITE --> & <b>" + password)
    evidence.add("journal", lambda: 1 / 0)
    evidence.add("SIP", lambda: Ladder.of([INVITE, BUSY]))
    print("printed", password)
    assert password == "other", "one way audio: " + password

def test_fixture(broken):
    """Nobody gets here."""

@pytest.mark.tier(3)
def test_marked(evidence):
    """The marker goes before the module's name."""
    evidence.add("never read", lambda: open("was-read", "w").write("x") and "")
'''


Inside = Callable[..., pytest.RunResult]

TESTS = {"test_t1_register": REGISTER, "test_t2_call": CALL, "test_other": "def test_x(): 1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where those tests are, and what a run of them has written."""
    made = tmp_path_factory.mktemp("report")
    for name, source in TESTS.items():
        (made / f"{name}.py").write_text(source)
    return made


@pytest.fixture(scope="module")
def run(folder: Path, inside: Inside) -> pytest.RunResult:
    """One run of those tests, for all who look at what it said."""
    return inside(folder, *PLUGIN, "--report", "out/report.html", "--junitxml", "junit.xml")


def summary(run: pytest.RunResult) -> list[str]:
    text = run.stdout.str().partition(" what was proved ")[2].partition(" short test summary")[0]
    # Columns as bars, seconds as S.
    return [
        re.sub(r"(?<=\S)  +", "|", re.sub(r"\d+\.\d s$", "S", line))
        for line in text.splitlines()[1:-1]
    ]


SUMMARY = [
    "failed",
    "  T2 call: Two extensions talk|cc1, cc2|S",
    "      AssertionError: one way audio: ***",
    "  T2 call: Nobody gets here|S",
    "      RuntimeError: no phone",
    "T1 register",
    "  Every extension registers|S",
    "  A phone registers over [udp]|S",
    "T3 service",
    "  The marker goes before the module's name|S",
    "1 not tried: reaches what everybody uses; give --phones all",
    "1 not tried: fail2ban is not there yet",
    "3 proved, 2 failed, 2 not tried, 1 does not apply here (--all lists it)",
    "report: out/report.html",
]


def test_the_report_is_a_line_a_proof_by_tier_with_failures_first(run: pytest.RunResult) -> None:
    run.assert_outcomes(passed=4, failed=1, errors=1, xfailed=1)
    assert summary(run) == SUMMARY


def test_what_does_not_apply_is_told_once_and_other_skips_as_ever(
    pytester: pytest.Pytester, inside: Inside
) -> None:
    skips = (
        "import pytest\ndef test_it():\n    'The edge knows.'\n    pytest.skip('cc1 is a switch')"
    )
    pytester.makepyfile(test_t0_edge=skips, test_other=skips.replace("cc1 is", "there is"))
    run = inside(pytester.path, *PLUGIN, "-ra", "-q")
    assert "1 does not apply here (--all lists it)" in run.stdout.str()
    run.stdout.no_fnmatch_line("*cc1 is a switch*")
    run.stdout.fnmatch_lines(["SKIPPED * there is a switch"])
    # With -v, pytest has a line for each test, which says it.
    run = inside(pytester.path, *PLUGIN, "-ra", "-v")
    assert run.stdout.str().count("cc1 is a switch") == 1
    run = inside(pytester.path, *PLUGIN, "-ra", "-q", "--all")
    assert run.stdout.str().count("cc1 is a switch") == 1
    run.stdout.fnmatch_lines(["1 does not apply: cc1 is a switch", "  T0 host: The edge knows"])


def test_proofs_that_ran_in_other_processes_are_told_alike(
    pytester: pytest.Pytester, inside: Inside
) -> None:
    pytester.makepyfile(**TESTS)
    run = inside(pytester.path, *PLUGIN, "-p", "xdist", "-n2", "--report", "out/report.html")
    assert sorted(summary(run)) == sorted(SUMMARY)
    assert "<svg" in (pytester.path / "out/report.html").read_text()


def test_no_line_is_wider_than_a_hundred_columns(pytester: pytest.Pytester, inside: Inside) -> None:
    pytester.makepyfile(
        test_t3_long=f"""
        import pytest

        @pytest.mark.parametrize("key", ["first", "second"])
        def test_it(key):
            "{"It goes on and on " * 8}"
            assert key == "first", "this, too, " * 30

        def test_chinese():
            "{"转接" * 60}"

        def test_not():
            pytest.skip("for a very long reason, " * 9)
        """
    )
    run = inside(pytester.path, *PLUGIN, "-q", "--all", "--tb=no", "-rN")
    lines = run.stdout.lines
    assert max(map(columns, lines)) == COLUMNS, lines
    run.stdout.fnmatch_lines(["*on and on*… [[]second]* s", "*on and on*… [[]first]* s"])


def test_a_failures_evidence_is_shown_and_a_passes_is_never_read(
    run: pytest.RunResult, folder: Path
) -> None:
    run.stdout.fnmatch_lines(["*SIP ladder*", "INVITE --> & <b>[*][*][*]"])
    run.stdout.fnmatch_lines(["could not be read: ZeroDivisionError: division by zero"])
    run.stdout.fnmatch_lines(["FAILED *::test_call - AssertionError: one way audio: *"])
    assert not (folder / "was-read").exists()


def test_the_page_holds_each_failure_with_its_evidence(run: pytest.RunResult, folder: Path) -> None:
    page = (folder / "out/report.html").read_text()
    assert "3 proved, 2 failed" in page
    assert "one way audio: ***" in page
    assert "INVITE --&gt; &amp; &lt;b&gt;***" in page
    assert "could not be read: ZeroDivisionError" in page
    assert "RuntimeError: no phone" in page
    assert not re.search(r"<(script|link|img)|https?://", page)


def test_the_page_tells_failures_first_and_folds_what_does_not_apply(
    run: pytest.RunResult, folder: Path
) -> None:
    page = (folder / "out/report.html").read_text()
    told = ["Two extensions talk", "Every extension registers", "reaches what everybody uses",
            "1 of the tests does not apply here", "TLS is not enabled in the site"]  # fmt: skip
    assert sorted(told, key=page.index) == told
    fold = page[page.rindex("<details>") :]
    assert "TLS is not enabled in the site" in fold
    assert "Every extension registers" not in fold


def test_the_page_draws_the_ladder_and_tells_it_in_words(
    run: pytest.RunResult, folder: Path
) -> None:
    page = (folder / "out/report.html").read_text()
    (drawn,) = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    picture = ElementTree.fromstring(drawn)
    named = {one.get("id"): one.text or "" for one in picture.iter() if one.get("id")}
    title, about = (named[name] for name in picture.attrib["aria-labelledby"].split())
    assert (title, about.partition(",")[0]) == ("SIP", "2 SIP messages between 1001")
    arrows = []
    for group in picture.iter("g"):
        _, line, head, label = group
        rightward = float(line.attrib["x1"]) < float(line.attrib["x2"])
        # The head opens towards where the arrow comes from.
        assert (" l-" in head.attrib["d"]) is rightward
        arrows.append((group.get("class"), rightward, label.text))
    assert arrows == [("request", True, "INVITE"), ("refusal", False, "486 Busy Here (INVITE)")]
    assert "+0.500 s, switch → 1001: 486 Busy Here (INVITE)" in page
    assert "INVITE sip:&lt;1002&gt; SIP/2.0" in page
    assert "X-Word: ***" in page


def test_junit_holds_the_evidence_too(run: pytest.RunResult, folder: Path) -> None:
    (failure,) = ElementTree.parse(folder / "junit.xml").iter("failure")
    assert failure.text
    assert "INVITE --> & <b>***" in failure.text
    assert "division by zero" in failure.text


def test_a_hidden_secret_is_nowhere(run: pytest.RunResult, folder: Path) -> None:
    page, junit = (folder / name for name in ("out/report.html", "junit.xml"))
    for text in (run.stdout.str(), page.read_text(), junit.read_text()):
        assert "***" in text
        assert "s3cr3t" not in text


def test_a_run_without_tiers_has_no_table(pytester: pytest.Pytester, inside: Inside) -> None:
    pytester.makepyfile("def test_x(): 1")
    run = inside(pytester.path, *PLUGIN)
    run.assert_outcomes(passed=1)
    run.stdout.no_fnmatch_line("*what was proved*")


def test_a_testinfra_host_names_itself(pytester: pytest.Pytester, inside: Inside) -> None:
    pytester.makepyfile(
        test_t0_host="""
        def test_up(host):
            "The host answers"
        """
    )
    run = inside(pytester.path, *PLUGIN, "-p", "testinfra.plugin", "--hosts", "local://")
    run.stdout.fnmatch_lines(["T0 host", "  The host answers * s", "1 proved, 0 failed"])


def test_a_conftest_of_the_whole_run_may_register_it(
    pytester: pytest.Pytester, inside: Inside
) -> None:
    pytester.makeconftest('pytest_plugins = ["tests.acceptance.support.report"]')
    pytester.makepyfile(test_t2_call='def test_x():\n    "It rings."')
    run = inside(pytester.path, "--report", "page.html")
    run.stdout.fnmatch_lines(["T2 call", "  It rings * s", "report: page.html"])


WAITING = """
class Specification:
    @staticmethod
    def pytest_proof_waiting(nodeid, what):
        pass

def pytest_addhooks(pluginmanager):
    pluginmanager.add_hookspecs(Specification)

def pytest_runtest_setup(item):
    item.config.hook.pytest_proof_waiting(nodeid=item.nodeid, what="a call to 1002")
"""


def test_a_terminal_shows_what_is_under_way_and_waited_for(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(WAITING)
    pytester.makepyfile(test_t2_call='def test_x():\n    "It rings."')
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *PLUGIN, "-q", str(pytester.path)],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    # Reading fails where nobody has the other end any more.
    with suppress(OSError):
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert process.wait() == 0, shown
    text = shown.decode()
    assert "] 0 of 1 done, 0 failed" in text
    assert "T2 call: It rings: waits for a call to 1002" in text
    assert "[########################] 1 of 1 done, 0 failed" in text
    # Taken away before the report.
    assert "\x1b[J" in text.partition("] 1 of 1 done")[2].partition("what was proved")[0]


def test_without_a_terminal_nothing_is_drawn(run: pytest.RunResult) -> None:
    assert "\x1b" not in run.stdout.str()
    assert " done, " not in run.stdout.str()
    # But a failure is told at once.
    begin = run.stdout.str().partition("= ERRORS =")[0]
    assert "FAILED T2 call: Two extensions talk\n       AssertionError: one way audio: ***" in begin
