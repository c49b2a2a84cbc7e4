"""Prepaid accounts from the operator's side: money in, the balance, and what was spent on what."""

from __future__ import annotations

import json
import re
import shlex
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from callcenter.cli.sites import inventory_of
from callcenter.client.inventory import Inventory
from callcenter.client.ssh import login
from callcenter.render import paths
from callcenter.site import SiteError

__all__ = ["book", "command", "statement"]

MOST = Decimal(1_000_000)


def book(inventory: Inventory, account: str, money: Decimal, identified: str | None) -> str:
    """Book money onto an account, or off it where it is below 0, and return what to print."""
    currency = _currency(inventory, account)
    booking = str(identifier(identified))
    asked = {"account": account, "do": "book", "amount": str(money), "id": booking}
    words = f"{'top-up' if money > 0 else 'take-back'} {account} {abs(money)}"
    said = _ask(inventory, asked, f"repeat it safely: {words} --id {booking}")
    done = f"{money:+f} {currency}" if said["booked"] else "booked already, nothing was done"
    return f"{account}: {done}; balance {_shown(said['balance'])} {currency}"


def statement(inventory: Inventory, account: str, lines: int = 0) -> str:
    """Return an account's balance, below so many of its last movements."""
    currency = _currency(inventory, account)
    asked: dict[str, Any] = {"account": account, "do": "balance"}
    if lines:
        asked |= {"do": "statement", "lines": max(1, min(lines, 100_000))}
    said = _ask(inventory, asked)
    moved = [_line(one) for one in said.get("entries", ())]
    return "\n".join([*moved, f"{account}: balance {_shown(said['balance'])} {currency}"])


@click.group()
def command() -> None:
    """Keep prepaid accounts: money in and out, what is left, what was spent on what."""


_inventory = click.option(
    "--inventory",
    "path",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Site (default: that of the folder one stands in).",
)
_AMOUNT = {"ignore_unknown_options": True}
"""Setting by which -5 is an amount to refuse, and no option."""
_identified = click.option(
    "--id", "identified", help="Identifier of a booking whose end is not known, to repeat it."
)


@command.command("top-up", context_settings=_AMOUNT)
@click.argument("account")
@click.argument("given", metavar="AMOUNT")
@_identified
@_inventory
def _top_up(account: str, given: str, identified: str | None, path: Path) -> None:
    """Add money, such as 20 or 4.50, to an account."""
    click.echo(book(inventory_of(path), account, amount(given), identified))


@command.command("take-back", context_settings=_AMOUNT)
@click.argument("account")
@click.argument("given", metavar="AMOUNT")
@_identified
@_inventory
def _take_back(account: str, given: str, identified: str | None, path: Path) -> None:
    """Take money out again, such as a top-up that was a mistake."""
    click.echo(book(inventory_of(path), account, -amount(given), identified))


@command.command("balance")
@click.argument("account")
@_inventory
def _balance(account: str, path: Path) -> None:
    """Print what is left."""
    click.echo(statement(inventory_of(path), account))


@command.command("statement")
@click.argument("account")
@click.option("--lines", default=50, show_default=True, help="So many, the newest last.")
@_inventory
def _statement(account: str, lines: int, path: Path) -> None:
    """Print what came and went."""
    click.echo(statement(inventory_of(path), account, max(1, lines)))


def amount(text: str) -> Decimal:
    """Read an amount of money, or refuse it."""
    # Not what Decimal takes besides: exponents, underscores, other scripts' digits.
    money = Decimal(text) if re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", text) else Decimal(0)
    if not 0 < money <= MOST:
        raise SiteError(
            [f"amount: {text!r} is none; give one above 0, up to {MOST}, such as 20 or 4.50"]
        )
    return money


def identifier(text: str | None) -> uuid.UUID:
    """Return the identifier of a booking: a new one, unless it is given."""
    try:
        return uuid.UUID(text) if text is not None else uuid.uuid4()
    except ValueError:
        raise SiteError([f"--id: {text!r} is none; leave it out for a new booking"]) from None


def _currency(inventory: Inventory, account: str) -> str:
    site = inventory.site
    if site.billing is None:
        raise SiteError(["the Site bills nothing; give it billing=Billing(…)"])
    if account not in site.accounts:
        raise SiteError([f"{account!r} is none of the Site's accounts: {', '.join(site.accounts)}"])
    return site.billing.currency


def _ask(inventory: Inventory, asked: dict[str, Any], unknown: str = "") -> Any:
    if (host := inventory.linux_switch) is None:
        raise SiteError([f"{inventory.path}: has no Linux switch, which the accounts are on"])
    words = ("runuser", "-u", "freeswitch", "--", "python3", "-I", paths.BILLING_TOOL)
    with login(host) as entered:
        done = entered.run(shlex.join(words), json.dumps(asked).encode())
    if done.returncode == 0:
        return json.loads(done.stdout)
    why = done.stderr.decode(errors="replace").strip() or f"ssh ended with {done.returncode}"
    # 1 is the tool's own word: the database took nothing, or nobody knows what it took.
    raise SiteError([f"{host.name}: {why}" + (f"\n{unknown}" if unknown else "")])


def _line(entry: dict[str, Any]) -> str:
    money = f"{entry['began']}  {Decimal(entry['amount']):+14.6f}"
    if entry["number"] is None:
        return f"{money}  {'top-up' if Decimal(entry['amount']) > 0 else 'take-back'}"
    rate = Decimal(entry["minute"]).normalize()
    return (
        f"{money}  {entry['extension']} called {entry['number']}, {entry['seconds']} s "
        f"at {rate:f} a minute"
    )


def _shown(balance: str) -> str:
    return format(Decimal(balance), ".6f")
