"""Queues, agents and tiers: mod_callcenter."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter import paths
from callcenter.render import sounds
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._way import config
from callcenter.site import Agent, Queue, Site

__all__ = ["POSITION_SCRIPT", "files", "modules", "tiers"]

POSITION_SCRIPT = "scripts/queue-position.lua"
"""Tells a waiting caller its position."""


def modules(site: Site) -> tuple[str, ...]:
    """mod_callcenter, and what tells positions."""
    if not site.queues:
        return ()
    told = ("mod_lua",) if any(queue.announce_position for queue in site.queues) else ()
    return ("mod_callcenter", "mod_tone_stream", *told)


def files(site: Site) -> Iterator[File]:
    """Queues, agents and tiers, and the dialplan that leads into them and on."""
    if not site.queues:
        return
    yield config(
        "autoload_configs/callcenter.conf.xml",
        site,
        tiers=tuple(tiers(site)),
        music=music,
        recordings=paths.RECORDINGS,
    )
    yield config(
        "dialplan/services/queues.xml", site, position_script=f"{paths.CURRENT}/{POSITION_SCRIPT}"
    )
    if any(queue.announce_position for queue in site.queues):
        yield File(POSITION_SCRIPT, plain(f"freeswitch/{POSITION_SCRIPT}.j2"), 0o640)


def tiers(site: Site) -> Iterator[tuple[str, Agent, int, int]]:
    """Queue, agent, level and position: who answers which queue, and in which order."""
    for queue in site.queues:
        members = [agent for agent in site.agents if queue.name in agent.skills]
        for position, agent in enumerate(members, 1):
            yield queue.name, agent, agent.skills[queue.name], position


def music(site: Site, queue: Queue) -> str:
    """What callers hear while they wait."""
    if queue.hold_music is not None:
        return sounds.path(site, queue.hold_music)
    return "silence_stream://-1" if site.hold_music is None else sounds.HOLD_MUSIC
