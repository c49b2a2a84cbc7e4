"""``python -m callcenter``: look at a description without changing a host.

reference        print every field with its meaning and default, as Markdown
schema           print the JSON Schema of the YAML form
check PATH       check a Site in YAML (.yaml, .yml), or a pyinfra inventory with its group_data
drift PATH       fail where a deploy would change a host of an inventory (this one does ask them)
phone PATH       print how to point a Linphone at an inventory's first switch
notify PATH NOTICE LIST
                 call a list of numbers with a notice, and tell what became of each, as CSV
fax send PATH NUMBER FILE
                 send a PDF or TIFF as a fax, and tell what became of it
billing top-up|take-back|balance|statement ACCOUNT
                 prepaid accounts: money in and out, what is left, what was spent on what
bans PATH [HOST] [--lift ADDRESS]
                 list the addresses that are shut out for guessing, or let one in again
route WHEN NUMBER [PATH]
                 print the way that a call takes at a moment, and why
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from callcenter.cli import billing
from callcenter.cli.bans import bans
from callcenter.cli.drift import DEPLOY, drift
from callcenter.cli.fax import send
from callcenter.cli.notify import Pace, notify, numbers_in, write
from callcenter.cli.reference import markdown
from callcenter.client.announced import announced
from callcenter.client.inventory import load
from callcenter.render.known_holes import holes_of
from callcenter.render.routing import explain, moment
from callcenter.site import Site, SiteError
from callcenter.site.secrets import SecretUnavailable

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 1 where a description is refused."""
    parser = argparse.ArgumentParser(prog="python -m callcenter")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("reference", help="print the fields of a Site as Markdown")
    commands.add_parser("schema", help="print the JSON Schema of a Site in YAML")
    checked = commands.add_parser("check", help="check a Site in YAML, or an inventory")
    checked.add_argument("path", type=Path, help="prod.yaml, or inventories/prod")
    checked.add_argument(
        "--without-passwords", action="store_true", help="for where those that others give are not"
    )
    drifts = commands.add_parser("drift", help="fail where a deploy would change a host")
    drifts.add_argument("path", type=Path, help="inventories/prod")
    drifts.add_argument("--deploy", type=Path, default=DEPLOY, help="default: %(default)s")
    # Not just any of pyinfra's: with its --yes nothing would ever drift.
    for name, what in (("--limit", "a host or group"), ("--data", "KEY=VALUE")):
        drifts.add_argument(name, action="append", default=[], help=f"{what}, as for pyinfra")
    phones = commands.add_parser("phone", help="how to point a Linphone at a site")
    phones.add_argument("path", type=Path, help="inventories/prod")
    phones.add_argument("--number", help="the extension (default: the first)")
    phones.add_argument("--password", action="store_true", help="print its password only")
    phones.add_argument("--pin", action="store_true", help="print its voicemail PIN only")
    routed = commands.add_parser("route", help="the way that a call takes, and why")
    routed.add_argument("when", help="such as 2026-12-25T10:00, of the Site's clock")
    routed.add_argument("number", help="what is dialled")
    routed.add_argument("path", type=Path, nargs="?", default=Path("inventories/prod"))
    way = routed.add_mutually_exclusive_group()
    way.add_argument("--from", dest="caller", metavar="EXTENSION", help="default: the first")
    way.add_argument("--trunk", help="the call comes from outside, by this trunk")
    routed.add_argument(
        "--caller",
        dest="outsider",
        metavar="NUMBER",
        help="with --trunk: who calls, as the carrier sends it",
    )
    routed.add_argument(
        "--night", action="append", default=[], metavar="HOURS", help="its night switch is on"
    )
    pace = Pace()
    notifying = commands.add_parser("notify", help="call a list of numbers with a notice")
    notifying.add_argument("path", type=Path, help="inventories/prod")
    notifying.add_argument("notice", help="the name of one of the Site's notices")
    notifying.add_argument("list", type=Path, help="a number a line, or CSV with it in front")
    notifying.add_argument("--rate", type=float, default=pace.calls_per_second, help="calls/s")
    notifying.add_argument("--at-a-time", type=int, default=pace.at_a_time)
    notifying.add_argument("--attempts", type=int, default=pace.attempts)
    notifying.add_argument("--retry-after", type=float, default=pace.retry_seconds, help="seconds")
    notifying.add_argument("--ring", type=int, default=pace.ring_seconds, help="seconds")
    faxing = commands.add_parser("fax", help="send a fax").add_subparsers(
        dest="action", required=True
    )
    sends = faxing.add_parser("send", help="send a PDF or TIFF, and wait for the end")
    sends.add_argument("path", type=Path, help="inventories/prod")
    sends.add_argument("number", help="what is dialled: outside, or an extension that is a fax")
    sends.add_argument("file", type=Path, help="PDF, or TIFF of a fax's width")
    sends.add_argument("--as", dest="sender", metavar="NAME", help="default: the Site's first fax")
    billing.arguments(commands.add_parser("billing", help="prepaid accounts"))
    banned = commands.add_parser("bans", help="addresses that are shut out for guessing")
    banned.add_argument("path", type=Path, help="inventories/prod")
    banned.add_argument("host", nargs="?", help="one of its hosts (default: all)")
    banned.add_argument("--lift", metavar="ADDRESS", help="let it in again")
    given = parser.parse_args(arguments)
    if given.command == "reference":
        print(markdown(), end="")
        return 0
    if given.command == "schema":
        print(schema(), end="")
        return 0
    if given.command == "notify":
        try:
            inventory = load(given.path)
            numbers = numbers_in(given.list.read_text(encoding="utf-8"), inventory.site)
            chosen = Pace(
                given.rate, given.at_a_time, given.attempts, given.retry_after, given.ring
            )
            write(notify(inventory, given.notice, numbers, chosen), sys.stdout)
        except SiteError as refused:
            print(refused, file=sys.stderr)
            return 1
        except (OSError, UnicodeDecodeError) as wrong:
            print(f"{given.list}: cannot be read ({type(wrong).__name__})", file=sys.stderr)
            return 1
        return 0
    if given.command == "fax":
        try:
            sent = send(load(given.path), given.number, given.file, given.sender)
        except SiteError as refused:
            print(refused, file=sys.stderr)
            return 1
        except OSError as wrong:
            print(f"{given.file}: cannot be read ({type(wrong).__name__})", file=sys.stderr)
            return 1
        print(sent)
        return 0 if sent.success else 1
    if given.command in ("phone", "route", "billing", "bans"):
        try:
            if given.command == "phone":
                print(phone(given.path, given.number, given.password, given.pin))
            elif given.command == "bans":
                for line in bans(given.path, given.host, given.lift):
                    print(line)
            elif given.command == "billing":
                print(billing.run(given))
            else:
                print(route(given))
        except SiteError as refused:
            print(refused, file=sys.stderr)
            return 1
        return 0
    refusals = check(given.path, secrets=not getattr(given, "without_passwords", False))
    for line in refusals:
        print(line, file=sys.stderr)
    if refusals:
        return 1
    for line in site_of(given.path).warnings():
        print(f"warning: {line}", file=sys.stderr)
    if given.command == "drift":
        return drift(given.path, given.deploy, limit=given.limit, data=given.data)
    version = site_of(given.path).packages.version
    for hole in holes_of(version):
        print(f"warning: FreeSWITCH {version} has {hole}", file=sys.stderr)
    print("ok")
    return 0


