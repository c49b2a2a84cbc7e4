"""Ring groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from callcenter.render._files import File
from callcenter.render._templates import xml_escape
from callcenter.render.services._dialplan import config, legs, records, rung_outside
from callcenter.render.services._voice import Voice
from callcenter.site import RingGroup, Site

__all__ = ["LISTED", "Rung", "files"]

_CONTACT = "[A-Za-z0-9_.~!*&=+;?/%@-]*"
LISTED = (
    rf"^((?:,?\[[^\]]*\]sofia/[a-z]+/sip:{_CONTACT}(?:\[[0-9A-Fa-f:.]+\]{_CONTACT})?"
    rf"(?::(?!_:){_CONTACT})*)+)\z"
)
"""Expression of a member's phones, as FreeSWITCH lists them. One that calls itself what no phone
does is left out."""


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that rings each group, and records where a member's calls are recorded."""
    if site.ring_groups:
        yield config(
            "dialplan/services/ring_groups.xml",
            site,
            groups=[rung(site, group) for group in site.ring_groups],
            listed=LISTED,
            records=records(site),
        )


@dataclass(frozen=True)
class Rung:
    """A ring group, as the dialplan rings it."""

    group: RingGroup
    contacts: tuple[Markup, ...]
    """Words for the phones of each member, where these are listed first: of several users in one
    bridge FreeSWITCH rings one phone each."""
    bridges: tuple[Markup, ...]
    """Dial strings that are rung, one after the other."""
    in_turn: bool
    is_recorded: bool


def rung(site: Site, group: RingGroup) -> Rung:
    """Return a group as the dialplan rings it."""
    in_turn = group.strategy == "in-turn"
    # Kamailio knows all phones of a member.
    listed = not in_turn and not site.network.edge
    outside = [Markup(xml_escape(rung_outside(one.outside, one.by))) for one in group.outside]
    contacts: list[Markup] = []
    if in_turn:
        users = [Markup(f"user/{number}@{site.domain}") for number in group.members]
        bridges = [*users, *outside]
    else:
        if listed:
            contacts = [_contacts(site, number) for number in group.members]
            phones = [Markup("${phones}")] if group.members else []
        else:
            phones = [_legs(site, number) for number in group.members]
        bridges = [Markup(",").join([*phones, *outside])]
    members = [site.extension_by_number[number] for number in group.members]
    return Rung(
        group,
        tuple(contacts),
        tuple(bridges),
        in_turn,
        is_recorded=any(one.record for one in members),
    )


def _contacts(site: Site, number: str) -> Markup:
    quiet, said = _quiet(site, number), _as_member(site, number)
    return Markup(f"${{sofia_contact(*/{number}@{site.domain}{quiet}/[{said}])}}")


def _legs(site: Site, number: str) -> Markup:
    return legs(site, number, site.domain, _quiet(site, number), _as_member(site, number))


def _quiet(site: Site, number: str) -> str:
    """Return what makes the leg to a phone one that nobody is registered at, while it is not to be
    disturbed."""
    return f"${{db(select/do-not-disturb/{number})}}" if site.features.do_not_disturb else ""


def _as_member(site: Site, number: str) -> str:
    """Return the variables of a leg that the domain's dial string, and the directory, would say."""
    said = [
        f"phone_of={number}",
        f"sip_invite_domain={site.domain}",
        f"presence_id={number}@{site.domain}",
        *(["media_mix_inbound_outbound_codecs=true"] if Voice.of(site).is_decoded else []),
        f"execute_on_answer_1=set_user {number}@{site.domain}",
    ]
    if number in {agent.extension for agent in site.agents}:
        track = "execute_extension track-agent XML services"
        said += [f"execute_on_ring={track}", f"execute_on_answer_2={track}"]
    return ",".join(said)
