"""Every shell script that reaches a host, read by the shell and by shellcheck."""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import Config, StringCommand
from pyinfra.context import ctx_host, ctx_state

from callcenter.onhost.stun import Known
from callcenter.render import File, Tree, acme, apt, beside, freeswitch, packet_filter, paths, shell
from callcenter.render.host_files import BEGUN, HostFiles, asked, question
from callcenter.render.services import SERVICES
from callcenter.site import (
    Acme,
    AptRepository,
    DnsHook,
    EventSocket,
    Extension,
    Fax,
    Network,
    PhoneTls,
    SignalWire,
    Site,
    Smtp,
    Switch,
)
from callcenter.site.secrets import Secret
from roles import web
from roles.certificates import AcmeState
from roles.certificates import operations as certificates
from roles.files.facts import ManagedFiles, MaskedContents, Present
from roles.files.operations import tree
from roles.firewall import operations as firewall
from roles.firewall.facts import Filter, FirewallState
from roles.freeswitch import operations
from roles.freeswitch.facts import Release, ReleaseState
from roles.host import packages
from roles.host.facts import HostState

SITE = Site(
    "cc.example.net",
    extensions=(Extension("1000", password=Secret(literal="correct-Horse-7battery")),),
    event_socket=EventSocket(password=Secret(literal="third-Horse-7battery")),
    packages=SignalWire(token=Secret(literal="pat_Horse7battery")),
)
MAILBOX = Site("cc.example.net", extensions=(Extension("1000", voicemail=True),))
FAX = Site(
    "cc.example.net",
    extensions=(Extension("1000"),),
    faxes=(Fax("office", mail="fax@example.net"),),
    smtp=Smtp("mail.example.net", sender="pbx@example.net"),
)
CERTIFIED = Site(
    "cc.example.net",
    extensions=(Extension("1000"),),
    network=Network(tls=PhoneTls(Acme("a@example.net", terms_agreed=True))),
    smtp=FAX.smtp,
)
EXAMPLE = Path(__file__).parents[2] / "examples/dns/nsupdate"
KNOWN = Known("203.0.113.10", "stun.example.net 3478 10.0.0.5")
STUN = Switch("cc1", address="10.0.0.5", stun="stun.example.net")
CONFIGURATION = freeswitch.configuration(SITE, Switch("cc1", public_ip="203.0.113.10"))


def hooked(folder: Path) -> Site:
    """Return a Site whose certificate is asked for in the DNS, by a hook of an odd name."""
    (hook := folder / "it's $(mine)").write_bytes(EXAMPLE.read_bytes())
    dns = DnsHook(hook, secret=Secret(literal="Horse"))
    by = Acme("a@example.net", terms_agreed=True, dns=dns, names=("*.cc.example.net",))
    network = Network(tls=PhoneTls(by))
    return Site("cc.example.net", extensions=(Extension("1000"),), network=network)


class Bare:
    """A host of which every fact is what a bare one answers, or what is given."""

    print_prefix = ""

    def __init__(self, **facts: object) -> None:
        self.facts = facts

    def get_fact(self, fact: Any, **_: object) -> object:
        return self.facts.get(fact.__name__, fact.default())


def commands(operation: Any, *arguments: Any, **facts: object) -> list[Any]:
    """Return what an operation would run on a host; its secrets are shown here only."""
    state = SimpleNamespace(config=Config(), is_executing=False)
    before = ctx_host.get(), ctx_state.get()
    ctx_host.set(Bare(**facts))
    ctx_state.set(state)
    try:
        return list(operation._inner(*arguments))
    finally:
        ctx_host.set(before[0])
        ctx_state.set(before[1])


def payload(command: StringCommand) -> dict[str, bytes]:
    """Return the files that a command carries over standard input."""
    text = str(command.connector_arguments["_stdin"])
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(text))) as tar:
        return {one.name: part.read() for one in tar if (part := tar.extractfile(one))}


def scripts_of(made: Iterable[Any]) -> Iterator[str]:
    for command in made:
        if isinstance(command, StringCommand):
            yield command.get_raw_value()
            if command.connector_arguments.get("_stdin"):
                carried = payload(command)
                yield from (carried[one].decode() for one in ("apply", "steps") if one in carried)


