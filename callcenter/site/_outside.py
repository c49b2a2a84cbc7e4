"""Numbers outside that the Site itself calls: each is one that its extension could dial."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from callcenter.site._model import Problem
from callcenter.site._plan import check_member, dialled_numbers
from callcenter.site.destinations import ToOutside, destinations_in

if TYPE_CHECKING:
    from callcenter.site.site import Site
    from callcenter.site.trunks import Route

__all__ = ["asks", "check_sent_outside", "is_outside", "route_of"]


def route_of(site: Site, number: str, routes: Sequence[str]) -> Route | None:
    """Return the first route of a number that is dialled, of those that somebody has."""
    return next((one for one in site.outbound if one.name in routes and one.matches(number)), None)


def check_sent_outside(site: Site) -> None:
    """Check that every number outside is called in somebody's name, who could dial it."""
    for path, to in destinations_in(site):
        if not isinstance(to, ToOutside):
            continue
        if to.by is None:
            raise Problem(
                f"{path}.by",
                "is missing; name the extension whose routes, limits and caller ID hold for it, "
                "such as by=1000",
            )
        check_member(site, "extensions", f"{path}.by", to.by)
        _check_called(site, f"{path}.outside", to.by, to.outside)
    for index, agent in enumerate(site.agents):
        if agent.outside is not None:
            path = f"agents[{index}].outside"
            _check_called(site, path, agent.extension, agent.outside)
            _check_asked(site, path, agent.extension, agent.outside)
    for index, group in enumerate(site.ring_groups):
        for place, to in enumerate(group.outside):
            path = f"ring_groups[{index}].outside[{place}]"
            if to in group.outside[:place]:
                raise Problem(path, f"{to.outside} is listed twice; list it once")
            _check_asked(site, path, str(to.by), to.outside)
    for code, target in site.speed_dials.items():
        if is_outside(site, target):
            _check_speed_dial(site, f"speed_dials[{code!r}]", target)


def asks(site: Site) -> bool:
    """Return True where a number outside rings among others, and whoever answers is asked for a
    key."""
    return any(group.outside for group in site.ring_groups) or any(
        agent.outside is not None for agent in site.agents
    )


def is_outside(site: Site, number: str) -> bool:
    """Return True where a route of the Site's leads a number that is dialled outside."""
    return any(route.matches(number) for route in site.outbound)


def _check_called(site: Site, path: str, by: str, number: str) -> None:
    _check_not_inside(site, path, number)
    extension = site.extension_by_number[by]
    route = route_of(site, number, extension.routes)
    if route is None:
        fitting = [one.name for one in site.outbound if one.matches(number)]
        if not fitting:
            raise Problem(
                path,
                f"{number} fits no route of outbound; write it as extension {by} dials it, or give "
                "a route for it",
            )
        raise Problem(
            path,
            f"{number} fits the route {' or '.join(map(repr, fitting))}, which extension {by} has "
            "not; add it to its routes, or name another extension in by",
        )
    called = route.called(number)
    _check_callable(site, path, called)
    prepaid = extension.account is not None
    if prepaid and site.billing is not None and site.billing.rate(called) is None:
        raise Problem(
            path,
            f"{called} has no price in billing.rates, and account {extension.account!r} of "
            f"extension {by} pays for it; give it a rate",
        )


def _check_asked(site: Site, path: str, by: str, number: str) -> None:
    """Check that the switch hears the key that is asked for: it does in voice of its own alone."""
    route = route_of(site, number, site.extension_by_number[by].routes)
    mode = (route.media if route is not None else None) or site.media.mode
    if site.media.mode != "default" or mode != "default":
        raise Problem(
            path,
            f"is asked to press a key, which nobody hears with media {mode!r}; use 'default'",
        )


def _check_speed_dial(site: Site, path: str, number: str) -> None:
    """Check that somebody has a route for a speed dial; who has none is refused."""
    routes = [one for one in site.outbound if one.matches(number)]
    names = {one.name for one in routes}
    if not any(names & set(extension.routes) for extension in site.extensions):
        raise Problem(
            path,
            f"{number} fits the route {' or '.join(map(repr, sorted(names)))}, which no extension "
            "has; add it to somebody's routes",
        )
    for route in routes:
        _check_callable(site, path, route.called(number))


def _check_not_inside(site: Site, path: str, number: str) -> None:
    if number in {one.number for one in site.emergency}:
        raise Problem(
            path,
            f"{number} is an emergency number, which only a phone may call; give another",
        )
    if number in site.extension_by_number:
        raise Problem(path, f"{number} is an extension; use extension({number})")
    for taken, inside in dialled_numbers(site):
        if inside == number:
            raise Problem(path, f"{number} is inside ({taken}); name that instead")


def _check_callable(site: Site, path: str, called: str) -> None:
    if not re.fullmatch(r"\+[0-9]{6,15}", called):
        raise Problem(path, f"becomes {called}, which is no number of E.164; look at its route")
    if (refused := site.outbound_limits.refused(called)) is not None:
        raise Problem(path, f"becomes {called}, and {refused}; give a number that may be called")
    for index, did in enumerate(site.inbound):
        if called in did:
            raise Problem(
                path,
                f"becomes {called}, which is the Site's own (inbound[{index}]); name what that "
                "leads to instead",
            )
