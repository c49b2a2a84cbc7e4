"""FreeSWITCH's packages at one version, and its configuration as one release."""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path

from pyinfra import host
from pyinfra.api import FileUploadCommand, StringCommand, operation

from callcenter.onhost.stun import Known
from callcenter.render import File, Tree, paths
from callcenter.render.apt import PackageSource
from callcenter.render.costs import undo
from callcenter.render.debian import Package, closure, index_of, version_matches
from callcenter.render.public_address import asks
from callcenter.render.public_address import tool as stun_tool
from callcenter.render.release import compared
from callcenter.render.services import SERVICES, Service, Unit
from callcenter.site import Maintenance, Switch
from roles.files import payload_command, show_difference
from roles.freeswitch.facts import ReleaseState

__all__ = [
    "followed",
    "forget_stun_answer",
    "no_other_modules",
    "packages",
    "release",
    "service",
    "source_answers",
    "spare",
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
    script = _PROBE.format(
        uri=source.uri,
        key=paths.APT_KEY,
        key_name=Path(paths.APT_KEY).name,
        sources=Path(paths.APT_SOURCES).name,
        key_url=source.key_url or "",
        login=_login_advice(source),
        version=version,
        names=" ".join(names),
    )
    login = File("netrc", auth.content if auth else b"", 0o600)
    yield payload_command(Tree(files).archive([], [*files, File("apply", script.encode()), login]))


def _login_advice(source: PackageSource) -> str:
    if source.login is None:
        return "it asks for a login (401 Unauthorized); give packages.user and packages.password"
    return (
        "the login or token is not accepted (401 Unauthorized); check "
        f"{source.login_field or 'the login'}"
    )


_PROBE = r"""
set -u
cd "$1" || exit 1
# The folder opens for apt's sandbox, the login does not: apt reads it before it gives up root.
chown root:root netrc && chmod 600 netrc && chmod 644 {sources} && chmod 755 . || exit 1
mkdir -p lists/partial cache/archives/partial parts
chmod 755 lists cache cache/archives parts
chown _apt lists/partial cache/archives/partial 2>/dev/null
opts="-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$1/parts
 -o Dir::State::Lists=$1/lists -o Dir::Cache=$1/cache -o Dir::Etc::Netrc=$1/netrc
 -o Dir::Etc::NetrcParts=/dev/null -o Acquire::Retries=0 -o Acquire::http::Timeout=20
 -o Acquire::https::Timeout=20"
export LC_ALL=C
refuse() {{ echo "package source {uri}: $*" >&2; exit 1; }}
part() {{ sed -n "s/.*\($1\).*/\1/p" log | head -n 1; }}
judge() {{
    case $(cat log) in
        *' 401  '*) refuse "{login}" ;;
        *' 403  '*)
            refuse "the login may not read it (403 Forbidden); ask the repository's owner" ;;
        *'Release file for'*)
            refuse "$(part 'Release file for .*'); the mirror is stale or the host's clock wrong" ;;
        *EXPKEYSIG*|*'xpired on'*|*'key is expired'*)
            refuse "its signing key has expired; get the present key (packages.key)" ;;
        *'unsupported filetype'*)
            refuse "its key is no OpenPGP key; give the key that signs it (packages.key)" ;;
        *NO_PUBKEY*|*BADSIG*|*'Missing key'*|*'not signed'*)
            refuse "its signature is not by the given key; give the key that signs it" \
                "(packages.key)" ;;
        *' 404  '*|*'does not have a Release file'*)
            refuse "it has no such release (404 Not Found);" \
                "check packages.url and packages.suite" ;;
        *"doesn't have the component"*)
            refuse "it has no $(part "component '[^']*'"); check packages.components" ;;
        *'Could not resolve'*|*'failure resolving'*|*'wrong happened resolving'*)
            refuse "the host cannot resolve $(part "'[^']*'" | tr -d "'");" \
                "check packages.url and the host's DNS" ;;
        *'ertificate verif'*)
            refuse "its TLS certificate is not trusted; check packages.url, the host's clock" \
                "and its ca-certificates" ;;
        *)
            why=$(part 'Could not connect.*\|Unable to connect.*\|[0-9][0-9][0-9]  .*')
            refuse "it does not answer (${{why:-$(tail -n 1 log)}});" \
                "check packages.url and the host's way to it" ;;
    esac
}}
if [ -n "{key_url}" ]; then
    /usr/lib/apt/apt-helper $opts download-file "{key_url}" {key_name} >log 2>&1 || judge
fi
sed "s|{key}|$1/{key_name}|" {sources} >parts/probe.sources
chmod 644 parts/probe.sources
[ ! -e {key_name} ] || chmod 644 {key_name}
apt-get $opts --error-on=any update >log 2>&1 &&
    ! grep -q "doesn't have the component" log || judge
for name in {names}; do
    apt-cache $opts madison "$name" | awk -F'|' '{{gsub(/ /, "", $2); print $2}}' |
        grep -qE '^{version}($|[^0-9.])' ||
        refuse "it has no $name of version {version}; check packages.version"
done
"""


@operation()
def stun_answers(switch: Switch, known: Known | None) -> Generator[StringCommand, None, None]:
    """Ask the STUN server from the host before anything changes: does it answer, and by a public
    address? Not where it has answered this host before: the last answer is kept when it falls
    silent, and a deploy may come then, too.

    + known: the last answer that the host has kept
    """
    if known is not None and known.asked == asks(switch):
        return
    script = _ASK.format(asks=asks(switch))
    tool = File("ask", stun_tool())
    yield payload_command(Tree([]).archive([], [tool, File("apply", script.encode())]))


_ASK = r"""
said=$(timeout 20 python3 -I "$1/ask" {asks} --soon 2>&1) && exit
echo "stun: ${{said:-its name cannot be looked up within 20 s}};" \
    "name a STUN server that answers this host, or give public_ip" >&2
exit 1
"""


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
        yield StringCommand(f"mkdir -p {paths.STATE}")
        chosen = closure(index_of(local), _ours(wanted), version, architecture, codename)
        yield FileUploadCommand(io.BytesIO(local_archive(chosen, local)), upload)
        yield StringCommand(
            f"rm -rf {paths.LOCAL_REPOSITORY}.new && mkdir -m 755 {paths.LOCAL_REPOSITORY}.new && "
            f"tar -xf {upload} -C {paths.LOCAL_REPOSITORY}.new && rm -rf {paths.LOCAL_REPOSITORY} "
            f"&& mv {paths.LOCAL_REPOSITORY}.new {paths.LOCAL_REPOSITORY} && rm -f {upload}"
        )
    if key is not None:
        url, path = key
        yield StringCommand(
            f"/usr/lib/apt/apt-helper download-file {shlex.quote(url)} {shlex.quote(path)} && "
            f"chmod 644 {shlex.quote(path)}"
        )
    yield StringCommand("sh", "-c", shlex.quote(_install_script(wanted)))


@operation()
def no_other_modules(
    wanted: Sequence[str], installed: Mapping[str, str]
) -> Generator[StringCommand, None, None]:
    """Remove the packages of modules that an earlier Site needed, once FreeSWITCH has let go of
    them. Never purged: that would delete voicemail and recordings."""
    surplus = unwanted(wanted, installed)
    if not surplus:
        return
    yield StringCommand(f"{_REMOVE} {' '.join(surplus)}")
    if "freeswitch-mod-voicemail" in surplus:
        for name in _MAILERS:
            if name not in wanted:
                yield StringCommand("sh", "-c", shlex.quote(spare(name)))


def spare(name: str) -> str:
    """Remove a package, where apt itself says that it came for nobody else's sake."""
    return f"! {_SPARE} | grep -q '^Remv {name} ' || {_REMOVE} {name}"


_REMOVE = (
    "DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300 "
    "-o Dpkg::Use-Pty=0 remove"
)
_MAILERS = ("msmtp-mta", "msmtp")
_PROGRAMS = dict.fromkeys(
    [
        *_MAILERS,
        *(name for service in SERVICES for unit in service.units for name in unit.packages),
    ]
)
"""Packages that go with the service that they came for."""
_SPARE = (
    "apt-get -s -o APT::AutoRemove::SuggestsImportant=false "
    "-o APT::AutoRemove::RecommendsImportant=false autoremove"
)


def timer(path: str) -> dict[str, str]:
    """Return what is to be run after the files of a timer came, changed or went. ``path``: without
    ``.timer``."""
    name = path.rpartition("/")[2]
    timer, unit = f"{name}.timer", f"{name}.service"
    command = (
        f"if [ -e {path}.timer ]; then systemctl daemon-reload; systemctl enable --quiet {timer}; "
        # Stopped before systemd forgets what it was, or its name stays in the list of timers.
        # Its service, too, or it would fail when its failure is forgotten already.
        f"systemctl restart {timer}; else systemctl stop {timer} {unit} 2>/dev/null || :; "
        f"rm -f /etc/systemd/system/timers.target.wants/{timer} "
        f"/var/lib/systemd/timers/stamp-{timer}; systemctl daemon-reload; fi"
    )
    return {f"{path}.timer": command, f"{path}.service": command}


def stun(switch: Switch) -> str:
    """Return what is to be run after it was described anew how the host learns its public address,
    which is there before a configuration needs it."""
    if switch.stun is None:
        return "systemctl daemon-reload"
    ask = f"{paths.STUN_TOOL} {asks(switch)} --soon --keep {paths.STUN_ANSWER}"
    return f"systemctl daemon-reload; {ask} || [ -e {paths.STUN_ANSWER} ]"


@operation()
def forget_stun_answer(known: Known | None) -> Generator[StringCommand, None, None]:
    """Forget what a STUN server has said, once FreeSWITCH does not read it any more.

    + known: the last answer that the host has kept
    """
    if known is not None:
        yield StringCommand(
            f"rm -f {paths.STUN_ANSWER} {paths.ADVERTISED} {paths.KAMAILIO_ADVERTISED}"
        )


def service(path: str, reads: Sequence[str]) -> dict[str, str]:
    """Return what is to be run after the unit of a service, or a file that it reads, came, changed
    or went."""
    name = path.rpartition("/")[2]
    command = (
        f"if [ -e {path} ]; then systemctl daemon-reload; systemctl enable --quiet {name}; "
        f"systemctl restart {name}; else systemctl stop {name} 2>/dev/null || :; "
        f"rm -f /etc/systemd/system/multi-user.target.wants/{name}; systemctl daemon-reload; fi"
    )
    return dict.fromkeys((path, *reads), command)


def followed(services: Iterable[Service], wanted: Sequence[str]) -> dict[str, list[str]]:
    """Return what is to be run, by path, after files of services came, changed or went.

    + wanted: packages that the host is to have, which go with no unit
    """
    out: dict[str, list[str]] = {}
    for service in services:
        for path in service.folders:
            out[path] = [f"! [ -e {path} ] || systemd-tmpfiles --create {path}"]
        for unit in service.units:
            for path, command in _after(unit, wanted).items():
                out.setdefault(path, []).append(command)
    return out


def _after(unit: Unit, wanted: Sequence[str]) -> dict[str, str]:
    if not unit.starts:
        return {unit.path: "systemctl daemon-reload"}
    base, _, kind = unit.path.rpartition(".")
    commands = timer(base) if kind == "timer" else service(unit.path, unit.reads)
    gone = [f"rm -rf {unit.state}"] if unit.state is not None else []
    if unit.table is not None:
        gone.append(f"nft delete table inet {unit.table} 2>/dev/null || :")
    gone += [spare(name) for name in unit.packages if name not in wanted]
    if not gone:
        return commands
    absent = f"[ -e {unit.path} ] || {{ {'; '.join(gone)}; }}"
    return {path: f"{command}; {absent}" for path, command in commands.items()}


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


def _install_script(wanted: Sequence[str]) -> str:
    unit = paths.UNIT
    return "\n".join(
        [
            "set -eu",
            "export DEBIAN_FRONTEND=noninteractive",
            # Its postinst starts the unit before the configuration is there; a mask that a reboot
            # clears also stops an upgrade from restarting it with calls up.
            f"systemctl mask --runtime --quiet {unit}",
            f"trap 'systemctl unmask --runtime --quiet {unit}' EXIT",
            "dpkg --configure -a",
            f"mkdir -p {paths.CONFIG}",
            'apt="apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 '
            '-o Dpkg::Options::=--force-confold"',
            "before=$(dpkg-query -W -f '${Version}' libfreeswitch1 2>/dev/null || true)",
            "$apt update",
            # All of FreeSWITCH in one transaction: a module fits exactly one libfreeswitch1.
            f"new=$(for name in {' '.join(_PROGRAMS)}; do dpkg -s $name >/dev/null 2>&1 || "
            "echo $name; done)",
            f"$apt install --no-install-recommends --allow-downgrades {' '.join(wanted)}",
            # What came with voicemail or fax may go with it.
            "for name in $new; do ! dpkg -s $name >/dev/null 2>&1 || apt-mark auto $name; done",
            # A further module can be loaded at once; another libfreeswitch1 needs a restart.
            '[ "$before" = "$(dpkg-query -W -f \'${Version}\' libfreeswitch1)" ] || '
            f"! systemctl is-active --quiet {unit} || touch {paths.RESTART_NEEDED}",
        ]
    )


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
        "apply": f'exec {paths.RELEASE_TOOL} apply "$1"\n',
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
        wanted.archive(put, [File(name, text.encode()) for name, text in extra.items()])
    )