def repository(folder: Path) -> apt.PackageSource:
    key = folder / "key.gpg"
    key.write_bytes(b"key")
    source = AptRepository(
        url="https://apt.example.net/fs",
        key=key,
        user="me",
        password=Secret(literal="apt-Horse-7battery"),
    )
    site = Site("cc.example.net", extensions=SITE.extensions, packages=source)
    return apt.package_source(site, "bookworm")


def probe(source: apt.PackageSource) -> list[str]:
    made = commands(operations.source_answers, source, freeswitch.packages(SITE), {}, "1.10.12")
    return list(scripts_of(made))


def install(_: Path) -> list[str]:
    # A folder of packages is carried by a file transfer, which is no script.
    url = "https://apt.example.net/fs/key.gpg"
    made = commands(
        operations.packages,
        freeswitch.packages(SITE), {}, "1.10.12", "amd64", "bookworm", None, (url, paths.APT_KEY),
    )  # fmt: skip
    return list(scripts_of(made))


def local(folder: Path) -> list[str]:
    names = freeswitch.packages(SITE)
    for name in names:
        (folder / f"{name}.deb").write_bytes(b"deb")
    (folder / "Packages").write_text(
        "\n\n".join(f"Package: {n}\nVersion: 1.10.12-1\nFilename: ./{n}.deb" for n in names)
    )
    made = commands(operations.packages, names, {}, "1.10.12", "amd64", "bookworm", folder)
    return list(scripts_of(made))


def load_rules(_: Path) -> list[str]:
    made = commands(firewall.rules, packet_filter.configuration(SITE, [22]), Filter())
    return list(scripts_of(made))


def put_files(_: Path) -> list[str]:
    after = {paths.UNIT_DROP_IN: "systemctl try-restart freeswitch"}
    return list(
        scripts_of(commands(tree, "freeswitch", beside.configuration(SITE, realtime=False), after))
    )


def put_release(_: Path) -> list[str]:
    made = commands(
        operations.release,
        CONFIGURATION, ("internal",), freeswitch.modules(SITE), SITE.maintenance,
        ReleaseState=Release(),
    )  # fmt: skip
    return list(scripts_of(made))


SCRIPTS: dict[str, Callable[[Path], list[str]]] = {
    "a tree of files": put_files,
    "a release": put_release,
    "the probe of SignalWire's source": lambda _: probe(apt.package_source(SITE, "bookworm")),
    "the probe of a repository": lambda folder: probe(repository(folder)),
    "packages": install,
    "packages of a folder": local,
    "the end of old voicemail": lambda _: [
        beside.configuration(MAILBOX, realtime=True)[paths.VOICEMAIL_TOOL].content.decode()
    ],
    "voicemail to go": lambda _: list(
        scripts_of(commands(operations.no_other_modules, (), {"freeswitch-mod-voicemail": "1"}))
    ),
    "modules to go": lambda _: list(
        scripts_of(commands(operations.no_other_modules, (), {"freeswitch-mod-opus": "1"}))
    ),
    "the firewall": load_rules,
    "no firewall": lambda _: list(scripts_of(commands(firewall.absent, Filter(present=True)))),
    "what follows files of services": lambda _: [
        command for given in operations.followed(SERVICES, ()).values() for command in given
    ],
    "a STUN server asked first": lambda _: list(
        scripts_of(commands(operations.stun_answers, STUN, None))
    ),
    "a public address": lambda _: [*operations.stun(STUN).values()],
    "no public address": lambda _: list(scripts_of(commands(operations.forget_stun_answer, KNOWN))),
    "a certificate by ACME": lambda _: [
        acme.configuration(CERTIFIED, mails=True)[paths.ACME_TOOL].text,
        *scripts_of(commands(certificates.obtained, "0123")),
        certificates.GONE,
    ],
    "a certificate by a hook": lambda folder: [
        EXAMPLE.read_text(),
        acme.configuration(hooked(folder), mails=True)[paths.ACME_TOOL].text,
    ],
    "the facts": lambda _: [
        HostState().command(),
        ManagedFiles().command("freeswitch", ["/etc/a b", "/etc/c'd"]),
        MaskedContents().command(["a b", "c'd"], below="/etc/"),
        ReleaseState().command(),
        FirewallState().command(),
        AcmeState().command(),
    ],
}


