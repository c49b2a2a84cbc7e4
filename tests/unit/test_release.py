"""The release tool: what it reads of FreeSWITCH's answers, and what it does to a host's folders."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from callcenter.onhost.release import CONFIG, KEPT, No, Releases, binds, origin, seconds_to_wait
from callcenter.render import beside, paths
from callcenter.site import Extension, Site


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        # mod_sofia.c: the number is on the second line.
        ("Profile internal must be up for at least 10 seconds to stop/restart.\n"
         "Please wait 7 seconds\n", 7),
        ("Profile internal must be up for at least 10 seconds to stop/restart.\n"
         "Please wait 1 second\n", 1),
        ("Profile internal must be up for at least 10 seconds to stop/restart.\r\n"
         "Please wait 1 second\r\n", 1),
        ("Profile internal must be up for at least 10 seconds to stop/restart.\n"
         "Please wait 10 seconds", 10),
        ("Reload XML [Success]\nrestarting: internal", 0),
        ("", 0),
    ],
)  # fmt: skip
def test_a_young_profile_says_how_long_it_must_be_waited_for(answer: str, seconds: int) -> None:
    assert seconds_to_wait(answer) == seconds


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("sip:mod_sofia@10.0.0.11:5060;transport=udp,tcp", "10.0.0.11:5060"),
        ("sip:mod_sofia@203.0.113.10:5080;maddr=10.0.0.11;transport=udp,tcp", "10.0.0.11:5080"),
        ("sip:mod_sofia@[2001:db8::1]:5060;transport=udp,tcp", "[2001:db8::1]:5060"),
        ("sip:mod_sofia@[2001:db8::9]:5060;maddr=2001:db8::1;transport=tcp", "[2001:db8::1]:5060"),
    ],
)
@pytest.mark.parametrize("name", ["BIND-URL", "TLS-BIND-URL"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_where_a_profile_binds(name: str, url: str, at: str, end: str) -> None:
    lines = ["Name             \tinternal", f"URL              \t{url}", f"{name:17}\t{url}", ""]
    assert binds(end.join(lines)) == [at]


def test_a_profile_that_is_gone_binds_nothing() -> None:
    assert binds("Invalid Profile!") == []


MERGED = """<document>
<!-- template freeswitch/dialplan/default.xml.j2 field features -->
<!-- template freeswitch/directory/users.xml.j2 -->
<!-- field extensions[1000] -->
<user id="1000">
<!-- field extensions[1001] -->
<!-- template freeswitch/dialplan/public.xml.j2 -->
<context>
""".splitlines()


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ("+OK [[error near line 2]: unexpected closing tag]",
         ["it comes from templates/freeswitch/dialplan/default.xml.j2",
          "and from the Site's field features"]),
        ("+OK [[error near line 5]: unexpected closing tag </user>]",
         ["it comes from templates/freeswitch/directory/users.xml.j2",
          "and from the Site's field extensions[1000]"]),
        ("+OK [[error near line 8]: unclosed tag <context>]",
         ["it comes from templates/freeswitch/dialplan/public.xml.j2"]),
        ("-ERR [[Cannot Open log directory or XML Root!]]", []),
    ],
)  # fmt: skip
def test_a_refusal_is_traced_to_template_and_field(refusal: str, said: list[str]) -> None:
    assert origin(refusal, MERGED) == said


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    made = Releases(tmp_path / "freeswitch")
    made.folder.mkdir(parents=True)
    return made


def given(
    folder: Path,
    files: Mapping[str, str],
    *,
    removed: str = "",
    kept: Mapping[str, str] | None = None,
) -> Path:
    """Make the folder of a deploy: what differs, and the digests of the whole."""
    whole = {**(kept or {}), **files}
    for path, text in files.items():
        (folder / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / path).write_text(text)
    folder.mkdir(exist_ok=True)
    lines = (
        f"{hashlib.sha256(text.encode()).hexdigest()}  {path}\n" for path, text in whole.items()
    )
    (folder / "manifest").write_text("".join(lines))
    (folder / "removed").write_text(removed)
    return folder


def made(releases: Releases, folder: Path, old: str = "") -> str:
    """Make a release, as accepted."""
    name = releases.prepare(folder, old)
    releases.keep(name)
    releases.point(releases.current, name)
    releases.point(releases.applied, name)
    return name


def test_a_release_is_the_last_one_and_what_differs(releases: Releases, tmp_path: Path) -> None:
    first = {"dialplan/a.xml": "a", "directory/b.xml": "b", "sounds/c.wav": "c"}
    old = made(releases, given(tmp_path / "1", first))
    more = given(
        tmp_path / "2", {"dialplan/a.xml": "A"}, removed="sounds/c.wav\n",
        kept={"directory/b.xml": "b"},
    )  # fmt: skip
    new = made(releases, more, old)
    found = {
        str(file.relative_to(releases.current)): file.read_text()
        for file in releases.current.rglob("*")
        if file.is_file()
    }
    assert found == {"dialplan/a.xml": "A", "directory/b.xml": "b"}
    assert not (releases.current / "sounds").exists()
    # What FreeSWITCH had accepted is there as it was.
    assert (releases.folder / old / "dialplan/a.xml").read_text() == "a"
    assert releases.named(releases.current) == new
    assert all(not file.stat().st_mode & 0o007 for file in releases.current.rglob("*"))


def test_what_did_not_arrive_whole_changes_nothing(releases: Releases, tmp_path: Path) -> None:
    old = made(releases, given(tmp_path / "1", {"dialplan/a.xml": "a"}))
    folder = given(tmp_path / "2", {"dialplan/a.xml": "A", "directory/b.xml": "b"})
    (folder / "files/directory/b.xml").write_text("half")
    with pytest.raises(No, match=r"directory/b\.xml: the release did not arrive whole"):
        releases.prepare(folder, old)
    assert releases.named(releases.current) == old
    assert (releases.current / "dialplan/a.xml").read_text() == "a"
    # The next run finds nothing in its way.
    (folder / "files/directory/b.xml").write_text("b")
    made(releases, folder, old)
    assert (releases.current / "directory/b.xml").read_text() == "b"


def test_a_link_that_a_killed_run_left_is_in_nobodys_way(releases: Releases) -> None:
    Path(f"{releases.current}.new").symlink_to("releases/left")
    releases.point(releases.current, "one")
    assert releases.named(releases.current) == "one"


def test_freeswitch_starts_with_what_it_has_accepted(releases: Releases) -> None:
    assert releases.settle() is None
    releases.point(releases.current, "first")
    assert releases.settle() is None, "the first release has none before it"
    releases.point(releases.applied, "good")
    releases.point(releases.current, "broken")
    assert releases.settle() == "broken"
    assert releases.named(releases.current) == "good"
    assert releases.settle() is None


def test_old_releases_go_and_those_in_use_stay(releases: Releases) -> None:
    names = [f"2026112{day}T000000-{day:08}" for day in range(9)]
    for name in (*names, ".new"):
        (releases.folder / name).mkdir()
    releases.point(releases.current, names[-1])
    releases.point(releases.applied, names[0])
    releases.prune()
    left = sorted(one.name for one in releases.folder.iterdir())
    assert left == [".new", names[0], *names[-KEPT:]]


def test_the_tool_and_the_deploy_mean_the_same_folders() -> None:
    releases = Releases(Path(CONFIG))
    assert [str(one) for one in (releases.folder, releases.current, releases.applied)] == [
        paths.RELEASES,
        paths.CURRENT,
        paths.APPLIED,
    ]


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["apply"]])
def test_the_tool_says_how_it_is_used(arguments: list[str], tmp_path: Path) -> None:
    site = Site("example.net", extensions=[Extension(1000)])
    tool = tmp_path / "tool"
    tool.write_bytes(beside.configuration(site, realtime=True)[paths.RELEASE_TOOL].content)
    done = subprocess.run(
        [sys.executable, "-I", str(tool), *arguments], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "usage: freeswitch-release" in done.stderr
