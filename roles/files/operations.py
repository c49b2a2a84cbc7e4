"""Put a tree of files on a host: what differs travels in one command, over standard input.

Not by SFTP: pyinfra writes uploads with the login's umask, so a secret would lie readable by all
for a moment; and a command's arguments stand in the process list.
"""

from __future__ import annotations

import base64
import difflib
import re
import shlex
from collections.abc import Generator, Iterable, Mapping, Sequence

from pyinfra import host, logger, state
from pyinfra.api import StringCommand, operation

from callcenter.render import Difference, File, Tree, paths, shell
from callcenter.render.hidden import HIDDEN
from callcenter.render.host_files import BEGUN
from roles.files.facts import MASK_SED, ManagedFiles, MaskedContents

__all__ = ["payload_command", "show_difference", "shows_differences", "tree", "where", "without"]


def payload_command(archive: bytes, *arguments: str) -> StringCommand:
    """Return one command that unpacks ``archive`` into a folder of root's alone and runs its script
    ``apply``, which is given the folder and the arguments."""
    text = base64.b64encode(archive).decode()
    # Not textwrap, whose time grows with the square of the length.
    text = "\n".join(text[i : i + 4096] for i in range(0, len(text), 4096))
    return StringCommand(shell.command(__file__, "unpack", *arguments), _stdin=text)


def where(path: str, *command: str) -> str:
    """Return the command that runs a command where a file is there."""
    return shell.command(__file__, "where", path, *command)


def without(path: str, *command: str) -> str:
    """Return the command that runs a command where a file is not there."""
    return shell.command(__file__, "without", path, *command)


@operation()
def tree(
    group: str,
    wanted: Tree,
    after: Mapping[str, str | Sequence[str]] | None = None,
    first: Mapping[str, str] | None = None,
) -> Generator[StringCommand, None, None]:
    """Make a group's files those of ``wanted``: absolute paths, owned by root. Units whose files go
    are ended, and systemd has read those that came when ``after`` begins.

    + group: names the record of what is there, so that what is no longer wanted is removed
    + wanted: the files
    + after: shell commands by path, each run once if that file was added, changed or removed
    + first: the same, of files that come before all others
    """
    names = [file.path for file in wanted]
    present = host.get_fact(ManagedFiles, group=group, wanted=names)
    difference = wanted.against(
        {p: d for p, d in present.digests.items() if p in present.managed or p in wanted}
    )
    wrong_mode = [
        file.path
        for file in wanted
        if file.path not in difference.paths and present.modes.get(file.path) != file.mode
    ]
    forgotten = set(names) - present.managed
    if not difference and not wrong_mode and not forgotten and not present.begun:
        return
    show_difference(wanted, difference)
    # What a run that died had begun with is done from its beginning.
    touched = {*difference.paths, *wrong_mode, *present.begun}
    put = sorted(path for path in touched if path in wanted)
    removed = sorted(touched - {*put})
    commands = dict.fromkeys(
        command
        for path, given in (after or {}).items()
        if path in touched
        for command in ([given] if isinstance(given, str) else given)
    )
    early = {path: command for path, command in (first or {}).items() if path in put}

    def placed(path: str) -> str:
        return shlex.join(["put", path, f"{wanted[path].mode:o}", wanted[path].group])

    steps = [
        *(line for path, command in early.items() for line in (placed(path), command)),
        *(placed(path) for path in put if path not in early),
        *_end_units(removed),
        *(shlex.join(["rm", "-f", "--", path]) for path in difference.removed),
        # Once for all of them: it takes a host a second, and programs that change units would do
        # it for each.
        *(["systemctl daemon-reload"] if any(map(_is_units, touched)) else []),
        *commands,
        *_forget_units(removed),
    ]
    yield payload_command(
        wanted.archive(
            put,
            [
                File("apply", shell.text(__file__, "apply").encode()),
                File("steps", "".join(f"{step}\n" for step in steps).encode()),
                File("managed", "".join(f"{name}\n" for name in names).encode()),
                File("begun", "".join(f"{p}\nbegun {p}\n" for p in sorted(touched)).encode()),
            ],
        ),
        f"{paths.MANAGED}/{group}",
        BEGUN,
    )


def _forget_units(removed: Iterable[str]) -> list[str]:
    """Return the command by which systemd forgets units whose files were removed: one that has
    failed stays in its list otherwise. No command where no unit's file was."""
    units = _units(removed)
    return [shell.command(__file__, "forget_units", *units)] if units else []


def _end_units(removed: Iterable[str]) -> list[str]:
    """Return the command that ends the units whose files are to go, or none."""
    units = _units(removed)
    return [shell.command(__file__, "end_units", *units)] if units else []


_UNITS = "/etc/systemd/system/"


def _is_units(path: str) -> bool:
    return path.startswith(_UNITS)


def _units(paths: Iterable[str]) -> list[str]:
    """List the names of the units among files."""
    names = [path.removeprefix(_UNITS) for path in paths if _is_units(path)]
    return [name.replace("@.", "@*.") for name in names if "/" not in name]


def shows_differences() -> bool:
    """Tell whether ``--diff`` was given, and now is the time."""
    return bool(state.config.DIFF) and not (state.is_executing and state.should_check_for_changes())


def show_difference(
    wanted: Tree, difference: Difference, below: str = "", old: Mapping[str, str] | None = None
) -> None:
    """Print what changes, without secrets, where ``--diff`` was given. ``below`` is the tree's
    folder, ``old`` what is there by path, where it is known already."""
    if not shows_differences():
        return
    hidden = tuple(HIDDEN)
    paths_now = [p for p in (*difference.changed, *difference.removed) if not p.endswith(hidden)]
    if old is None:
        old = host.get_fact(MaskedContents, names=paths_now, below=below) if paths_now else {}
    for path in difference.paths:
        if path.endswith(hidden):
            kind = next(what for end, what in HIDDEN.items() if path.endswith(end))
            what = kind if path in wanted else "removed"
            logger.info(f"{host.print_prefix}{path}: {what}")
            continue
        if path in paths_now and f"{below}{path}" not in old:
            logger.info(f"{host.print_prefix}{path}: differs")
            continue
        before = old.get(f"{below}{path}", "").splitlines(keepends=True)
        after = masked(wanted[path].content).splitlines(keepends=True) if path in wanted else []
        shown = list(difflib.unified_diff(before, after, path, path, n=2))
        if not shown:
            shown = [f"{path}: only secrets differ\n"]
        for line in shown:
            logger.info(f"{host.print_prefix}{line.rstrip()}")


_MASKS: Iterable[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in re.findall(r"s/((?:[^/\\]|\\.)+)/([^/]*)/g?", MASK_SED)
]


def masked(content: bytes) -> str:
    """Return the text as :class:`MaskedContents` would show it."""
    lines = content.decode(errors="replace").splitlines(keepends=True)
    out = []
    for line in lines:
        body, end = line.rstrip("\n"), "\n" if line.endswith("\n") else ""
        for pattern, replacement in _MASKS:
            body = pattern.sub(replacement, body)
        out.append(body + end)
    return "".join(out)
