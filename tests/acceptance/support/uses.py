"""Resources of a site that tests use, and which of the tests may run at once.

A fixture or a test declares what it uses by a function of what is given: the Site, the host, and
the extensions that --phones names. A test that asks for a fixture uses what the fixture uses:

    def sales(given):
        return alone(given.resource("queues", "sales"))

    @pytest.fixture
    @uses(sales)
    def queue(site): ...

`Some` is for resources of which any will do. A test is granted as many as it needs, whichever are
free, and its grant names them. This module does not import pytest.
"""

from __future__ import annotations

import inspect
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

__all__ = [
    "Declaration",
    "Grant",
    "Holdings",
    "Planned",
    "Resource",
    "Schedule",
    "Some",
    "Uses",
    "alone",
    "declared_by",
    "longest_first",
    "shared",
    "shuffled",
    "some",
    "uses",
]

PASSED_OVER = 16
"""Number of others that may start before a test that is ready; then none starts in its way."""


class Resource(NamedTuple):
    """Something that tests would disturb each other by, such as an extension's phone."""

    kind: str
    name: str
    host: str = ""
    """The host that it is on; nothing for what is this machine's."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" of {self.host}" if self.host else "")


@dataclass(frozen=True)
class Some:
    """So many of these, whichever are free."""

    name: str
    """The name by which the grant is asked for them."""
    count: int
    of: tuple[Resource, ...]


@dataclass(frozen=True)
class Uses:
    """All that a test uses."""

    alone: frozenset[Resource] = frozenset()
    """Things that nobody else uses at the time, in any way."""
    shared: frozenset[Resource] = frozenset()
    """Things that others use as well, but nobody alone."""
    some: tuple[Some, ...] = ()

    def __or__(self, other: Uses) -> Uses:
        mine = self.alone | other.alone
        return Uses(
            mine,
            (self.shared | other.shared) - mine,
            tuple(dict.fromkeys((*self.some, *other.some))),
        )


def alone(*resources: Resource) -> Uses:
    """Uses that nobody else may have at the time."""
    return Uses(alone=frozenset(resources))


def shared(*resources: Resource) -> Uses:
    """Uses that disturb nobody but who needs the same alone."""
    return Uses(shared=frozenset(resources))


def some(name: str, count: int, of: Iterable[Resource]) -> Uses:
    """Return uses of any ``count`` of these, alone. With fewer in all, a test is granted none."""
    return Uses(some=(Some(name, count, tuple(dict.fromkeys(of))),))


Declaration = Callable[[Any], Uses]
Function = TypeVar("Function", bound=Callable[..., Any])


def uses(*declarations: Declaration) -> Callable[[Function], Function]:
    """Declare what a test or a fixture uses. Goes below ``@pytest.fixture``."""

    def declare(function: Function) -> Function:
        if not inspect.isfunction(function):
            raise TypeError(f"@uses goes below @pytest.fixture, next to the function: {function!r}")
        function.uses = declarations  # type: ignore[attr-defined]
        return function

    return declare


def declared_by(function: object) -> tuple[Declaration, ...]:
    """Return the declarations that ``uses`` has given a function."""
    found: tuple[Declaration, ...] = getattr(function, "uses", ())
    return found


@dataclass(frozen=True)
class Grant:
    """Resources that a test has while it runs."""

    alone: frozenset[Resource] = frozenset()
    shared: frozenset[Resource] = frozenset()
    some: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)

    def names(self, some: str) -> list[str]:
        """Return the names of what was granted of ``Some``: none where there are too few in all."""
        return [resource.name for resource in self.some.get(some, ())]

    def __contains__(self, resource: object) -> bool:
        return resource in self.alone or resource in self.shared


class Holdings:
    """Resources that are held at the moment."""

    def __init__(self) -> None:
        self._alone: set[Resource] = set()
        self._shared: Counter[Resource] = Counter()
        self._given_back: dict[Resource, int] = {}

    def grant(self, wanted: Uses, kept: Set[Resource] = frozenset()) -> Grant | None:
        """Hold all of it, or nothing: None means that something is in use, or ``kept`` for another
        test."""

        def is_free(one: Resource) -> bool:
            return one not in self._alone and not self._shared[one] and one not in kept

        if not all(map(is_free, wanted.alone)):
            return None
        if not wanted.shared.isdisjoint(self._alone | kept):
            return None
        found = _chosen(wanted, is_free, lambda one: self._given_back.get(one, -1))
        if self._short(wanted, found):
            return None
        mine = wanted.alone.union(*found.values())
        self._alone |= mine
        self._shared.update(wanted.shared)
        return Grant(mine, wanted.shared, found)

    def to_keep(self, wanted: Uses) -> set[Resource]:
        """Return what must be kept free for a test that cannot begin, so that it soon can."""
        found = _chosen(wanted, lambda one: one not in self._alone, lambda one: 0)
        short = self._short(wanted, found)
        return set(wanted.alone).union(*(one.of for one in wanted.some if one.name in short))

    def give_back(self, grant: Grant) -> None:
        """Let others have it. What was given back longest ago is granted first."""
        self._alone -= grant.alone
        self._shared -= Counter(grant.shared)
        turn = 1 + max(self._given_back.values(), default=0)
        self._given_back.update(dict.fromkeys(grant.alone, turn))

    def _short(self, wanted: Uses, found: Mapping[str, tuple[Resource, ...]]) -> list[str]:
        # Only what there would be if nobody held anything is worth waiting for.
        best = _chosen(wanted, lambda one: True, lambda one: 0)
        return [name for name, most in best.items() if len(found[name]) < len(most)]


def _chosen(
    wanted: Uses, is_free: Callable[[Resource], bool], age: Callable[[Resource], int]
) -> dict[str, tuple[Resource, ...]]:
    taken = set(wanted.alone)
    found: dict[str, tuple[Resource, ...]] = {}
    for one in wanted.some:
        fitting = [it for it in one.of if it not in taken and is_free(it)]
        chosen = sorted(fitting, key=age)[: one.count]
        found[one.name] = tuple(chosen) if len(chosen) == one.count else ()
        taken.update(found[one.name])
    return found


@dataclass(frozen=True)
class Planned:
    """A test, by its place among all, and how long it may take."""

    index: int
    uses: Uses
    seconds: float = 1.0


class Schedule:
    """Starts whatever can run, in the order given, until nothing is left."""

    def __init__(self, tests: Sequence[Planned], at_once: int) -> None:
        self._waiting = list(tests)
        self._passed: Counter[int] = Counter()
        self._at_once = at_once
        self._holdings = Holdings()
        self._running: dict[int, Grant] = {}

    @property
    def left(self) -> int:
        """How many tests have not begun."""
        return len(self._waiting)

    def start(self) -> tuple[int, Grant] | None:
        """Return the next test that may begin now, and what it is granted."""
        if len(self._running) >= self._at_once:
            return None
        kept: set[Resource] = set()
        before: set[Resource] = set()
        for place, test in enumerate(self._waiting):
            if (grant := self._holdings.grant(test.uses, kept)) is None:
                # To keep anything is of no use while somebody before it needs the same.
                first = test.uses.alone.isdisjoint(before)
                if first and self._passed[test.index] >= PASSED_OVER:
                    kept |= self._holdings.to_keep(test.uses)
                before |= test.uses.alone | test.uses.shared
                continue
            self._passed.update(one.index for one in self._waiting[:place])
            del self._waiting[place]
            self._running[test.index] = grant
            return test.index, grant
        return None

    def done(self, index: int) -> None:
        """Take back what a test had."""
        self._holdings.give_back(self._running.pop(index))


def longest_first(tests: Iterable[Planned]) -> list[Planned]:
    """Return the order that ends soonest: first of all those that queue up for the same thing, and
    of them whoever needs the most.

    Who needs alone what others share comes last, since all others would wait for it.
    """
    tests = list(tests)
    queues: defaultdict[Resource, float] = defaultdict(float)
    for test in tests:
        for resource in test.uses.alone:
            queues[resource] += test.seconds
    all_shared = frozenset().union(*(test.uses.shared for test in tests))

    def key(test: Planned) -> tuple[bool, float, int, float]:
        queue = max((queues[one] for one in test.uses.alone), default=0.0)
        waited_for = not test.uses.alone.isdisjoint(all_shared)
        return waited_for, -max(queue, test.seconds), -len(test.uses.alone), -test.seconds

    return sorted(tests, key=key)


def shuffled(tests: Iterable[Planned], seed: int) -> list[Planned]:
    """Return the order that a seed stands for."""
    tests = list(tests)
    random.Random(seed).shuffle(tests)
    return tests
