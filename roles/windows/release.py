"""FreeSWITCH's configuration on Windows: exchanged as a whole, applied by the gentlest action, put
back if FreeSWITCH refuses it."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from callcenter.onhost.release import Change, Door, No, Switch
from callcenter.render import Tree, freeswitch
from callcenter.render import windows_paths as paths
from callcenter.render.costs import COMPARED, Action, plan, restarted, undo
from callcenter.site import Maintenance
from pyinfra_windows import facts
from pyinfra_windows.operations import (
    Files,
    exchange,
    put_back,
    refusal_as_one_line,
    service_state,
    stop_service,
)
from pyinfra_windows.powershell import cmd_quote, path
from roles.files.operations import show_difference, shows_differences

__all__ = ["fs_cli", "quiet", "release"]

_SECRET = (
    "directory/",
    "autoload_configs/conference.conf.xml",
    "autoload_configs/event_socket.conf.xml",
    freeswitch.CLI_CONFIG,
)
"""Files that a diff never reads back."""


@operation()
def release(
    wanted: Tree, profiles: Sequence[str], modules: Sequence[str], maintenance: Maintenance
) -> Generator[FunctionCommand, None, None]:
    """Make the configuration that FreeSWITCH runs with that of ``wanted``, or leave all as it was.

    + wanted: the tree below FreeSWITCH's configuration folder
    + profiles, modules: what must be running afterwards for the change to count
    + maintenance: what may be done to calls where only a restart applies the change
    """
    present = host.get_fact(facts.TreeDigests, folder=paths.CONFIG)
    applied = host.get_fact(facts.Word, file=paths.APPLIED)
    service = host.get_fact(facts.Service, service=paths.SERVICE)
    running = service is not None and service.running
    difference = wanted.against(present)
    if not difference and running and applied == wanted.digest:
        return
    here = [*difference.changed, *difference.removed]
    if shows_differences():
        show_difference(wanted, difference, old=_texts(here))
    actions: tuple[Action, ...] = ()
    back: tuple[Action, ...] = ()
    if running and difference:
        before = _texts([one for one in here if one.startswith(COMPARED)])
        after = {file.path: file.text for file in wanted if file.path.startswith(COMPARED)}
        actions = plan(difference.paths, before, after)
        back = undo(difference.paths, before, after)
    if not difference or not applied:
        # A tree that FreeSWITCH never accepted: what it runs with is unknown.
        actions = restarted(actions)
    change = Change(
        actions=tuple(one.command for one in actions),
        undo=tuple(one.command for one in back),
        modules=tuple(modules),
        profiles=tuple(profiles),
        live_calls=maintenance.live_calls,
        drain_seconds=maintenance.drain_seconds,
    )
    yield FunctionCommand(_release, (wanted, present, change), {})


def _texts(names: Sequence[str]) -> dict[str, str]:
    """Return what stands in those of the files that hold no secret."""
    plain = [one for one in names if not one.startswith(_SECRET)]
    return host.get_fact(facts.Texts, folder=paths.CONFIG, names=plain) if plain else {}


@operation()
def quiet(maintenance: Maintenance, why: str) -> Generator[FunctionCommand, None, None]:
    """Take no new calls and wait for the last, stop, or go on, before something that ends calls.

    + maintenance: which of them
    + why: named where it stops
    """
    yield FunctionCommand(_quiet_first, (maintenance, why), {})


def fs_cli(command: str, login: str = paths.CONFIG) -> StringCommand:
    """Return a line that asks FreeSWITCH. fs_cli reads its password from ``.fs_cli_conf`` in the
    folder ``login``: no argument holds it."""
    # It takes a path for absolute where that begins with a slash, which Windows takes for one of
    # the present drive.
    home = login[2:].replace("\\", "/")
    return StringCommand(
        f'cd /d {path(login[:3])}&& set "HOME={home}"&& {path(paths.CLI)} -x {cmd_quote(command)}'
    )


class _Windows(Door):
    """FreeSWITCH on a Windows host, asked by its fs_cli through the connector."""

    # Each question starts a program there.
    quick = False

    def __init__(self, host: Host, wanted: Tree, present: Mapping[str, str]) -> None:
        self.host = host
        self.wanted = wanted
        self.present = present
        self.paths: Collection[str] = set(present)
        """Paths of the files that FreeSWITCH reads."""
        self.login = paths.CONFIG
        """Folder of the login whose password the running FreeSWITCH takes."""

    def ask(self, command: str) -> str:
        good, output = self.host.run_shell_command(fs_cli(command, self.login), _timeout=30)
        if not good:
            raise No(f"fs_cli -x {command!r}: {' '.join(output.output.split()) or 'no answer'}")
        return output.stdout.strip()

    def say(self, line: str) -> None:
        logger.warning(f"{self.host.print_prefix}{line}")

    def is_running(self) -> bool:
        found = service_state(self.host, paths.SERVICE)
        return found is not None and found.running

    def start(self) -> None:
        found = service_state(self.host, paths.SERVICE)
        if found is not None and not found.stopped:
            stop_service(self.host, paths.SERVICE)
        word = cmd_quote(paths.SERVICE)
        good, output = self.host.run_shell_command(StringCommand(f"net start {word}"))
        if not good:
            raise No(f"the service does not start: {' '.join(output.output.split())}")

    def put(self) -> None:
        if not self.wanted.against(self.present):
            return
        files = Files({file.path: file.content for file in self.wanted})
        exchange(self.host, paths.CONFIG, files, self.present, paths.STATE)
        self.paths = {file.path for file in self.wanted}
        if self.present:
            self.login = f"{paths.CONFIG}.old"

    def put_back(self) -> str | None:
        differs = self.wanted.against(self.present)
        if not differs or not put_back(self.host, paths.CONFIG):
            return None
        self.paths = set(self.present)
        self.login = f"{paths.CONFIG}.new" if self.login == paths.CONFIG else paths.CONFIG
        return "the former configuration"

    def accept(self) -> None:
        # Last: a run that was cut off before this does it all again.
        write = f"echo {self.wanted.digest} >{path(paths.APPLIED)}"
        good, output = self.host.run_shell_command(StringCommand(write))
        if not good:
            raise No(f"{paths.APPLIED}: {' '.join(output.output.split()) or 'is not written'}")

    def follow(self) -> None:
        self.login = paths.CONFIG

    def has(self, path: str) -> bool:
        return path in self.paths


@refusal_as_one_line
def _quiet_first(state: State, host: Host, maintenance: Maintenance, why: str) -> bool:
    door = _Windows(host, Tree([]), {})
    try:
        if door.is_running():
            Switch(door).quiet(maintenance.live_calls, maintenance.drain_seconds, why)
    except No as wrong:
        return _refused(host, wrong)
    return True


@refusal_as_one_line
def _release(
    state: State, host: Host, wanted: Tree, present: Mapping[str, str], change: Change
) -> bool:
    try:
        Switch(_Windows(host, wanted, present)).apply(change)
    except No as wrong:
        return _refused(host, wrong)
    return True


def _refused(host: Host, wrong: No) -> bool:
    for line in wrong.lines:
        logger.error(f"{host.print_prefix}{line}")
    return False