@pytest.fixture(params=list(SCRIPTS))
def scripts(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    made = SCRIPTS[request.param](tmp_path)
    assert made
    return made


def test_the_shell_can_read_it(scripts: list[str]) -> None:
    for script in scripts:
        done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), script


@pytest.mark.skipif(
    not shutil.which("shellcheck"), reason="shellcheck is not installed (Debian package shellcheck)"
)
def test_shellcheck_finds_nothing(scripts: list[str]) -> None:
    for script in scripts:
        done = subprocess.run(
            ["shellcheck", "--shell=sh", "--severity=warning", "-"],
            input=script,
            capture_output=True,
            text=True,
        )
        assert done.stdout == ""


def test_no_script_or_command_line_holds_a_secret(scripts: list[str]) -> None:
    # Command lines stand in the process list, and scripts in the logs.
    assert "Horse" not in "".join(scripts)


def test_a_tree_that_is_there_needs_no_command() -> None:
    wanted = beside.configuration(SITE, realtime=False)
    present = ManagedFiles().process(
        [
            *(f"managed {file.path}" for file in wanted),
            *(f"file {file.mode:o} {file.digest}  {file.path}" for file in wanted),
        ]
    )
    assert commands(tree, "freeswitch", wanted, ManagedFiles=present) == []


def test_a_stun_server_that_has_answered_this_host_is_not_asked_by_a_deploy() -> None:
    assert commands(operations.stun_answers, STUN, KNOWN) == []
    other = replace(KNOWN, asked="stun.example.net 3479 10.0.0.5")
    assert len(commands(operations.stun_answers, STUN, other)) == 1


def test_a_release_that_is_there_needs_no_command() -> None:
    present = Release(
        digests={file.path: file.digest for file in CONFIGURATION},
        running=True,
        enabled=True,
        settled=True,
    )
    arguments = (CONFIGURATION, ("internal",), (), SITE.maintenance)
    assert commands(operations.release, *arguments, ReleaseState=present) == []
    for wrong in ("running", "enabled", "settled"):
        unwell = Release(**{**vars(present), wrong: False})
        assert len(commands(operations.release, *arguments, ReleaseState=unwell)) == 1


def test_a_release_carries_only_what_differs() -> None:
    changed = "dialplan/default.xml"
    digests = {file.path: file.digest for file in CONFIGURATION} | {changed: "0", "gone": "1"}
    contents = {file.path: file.text for file in CONFIGURATION}
    present = Release(digests, contents, running=True, enabled=True, settled=True)
    [command] = commands(
        operations.release, CONFIGURATION, ("internal",), ("mod_sofia",), SITE.maintenance,
        ReleaseState=present,
    )  # fmt: skip
    carried = payload(command)
    assert [name for name in carried if name.startswith("files/")] == [f"files/{changed}"]
    assert carried["removed"] == b"gone\n"
    assert carried["manifest"].decode() == CONFIGURATION.manifest()
    assert carried["policy"] == b"live_calls=drain\ndrain_seconds=600\n"
    assert carried["modules"] == b"mod_sofia\n"


def test_files_are_put_in_place_as_they_are_described(tmp_path: Path) -> None:
    """The script itself, run here on a tree below a folder of its own."""
    wanted = Tree(
        type(file)(f"{tmp_path}/host{file.path}", file.content, file.mode)
        for file in beside.configuration(SITE, realtime=False)
    )
    [command] = commands(tree, "unit test", wanted)
    folder = tmp_path / "carried"
    for name, content in payload(command).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    # Only root could give files away.
    script = (folder / "apply").read_text().replace("chown ", ": ")
    record = tmp_path / "managed" / "unit test"
    subprocess.run(["sh", "-c", script, "apply", str(folder), str(record), BEGUN], check=True)
    for file in wanted:
        assert Path(file.path).read_bytes() == file.content
        assert Path(file.path).stat().st_mode & 0o7777 == file.mode
    assert record.read_text().splitlines() == [file.path for file in wanted]


