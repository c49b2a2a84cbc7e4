"""Logs in to the Event Socket as one of the Site's event_socket.users."""

from __future__ import annotations

import os

from genesis import Inbound
from genesis.exceptions import AuthenticationError

__all__ = ["User"]


class User(Inbound):
    """A login of a program's own. Its password comes from the environment, never as an argument."""

    def __init__(self, name: str, port: int = 8021) -> None:
        super().__init__("127.0.0.1", port, os.environ["ESL_PASSWORD"])
        self.name = name

    async def authenticate(self) -> None:
        """Say name and password where genesis would say the password of the whole switch."""
        await self.authentication_event.wait()
        answer = await self.send(f"userauth {self.name}@event_socket:{self.password}")
        if not str(answer["Reply-Text"]).startswith("+OK"):
            raise AuthenticationError(f"FreeSWITCH does not know {self.name} by this password")
