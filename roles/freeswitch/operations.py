"""FreeSWITCH's packages at one version, and its configuration as one release."""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation

from callcenter.onhost.stun import Known
from callcenter.render import File, Tree, paths, shell
from callcenter.render.apt import PackageSource
from callcenter.render.costs import undo
from callcenter.render.debian import Package, closure, index_of, version_matches
from callcenter.render.public_address import asks
from callcenter.render.public_address import tool as stun_tool
from callcenter.render.release import compared
from callcenter.render.services import SERVICES, Service, Unit
from callcenter.site import Maintenance, Switch
from roles.files import payload_command, show_difference, where, without
from roles.freeswitch.facts import ReleaseState
from roles.host.packages import with_lists

__all__ = [
    "changed_unit",
    "followed",
    "forget_stun_answer",
    "no_other_modules",
    "packages",
    "release",
    "service",
    "source_answers",
    "stun",
    "stun_answers",
    "timer",
]

_OURS = ("freeswitch", "libfreeswitch")


def outdated(wanted: Sequence[str], installed: Mapping[str, str], version: str) -> list[str]:
    """List the names of ``wanted`` that are not installed at ``version``; others may have any."""
    return [
        name
        for name in wanted
        if name not in installed
        or (name.startswith(_OURS) and not version_matches(installed[name], version))
    ]


def unwanted(wanted: Sequence[str], installed: Mapping[str, str]) -> list[str]:
    """List modules that an earlier Site needed and this one does not."""
    return sorted(
        name for name in installed if name.startswith("freeswitch-mod-") and name not in wanted
    )


@operation()
def source_answers(
    source: PackageSource, wanted: Sequence[str], installed: Mapping[str, str], version: str
) -> Generator[StringCommand, None, None]:
    """Ask the package source before anything changes: does it answer, accept the login, is its
    signature good, and does it hold the version? Real apt decides, in a folder of its own."""
    if not outdated(wanted, installed, version):
        return
    files = [
        File(Path(file.path).name, file.content, file.mode)
        for file in source.files()
        if file.path != paths.APT_AUTH
    ]
    auth = next((file for file in source.files() if file.path == paths.APT_AUTH), None)
    names = [name for name in wanted if name.startswith(_OURS)]
    probe = File("apply", shell.text(__file__, "probe").encode())
    login = File("netrc", auth.content if auth else b"", 0o600)
    yield payload_command(
        Tree(files).archive([], [*files, probe, login]),
        source.uri,
        paths.APT_KEY,
        Path(paths.APT_SOURCES).name,
        source.key_url or "",
        _login_advice(source),
        version,
        *names,
    )


def _login_advice(source: PackageSource) -> str:
    if source.login is None:
        return "it asks for a login (401 Unauthorized); give packages.user and packages.password"
    return (
        "the login or token is not accepted (401 Unauthorized); check "
        f"{source.login_field or 'the login'}"
    )


@operation()
def stun_answers(switch: Switch, known: Known | None) -> Generator[StringCommand, None, None]:
    """Ask the STUN server from the host before anything changes: does it answer, and by a public
    address? Not where it has answered this host before: the last answer is kept when it falls
    silent, and a deploy may come then, too.

    + known: the last answer that the host has kept
    """
    if known is not None and known.asked == asks(switch):
        return
    carried = [File("ask", stun_tool()), File("apply", shell.text(__file__, "ask").encode())]
    yield payload_command(Tree([]).archive([], carried), *asks(switch).split())


@operation()
def packages(
    wanted: Sequence[str],
    installed: Mapping[str, str],
    version: str,
    architecture: str,
    codename: str,
    local: Path | None = None,
    key: tuple[str, str] | None = None,
) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Make ``wanted`` installed, FreeSWITCH's at ``version`` as one set.

    + installed: version by name, as the host has them
    + architecture, codename: the host's, which the packages of a folder must fit
    + local: a folder of packages on this machine that is carried to the host first
    + key: url and path of a repository key that the host fetches itself
    """
    if not outdated(wanted, installed, version):
        return
    if local is not None:
        upload = f"{paths.LOCAL_REPOSITORY}.tar"
        yield StringCommand("mkdir", "-p", QuoteString(paths.STATE))
        chosen = closure(index_of(local), _ours(wanted), version, architecture, codename)
        yield FileUploadCommand(io.BytesIO(local_archive(chosen, local)), upload)
        yield StringCommand(shell.command(__file__, "repository", paths.LOCAL_REPOSITORY, upload))
    if key is not None:
        yield StringCommand(shell.command(__file__, "fetch_key", *key))
    yield StringCommand(
        with_lists(
            *shell.words(
                __file__,
                "install",
                *(paths.UNIT, paths.CONFIG, paths.RESTART_NEEDED),
                " ".join(_PROGRAMS),
                *wanted,
            )
        )
    )


@operation()
def no_other_modules(
    wanted: Sequence[str], installed: Mapping[str, str]
) -> Generator[StringCommand, None, None]:
    """Remove the packages of modules that an earlier Site needed, once FreeSWITCH has let go of
    them. Never purged: that would delete voicemail and recordings."""
    surplus = unwanted(wanted, installed)
    if not surplus:
        return
    yield StringCommand(shlex.join([*_REMOVE, *surplus]))
    mailers = [name for name in _MAILERS if name not in wanted]
    if "freeswitch-mod-voicemail" in surplus and mailers:
        yield StringCommand(shell.command(__file__, "spare", *mailers))


_REMOVE = (
    *("env", "DEBIAN_FRONTEND=noninteractive"),
    *("apt-get", "-y", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "remove"),
)
_MAILERS = ("msmtp-mta", "msmtp")
_PROGRAMS = dict.fromkeys(
    [
        *_MAILERS,
        *(name for service in SERVICES for unit in service.units for name in unit.packages),
    ]
)
"""Packages that go with the service that they came for."""


def changed_unit() -> str:
    """Return what is to be run after FreeSWITCH's unit was changed."""
    return shell.command(__file__, "changed_unit", paths.UNIT, paths.RESTART_NEEDED)


