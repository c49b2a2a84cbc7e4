"""``callcenter phones``: the links by which phones configure themselves."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from callcenter.cli.sheets import cards, code, sheets
from callcenter.cli.sites import argument, inventory_of
from callcenter.cli.switches import printable
from callcenter.client.inventory import Host, Inventory
from callcenter.client.ssh import answer
from callcenter.render import paths, shell
from callcenter.render.desk_phones import MAKERS
from callcenter.render.provisioning import link
from callcenter.site import DeskPhone, Extension, Site, SiteError
from callcenter.site.served import phones_authority

__all__ = ["again", "command", "links", "pdf", "qr", "roots", "used"]


def _provisioned(inventory: Inventory) -> Site:
    if inventory.site.provisioning is None:
        raise SiteError(
            ["Site.provisioning: is not set, so there are no links; set Provisioning()"]
        )
    return inventory.site


def _extension(site: Site, number: str) -> Extension:
    if number not in site.extension_by_number:
        raise SiteError([f"{number} is no extension of {site.domain}; see extensions"])
    return site.extension_by_number[number]


def links(site: Site, *, as_csv: bool = False) -> Iterator[str]:
    """List number, name and link of each extension, a line each, and after it those of its desk
    phones, with make, MAC address and the place in the phone's pages at which it is typed."""
    rows = [
        (one.number, one.name, link(site, one, phone), *_words(phone))
        for one in site.extensions
        for phone in (None, *one.phones)
    ]
    if not as_csv:
        width = max(len(name) for _, name, *_ in rows)
        for number, name, where, *words in rows:
            yield f"{number}  {name:{width}}  {'  '.join((where, *filter(None, words)))}"
        return
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("number", "name", "link", "make", "mac", "place"))
    writer.writerows(rows)
    yield from out.getvalue().splitlines()


def _words(phone: DeskPhone | None) -> tuple[str, str, str]:
    """Return make, MAC address, and the place for the link of a desk phone."""
    if phone is None:
        return "", "", ""
    maker = MAKERS[phone.make]
    return maker.name, phone.mac, maker.where


def roots(site: Site) -> Iterator[str]:
    """List how each kind of the site's phones comes to know an authority of its own, a line each;
    nothing where phones know it."""
    if phones_authority(site) is None:
        return
    yield (
        f"Before a phone opens its link it has to know the authority of {site.domain}, whose root "
        "`callcenter authority` prints:"
    )
    yield (
        "  Linphone: the path of the root's file, as root_ca below [sip] in its configuration; on "
        "a mobile phone it knows its own authorities alone"
    )
    for make in sorted({phone.make for one in site.extensions for phone in one.phones}):
        maker = MAKERS[make]
        place = maker.root or (
            "its own pages, or take any certificate this once; from then on its file brings it"
        )
        yield f"  {maker.name}: {place}"


def qr(site: Site, number: str) -> str:
    """Return an extension's link as a QR code of characters, for a phone's camera."""
    out = io.StringIO()
    code(link(site, _extension(site, number))).terminal(out, compact=True)
    return out.getvalue()


def pdf(site: Site, file: Path) -> None:
    """Write a card of each extension and each desk phone into a PDF, and show how far it is."""
    with click.progressbar(length=cards(site), label=file.name, file=sys.stderr) as bar:
        for _ in sheets(site, file):
            bar.update(1)


def used(path: Path) -> Iterator[str]:
    """List the links that were used, host by host, a line each."""
    inventory = inventory_of(path)
    _provisioned(inventory)
    for host in _giving(inventory):
        for name, note in sorted(json.loads(_run(host, "used")).items()):
            number, _, mac = name.partition(".")
            at = datetime.fromtimestamp(note["at"], UTC) if note else None
            when = f"{at:%Y-%m-%d %H:%M} UTC  from {note['from']}" if at else "at an unknown time"
            yield printable("  ".join(filter(None, (host.name, number, mac, when))))


def again(path: Path, number: str) -> Iterator[str]:
    """Let an extension's links be used once more, on each host."""
    inventory = inventory_of(path)
    _extension(_provisioned(inventory), number)
    for host in _giving(inventory):
        _run(host, "again", number)
        yield f"{host.name}  the links of {number} can be used once more"


def _giving(inventory: Inventory) -> tuple[Host, ...]:
    """Return the host that hands out links, of those that phones come to."""
    return tuple(
        one for one in inventory.edges or inventory.switches if one.all_hosts.giver is None
    )


def _run(host: Host, *what: str) -> str:
    return answer(host, shell.command(__file__, "links", paths.PHONES_TOOL, *what))


@click.command()
@argument
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
@click.option(
    "--pdf",
    "printed",
    type=click.Path(path_type=Path, resolve_path=True, dir_okay=False),
    help="Write cards to print and cut, eight a page.",
)
@click.option("--qr", "shown", metavar="EXTENSION", help="Draw its link as a QR code.")
@click.option(
    "--used", "only_used", is_flag=True, help="List the links that were used, and by whom."
)
@click.option("--again", "anew", metavar="EXTENSION", help="Let its links be used once more.")
def command(
    path: Path,
    as_csv: bool,
    printed: Path | None,
    shown: str | None,
    only_used: bool,
    anew: str | None,
) -> None:
    """List the links by which phones configure themselves.

    A link is a password: whoever opens it first has the extension.
    """
    if only_used or anew is not None:
        for line in used(path) if anew is None else again(path, anew):
            click.echo(line)
        return
    site = _provisioned(inventory_of(path))
    if shown is not None:
        click.echo(qr(site, shown), nl=False)
        return
    if printed is not None:
        pdf(site, printed)
    else:
        for line in links(site, as_csv=as_csv):
            click.echo(line)
    # Beside the list, which is read by programs, too.
    for line in roots(site):
        click.echo(line, err=True)
