"""Calls that carriers send: ``public`` of the dialplan, in which they come to a number, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from callcenter.render._files import File
from callcenter.render.services import callers, trunks
from callcenter.render.services._carrier_legs import FULL, Limit, of_trunk
from callcenter.render.services._dialplan import config
from callcenter.render.services._expressions import whole
from callcenter.site import Did, Site, Trunk, dialled

__all__ = ["Arrival", "Arriving", "Rewritten", "arrivals", "file"]


def file(site: Site) -> File:
    """Render the context."""
    book = site.callers
    return config(
        "dialplan/public.xml",
        site,
        parameters=dialled.PARAMETERS,
        forwarders=dialled.FORWARDERS,
        arrivals=arrivals(site),
        rewrites=tuple(_rewrites(site)),
        spelled=callers.spelled(site),
        shown=callers.shown(book) if book else (),
        pages=list(callers.pages(book)) if book else (),
        has_rules=bool(book and book.rules),
        dids=[
            Arriving(did, did.trunk or ".+", trunks.expression(did, site.trunks))
            for did in site.inbound
        ],
    )


@dataclass(frozen=True)
class Arrival:
    """A sign by which a call is one of a trunk's, and what the call has from then on."""

    trunk: Trunk
    by_account: bool
    """Condition that the carrier sends it to the trunk's account, too."""
    limit: Limit
    """Limit that counts it among those that go out."""
    profile: str
    """Sofia profile that it comes to."""
    variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Rewritten:
    """A rule of a trunk's for a number that its carrier sends."""

    trunk: str
    field: str
    """Field of the trunk that says it."""
    variable: str
    """Number in the caller's profile."""
    place: int
    """Place of the rule, from 1."""
    expression: str
    value: Markup
    """Number that it becomes, of the expression's groups."""


@dataclass(frozen=True)
class Arriving:
    """One of the Site's own numbers, as carriers send it."""

    did: Did
    trunk: str
    """Expression of the trunks by which it comes."""
    expression: str
    """Expression of the number."""


def arrivals(site: Site) -> list[Arrival]:
    """Return the ways to find a call's trunk, in their order: by the account, too, to which the
    carrier sends the call, where several trunks have one address."""
    shared = [
        trunk
        for trunk in site.trunks
        if trunk.registers
        and any(
            other is not trunk
            and trunks.profile(other) == trunks.profile(trunk)
            and other.meets(trunk)
            for other in site.trunks
        )
    ]
    found = [*((trunk, True) for trunk in shared), *((trunk, False) for trunk in site.trunks)]
    return [_arrival(trunk, by_account) for trunk, by_account in found]


def _arrival(trunk: Trunk, by_account: bool) -> Arrival:
    codecs = [("absolute_codec_string", trunk.offered)] if trunk.codecs else []
    variables = (*codecs, *trunks.during(trunk).items(), *trunks.timers(trunk).items())
    limit = next(of_trunk(trunk, FULL, FULL))
    return Arrival(trunk, by_account, limit, trunks.profile(trunk), variables)


def _rewrites(site: Site) -> Iterator[Rewritten]:
    """Yield the rules of trunks for calls in."""
    for trunk in site.trunks:
        for field, variable, rules in (
            ("called_in", "destination_number", trunk.called_in),
            ("caller_in", "caller_id_number", trunk.caller_in),
        ):
            for place, rule in enumerate(rules, 1):
                expression, value = whole(rule.pattern), Markup(rule.replacement)
                yield Rewritten(trunk.name, field, variable, place, expression, value)
