"""Callers from outside: their numbers as phones show them, their names, and rules about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from callcenter.render._files import File
from callcenter.render.services._dialplan import config
from callcenter.site import CallerRule, Callers, Site
from callcenter.site.callers import Caller
from callcenter.site.countries import dialling
from callcenter.site.trunks import spellings

__all__ = ["Listed", "Spelling", "files", "pages", "shown", "spelled"]


@dataclass(frozen=True)
class Spelling:
    """A way in which some trunks write a caller's number."""

    trunks: str
    """Names of the trunks, as an expression."""
    expression: str
    """Expression of the number as it is sent, with the group that is kept."""
    before: str
    """Beginning of the number in E.164, in front of that group."""


@dataclass(frozen=True)
class Listed:
    """A caller of the address book, as the dialplan knows it."""

    digits: str
    """Number of E.164 without its plus."""
    name: str
    group: str
    """Name of the group, or ``-``: that it is listed is known, too."""


def files(site: Site) -> Iterator[File]:
    """Yield the contexts that know names and rules: a call runs through a hundredth of the
    names."""
    if site.callers is None or not (site.callers.book or site.callers.rules):
        return
    yield config(
        "dialplan/callers.xml",
        site,
        pages=[
            (page, [Listed(one.number[1:], one.name, one.group or "-") for one in members])
            for page, members in pages(site.callers).items()
        ],
        rules=[
            (rule, "|".join(number[1:] for number in rule.called), _fits(rule))
            for rule in site.callers.rules
        ],
    )


def pages(callers: Callers) -> dict[str, list[Caller]]:
    """Return the address book by the last two digits of the numbers."""
    out: dict[str, list[Caller]] = {}
    for one in callers.book:
        out.setdefault(one.number[-2:], []).append(one)
    return dict(sorted(out.items()))


def spelled(site: Site) -> list[Spelling]:
    """Return how the carriers write callers' numbers, in the order in which it is looked at."""
    if site.callers is None:
        return []
    countries: dict[str | None, list[str]] = {}
    for trunk in site.trunks:
        countries.setdefault(site.callers.country_of(trunk), []).append(trunk.name)
    return [
        Spelling("|".join(names), expression, before)
        for country, names in countries.items()
        for expression, before in spellings(country)
    ]


def shown(callers: Callers) -> list[tuple[str, str]]:
    """Return how phones show numbers of E.164: expressions of which one fits a number, and what
    stands before its first group."""
    before, country = callers.number_prefix, callers.national
    if callers.number_format != "national" or country is None:
        sign = {"+": "+", "00": "00"}.get(callers.number_format, "")
        return [(r"\+(\d+)", before + sign)]
    known, code = dialling(country), country.removeprefix("+")
    out = [(rf"\+{code}({known.bare})", before)] if known.bare else []
    if known.own or not known.bare:
        # The dialplan looks at each of them.
        others = rf"(?!{known.bare}\z)" if known.bare else ""
        out.append((rf"\+{code}{others}(\d+)", before + known.own))
    return [*out, (rf"\+(?!{code})(\d+)", before + known.abroad)]


def _fits(rule: CallerRule) -> str:
    """Return the expression of a caller's number, its group between spaces, that a rule fits."""
    if rule.unlisted:
        return "(?:anonymous|\\+\\d+|) "
    patterns = [f"\\+{one[1:]} [a-z0-9-]*" for one in rule.numbers]
    patterns += [f"\\+{one[1:]}\\d* [a-z0-9-]*" for one in rule.prefixes]
    patterns += [rf"\+\d+ {group}" for group in rule.groups]
    patterns += ["anonymous "] if rule.anonymous else []
    return f"(?:{'|'.join(patterns)})"
