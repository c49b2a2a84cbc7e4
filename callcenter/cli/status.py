"""``callcenter status``: what goes on at a switch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from callcenter.cli.sites import argument, inventory_of
from callcenter.cli.switches import ask, fs_cli, printable, switch_of
from callcenter.client.inventory import Host
from callcenter.site import Site, SiteError

__all__ = ["command", "look", "table"]

Rows = list[dict[str, str]]

REGISTERED = "kamcmd ul.dump"
"""Shell command by which Kamailio tells of phones."""

_PHONES = {"number": "reg_user", "address": "network_ip", "port": "network_port"}
_CALLS = {"from": "cid_num", "to": "dest", "state": "callstate", "since": "created"}
_AGENTS = {"agent": "name", "status": "status", "state": "state"}
_WAITING = {"queue": "queue", "caller": "cid_number", "state": "state"}


def look(site: Site, host: Host) -> dict[str, Rows]:
    """Return what a switch says of its phones, calls and trunks, and of agents and who waits for
    them where the Site has queues."""
    asked = {"calls": "show calls as json"}
    if not site.network.edge:
        asked["phones"] = "show registrations as json"
    asked |= {f"trunk {one.name}": f"sofia status gateway {one.name}" for one in site.trunks}
    if site.queues:
        asked["agents"] = "callcenter_config agent list"
        asked |= {
            f"queue {one.name}": f"callcenter_config queue list members {one.name}"
            for one in site.queues
        }
    commands = {what: fs_cli(one) for what, one in asked.items()}
    # Edges of its own know where phones are, or Kamailio on its own host.
    apart = host.others if site.network.edge else ()
    if site.network.edge and not apart:
        commands["phones"] = REGISTERED
    said = dict(zip(commands, ask(host, list(commands.values())), strict=True))
    if apart:
        said["phones"] = "\n".join(ask(edge, [REGISTERED])[0] for edge in apart)
    registered = _at_kamailio if site.network.edge else _at_freeswitch
    found = {
        "phones": registered(said["phones"]),
        "calls": _from_json(said["calls"], _CALLS),
    }
    if site.trunks:
        found["trunks"] = [
            {"trunk": one.name, **_gateway(said[f"trunk {one.name}"])} for one in site.trunks
        ]
    if site.queues:
        found["agents"] = _from_lines(said["agents"], _AGENTS)
        rows = [
            row for one in site.queues for row in _from_lines(said[f"queue {one.name}"], _WAITING)
        ]
        # mod_callcenter keeps who has hung up, for a caller who comes back.
        found["waiting"] = [row for row in rows if row["state"] != "Abandoned"]
    return found


def table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return lines of a table whose columns are as wide as they need to be."""
    heads = list(rows[0])
    wide = [max(len(head), *(len(row[head]) for row in rows)) for head in heads]
    lines = [heads, *([row[head] for head in heads] for row in rows)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, wide, strict=True)).rstrip()
        for line in lines
    ]


_LINE = re.compile(r"^\s*(AoR|Address|Received): (.*)$", re.MULTILINE)
_PLACE = re.compile(r"^sip:(?:[^@]*@)?(\[[^\]]+\]|[^:;>]+)(?::([0-9]+))?")


def _at_freeswitch(said: str) -> Rows:
    return _from_json(said, _PHONES)


def _at_kamailio(said: str) -> Rows:
    """Read Kamailio's contacts. Each has its Address, and after it Received where it was seen to
    come from elsewhere."""
    out: Rows = []
    number = ""
    for name, value in _LINE.findall(said):
        if name == "AoR":
            number = value
            continue
        if (place := _PLACE.match(value)) is None:
            continue
        if name == "Address":
            out.append({"number": _cell(number)})
        if out:
            out[-1] |= {"address": _cell(place[1].strip("[]")), "port": _cell(place[2] or "5060")}
    return out


def _from_json(said: str, columns: Mapping[str, str]) -> Rows:
    try:
        rows = json.loads(said).get("rows", [])
    except (json.JSONDecodeError, AttributeError):
        raise SiteError([f"FreeSWITCH answered {said[:60]!r}, which is no table"]) from None
    return [{head: _cell(row.get(key, "")) for head, key in columns.items()} for row in rows]


def _from_lines(said: str, columns: Mapping[str, str]) -> Rows:
    """Read rows of mod_callcenter, whose first line has the names and whose last says +OK."""
    lines = [line.split("|") for line in said.splitlines() if "|" in line]
    return _picked((dict(zip(lines[0], line, strict=False)) for line in lines[1:]), columns)


def _picked(rows: Iterable[Mapping[str, str]], columns: Mapping[str, str]) -> Rows:
    return [{head: _cell(row.get(key, "")) for head, key in columns.items()} for row in rows]


def _gateway(said: str) -> dict[str, str]:
    """Read a gateway's state, of which sofia prints a name and a value a line, a tab between."""
    lines = [line.split("\t", 1) for line in said.splitlines() if "\t" in line]
    pairs = {name.strip(): value for name, value in lines}
    return {
        "registration": _cell(pairs.get("State", "unknown")),
        "status": _cell(pairs.get("Status", "unknown")),
    }


def _cell(value: object) -> str:
    """Return a cell of a table, at most as wide as a name may be."""
    return printable(str(value)).replace("\n", "?").replace("\t", "?").strip()[:60]


@click.command()
@argument
@click.option("--host", help="One of its switches (default: the first).")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(path: Path, host: str | None, as_json: bool) -> None:
    """Show a switch's phones, calls and trunks, its agents, and who waits for them."""
    inventory = inventory_of(path)
    found = look(inventory.site, switch_of(inventory, host))
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for what, rows in found.items():
        click.echo(f"{what}: {len(rows)}")
        for line in table(rows) if rows else ():
            click.echo(f"  {line}")
