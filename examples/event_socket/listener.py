"""Prints what happens to calls, and calls an extension and plays a sound to it.

    ESL_PASSWORD=… python listener.py 1000 --play 'tone_stream://%(3000,0,620)'

The Site: ``EventSocketUser("listener", events=[…], commands=["originate"])`` with the EVENTS below.
"""

from __future__ import annotations

import argparse
import asyncio

from genesis import ESLEvent
from login import User

EVENTS = ("CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP", "BACKGROUND_JOB")


async def show(event: ESLEvent) -> None:
    """One line an event. Not async, it would run in a thread beside others."""
    what = event.get("Caller-Destination-Number") or (event.body or "").strip()
    cause = event.get("Hangup-Cause", "")
    print(event["Event-Name"], what, cause, flush=True)


async def main() -> None:
    """Listen until interrupted."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("extension", nargs="?", help="whom to call first")
    words.add_argument("--play", default="tone_stream://%(3000,0,620)")
    words.add_argument("--user", default="listener")
    words.add_argument("--port", type=int, default=8021)
    given = words.parse_args()
    async with User(given.user, given.port) as freeswitch:
        for event in EVENTS:
            freeswitch.on(event, show)
        answer = await freeswitch.send(f"event plain {' '.join(EVENTS)}")
        print(answer["Reply-Text"], flush=True)
        if given.extension:
            call = f"user/{given.extension} &playback({given.play})"
            await freeswitch.send(f"bgapi originate {call}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
