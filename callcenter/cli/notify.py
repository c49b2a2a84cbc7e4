"""Voice notification: call a list of numbers with a notice, at a bounded rate, and tell of each."""

from __future__ import annotations

import asyncio
import csv
import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

import click

from callcenter.cli.sites import inventory_of
from callcenter.client.event_socket import EventSocketClient, connect
from callcenter.client.inventory import Inventory
from callcenter.client.ssh import login
from callcenter.render.services import CONTEXT, name_of
from callcenter.site import Site, SiteError, ToNotice

__all__ = ["Pace", "Result", "command", "notify", "numbers_in", "write"]

FINAL = frozenset({"CALL_REJECTED", "UNALLOCATED_NUMBER"})
"""Causes for which nobody is called again: they said no, or are not there."""


PLAYED = "FILE PLAYED"
"""Words of FreeSWITCH's about a sound that was played to its end."""


@dataclass(frozen=True)
class Pace:
    """How hard people and lines are pressed."""

    calls_per_second: float = 1.0
    at_a_time: int = 10
    attempts: int = 3
    retry_seconds: float = 60.0
    ring_seconds: int = 30

    def check(self, site: Site) -> None:
        """Refuse what the Site's own limits do not allow."""
        most = site.media.max_calls_per_second
        if not 0 < self.calls_per_second <= most:
            raise SiteError(
                [f"--rate: must be above 0 and at most {most} (media.max_calls_per_second)"]
            )
        if not 1 <= self.at_a_time <= site.media.max_calls:
            raise SiteError([f"--at-a-time: must be 1 to {site.media.max_calls} (media.max_calls)"])
        if not 1 <= self.attempts <= 10:
            raise SiteError(["--attempts: must be 1 to 10"])
        if self.retry_seconds < 0 or not 5 <= self.ring_seconds <= 300:
            raise SiteError(["--retry-after must be 0 or more, --ring 5 to 300 seconds"])


@dataclass(frozen=True)
class Result:
    """What became of one number."""

    number: str
    result: str
    """``heard``: to its end. ``hung up``: before it. Else FreeSWITCH's cause of the last attempt,
    such as NO_ANSWER."""
    attempts: int


def numbers_in(text: str, site: Site) -> list[str]:
    """Read the first column of a list, a number a line; refuse it where one cannot be called."""
    lines = csv.reader(text.splitlines())
    found = [(lines.line_num, row[0].strip()) for row in lines if row and row[0].strip()]
    problems = [
        f"line {line}: {number!r} is no extension of the Site; take it out, or describe it"
        for line, number in found
        if number not in site.extension_by_number
    ]
    rows = [number for _, number in found]
    twice = [number for number, times in Counter(rows).items() if times > 1]
    problems += [f"{number} is listed twice; list it once" for number in twice]
    if not rows:
        problems = ["the list is empty; give a number a line"]
    if problems:
        raise SiteError(problems)
    return rows


def notify(inventory: Inventory, name: str, numbers: Sequence[str], pace: Pace) -> list[Result]:
    """Call every number with a notice of the Site, and return when all is told."""
    site = inventory.site
    if name not in (known := [notice.name for notice in site.notices]):
        raise SiteError([f"{name!r} is none of the Site's notices: {', '.join(known) or 'none'}"])
    pace.check(site)
    return asyncio.run(_notify(inventory, ToNotice(name), numbers, pace))


async def _notify(
    inventory: Inventory, notice: ToNotice, numbers: Sequence[str], pace: Pace
) -> list[Result]:
    site = inventory.site
    if (host := inventory.linux_switch) is None:
        raise SiteError([f"{inventory.path}: has no Linux switch to call from; add one"])
    password = site.reveal(site.event_socket.password)
    with login(host) as entered:
        async with connect(entered, site.event_socket.port, password) as client:
            return await _Campaign(client, site, notice, pace).run(numbers)


