"""Caps: what is used of each, on each switch or of all of them together."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from callcenter.cli.sites import argument, inventory_of
from callcenter.cli.status import table
from callcenter.cli.switches import printable, switch_of
from callcenter.client.inventory import Host, Inventory
from callcenter.client.ssh import answer
from callcenter.onhost import counts
from callcenter.render import paths, pool
from callcenter.render.services.caps import PARTS, SPANS
from callcenter.site import Cap, Site, SiteError

__all__ = ["command", "lines", "look"]


def look(inventory: Inventory, host: str | None = None) -> list[dict[str, Any]]:
    """Return what is used of each cap, and the most that may be: of each switch that counts by
    itself, or of one, or of all that count together."""
    site = inventory.site
    if not site.caps:
        raise SiteError(["the Site has no caps; give it caps=[Cap(…)]"])
    if host is not None or site.shares_caps:
        asked = [switch_of(inventory, host)]
    else:
        asked = [one for one in inventory.switches if not one.switch.is_windows]
    return [
        {"switch": None if site.shares_caps else one.name, **row}
        for one in asked or [switch_of(inventory, None)]
        for row in _used(site, one)
    ]


def _used(site: Site, host: Host) -> Iterator[dict[str, Any]]:
    shared, own = ("pool", pool.reached_by("caps")), ("file", paths.CAPS_DATABASE)
    where = shared if site.shares_caps else own
    caps = json.dumps({cap.name: SPANS[cap.per] for cap in site.caps})
    words = ("runuser", "-u", "freeswitch", "--", "python3", "-I", "-", *where, caps)
    found = json.loads(answer(host, shlex.join(words), inspect.getsource(counts).encode()))
    for cap in site.caps:
        rows = [row for row in found if row["cap"] == cap.name]
        if not rows and cap.each == "site":
            rows = [{"whose": "", "calls": 0, "seconds": 0, "money": 0}]
        for row in rows:
            yield {
                "cap": cap.name,
                "of": row["whose"] or cap.whose("", None),
                "per": cap.per,
                **_measures(cap, row),
            }


def _measures(cap: Cap, row: dict[str, Any]) -> dict[str, Any]:
    """Return what is used and the most of it, by measure, or None where that has no limit."""
    money = Decimal(row["money"]) / 60 / PARTS
    most = {
        "calls": (row["calls"], cap.calls),
        "minutes": (round(row["seconds"] / 60, 1), cap.minutes),
        "money": (
            format(money.quantize(Decimal("0.0001")), "f"),
            None if cap.money is None else format(Decimal(cap.money), "f"),
        ),
    }
    return {
        name: None if limit is None else {"used": used, "most": limit}
        for name, (used, limit) in most.items()
    }


def _row(row: dict[str, Any], *, switches: bool) -> dict[str, str]:
    cells = {
        name: f"{cell['used']} of {cell['most']}" if isinstance(cell, dict) else cell or "-"
        for name, cell in row.items()
    }
    if not switches:
        del cells["switch"]
    return {name: printable(cell) for name, cell in cells.items()}


def lines(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what :func:`look` has found, as a person reads it."""
    if not found:
        # Caps of each extension or account have no row before one of these has called.
        yield "no call that a cap counts was made within its hour or day"
        return
    several = len({row["switch"] for row in found}) > 1
    yield from table([_row(row, switches=several) for row in found])


@click.command()
@argument
@click.option("--host", help="One of its switches (default: each that counts by itself).")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(path: Path, host: str | None, as_json: bool) -> None:
    """Show what is used of each cap of calls outside, and the most that may be."""
    inventory = inventory_of(path)
    found = look(inventory, host)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for line in lines(found):
        click.echo(line)
