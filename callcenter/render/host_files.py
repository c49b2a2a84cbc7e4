"""A host's files beside FreeSWITCH's configuration: how a host is asked for them, and what a change
of them costs."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field

from callcenter.render import paths, shell
from callcenter.render._files import Difference, Tree
from callcenter.render.kamailio import RESTARTED_FOR
from callcenter.render.services import SERVICES
from callcenter.render.services._shape import NOTHING

__all__ = ["BEGUN", "HostFiles", "Step", "asked", "of_file", "question", "steps"]

OF_EDGES = ("kamailio", "certificates", "provisioning", "web-users", "turn")
"""Groups of files of which a deploy to an edge looks at the record; to a switch, at all."""
FIREWALL = (paths.FIREWALL_RULES, f"/etc/systemd/system/{paths.FIREWALL_UNIT}")
"""Files that no record names: they come by themselves."""
BEGUN = ".begun"
"""End of the name of the record of what a deploy has begun with. It is there until that is done.
Each path is in it twice: as in the group's record, since it is to go where nobody wants it any
more, and after ``begun``."""


def asked(groups: Iterable[str], wanted: Iterable[str]) -> str:
    """Return the shell command, which changes nothing, that tells of the files that groups have on
    a host, and of those that it is to have. The group ``*`` is all of them."""
    records = [name for one in groups for name in ([one] if one == "*" else [one, one + BEGUN])]
    # Each extension may have a file, and Linux takes 128 KiB as a word of a command.
    names = gzip.compress("".join(f"{path}\n" for path in wanted).encode(), mtime=0)
    packed = base64.b64encode(names).decode()
    return shell.command(__file__, "files", paths.MANAGED, " ".join(records), packed)


def of_file(said: str) -> tuple[str, int, str]:
    """Return path, mode and SHA-256 of what a host has said after ``file``."""
    mode, digest, path = said.split(maxsplit=2)
    return path, int(mode, 8), digest


@dataclass(frozen=True)
class HostFiles:
    """Answers of a host about its files, and about what they depend on."""

    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path, of those that exist."""
    modes: dict[str, int] = field(default_factory=dict)
    managed: frozenset[str] = frozenset()
    """Paths that an earlier deploy put there."""
    begun: frozenset[str] = frozenset()
    """Paths with which a deploy had begun that died: what follows was not done."""
    codename: str | None = None
    """Codename of its Debian."""
    realtime: bool = False
    """Fact that it grants realtime scheduling."""
    ssh_ports: frozenset[int] = frozenset()
    """Ports of its sshd, with that of the login that asked."""
    postgres: bool = False
    """Fact that it has a PostgreSQL that no deploy brought."""

    @classmethod
    def parse(cls, output: Iterable[str]) -> HostFiles:
        """Read what a host answers to the :func:`question`."""
        digests, modes = {}, {}
        managed: set[str] = set()
        begun: set[str] = set()
        ports: set[int] = set()
        values: dict[str, str] = {}
        for line in output:
            kind, _, rest = line.partition(" ")
            if kind == "managed":
                managed.add(rest)
            elif kind == "begun":
                begun.add(rest)
            elif kind == "file":
                path, mode, digest = of_file(rest)
                digests[path], modes[path] = digest, mode
            elif kind == "sshd" and rest.isdigit():
                ports.add(int(rest))
            else:
                values[kind] = rest
        return cls(
            digests,
            modes,
            frozenset(managed),
            frozenset(begun),
            values.get("codename") or None,
            "realtime" in values,
            frozenset(ports),
            values.get("postgres", "").strip() == "ii",
        )

    def difference(self, wanted: Tree) -> Difference:
        """Return what a deploy would write and remove. A file with another mode is another, and so
        is one of which a deploy that died may have told nobody."""
        ours = self.managed | {*FIREWALL}
        found = wanted.against({p: d for p, d in self.digests.items() if p in wanted or p in ours})
        wrong = {
            file.path
            for file in wanted
            if (self.modes.get(file.path, file.mode) != file.mode or file.path in self.begun)
            and file.path not in found.added
        }
        return Difference(found.added, tuple(sorted({*found.changed, *wrong})), found.removed)


def question(wanted: Iterable[str], *, is_edge: bool) -> str:
    """Return the shell command, which changes nothing, that a host answers for files that it is to
    have, and those that a deploy put there."""
    groups = OF_EDGES if is_edge else ("*",)
    return shell.in_turn(
        asked(groups, (*wanted, *FIREWALL)),
        shell.command(__file__, "beside", paths.POSTGRES_OURS),
    )


