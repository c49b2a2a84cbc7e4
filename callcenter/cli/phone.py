"""``callcenter phone``: what a person types into a phone."""

from __future__ import annotations

from pathlib import Path

import click

from callcenter.cli.sites import argument, inventory_of
from callcenter.client.advertised import advertised
from callcenter.site import SiteError

__all__ = ["command", "phone"]


def phone(path: Path, number: str | None, show_password: bool, show_pin: bool = False) -> str:
    """Explain how to point a Linphone, or any SIP phone, at an inventory's first switch, or at the
    edge before it."""
    inventory = inventory_of(path)
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
    switch = advertised(next(iter(inventory.edges or inventory.hosts)))
    transport, port = ("tls", tls.port) if (tls := site.network.tls) else site.network.listeners[0]
    # By TLS a phone looks for the domain in the certificate.
    at = site.domain if transport == "tls" else switch.advertised_address
    proxy = f"sip:{at}:{port}"
    dial = ", ".join(f"{code} ({name})" for name, code in site.features.items())
    command = f"python -m callcenter phone {inventory.path} --number {extension.number} --password"
    voicemail = []
    if extension.mailbox is not None and site.voicemail.check is not None:
        by = f"python -m callcenter phone {inventory.path} --number {extension.number} --pin"
        voicemail = [f"  voicemail    {site.voicemail.check}, its PIN printed by: {by}"]
    return "\n".join(
        [
            "To point a Linphone at it (Use a SIP account):",
            f"  user name    {extension.number}",
            f"  domain       {site.domain}",
            f"  password     printed by: {command}",
            f"  SIP proxy    {proxy};transport={transport}",
            f"  then dial    {dial or site.extensions[-1].number}",
            *voicemail,
        ]
    )


@click.command()
@argument
@click.option("--number", metavar="EXTENSION", help="The extension (default: the first).")
@click.option("--password", is_flag=True, help="Print its password only.")
@click.option("--pin", is_flag=True, help="Print its voicemail PIN only.")
def command(path: Path, number: str | None, password: bool, pin: bool) -> None:
    """Print how to point a Linphone at a site."""
    click.echo(phone(path, number, password, pin))
