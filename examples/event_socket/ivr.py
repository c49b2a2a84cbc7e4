"""An IVR outside FreeSWITCH: 1 connects the caller with an extension, anything else repeats.

    python ivr.py --extension 1001

The Site: ``Application("ivr", 8084, number=6300, otherwise=extension(1000))``. Neither ``full`` nor
a password: the connection steers this one call and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio

from genesis import ESLEvent, Outbound, Session

PROMPT = "tone_stream://%(400,100,880);loops=6"


async def main() -> None:
    """Serve calls until interrupted."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--port", type=int, default=8084)
    words.add_argument("--extension", default="1001")
    words.add_argument("--prompt", default=PROMPT, help="what the caller hears: a file, a tone")
    given = words.parse_args()

    async def serve(call: Session) -> None:
        pressed: asyncio.Queue[str] = asyncio.Queue()

        async def key(event: ESLEvent) -> None:
            pressed.put_nowait(str(event["DTMF-Digit"]))

        async def ended(event: ESLEvent) -> None:
            pressed.put_nowait("")

        call.on("DTMF", key)
        call.on("CHANNEL_HANGUP", ended)
        await call.send("myevents")
        print(f"{call.context['Caller-Caller-ID-Number']} calls", flush=True)
        await call.sendmsg("execute", "answer")
        await call.sendmsg("execute", "playback", given.prompt)
        while digit := await pressed.get():
            print(f"{digit} was pressed", flush=True)
            if digit == "1":
                await call.sendmsg("execute", "break")
                await call.sendmsg("execute", "transfer", f"{given.extension} XML default")
                return
            await call.sendmsg("execute", "playback", given.prompt)

    server = Outbound(serve, "127.0.0.1", given.port, events=False, linger=False)
    await server.start(block=False)
    print("waiting for calls", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