class _Campaign:
    """All calls of one run; the events of other calls never reach it."""

    def __init__(self, client: EventSocketClient, site: Site, notice: ToNotice, pace: Pace) -> None:
        self._client, self._site, self._notice, self._pace = client, site, notice, pace
        self._name = uuid.uuid4().hex
        number = site.named("notices", notice.notice).number
        # Who calls back hears the notice again.
        self._shown = {"origination_caller_id_number": number} if number else {}
        self._jobs: dict[str, asyncio.Future[str]] = {}
        self._ended: dict[str, asyncio.Future[bool]] = {}
        self._lines = asyncio.Semaphore(pace.at_a_time)
        self._next = 0.0
        self._sending = asyncio.Lock()

    async def run(self, numbers: Sequence[str]) -> list[Result]:
        await self._client.send(f"filter variable_notification {self._name}")
        await self._client.send("filter Event-Name BACKGROUND_JOB")
        await self._client.send("event plain BACKGROUND_JOB CHANNEL_HANGUP_COMPLETE")
        listening = asyncio.create_task(self._listen())
        calls = asyncio.ensure_future(asyncio.gather(*map(self._call, numbers)))
        both: set[asyncio.Future[Any]] = {listening, calls}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not calls.done():
            calls.cancel()
            raise SiteError(["the connection to FreeSWITCH ended; see its journal"])
        listening.cancel()
        return calls.result()

    async def _listen(self) -> None:
        async for event in self._client.events():
            if event["Event-Name"] == "BACKGROUND_JOB":
                waiting = self._jobs.pop(event["Job-UUID"], None)
                if waiting is not None:
                    waiting.set_result(event["_body"].strip())
            elif (ended := self._ended.get(event["Unique-ID"])) is not None and not ended.done():
                ended.set_result(event.get("variable_notice_heard") == PLAYED)

    async def _call(self, number: str) -> Result:
        for attempt in range(1, self._pace.attempts + 1):
            async with self._lines:
                result = await self._attempt(number)
            if result in ("heard", "hung up") or result in FINAL:
                break
            if attempt < self._pace.attempts:
                await asyncio.sleep(self._pace.retry_seconds)
        return Result(number, result, attempt)

    async def _attempt(self, number: str) -> str:
        loop = asyncio.get_running_loop()
        call, job = str(uuid.uuid4()), str(uuid.uuid4())
        self._ended[call], self._jobs[job] = loop.create_future(), loop.create_future()
        waiting, ended = self._jobs[job], self._ended[call]
        variables = ",".join(
            f"{name}={value}"
            for name, value in {
                "origination_uuid": call,
                "notification": self._name,
                **self._shown,
                "originate_timeout": self._pace.ring_seconds,
                "ignore_early_media": "true",
            }.items()
        )
        who = f"user/{number}@{self._site.domain}"
        async with self._sending:
            await asyncio.sleep(max(0.0, self._next - loop.time()))
            self._next = loop.time() + 1 / self._pace.calls_per_second
            await self._client.send(
                f"bgapi originate {{{variables}}}{who} {name_of(self._notice)} XML {CONTEXT}\n"
                f"Job-UUID: {job}"
            )
        said = await waiting
        if not said.startswith("+OK"):
            cause = said.removeprefix("-ERR ").strip()
            # Answered and hung up before the notice began.
            return "hung up" if cause == "NORMAL_CLEARING" else cause
        return "heard" if await ended else "hung up"


def write(results: Sequence[Result], to: TextIO) -> None:
    """Write as CSV, in the order of the list."""
    writer = csv.DictWriter(to, [field.name for field in fields(Result)])
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)


PACE = Pace()


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("notice")
@click.argument("list", type=click.Path(path_type=Path, resolve_path=True))
@click.option("--rate", default=PACE.calls_per_second, show_default=True, help="Calls a second.")
@click.option("--at-a-time", default=PACE.at_a_time, show_default=True, help="Calls at once.")
@click.option("--attempts", default=PACE.attempts, show_default=True, help="Calls to a number.")
@click.option("--retry-after", default=PACE.retry_seconds, show_default=True, help="Seconds.")
@click.option("--ring", default=PACE.ring_seconds, show_default=True, help="Seconds.")
def command(
    path: Path,
    notice: str,
    list: Path,
    rate: float,
    at_a_time: int,
    attempts: int,
    retry_after: float,
    ring: int,
) -> None:
    """Call a list of numbers with one of the Site's notices.

    LIST is a file with a number a line, or CSV with it in front.
    """
    inventory = inventory_of(path)
    try:
        text = list.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise SiteError([f"{list}: cannot be read ({type(wrong).__name__})"]) from None
    pace = Pace(rate, at_a_time, attempts, retry_after, ring)
    write(notify(inventory, notice, numbers_in(text, inventory.site), pace), sys.stdout)
