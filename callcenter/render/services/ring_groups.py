"""Ring groups."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config, legs, records, rung_outside
from callcenter.site import Site

__all__ = ["files"]


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that rings each group, and records where a member's calls are recorded."""
    if site.ring_groups:
        members = site.extension_by_number
        yield config(
            "dialplan/services/ring_groups.xml",
            site,
            records=records(site),
            rung_outside=rung_outside,
            legs=legs,
            agents=frozenset(agent.extension for agent in site.agents),
            recorded={
                group.name
                for group in site.ring_groups
                if any(members[number].record for number in group.members)
            },
        )
