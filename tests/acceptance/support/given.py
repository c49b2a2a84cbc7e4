"""Resources for tests to use: the Site's extensions and services on one host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from callcenter.client.inventory import Host
from callcenter.render.routing import service_of
from callcenter.site import (
    Agent,
    Destination,
    OpenDuring,
    Site,
    SiteError,
    ToExtension,
    ToHangUp,
    ToOutside,
    ToVoicemail,
)
from callcenter.site.destinations import destinations_in, target_of
from tests.acceptance.support.uses import Resource, Uses, shared, some

__all__ = ["ALL", "Given", "caller", "calls", "numbers", "plain"]

ALL = "all"
"""Words for ``--phones``: nobody works with the site."""

PLAIN = 4
"""Number of plain extensions that a test has, who talk, transfer, and watch."""


@dataclass(frozen=True, eq=False)
class Given:
    """A host, its Site, and the extensions that tests may be and may ring."""

    site: Site
    node: Host
    local_address: Callable[[], str]
    """Address of this machine, as the host sees it."""
    phones: tuple[str, ...] | None = None
    """Extensions that ``--phones`` names; None for all."""

    def resource(self, kind: str, name: str) -> Resource:
        """Return something on this host, or on the switch that it stands before, whose it is."""
        behind = self.node.others if self.node.is_edge else ()
        return Resource(kind, name, behind[0].name if behind else self.node.name)

    def extension(self, number: str) -> Resource:
        """Return an extension: its phones, and what is kept for it, such as its mailbox."""
        return self.resource("extension", number)

    def extensions(self, numbers: Iterable[str]) -> list[Resource]:
        """Several of them."""
        return [self.extension(number) for number in numbers]

    @property
    def calls(self) -> Resource:
        """All calls of the host."""
        return self.resource("calls", "all")

    @cached_property
    def free(self) -> tuple[str, ...]:
        """The extensions that may be used."""
        if self.phones is not None:
            return self.phones
        return tuple(one.number for one in self.site.extensions)

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """Those of whose calls nothing else becomes, and to which nothing else leads where there
        are enough of them."""
        agents = {agent.extension for agent in self.site.agents}
        found = [
            one.number
            for number in self.free
            if (one := self.site.extension_by_number[number])
            and not (one.record or one.unanswered or one.pickup_groups or one.number in agents)
        ]
        quiet = [number for number in found if number not in self._led_to]
        return tuple(quiet if len(quiet) >= PLAIN else found)

    @cached_property
    def _led_to(self) -> set[str]:
        members = [number for group in self.site.ring_groups for number in group.members]
        members += [number for group in self.site.paging_groups for number in group.members]
        led = [to.extension for _, to in destinations_in(self.site) if isinstance(to, ToExtension)]
        dialled = self.site.speed_dials.values()
        paying = [one.number for one in self.site.extensions if one.account]
        return {*members, *led, *dialled, *paying}

    @cached_property
    def several(self) -> tuple[str, ...]:
        """The extensions that call each other where it does not matter who they are."""
        return self.plain if len(self.plain) >= 2 else self.free

    def reached(self, *destinations: Destination | None) -> Uses:
        """Return all that calls to these may come to, one way or another, whoever answers or does
        not."""
        found: dict[Resource, None] = {}
        hours: set[Resource] = set()

        def add(resource: Resource, *onward: Destination | None) -> None:
            if resource not in found:
                found[resource] = None
                for one in onward:
                    follow(one)

        def follow(to: Destination | None) -> None:
            match to:
                case None | ToHangUp() | ToOutside():
                    return
                case OpenDuring():
                    hours.add(self.resource("hours", to.hours))
                    follow(to.open)
                    follow(to.closed)
                case ToVoicemail():
                    add(self.extension(to.voicemail))
                case ToOutside():
                    # Whom it calls is known by the extension's routes alone.
                    add(self.extension(str(to.by)))
                case ToExtension():
                    called = self.site.extension_by_number[to.extension]
                    add(self.extension(called.number), called.unanswered)
                case _:
                    kind, name = to.names, target_of(to)[1]
                    add(self.resource(kind, name), *self._onward(kind, name))

        for one in destinations:
            follow(one)
        return Uses(
            # An IVR and a notice are the same to everybody who hears them.
            frozenset(one for one in found if one.kind not in ("ivrs", "notices")),
            frozenset(hours),
        )

    def _onward(self, kind: str, name: str) -> Iterator[Destination | None]:
        service = self.site.named(kind, name)
        yield from map(ToExtension, getattr(service, "members", ()))
        yield from getattr(service, "options", {}).values()
        yield getattr(service, "otherwise", None)
        if kind == "queues":
            yield from (ToExtension(one.extension) for one in self.agents(name))

    def agents(self, queue: str) -> list[Agent]:
        """Return those who answer a queue, first of all those of the first level."""
        members = [agent for agent in self.site.agents if queue in agent.skills]
        return sorted(members, key=lambda agent: agent.skills[queue])

    def dialled(self, number: str) -> Resource | None:
        """Return what a number leads to first; None where tests do not disturb each other there."""
        if number in [one.number for one in self.site.emergency]:
            return None
        try:
            path, to = service_of(self.site, number)
        except SiteError:
            return None
        if isinstance(to, ToExtension):
            return self.extension(to.extension)
        if path.startswith("paging_groups"):
            group = next(one for one in self.site.paging_groups if one.number == number)
            return self.resource("paging_groups", group.name)
        if path.startswith("parking"):
            return self.parking
        if path.endswith(".night"):
            index = int(path.partition("[")[2].partition("]")[0])
            return self.resource("hours", self.site.hours[index].name)
        kind: str = getattr(to, "names", "")
        if to is None or kind in ("", "ivrs", "notices"):
            return None
        return self.resource(kind, target_of(to)[1])

    @property
    def parking(self) -> Resource:
        """The places where calls are parked."""
        return self.resource("parking", "all")


def calls(given: Given) -> Uses:
    """Phones: whoever counts the host's calls must wait."""
    return shared(given.calls)


def numbers(given: Given) -> Uses:
    """Two extensions that call each other."""
    return some("numbers", 2, given.extensions(given.several))


def plain(given: Given) -> Uses:
    """Extensions of whose calls nothing else becomes."""
    return some("plain", PLAIN, given.extensions(given.plain))


def caller(given: Given) -> Uses:
    """Return somebody who calls what the test is about."""
    return some("caller", 1, given.extensions(given.several))
