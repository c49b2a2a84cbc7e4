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
    said = "\n".join((site.domain, site.acme.directory, site.acme.email))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def configuration(site: Site, *, mails: bool) -> Tree:
    """Render what asks for a certificate and renews it, or nothing where the Site asks for none.
    ``mails``: whether the host can send mail."""
    return Tree(_files(site, mails))


def _files(site: Site, mails: bool) -> Iterator[File]:
    if (acme := site.acme) is None:
        return
    smtp = site.smtp if mails else None
    values = {
        "paths": paths,
        "users": users,
        "acme": acme,
        "smtp": smtp,
        "mailer": MAILER,
        "web": paths.WEB_UNIT.rpartition("/")[2],
        "alarm": paths.ACME_ALARM_UNIT.rpartition("/")[2] if smtp is not None else None,
        "quote": shlex.quote,
        "domain": site.domain,
        "wanted": wanted(site),
        "port": ACME_PORT,
        "state": paths.ACME_STATE.removeprefix("/var/lib/"),
    }
    yield File(paths.ACME_USERS, plain("acme/users.j2", **values))
    yield File(paths.ACME_TOOL, plain("acme/acme.j2", **values), 0o755)
    for kind in ("service", "timer"):
        yield File(f"{paths.ACME_UNIT}.{kind}", plain(f"acme/acme.{kind}.j2", **values))
    if acme.ca_file is not None:
        yield File(paths.ACME_AUTHORITIES, acme.ca_file.read_bytes())
    if smtp is not None:
        yield File(paths.ACME_ALARM_UNIT, plain("acme/alarm.service.j2", **values))
