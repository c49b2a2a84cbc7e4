"""The certificate that an authority gives over ACME: what asks for it, and gives it to services."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator

from callcenter.render import paths, users
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.services._mailer import MAILER
from callcenter.site import Site
from callcenter.site.authorities import ACME_PORT

__all__ = ["PACKAGE", "configuration", "wanted"]

PACKAGE = "lego"
"""Debian's: one program, without a service, a timer or files of its own, which certbot brings."""


def wanted(site: Site) -> str:
    """Return a digest of who is asked for what: what was given for another is of no use."""
    assert site.acme is not None
    said = "\n".join((site.domain, site.acme.directory, site.acme.email, *site.acme.names))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def configuration(site: Site, *, mails: bool) -> Tree:
    """Render what asks for a certificate and renews it, or nothing where the Site asks for none.
    ``mails``: whether the host can send mail."""
    return Tree(_files(site, mails))


def _files(site: Site, mails: bool) -> Iterator[File]:
    if (acme := site.acme) is None:
        return
    smtp = site.smtp if mails else None
    names = acme.asked(site.domain)
    challenges = list(dict.fromkeys(f"_acme-challenge.{one.removeprefix('*.')}." for one in names))
    # Who looks twice at one name may remember for a minute what it saw first.
    pause = 60 if len(challenges) < len(names) else 0
    values = {
        "paths": paths,
        "users": users,
        "acme": acme,
        "smtp": smtp,
        "mailer": MAILER,
        "web": paths.WEB_UNIT.rpartition("/")[2],
        "turn": paths.TURN_UNIT.rpartition("/")[2],
        "alarm": paths.ACME_ALARM_UNIT.rpartition("/")[2] if smtp is not None else None,
        "quote": shlex.quote,
        "domain": site.domain,
        "names": names,
        # lego names its files by the first.
        "kept": names[0].replace("*", "_"),
        "challenges": challenges,
        "pause": pause,
        # Each name is written once and removed once, one after the other.
        "start_seconds": 300
        + len(names) * (pause + 2 * acme.dns.max_seconds if acme.dns is not None else 0),
        "wanted": wanted(site),
        "port": ACME_PORT,
        "unit": paths.ACME_UNIT.rpartition("/")[2],
        "state": paths.ACME_STATE.removeprefix("/var/lib/"),
    }
    yield File(paths.ACME_USERS, plain("acme/users.j2", **values))
    yield File(paths.ACME_TOOL, plain("acme/acme.j2", **values), 0o755)
    for kind in ("service", "timer"):
        yield File(f"{paths.ACME_UNIT}.{kind}", plain(f"acme/acme.{kind}.j2", **values))
    if acme.ca_file is not None:
        yield File(paths.ACME_AUTHORITIES, acme.ca_file.read_bytes())
    if acme.dns is not None:
        # Not its user's: what it runs must not change what it runs.
        yield File(paths.ACME_HOOK, acme.dns.file.read_bytes(), 0o750, users.ACME)
        if acme.dns.secret is not None:
            text = f"{site.reveal(acme.dns.secret)}\n".encode()
            yield File(paths.ACME_HOOK_SECRET, text, 0o640, users.ACME)
    if smtp is not None:
        yield File(paths.ACME_ALARM_UNIT, plain("acme/alarm.service.j2", **values))
