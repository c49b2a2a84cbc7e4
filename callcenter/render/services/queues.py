"""Queues, agents and tiers: mod_callcenter."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths, sounds
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._dialplan import config, rung_outside
from callcenter.site import Agent, Language, Queue, Say, Site

__all__ = ["POSITION_SCRIPT", "files", "modules", "tiers"]

POSITION_SCRIPT = "scripts/queue-position.lua"
"""Script that tells a waiting caller its position."""

LAST_POSITION = 20
"""The last position that is told by its number."""


def modules(site: Site) -> tuple[str, ...]:
    """Name mod_callcenter, and the module that tells positions."""
    if not site.queues:
        return ()
    script = ("mod_lua",) if any(queue.announce_position for queue in site.queues) else ()
    return ("mod_callcenter", "mod_tone_stream", *script)


def files(site: Site) -> Iterator[File]:
    """Yield queues, agents and tiers, and the dialplan that leads into them and on."""
    if not site.queues:
        return
    yield config(
        "autoload_configs/callcenter.conf.xml",
        site,
        tiers=tuple(tiers(site)),
        contact=contact,
        music=music,
        recordings=paths.RECORDINGS,
    )
    yield config(
        "dialplan/services/queues.xml", site, position_script=f"{paths.CURRENT}/{POSITION_SCRIPT}"
    )
    if any(queue.announce_position for queue in site.queues):
        prompts = [sounds.path(site, said) for said in positions(site.language)]
        yield File(
            POSITION_SCRIPT, plain(f"freeswitch/{POSITION_SCRIPT}.j2", prompts=prompts), 0o640
        )


def positions(language: Language) -> list[Say]:
    """List what callers are told by position; the last holds for all beyond."""
    if language == "zh":
        texts = ["您是下一位。", *(f"您排在第{n}位。" for n in range(2, LAST_POSITION + 1))]
        texts.append("您前面还有许多来电。")
    else:
        texts = ["You are the next in line."]
        texts += [f"You are number {n} in line." for n in range(2, LAST_POSITION + 1)]
        texts.append("There are many callers before you.")
    return [Say(text, language=language) for text in texts]


def tiers(site: Site) -> Iterator[tuple[str, Agent, int, int]]:
    """Yield queue, agent, level and position: who answers which queue, and in which order."""
    for queue in site.queues:
        members = [agent for agent in site.agents if queue.name in agent.skills]
        for position, agent in enumerate(members, 1):
            yield queue.name, agent, agent.skills[queue.name], position


def contact(site: Site, agent: Agent) -> str:
    """Return the dial string that a queue rings for an agent."""
    to = f"user/{agent.extension}@{site.domain}"
    if agent.outside is not None:
        to = rung_outside(agent.outside, agent.extension)
    return f"[leg_timeout={agent.ring_seconds}]{to}".replace("][", ",")


def music(site: Site, queue: Queue) -> str:
    """Return what callers hear while they wait."""
    if queue.hold_music is not None:
        return sounds.path(site, queue.hold_music)
    return "silence_stream://-1" if site.hold_music is None else sounds.HOLD_MUSIC
