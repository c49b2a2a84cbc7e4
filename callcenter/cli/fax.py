"""Send a fax: the document goes to a switch, which converts it, calls, and tells what became of
it."""

from __future__ import annotations

import asyncio
import random
import re
import shlex
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import click

from callcenter.cli.sites import inventory_of
from callcenter.client.event_socket import EventSocketClient, connect
from callcenter.client.inventory import Inventory
from callcenter.client.ssh import Login, login
from callcenter.render import paths
from callcenter.render.outbound import sending
from callcenter.render.services import caps
from callcenter.render.services._carrier_legs import (
    BARRED,
    FULL,
    CarrierLeg,
    Limit,
    an_hour,
    at_a_time,
    capped,
    counting,
    of_trunk,
)
from callcenter.render.services._hits import Hit
from callcenter.render.services.faxes import JITTER_MS
from callcenter.render.services.trunks import identity
from callcenter.site import Fax, Route, Site, SiteError, Trunk
from callcenter.site.dialled import cleaned

__all__ = ["Attempt", "Sent", "attempts", "command", "send"]


COUNTED = "CHANNEL_DATA"
"""The event that follows the limits, with the variables of the call."""


@dataclass(frozen=True)
class Sent:
    """What became of a fax."""

    sent: int
    """Pages that the other side has confirmed."""
    pages: int
    mode: str
    """``T.38`` or ``audio``; empty where nobody answered."""
    result: str
    """Outcome in the words of T.30, or FreeSWITCH's cause where nobody answered."""
    success: bool

    def __str__(self) -> str:
        by = f" by {self.mode}" if self.mode else ""
        return f"{self.sent} of {self.pages} pages sent{by}: {self.result}"


@dataclass(frozen=True)
class Attempt:
    """One way to a number."""

    dial: str
    """Dial string that FreeSWITCH is given."""
    variables: Mapping[str, str]
    again: Sequence[str] = ()
    """Causes after which the next way is tried."""
    number: str = ""
    """Number of E.164, where it leads outside."""
    limits: Sequence[Limit] = ()
    """Limits in the order in which they count. The first that is hit ends it."""


def attempts(site: Site, sender: Fax, number: str) -> list[Attempt]:
    """List the ways to a number, in the order in which they are tried."""
    number = cleaned(site, number)
    shown = {"origination_caller_id_number": sender.number} if sender.number else {}
    if number in site.extension_by_number:
        return [Attempt(f"user/{number}@{site.domain}", shown)]
    if any(one.number == number for one in site.faxes):
        raise SiteError([f"{number} is a fax of the Site itself; give a number outside"])
    call = sending(site, sender, number)
    if call.refused is not None:
        raise SiteError([f"{number} cannot be sent to: {call.refused}"])
    assert isinstance(call.by, Route)
    own = f"fax-{sender.name}"
    out: list[Attempt] = []
    asked = str(uuid.uuid4())
    for trunk in _by_weight(call.trunks, call.by.shares):
        ours = sender.caller_id or trunk.caller_id
        caller = trunk.shown(ours) if ours else "anonymous"
        # FreeSWITCH counts before it sends anything.
        limits = [at_a_time(site, own, BARRED), *of_trunk(trunk, FULL, FULL)]
        if not out:
            limits.insert(0, an_hour(site, own, BARRED))
        if call.caps:
            limits.append(capped(own, call.number, call.by.name, asked, _hours(site)))
        run = [one for limit in limits for one in limit.run]
        # It also runs for a call that has ended: its event tells what has counted.
        run.append(f"event Event-Name={COUNTED}")
        variables = [
            *counting(run),
            ("origination_caller_id_number", caller),
            ("origination_caller_id_name", caller),
            ("leg_progress_timeout", str(call.by.silence_seconds)),
            *identity(trunk).items(),
            *([("rtp_secure_media", "mandatory")] if trunk.srtp else []),
        ]
        leg = CarrierLeg(trunk, trunk.sent(call.number), variables)
        named = {"trunk": trunk.name, **dict(leg.variables)}
        out.append(Attempt(leg.address, named, call.by.failover, call.number, limits))
    return out


def _hours(site: Site) -> str:
    """Return the state of the opening hours that caps ask, as the dialplan has it."""
    now = datetime.now(UTC)
    states = {one.name: one.why(now, site.timezone)[0] for one in caps.asked_hours(site)}
    return "/".join(["-", *(f"{n}:{'open' if s else 'closed'}" for n, s in states.items())])


def _by_weight(trunks: Sequence[Trunk], shares: Mapping[str, int]) -> list[Trunk]:
    """Return the trunks in an order drawn by their weights; those without come last."""
    # Efraimidis and Spirakis, "Weighted random sampling with a reservoir".
    drawn = {name: random.random() ** (1 / weight) for name, weight in shares.items()}
    return sorted(trunks, key=lambda one: -drawn.get(one.name, -1))


def send(inventory: Inventory, number: str, file: Path, name: str | None = None) -> Sent:
    """Send a PDF or TIFF as one of the Site's faxes, by default the first, and wait for the end."""
    site = inventory.site
    known = [fax.name for fax in site.faxes]
    if name is None and not known:
        raise SiteError(["the Site has no fax to send as; give one in faxes"])
    if name is not None and name not in known:
        raise SiteError([f"{name!r} is none of the Site's faxes: {', '.join(known) or 'none'}"])
    sender = site.faxes[0] if name is None else site.named("faxes", name)
    tried = attempts(site, sender, number)
    document = file.read_bytes()
    if (host := inventory.linux_switch) is None:
        raise SiteError([f"{inventory.path}: has no Linux switch to send from; add one"])
    identifier = str(uuid.uuid4())
    with login(host, shared=True) as entered:

        def tool(what: str, given: bytes = b"") -> str:
            done = entered.run(shlex.join([paths.FAX_TOOL, what, identifier]), given)
            if done.returncode:
                raise SiteError([f"{file}: {done.stderr.decode(errors='replace').strip()}"])
            return done.stdout.decode().strip()

        pages = int(tool("prepare", document))
        try:
            return asyncio.run(_send(site, entered, sender, tried, identifier, pages))
        finally:
            tool("forget")