@dataclass(frozen=True)
class Step:
    """Step that follows when files came, changed or went, and its cost."""

    command: str
    cost: str


_Made = Callable[[Difference, Container[str]], Step | None]
"""Function that is given what differs, and the paths that are there afterwards."""


def _unit(path: str, cost: str) -> _Made:
    """Return what makes the step of a unit, or none: it is not there, and was not."""
    name = path.rpartition("/")[2]

    def step(found: Difference, wanted: Container[str]) -> Step | None:
        if path in found.added:
            return Step(f"start {name}", NOTHING)
        word = "restart" if path in wanted else "stop" if path in found.removed else None
        return Step(f"{word} {name}", cost) if word else None

    return step


def _said(command: str, cost: str = NOTHING) -> _Made:
    return lambda found, wanted: Step(command, cost)


_KAMAILIO = "calls that are up go on; phones by TCP or TLS and browsers connect anew"

_Rule = tuple[Collection[str], _Made, Collection[str]]
"""Files, the step for them, and files whose own step makes it needless."""


def _rules() -> Iterator[_Rule]:
    yield (
        (paths.APT_PREFERENCES,),
        _said("install packages", "all calls end where FreeSWITCH's version is another"),
        (),
    )
    for service in SERVICES:
        for unit in service.units:
            if unit.starts:
                base, _, kind = unit.path.rpartition(".")
                files = (unit.path, *unit.reads, *((f"{base}.service",) if kind == "timer" else ()))
                yield files, _unit(unit.path, unit.cost), ()
    timer = f"{paths.STUN}.timer"
    yield (timer, f"{paths.STUN}.service"), _unit(timer, NOTHING), ()
    pool = (paths.POOL_UNIT,)
    yield pool, _unit_of_pool, ()
    reloaded = paths.POOL_UNIT.rpartition("/")[2]
    yield (paths.POOL_CONFIG, paths.POOL_CA), _said(f"reload {reloaded}"), pool
    yield RESTARTED_FOR, _unit_of_kamailio, ()
    yield (f"{paths.KAMAILIO}/",), _said(f"reload {paths.KAMAILIO_UNIT}"), RESTARTED_FOR
    web, reloaded = (paths.WEB_UNIT,), paths.WEB_UNIT.rpartition("/")[2]
    yield web, _unit(paths.WEB_UNIT, NOTHING), ()
    served = (paths.WEB_CONFIG, paths.WEB_CERTIFICATE, paths.WEB_KEY, paths.WEB_AUTHORITY)
    yield served, _said(f"reload {reloaded}"), web
    yield (paths.PHONES_UNIT, paths.PHONES_TOOL), _unit(paths.PHONES_UNIT, NOTHING), ()
    turn, reloaded = (paths.TURN_UNIT, paths.TURN_CONFIG), paths.TURN_UNIT.rpartition("/")[2]
    yield turn, _unit(paths.TURN_UNIT, "calls of browsers by TURN lose their voice"), ()
    known = (paths.TURN_USERS, paths.TURN_CERTIFICATE, paths.TURN_KEY)
    yield known, _said(f"reload {reloaded}"), turn
    yield FIREWALL, _said("load the packet filter"), ()


def _unit_of_pool(found: Difference, wanted: Container[str]) -> Step | None:
    # A restart cuts FreeSWITCH's connections, by which prepaid seconds are charged.
    cost = "prepaid calls end" if paths.BILLING_TOOL in wanted else NOTHING
    return _unit(paths.POOL_UNIT, cost)(found, wanted)


def _unit_of_kamailio(found: Difference, wanted: Container[str]) -> Step:
    name = paths.KAMAILIO_UNIT
    if paths.KAMAILIO_CONFIG in found.added:
        return Step(f"start {name}", NOTHING)
    if paths.KAMAILIO_CONFIG in wanted:
        return Step(f"restart {name}", _KAMAILIO)
    return Step(f"stop {name}", "phones that come to it come no more")


def steps(found: Difference, wanted: Container[str]) -> list[Step]:
    """List what a deploy does for files beside FreeSWITCH's configuration. ``wanted`` are the paths
    that are there afterwards."""
    changed = set(found.paths)

    def touched(files: Collection[str]) -> bool:
        return any(
            one in changed or (one.endswith("/") and any(path.startswith(one) for path in changed))
            for one in files
        )

    made = (
        step(found, wanted)
        for files, step, instead in _rules()
        if touched(files) and not touched(instead)
    )
    return list(dict.fromkeys(one for one in made if one is not None))
