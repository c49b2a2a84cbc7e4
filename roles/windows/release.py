"""FreeSWITCH's configuration on Windows: exchanged as a whole, applied by the gentlest action, put
back if FreeSWITCH refuses it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Generator, Sequence

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from callcenter.render import Tree, freeswitch
from callcenter.render import windows_paths as paths
from callcenter.render.costs import COMPARED, RESTART, Action, Severity, plan, undo
from callcenter.site import Maintenance
from pyinfra_windows import facts
from pyinfra_windows.connectors import Refused
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

__all__ = ["fs_cli", "quiet", "release", "seconds_to_wait"]

ANSWER_SECONDS = 60
"""Seconds that FreeSWITCH may take to answer after its start."""
_RESUME = "callcenter-resume"
_SECRET = (
    "directory/",
    "autoload_configs/conference.conf.xml",
    "autoload_configs/event_socket.conf.xml",
    freeswitch.CLI_CONFIG,
)
"""Files that a diff never reads back."""


def seconds_to_wait(answer: str) -> int:
    """Read how long a profile must be up before it stops or restarts; 0 where it does so now.

    FreeSWITCH says it on its answer's second line (mod_sofia.c), and of one second in the singular.
    """
    said = re.search(r"^Please wait (\d+) seconds?\b", answer, re.MULTILINE)
    return int(said[1]) if said else 0


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
        actions = (*actions[:1], RESTART)
    yield FunctionCommand(
        _release, (wanted, present, actions, back, tuple(profiles), tuple(modules), maintenance), {}
    )


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


class _No(Exception):
    """FreeSWITCH, or a service, said no; the message is for the operator."""


class _FreeSwitch:
    """FreeSWITCH on a host, asked by fs_cli."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.login = paths.CONFIG
        """Folder of the login whose password the running FreeSWITCH takes."""

    def ask(self, command: str) -> str:
        good, output = self.host.run_shell_command(fs_cli(command, self.login), _timeout=30)
        if not good:
            raise _No(f"fs_cli -x {command!r}: {' '.join(output.output.split()) or 'no answer'}")
        return output.stdout.strip()

    def until(self, command: str, pattern: str) -> None:
        """Ask until the answer matches: FreeSWITCH has no way to tell by itself."""
        ends = time.monotonic() + ANSWER_SECONDS
        while True:
            _, output = self.host.run_shell_command(fs_cli(command, self.login), _timeout=30)
            if re.search(pattern, output.stdout, re.MULTILINE):
                return
            if time.monotonic() > ends:
                said = " ".join(output.output.split())[:300]
                raise _No(f"FreeSWITCH does not answer {command!r} as it should: {said}")
            time.sleep(0.5)

    @property
    def running(self) -> bool:
        found = service_state(self.host, paths.SERVICE)
        return found is not None and found.running

    @property
    def calls(self) -> int:
        answer = re.search(r"^(\d+) total", self.ask("show calls count"), re.MULTILINE)
        return int(answer[1]) if answer else 0

    def start(self) -> None:
        word = cmd_quote(paths.SERVICE)
        good, output = self.host.run_shell_command(StringCommand(f"net start {word}"))
        if not good:
            raise _No(f"the service does not start: {' '.join(output.output.split())}")
        self.login = paths.CONFIG
        self.until("status", r"is ready")

    def restart(self) -> None:
        stop_service(self.host, paths.SERVICE)
        self.start()

    def old_enough(self, profile: str, word: str) -> None:
        """Stop or restart a profile; FreeSWITCH does neither in its first ten seconds."""
        if wait := seconds_to_wait(self.ask(f"sofia profile {profile} {word}")):
            time.sleep(wait)
            self.ask(f"sofia profile {profile} {word}")

    def reopen(self, profile: str) -> None:
        """Have a profile go, come back and bind, all in the background."""
        self.old_enough(profile, "restart")
        # It is gone for two seconds, which the questions to a slow host may all miss. While it is
        # gone FreeSWITCH knows none of that name; the new one is too young to restart, and says so.
        self.until(f"sofia profile {profile} restart", "Please wait")
        self.until("sofia status", rf"^\s*{re.escape(profile)}\s+profile\s.*RUNNING")

    def perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            word, _, rest = action.command.partition(" ")
            if action == RESTART:
                self.restart()
            elif word == "reloadxml":
                answer = self.ask("reloadxml")
                if answer != "+OK [Success]":
                    raise _No(f"FreeSWITCH refused the configuration: {answer}")
            elif action.command == "reload mod_event_socket":
                # Its reload ends the connection that asks for it, and changes the password.
                self.ask(f"bgapi {action.command}")
                self.login = paths.CONFIG
                self.until("status", r"is ready")
            elif word in ("load", "unload", "reload"):
                self.ask(action.command)
                if self.ask(f"module_exists {rest}") != str(word != "unload").lower():
                    raise _No(f"failed: {action.command}")
            elif word == "rescan":
                answer = self.ask(f"sofia profile {rest} rescan")
                if "scan" not in answer.lower():
                    raise _No(f"failed: {action.command}: {answer}")
            elif word == "start":
                self.ask(f"sofia profile {rest} start")
                self.until("sofia status", rf"^\s*{re.escape(rest)}\s+profile\s.*RUNNING")
            elif word == "stop":
                self.old_enough(rest, "stop")
                self.until("sofia status", rf"\A(?!(.|\n)*^\s*{re.escape(rest)}\s+profile\s)")
            elif word == "gateway":
                profile, name = rest.split()
                # With the one that emergency calls try when it is down.
                for each in (name, f"{name}.urgent"):
                    self.ask(f"sofia profile {profile} killgw {each}")
                    self.until(f"sofia status gateway {each}", "^Invalid Gateway")
                self.ask(f"sofia profile {profile} rescan")
            elif word == "profile":
                self.reopen(rest)
            # An agent or tier that is there already is what was wanted.
            elif not re.match(r"\+OK|-ERR .*already exist", answer := self.ask(action.command)):
                raise _No(f"failed: {action.command}: {answer}")

    def check(self, profiles: Sequence[str], modules: Sequence[str]) -> None:
        """Make sure that every module and profile of the Site is there and running."""
        loaded = self.ask("show modules")
        for module in modules:
            if not re.search(rf"(^|,){re.escape(module)}(,|$)", loaded, re.MULTILINE):
                raise _No(f"{module} is not loaded")
        for profile in profiles:
            self.until("sofia status", rf"^\s*{re.escape(profile)}\s+profile\s.*RUNNING")