def test_systemd_reads_units_once_between_files_and_what_follows() -> None:
    """Units that go are ended while it still knows what they are."""
    folder = "/etc/systemd/system"
    gone = [f"{folder}/c.service", f"{folder}/d@.service"]
    there = Present(dict.fromkeys(gone, "0"), dict.fromkeys(gone, 0o644), frozenset(gone))
    wanted = Tree(File(f"{folder}/{name}", b"new") for name in ("a.service", "b.timer"))
    after = {file.path: f"echo {file.path}" for file in wanted}
    [command] = commands(tree, "one", wanted, after, ManagedFiles=there)
    steps = payload(command)["steps"].decode()
    in_order = [
        f"put {folder}/b.timer",
        "end_units c.service 'd@*.service'\n",
        f"rm -f -- {folder}/c.service\n",
        "\nsystemctl daemon-reload\n",
        f"echo {folder}/a.service\n",
        "forget_units c.service 'd@*.service'\n",
    ]
    places = [steps.find(one) for one in in_order]
    assert places == sorted(places)
    assert [steps.count(one) for one in in_order] == [1] * len(in_order)
    other = Tree([File("/etc/other", b"new")])
    [command] = commands(tree, "one", other, ManagedFiles=Present())
    assert "systemctl" not in payload(command)["steps"].decode()


def answer(command: str) -> list[str]:
    """Return the lines that this machine answers to a question."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def put(
    folder: Path, group: str, wanted: Tree, after: dict[str, list[str]]
) -> subprocess.CompletedProcess[bytes] | None:
    """Make a group's files those that are wanted, by what this machine says of them; None where
    nothing is to be done."""
    present = ManagedFiles().process(
        answer(ManagedFiles().command(group, [file.path for file in wanted]))
    )
    made = commands(tree, group, wanted, after, ManagedFiles=present)
    if not made:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in payload(made[0]).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    # Only root could give files away.
    script = (folder / "apply").read_text().replace("chown ", ": ")
    words = ["sh", "-c", script, "apply", str(folder), f"{paths.MANAGED}/{group}", BEGUN]
    return subprocess.run(words, capture_output=True)


@pytest.fixture
def steps_fail_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Give the steps after a file, of which the first fails as long as nothing is mended, and have
    records kept here."""
    monkeypatch.setattr(paths, "MANAGED", str(tmp_path / "managed"))
    return {f"{tmp_path}/conf": [f"test -e {tmp_path}/mended", f"echo done >>{tmp_path}/did"]}


@pytest.mark.parametrize("groups", [["*"], ["one"]], ids=["all", "named"])
def test_a_plan_tells_what_a_run_that_died_has_left(
    tmp_path: Path, steps_fail_once: dict[str, list[str]], groups: list[str]
) -> None:
    """The file is as it is wanted, and is written once more for what follows."""
    name, carried = f"{tmp_path}/conf", tmp_path / "carried"
    wanted = Tree([File(name, b"new")])

    def planned() -> tuple[str, ...]:
        return HostFiles.parse(answer(asked(groups, [name]))).difference(wanted).paths

    for mended in (False, True):
        if mended:
            (tmp_path / "mended").touch()
        assert planned() == (name,)
        done = put(carried, "one", wanted, steps_fail_once)
        assert done is not None
        assert (done.returncode == 0) == mended
    assert planned() == ()


@pytest.mark.parametrize("before", [None, b"old"], ids=["new", "changed"])
def test_what_a_run_that_died_had_begun_is_finished_by_the_next(
    tmp_path: Path, steps_fail_once: dict[str, list[str]], before: bytes | None
) -> None:
    """The file is as it is wanted by then, but whoever reads it has not been told."""
    name, carried = f"{tmp_path}/conf", tmp_path / "carried"
    if before is not None:
        first = put(carried, "one", Tree([File(name, before)]), {})
        assert first is not None
        assert first.returncode == 0
    wanted = Tree([File(name, b"new")])
    died = put(carried, "one", wanted, steps_fail_once)
    assert died is not None
    assert died.returncode != 0
    assert Path(name).read_bytes() == b"new"
    (tmp_path / "mended").touch()
    again = put(carried, "one", wanted, steps_fail_once)
    assert again is not None
    assert again.returncode == 0
    assert (tmp_path / "did").read_text() == "done\n"
    assert put(carried, "one", wanted, steps_fail_once) is None


