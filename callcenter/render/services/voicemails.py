"""Voicemail."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator
from dataclasses import asdict

from callcenter.onhost import voicemail_mail
from callcenter.render import paths, users
from callcenter.render._actions import VOICEMAIL
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services import pins
from callcenter.render.services._dialplan import config
from callcenter.render.services._mailer import MAILER
from callcenter.render.services._shape import Unit
from callcenter.site import Extension, Site

__all__ = [
    "COSTS",
    "PROFILE",
    "UNITS",
    "files",
    "mailed_mailboxes",
    "modules",
    "needs_linux",
    "on_host",
    "pin_hash",
]

PROFILE = "default"
"""mod_voicemail's profile: a folder of the storage and a database are called after it."""

UNITS = (
    Unit(f"{paths.VOICEMAIL_RETENTION}.timer"),
    Unit(
        paths.VOICEMAIL_MAIL_UNIT,
        (paths.VOICEMAIL_MAIL_CONFIG, paths.VOICEMAIL_MAIL_TOOL),
        state=paths.VOICEMAIL_MAIL,
        packages=(MAILER,),
    ),
)
COSTS = {"autoload_configs/voicemail.conf.xml": VOICEMAIL}


def modules(site: Site) -> tuple[str, ...]:
    """Name the module of voicemail itself."""
    return ("mod_voicemail",) if site.mailboxes else ()


def files(site: Site) -> Iterator[File]:
    """Yield the profile, and the dialplan that leads into mailboxes."""
    if not site.mailboxes:
        return
    values = {
        "profile": PROFILE,
        "voicemail": site.voicemail,
        "pin_calls": pins.CALLS,
        "own": f"{pins.OWN}${{acting}}",
    }
    yield config("autoload_configs/voicemail.conf.xml", site, **values)
    yield config("dialplan/services/voicemails.xml", site, **values)


def pin_hash(site: Site, extension: Extension) -> str | None:
    """Return what mod_voicemail compares a typed PIN with, where the extension has a mailbox."""
    if extension.mailbox is None:
        return None
    text = f"{extension.number}:{site.domain}:{site.reveal(extension.mailbox.pin)}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def on_host(site: Site) -> Iterator[File]:
    """Yield the files that tell what becomes of old messages, and how new ones are sent."""
    if not site.mailboxes:
        return
    values = {
        "site": site,
        "paths": paths,
        "days": site.voicemail.keep_days,
        "folder": f"{paths.VOICEMAIL}/{PROFILE}/{site.domain}",
    }
    if site.voicemail.keep_days is not None:
        yield File(paths.VOICEMAIL_TOOL, plain("system/voicemail-retention.j2", **values), 0o755)
        for kind in ("service", "timer"):
            text = plain(f"system/voicemail.{kind}.j2", **values)
            yield File(f"{paths.VOICEMAIL_RETENTION}.{kind}", text)
    yield from _mailing(site)


def mailed_mailboxes(site: Site) -> dict[str, str]:
    """Return the mail addresses that messages are sent to, by extension."""
    boxes = {one.number: one.mailbox.email for one in site.mailboxes if one.mailbox is not None}
    return {number: email for number, email in boxes.items() if email is not None}


def _mailing(site: Site) -> Iterator[File]:
    """Yield the program that mails voicemail messages, its settings and its unit."""
    mailboxes = mailed_mailboxes(site)
    if site.smtp is None or not mailboxes:
        return
    sender = site.smtp.sender
    settings = voicemail_mail.Settings(
        database=paths.VOICEMAIL_DATABASE,
        folder=paths.VOICEMAIL,
        state=f"{paths.VOICEMAIL_MAIL}/mailed.json",
        domain=site.domain,
        sender=sender,
        attach=site.voicemail.attach,
        check=site.voicemail.check,
        mailer=(MAILER, "-C", paths.SMTP_CONFIG, "-f", sender),
        mailboxes=mailboxes,
    )
    text = json.dumps(asdict(settings), indent=2) + "\n"
    yield File(paths.VOICEMAIL_MAIL_CONFIG, text.encode(), 0o640, users.MAIL)
    yield File(paths.VOICEMAIL_MAIL_TOOL, inspect.getsource(voicemail_mail).encode(), 0o755)
    folder = paths.VOICEMAIL_MAIL.removeprefix("/var/lib/")
    unit = plain(
        "system/voicemail-mail.service.j2", site=site, paths=paths, users=users, folder=folder
    )
    yield File(paths.VOICEMAIL_MAIL_UNIT, unit)


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.mailboxes and site.voicemail.keep_days is not None:
        yield (
            "Site.voicemail.keep_days: needs a Linux host, where a timer deletes old messages; "
            "set it to None"
        )
