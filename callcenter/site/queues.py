"""Queues and the agents who answer them."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Map, Name, Number, no_entries
from callcenter.site.destinations import Destination, DialledOutside
from callcenter.site.sounds import Announcement

__all__ = ["Agent", "AgentCodes", "Queue", "Strategy"]

Strategy = Literal[
    "ring-all",
    "longest-idle-agent",
    "round-robin",
    "top-down",
    "agent-with-least-talk-time",
    "agent-with-fewest-calls",
    "sequentially-by-agent-order",
    "random",
    "ring-progressively",
]
"""Strategies by mod_callcenter's own names."""

Seconds = Annotated[int, Field(strict=True, ge=0, le=86_400)]
Level = Annotated[int, Field(strict=True, ge=1, le=99)]


@model
class Queue:
    """Callers wait here, first come, first served, until an agent is free."""

    name: Name
    """Name that destinations and agents' skills call it by."""
    _: KW_ONLY
    number: Number | None = None
    """Number that extensions dial for it. Default: other parts of the Site alone reach it."""
    strategy: Strategy = "longest-idle-agent"
    """Strategy by which a call rings the free agents of a level, as mod_callcenter names it."""
    hold_music: Announcement | None = None
    """Music that callers hear while they wait. Default: Site.hold_music."""
    announcement: Announcement | None = None
    """Announcement that is made over the music now and then."""
    announce_position: Annotated[bool, Field(strict=True)] = False
    """Announcement to callers of how many are before them."""
    announce_seconds: Annotated[int, Field(strict=True, ge=10, le=3600)] = 30
    """Seconds between two announcements, 10 to 3,600."""
    next_level_seconds: Seconds = 0
    """Seconds that a caller waits before agents of the next level are rung as well. 0: at once when
    none of the level before is there."""
    progressive_seconds: Seconds = 10
    """Seconds after which one agent more rings, with ``ring-progressively``."""
    max_wait: Seconds = 0
    """Seconds that a caller waits at most, before going to ``otherwise``. 0: for ever."""
    max_wait_without_agents: Seconds = 0
    """Seconds that a caller waits at most while no agent is logged in. 0: for ever."""
    otherwise: Destination | None = None
    """Destination of callers whom nobody answered in that time. Default: the call ends."""
    record: Annotated[bool, Field(strict=True)] = False
    """Recording of its calls: see Site.recording."""


@model
class Agent:
    """An extension that answers queues while its agent is logged in, and is in no other call: one
    that it makes, or that rings it."""

    extension: Number
    """The number of the extension whose phone rings. In YAML also a range of agents that are alike,
    such as ``1000-1049``."""
    _: KW_ONLY
    outside: DialledOutside | None = None
    """A number outside, such as a mobile, that rings instead of the extension's phone, called as if
    the extension had dialled it. The agent presses 1 to take the call: a mailbox that answers does
    not have it. Default: the phone rings."""
    skills: Annotated[Map[Name, Level], Field(min_length=1)] = Field(
        default_factory=no_entries, kw_only=True
    )
    """The queues that the agent answers, each with the level: those of level 1 ring first. Within
    a level, agents ring in the order in which the Site lists them, where the strategy asks for an
    order."""
    ring_seconds: Annotated[int, Field(strict=True, ge=5, le=120)] = 20
    """Seconds that the phone rings before the caller is offered to another agent."""
    wrap_up: Seconds = 10
    """Seconds that the agent is left alone after a call."""
    reject_delay: Seconds = 10
    """Seconds that the agent is left alone after refusing a call."""
    busy_delay: Seconds = 60
    """Seconds that the agent is left alone after the phone was busy."""
    no_answer_delay: Seconds = 30
    """Seconds that the agent is left alone after nobody answered."""
    max_no_answer: Annotated[int, Field(strict=True, ge=0, le=100)] = 3
    """Unanswered calls in a row after which the agent is put on a break. 0: never."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.skills:
            raise Problem("skills", "is empty, so no queue would ring it; give it one with a level")
        return self


@model
class AgentCodes:
    """What agents dial from their own extension. None switches one off."""

    _: KW_ONLY
    log_in: Number | None = "*22"
    """Code after which the agent is offered calls. It ends a pause, too."""
    log_out: Number | None = "*23"
    """Code after which the agent is offered none."""
    pause: Number | None = "*24"
    """Code after which the agent is offered none for a while."""