def test_what_a_run_that_died_had_put_there_goes_where_it_is_not_wanted_any_more(
    tmp_path: Path, steps_fail_once: dict[str, list[str]]
) -> None:
    name, carried = f"{tmp_path}/conf", tmp_path / "carried"
    died = put(carried, "one", Tree([File(name, b"new")]), steps_fail_once)
    assert died is not None
    assert died.returncode != 0
    back = put(carried, "one", Tree([]), {})
    assert back is not None
    assert back.returncode == 0
    assert not Path(name).exists()
    assert put(carried, "one", Tree([]), {}) is None


def test_an_empty_folder_of_pages_goes_and_is_not_missed(tmp_path: Path) -> None:
    """A run that died later on has removed it already."""
    (folder := tmp_path / "web").mkdir()
    command = web._EMPTY.replace(paths.WEB_PAGES, str(folder))
    for _ in range(2):
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        assert (done.returncode, done.stderr, folder.exists()) == (0, "", False)


@pytest.fixture
def lists_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, int]]:
    """Run a command with apt's lists, and tell how it ended and how often they were read so far."""
    for name in ("apt", "own", "bin"):
        (tmp_path / name).mkdir()
    (apt_get := tmp_path / "bin/apt-get").write_text(
        f'#!/bin/sh\necho "read $*" >>{tmp_path}/said\n'
    )
    apt_get.chmod(0o755)
    script = shell.text(packages.__file__, "with_lists").replace("/etc/apt", f"{tmp_path}/apt")
    words = ["sh", "-c", script, "with_lists", f"{tmp_path}/mark"]
    words += [f"{tmp_path}/own", f"{tmp_path}/apt/own.sources"]
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)

    def run(*command: str) -> tuple[int, int]:
        done = subprocess.run([*words, *command], check=False)
        return done.returncode, (tmp_path / "said").read_text().count("read")

    return run


def date(path: Path, seconds: float) -> None:
    """Give a file a date of so many seconds ago."""
    at = time.time() - seconds
    os.utime(path, (at, at))


def test_apts_lists_are_read_once_in_ten_minutes(
    tmp_path: Path, lists_read: Callable[..., tuple[int, int]]
) -> None:
    assert [lists_read("true") for _ in range(2)] == [(0, 1)] * 2
    # They came after what the mark will say.
    for name in ("apt", "own"):
        (tmp_path / name).rmdir()
    date(tmp_path / "mark", 660)
    assert [lists_read("true") for _ in range(2)] == [(0, 2)] * 2


@pytest.mark.parametrize("name", ["apt/debian.sources", "own/Packages"])
def test_lists_of_sources_that_came_are_read_anew(
    tmp_path: Path, lists_read: Callable[..., tuple[int, int]], name: str
) -> None:
    """Backups, rsync and cp -p bring a file back with the date that it had."""
    (sources := tmp_path / name).write_text("one")
    assert [lists_read("true") for _ in range(2)] == [(0, 1)] * 2
    sources.write_text("two")
    # The clock of files goes in ticks.
    date(sources, 86400)
    while sources.stat().st_ctime_ns <= (tmp_path / "mark").stat().st_mtime_ns:
        date(sources, 86400)
    assert [lists_read("true") for _ in range(2)] == [(0, 2)] * 2
    alone = f"Dir::Etc::sourcelist={tmp_path}/apt/own.sources"
    assert (alone in (tmp_path / "said").read_text()) is name.startswith("own/")


def test_lists_are_read_anew_after_what_failed(
    lists_read: Callable[..., tuple[int, int]],
) -> None:
    """Lists are read anew after a failure, which may be due to their age."""
    assert lists_read("sh", "-c", "exit 100") == (100, 1)
    assert lists_read("true") == (0, 2)


def test_a_host_is_asked_for_thousands_of_files_in_one_command() -> None:
    """Each extension's phone has one, and Linux takes 128 KiB as a word of a command."""
    own = __file__
    names = [own, *(f"/etc/callcenter/phones/{number}.phone" for number in range(9999))]
    for command in (ManagedFiles().command("one", names), question(names, is_edge=False)):
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        assert f"  {own}\n" in done.stdout