def timer(path: str) -> dict[str, str]:
    """Return what is to be run after the files of a timer came, changed or went. ``path``: without
    ``.timer``."""
    command = shell.command(__file__, "timer", path)
    return {f"{path}.timer": command, f"{path}.service": command}


def stun(switch: Switch) -> dict[str, str]:
    """Return what is to be run after it was described anew how the host learns its public address,
    which is there before a configuration needs it."""
    if switch.stun is None:
        return {}
    words = (paths.STUN_TOOL, paths.STUN_ANSWER, *asks(switch).split())
    return {paths.STUN_DROP_IN: shell.command(__file__, "stun", *words)}


@operation()
def forget_stun_answer(known: Known | None) -> Generator[StringCommand, None, None]:
    """Forget what a STUN server has said, once FreeSWITCH does not read it any more.

    + known: the last answer that the host has kept
    """
    if known is not None:
        answers = (paths.STUN_ANSWER, paths.ADVERTISED, paths.KAMAILIO_ADVERTISED)
        yield StringCommand(shlex.join(["rm", "-f", *answers]))


def service(path: str, reads: Sequence[str]) -> dict[str, str]:
    """Return what is to be run after the unit of a service, or a file that it reads, came or
    changed."""
    return dict.fromkeys((path, *reads), shell.command(__file__, "service", path))


def followed(services: Iterable[Service], wanted: Sequence[str]) -> dict[str, list[str]]:
    """Return what is to be run, by path, after files of services came, changed or went.

    + wanted: packages that the host is to have, which go with no unit
    """
    out: dict[str, list[str]] = {}
    for service in services:
        for path in service.folders:
            out[path] = [where(path, "systemd-tmpfiles", "--create", path)]
        for unit in service.units:
            for path, commands in _after(unit, wanted).items():
                out.setdefault(path, []).extend(commands)
    return out


def _after(unit: Unit, wanted: Sequence[str]) -> dict[str, list[str]]:
    if not unit.starts:
        return {}
    base, _, kind = unit.path.rpartition(".")
    started = timer(base) if kind == "timer" else service(unit.path, unit.reads)
    gone = []
    if unit.state is not None:
        gone.append(without(unit.path, "rm", "-rf", unit.state))
    if unit.table is not None:
        gone.append(without(unit.path, *shell.words(__file__, "no_table", unit.table)))
    if surplus := [name for name in unit.packages if name not in wanted]:
        gone.append(without(unit.path, *shell.words(__file__, "spare", *surplus)))
    return {path: [command, *gone] for path, command in started.items()}


def _ours(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith(_OURS)]


def local_archive(chosen: Sequence[Package], folder: Path) -> bytes:
    """Make a flat apt repository of ``chosen`` as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        index = "\n\n".join(package.stanza for package in chosen) + "\n"
        entry = tarfile.TarInfo("Packages")
        entry.size, entry.mode = len(index.encode()), 0o644
        tar.addfile(entry, io.BytesIO(index.encode()))
        for package in chosen:
            name = package.filename.removeprefix("./")
            tar.add(folder / name, name, filter=_world_readable)
    return out.getvalue()


def _world_readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o644
    return entry


@operation()
def release(
    wanted: Tree,
    profiles: Sequence[str],
    modules: Sequence[str],
    maintenance: Maintenance,
    closing: bytes | None = None,
) -> Generator[StringCommand, None, None]:
    """Make the configuration that FreeSWITCH runs with that of ``wanted``, or leave all as it was.

    + wanted: the tree below FreeSWITCH's configuration folder
    + profiles, modules: what must be running afterwards for the change to count
    + maintenance: what may be done to calls where only a restart applies the change
    + closing: the packet filter's rules by which FreeSWITCH takes the port of this host's Kamailio,
      which stops in the moment in which FreeSWITCH comes; None where it does not
    """
    present = host.get_fact(ReleaseState)
    difference = wanted.against(present.digests)
    if not difference and present.is_healthy and not present.restart_needed:
        return
    show_difference(wanted, difference, below=f"{paths.APPLIED}/")
    texts = compared(wanted)
    actions = present.actions(wanted, difference)
    extra = {
        "apply": shell.text(__file__, "release"),
        "manifest": wanted.manifest(),
        "removed": "".join(f"{path}\n" for path in difference.removed),
        "actions": "".join(f"{action.command}\n" for action in actions),
        "undo": "".join(
            f"{action.command}\n" for action in undo(difference.paths, present.contents, texts)
        ),
        "modules": "".join(f"{module}\n" for module in modules),
        "profiles": "".join(f"{profile}\n" for profile in profiles),
        "policy": f"live_calls={maintenance.live_calls}\n"
        f"drain_seconds={maintenance.drain_seconds}\n",
    }
    if closing is not None:
        extra["closing"] = closing.decode()
    put = [*difference.added, *difference.changed]
    yield payload_command(
        wanted.archive(put, [File(name, text.encode()) for name, text in extra.items()]),
        paths.RELEASE_TOOL,
    )
