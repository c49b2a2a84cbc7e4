"""Mail of a host: how it reaches the mail server that all its programs send through."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render import paths, users
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._mailer import MAILER
from callcenter.render.services.voicemails import mailed_mailboxes
from callcenter.site import Site

__all__ = ["MAILER", "needs_linux", "on_host", "packages", "sends_mail"]


def sends_mail(site: Site) -> bool:
    """Tell whether anything of the Site mails."""
    return site.smtp is not None and bool(
        mailed_mailboxes(site)
        or any(one.mail for one in site.faxes)
        or site.outbound_limits.alarm
        or site.guessers.alarm
        or site.acme
    )


def on_host(site: Site) -> Iterator[File]:
    """Yield the files that tell how the host reaches the mail server."""
    smtp = site.smtp
    if smtp is None or not sends_mail(site):
        return
    made = plain(
        "system/msmtprc.j2",
        smtp=smtp,
        site=site,
        paths=paths,
        encrypts=smtp.tls != "none",
        starttls=smtp.tls == "starttls",
    )
    yield File(paths.SMTP_CONFIG, made)
    if smtp.password is not None:
        # The word keeps the value out of diffs.
        text = f"password {site.reveal(smtp.password)}\n".encode()
        yield File(paths.SMTP_PASSWORD, text, 0o640, users.MAIL)
    if smtp.ca_file is not None:
        yield File(paths.SMTP_CA, smtp.ca_file.read_bytes())


def packages(site: Site) -> tuple[str, ...]:
    """Name the mailer, and what knows the mail server's certificate."""
    return ("python3", MAILER, "ca-certificates") if sends_mail(site) else ()


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.smtp is not None:
        yield "Site.smtp: needs a Linux host, which has msmtp; leave it out"