def schema() -> str:
    """Return the text of docs/site.schema.json."""
    return json.dumps(Site.schema(), indent=2, ensure_ascii=False) + "\n"


def check(path: Path, *, secrets: bool = True) -> list[str]:
    """Return every refusal of a description, or nothing. ``secrets``: whether those that others
    give must be set."""
    try:
        windows = False
        if path.suffix in (".yaml", ".yml"):
            site = Site.load(path)
        else:
            inventory = load(path)
            site = inventory.site
            windows = all(host.switch.is_windows for host in inventory.hosts)
        return site.unsaid(windows=windows) + (site.ungiven() if secrets else [])
    except SiteError as refused:
        return list(refused.problems)
    except SecretUnavailable as unavailable:
        return [str(unavailable)]


def phone(path: Path, number: str | None, show_password: bool, show_pin: bool = False) -> str:
    """Explain how to point a Linphone, or any SIP phone, at an inventory's first switch."""
    inventory = load(path)
    site = inventory.site
    extension = site.extensions[0]
    if number is not None:
        if number not in site.extension_by_number:
            raise SiteError([f"{number} is no extension of {site.domain}; see extensions"])
        extension = site.extension_by_number[number]
    if show_password:
        return site.reveal(extension.password)
    if show_pin:
        if extension.mailbox is None:
            raise SiteError([f"{extension.number} has no mailbox; set voicemail=True for it"])
        return site.reveal(extension.mailbox.pin)
    switch = announced(inventory.hosts[0])
    proxy = f"sip:{switch.announced_address}:{site.network.sip_port}"
    dial = ", ".join(f"{code} ({name})" for name, code in site.features.items())
    command = f"python -m callcenter phone {path} --number {extension.number} --password"
    voicemail = []
    if extension.mailbox is not None and site.voicemail.check is not None:
        by = f"python -m callcenter phone {path} --number {extension.number} --pin"
        voicemail = [f"  voicemail    {site.voicemail.check}, its PIN printed by: {by}"]
    return "\n".join(
        [
            "To point a Linphone at it (Use a SIP account):",
            f"  user name    {extension.number}",
            f"  domain       {site.domain}",
            f"  password     printed by: {command}",
            f"  SIP proxy    {proxy};transport={site.network.transports[0]}",
            f"  then dial    {dial or site.extensions[-1].number}",
            *voicemail,
        ]
    )


def route(given: argparse.Namespace) -> str:
    """Render the steps of a call, one a line."""
    site = site_of(given.path)
    for name in given.night:
        if name not in (known := [hours.name for hours in site.hours]):
            raise SiteError([f"--night: {name!r} is none of the hours {', '.join(known)}"])
    when = moment(given.when, site)
    if given.outsider is not None and given.trunk is None:
        raise SiteError(["--caller: is who calls from outside; give --trunk, too"])
    who = {"caller": given.caller, "trunk": given.trunk, "outsider": given.outsider}
    return "\n".join(explain(site, given.number, when, given.night, **who))


def site_of(path: Path) -> Site:
    """Return the Site of a YAML file or of an inventory."""
    return Site.load(path) if path.suffix in (".yaml", ".yml") else load(path).site


if __name__ == "__main__":
    sys.exit(main())
