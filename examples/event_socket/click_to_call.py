"""Connects two extensions: the first one's phone rings, then, when it is answered, the second's.

    ESL_PASSWORD=… python click_to_call.py 1000 1001

The Site: ``EventSocketUser("click-to-call", events=["BACKGROUND_JOB"], commands=["originate"])``.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys

from genesis import ESLEvent
from login import User


def extension(text: str) -> str:
    """What comes from a web page goes no further unless it is a number."""
    if not re.fullmatch(r"[0-9]{2,15}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no extension")
    return text


async def main() -> int:
    """Call, and say what came of it: 0 when the first phone was answered."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("caller", type=extension)
    words.add_argument("callee", type=extension)
    words.add_argument("--user", default="click-to-call")
    words.add_argument("--port", type=int, default=8021)
    given = words.parse_args()
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def finished(event: ESLEvent) -> None:
        if not done.done():
            done.set_result((event.body or "").strip())

    async with User(given.user, given.port) as freeswitch:
        freeswitch.on("BACKGROUND_JOB", finished)
        await freeswitch.send("event plain BACKGROUND_JOB")
        # The dialplan of extensions leads on, so the callee's own settings hold.
        options = f"{{origination_caller_id_number={given.callee}}}"
        call = f"{options}user/{given.caller} {given.callee} XML default"
        await freeswitch.send(f"bgapi originate {call}")
        said = await done
    print(said, flush=True)
    return 0 if said.startswith("+OK") else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