async def _send(
    site: Site,
    entered: Login,
    sender: Fax,
    tried: Sequence[Attempt],
    identifier: str,
    pages: int,
) -> Sent:
    password = site.reveal(site.event_socket.password)
    async with connect(entered, site.event_socket.port, password) as client:
        await client.send(f"filter variable_fax_sending {identifier}")
        await client.send("filter Event-Name BACKGROUND_JOB")
        await client.send(f"event plain BACKGROUND_JOB {COUNTED} CHANNEL_HANGUP_COMPLETE")
        for attempt in tried:
            sent, over = await _try(client, sender, attempt, identifier, pages)
            if over is not None:
                await _tell(client, sender, attempt, over)
            is_full = over is not None and over.cause == FULL
            if not is_full and sent.result not in attempt.again:
                break
        return sent


async def _tell(client: EventSocketClient, sender: Fax, attempt: Attempt, over: Limit) -> None:
    """Do what the dialplan does when a limit is hit. Caps tell of themselves."""
    if over.cause == caps.OVER:
        return
    hit = Hit(over.name, over.trunk, fax=sender.name, called=attempt.number)
    await client.send(f"api log WARNING {hit.line}")
    headers = "\n".join(f"{name}: {text}" for name, text in hit.headers.items())
    await client.send(f"sendevent CUSTOM\n{headers}")


def _quoted(value: str) -> str:
    """Return a value as it stands among others: FreeSWITCH would end it at a comma or a space."""
    return f"'{value}'" if re.search("[ ,]", value) else value


async def _try(
    client: EventSocketClient, sender: Fax, attempt: Attempt, identifier: str, pages: int
) -> tuple[Sent, Limit | None]:
    over: Limit | None = None
    call, job = str(uuid.uuid4()), str(uuid.uuid4())
    given = {
        "origination_uuid": call,
        "fax_sending": identifier,
        "ignore_early_media": "true",
        # Other codecs bend the tones.
        "absolute_codec_string": "PCMU,PCMA",
        "jitterbuffer_msec": str(JITTER_MS),
        # Who is called asks for T.38, as ITU-T T.38 has it.
        # T.38 cannot be encrypted.
        "fax_enable_t38": str(sender.t38 and "rtp_secure_media" not in attempt.variables).lower(),
        "fax_enable_t38_request": "false",
        **({"fax_ident": quote(sender.ident, safe="+")} if sender.ident else {}),
        **({"fax_header": quote(sender.header, safe="")} if sender.header else {}),
        **attempt.variables,
    }
    variables = ",".join(f"{name}={_quoted(value)}" for name, value in given.items())
    document = f"{paths.FAXES}/.outgoing/{identifier}.tif"
    await client.send(
        f"bgapi originate {{{variables}}}{attempt.dial} &txfax({document})\nJob-UUID: {job}"
    )
    async for event in client.events():
        if "Event-Name" not in event:
            # FreeSWITCH tells all listeners of what it gives a hook at a call's end.
            continue
        if event["Event-Name"] == "BACKGROUND_JOB":
            said = event["_body"].strip()
            if event["Job-UUID"] == job and not said.startswith("+OK"):
                why = said.removeprefix("-ERR ").strip()
                why = BARRED if why == caps.OVER else why
                return Sent(0, pages, "", why, success=False), over
        elif event["Event-Name"] == COUNTED:
            if event["Unique-ID"] == call:
                hit = (one for one in attempt.limits if f"variable_{one.counted}" not in event)
                over = next(hit, None)
        elif event["Unique-ID"] == call and "variable_fax_result_text" in event:
            t38 = event.get("variable_fax_t38_status") == "negotiated"
            ended = Sent(
                int(event.get("variable_fax_document_transferred_pages", 0)),
                pages,
                "T.38" if t38 else "audio",
                event["variable_fax_result_text"],
                event.get("variable_fax_success") == "1",
            )
            return ended, None
        elif event["Unique-ID"] == call and event.get("variable_endpoint_disposition") == "ANSWER":
            return Sent(0, pages, "", event["Hangup-Cause"], success=False), None
    raise SiteError(["the connection to FreeSWITCH ended; see its journal"])


@click.group()
def command() -> None:
    """Send a fax."""


@command.command("send")
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("number")
@click.argument("file", type=click.Path(path_type=Path, resolve_path=True))
@click.option("--as", "sender", metavar="NAME", help="Sender (default: the Site's first fax).")
def _send_one(path: Path, number: str, file: Path, sender: str | None) -> int:
    """Send a PDF, or a TIFF of a fax's width, and wait for the end.

    NUMBER is what is dialled: outside, or an extension that is a fax.
    """
    try:
        sent = send(inventory_of(path), number, file, sender)
    except OSError as wrong:
        raise SiteError([f"{file}: cannot be read ({type(wrong).__name__})"]) from None
    click.echo(str(sent))
    return 0 if sent.success else 1
