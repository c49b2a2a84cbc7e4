"""FreeSWITCH's Event Socket, reached through ssh: it listens on its host's loopback alone.

The protocol's libraries bring a web server or gevent with them; what is needed here is one
connection, a few commands, and events as they come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import unquote

from callcenter.client.ssh import Login
from callcenter.site import SiteError

__all__ = ["EventSocketClient", "connect"]

Message = Mapping[str, str]
"""Headers of a message; its text is under ``_body``."""


class EventSocketClient:
    """One connection: commands are answered in order, and events come between the answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._events: asyncio.Queue[Message | None] = asyncio.Queue()

    async def log_in(self, password: str) -> Self:
        """Say the password; it travels inside the connection."""
        await self._message()
        self._task = asyncio.create_task(self._read())
        answer = await self.send(f"auth {password}")
        if not answer["Reply-Text"].startswith("+OK"):
            raise SiteError(["Site.event_socket.password: FreeSWITCH does not accept it; deploy"])
        return self

    async def send(self, command: str) -> Message:
        """Send a command and return its answer."""
        self._writer.write(f"{command}\n\n".encode())
        await self._writer.drain()
        return await self._answers.get()

    async def events(self) -> AsyncIterator[Message]:
        """Yield events as they come, until the connection ends."""
        while (event := await self._events.get()) is not None:
            yield event

    async def _read(self) -> None:
        try:
            while True:
                message = await self._message()
                if message["Content-Type"] == "text/event-plain":
                    head, _, body = message["_body"].partition("\n\n")
                    self._events.put_nowait({**_headers(head), "_body": body})
                else:
                    self._answers.put_nowait(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._events.put_nowait(None)

    async def _message(self) -> Message:
        head = await self._reader.readuntil(b"\n\n")
        headers = _headers(head.decode())
        length = int(headers.get("Content-Length", 0))
        body = (await self._reader.readexactly(length)).decode() if length else ""
        return {**headers, "_body": body}


def _headers(text: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in text.strip().splitlines())
    # An event has hundreds, of which most say nothing that is encoded.
    return {name: unquote(value) if "%" in value else value for name, _, value in pairs}


@asynccontextmanager
async def connect(entered: Login, port: int, password: str) -> AsyncIterator[EventSocketClient]:
    """Connect to the Event Socket of a host."""
    tunnel = await asyncio.create_subprocess_exec(
        *entered.command("-W", f"127.0.0.1:{port}"),
        env=entered.environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert tunnel.stdin
    assert tunnel.stdout
    assert tunnel.stderr
    try:
        yield await EventSocketClient(tunnel.stdout, tunnel.stdin).log_in(password)
    except asyncio.IncompleteReadError:
        why = (await tunnel.stderr.read()).decode().strip() or "the connection ended"
        raise SiteError([f"{entered.name}: the Event Socket cannot be reached: {why}"]) from None
    finally:
        tunnel.stdin.close()
        await tunnel.wait()
