"""Prepaid accounts from the operator's side: money in, the balance, and what was spent on what."""

from __future__ import annotations

import argparse
import json
import re
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

from callcenter.client.inventory import Inventory, load
from callcenter.client.ssh import login
from callcenter.render import paths
from callcenter.site import SiteError

__all__ = ["arguments", "run"]

MOST = Decimal(1_000_000)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    for name, what in (
        ("top-up", "add money to an account"),
        ("take-back", "take money out again, such as a top-up that was a mistake"),
        ("balance", "print what is left"),
        ("statement", "print what came and went, the newest last"),
    ):
        one = actions.add_parser(name, help=what)
        one.add_argument("account", help="an account of one of the Site's extensions")
        if name in ("top-up", "take-back"):
            one.add_argument("amount", help="such as 20 or 4.50")
            one.add_argument("--id", help="that of a booking whose end is not known, to repeat it")
        if name == "statement":
            one.add_argument("--lines", type=int, default=50, help="default: %(default)s")
        one.add_argument(
            "--inventory", type=Path, default=Path("inventories/prod"), help="default: %(default)s"
        )


def run(given: argparse.Namespace) -> str:
    """Do what the command says, and return what to print."""
    inventory = load(given.inventory)
    site, account = inventory.site, given.account
    if site.billing is None:
        raise SiteError(["the Site bills nothing; give it billing=Billing(…)"])
    if account not in site.accounts:
        raise SiteError([f"{account!r} is none of the Site's accounts: {', '.join(site.accounts)}"])
    currency = site.billing.currency
    asked: dict[str, Any] = {"account": account, "do": given.action}
    if given.action in ("top-up", "take-back"):
        money = amount(given.amount)
        booking = str(identifier(given.id))
        signed = money if given.action == "top-up" else -money
        asked |= {"do": "book", "amount": str(signed), "id": booking}
        words = f"{given.action} {account} {given.amount}"
        said = _ask(inventory, asked, f"repeat it safely: {words} --id {booking}")
        done = f"{signed:+f} {currency}" if said["booked"] else "booked already, nothing was done"
        return f"{account}: {done}; balance {_shown(said['balance'])} {currency}"
    if given.action == "statement":
        asked["lines"] = max(1, min(given.lines, 100_000))
    said = _ask(inventory, asked)
    lines = [_line(one) for one in said.get("entries", ())]
    return "\n".join([*lines, f"{account}: balance {_shown(said['balance'])} {currency}"])


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


def _ask(inventory: Inventory, asked: dict[str, Any], unknown: str = "") -> Any:
    if (host := inventory.linux_switch) is None:
        raise SiteError([f"{inventory.path}: has no Linux switch, which the accounts are on"])
    command = f"runuser -u freeswitch -- python3 -I {paths.BILLING_TOOL}"
    with login(host) as entered:
        done = entered.run(command, json.dumps(asked).encode())
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