@refusal_as_one_line
def _quiet_first(state: State, host: Host, maintenance: Maintenance, why: str) -> bool:
    switch = _FreeSwitch(host)
    try:
        if switch.running:
            _wait_for_calls(switch, maintenance, why)
    except _No as wrong:
        logger.error(f"{host.print_prefix}{wrong}")
        return False
    return True


def _wait_for_calls(switch: _FreeSwitch, maintenance: Maintenance, why: str) -> None:
    """Return when calls may be ended, as the Site says, or refuse."""
    live, say = switch.calls, switch.host.print_prefix
    if maintenance.live_calls == "stop" and live:
        raise _No(
            f"{live} calls are up and this change needs: {why}; nothing was changed "
            "(maintenance.live_calls is stop)"
        )
    if maintenance.live_calls == "drop" and live:
        logger.warning(f"{say}ending {live} live calls, as maintenance.live_calls says")
    if maintenance.live_calls != "drain":
        return
    seconds = maintenance.drain_seconds
    # First, so that whatever becomes of us FreeSWITCH takes calls again.
    switch.ask(f"sched_api +{seconds + 10} {_RESUME} fsctl resume inbound")
    switch.ask("fsctl pause inbound")
    ends, waits = time.monotonic() + seconds, False
    while live := switch.calls:
        if time.monotonic() > ends:
            _resume(switch)
            raise _No(
                f"{live} calls are still up after {seconds} s; nothing was changed "
                "(maintenance.drain_seconds)"
            )
        if not waits:
            logger.info(f"{say}waiting for {live} calls to end")
            waits = True
        # fs_cli can only ask.
        time.sleep(1)


def _resume(switch: _FreeSwitch) -> None:
    switch.ask("fsctl resume inbound")
    switch.ask(f"sched_del {_RESUME}")


def _release(
    state: State,
    host: Host,
    wanted: Tree,
    present: dict[str, str],
    actions: tuple[Action, ...],
    back: tuple[Action, ...],
    profiles: tuple[str, ...],
    modules: tuple[str, ...],
    maintenance: Maintenance,
) -> bool:
    switch, replaced, paused = _FreeSwitch(host), False, False
    try:
        running = switch.running
        harsh = any(one.severity >= Severity.PROFILE for one in actions)
        if running and harsh:
            _wait_for_calls(switch, maintenance, actions[-1].command)
            paused = maintenance.live_calls == "drain"
        try:
            if wanted.against(present):
                files = Files({file.path: file.content for file in wanted})
                exchange(host, paths.CONFIG, files, present, paths.STATE)
                replaced = True
                if running and present:
                    switch.login = f"{paths.CONFIG}.old"
            if running:
                switch.perform(actions)
            else:
                switch.start()
            switch.login = paths.CONFIG
            switch.check(profiles, modules)
        except _No as wrong:
            logger.error(f"{host.print_prefix}{wrong}")
            if replaced:
                _undo(switch, back, harsh or not running)
            return False
        finally:
            if paused:
                # A FreeSWITCH that was restarted, or is gone, has forgotten the pause.
                with contextlib.suppress(_No, Refused):
                    _resume(switch)
    except (_No, Refused) as wrong:
        logger.error(f"{host.print_prefix}{wrong}")
        return False
    # Last: a run that was cut off before this does it all again.
    good, _ = host.run_shell_command(StringCommand(f"echo {wanted.digest} >{path(paths.APPLIED)}"))
    return bool(good)


def _undo(switch: _FreeSwitch, back: Sequence[Action], restart: bool) -> None:
    """Apply the former configuration once more, as gently as it can be."""
    say = switch.host.print_prefix
    try:
        if not put_back(switch.host, paths.CONFIG):
            return
        logger.error(f"{say}the former configuration is back")
        if restart:
            switch.restart()
        else:
            switch.login = paths.CONFIG
            switch.ask("reloadxml")
            for one in back:
                # As far as it was done at all.
                with contextlib.suppress(_No):
                    switch.perform([one])
    except (_No, Refused) as wrong:
        logger.error(f"{say}{wrong}")
