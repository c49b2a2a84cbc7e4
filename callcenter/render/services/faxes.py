"""Faxes: mod_spandsp."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import asdict

from markupsafe import Markup

from callcenter.onhost import fax
from callcenter.render import paths, users
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._dialplan import config
from callcenter.render.services._mailer import MAILER
from callcenter.render.services._shape import Unit
from callcenter.site import Fax, Site

__all__ = [
    "ARRIVED_SCRIPT",
    "COSTS",
    "FOLDERS",
    "PROGRAMS",
    "UNITS",
    "files",
    "modules",
    "needs_linux",
    "on_host",
    "packages",
]

ARRIVED_SCRIPT = "scripts/fax-arrived.lua"
"""Script that tells a unit of the host that a fax has arrived."""
JITTER_MS = 400
"""Milliseconds by which a fax's tones may be late. Without a jitter buffer FreeSWITCH fills in
silence for a packet that is late and then plays it as well: the tones slip, and the modem is lost.
T.30 waits 3 s for an answer, so both ways together leave it time enough."""

PROGRAMS = ("libtiff-tools", "ghostscript")
"""Packages that make PDF of what arrives, and of PDF what is sent."""
FOLDERS = (paths.FAX_FOLDERS,)
UNITS = (
    Unit(f"{paths.FAX_TIMER}.timer", packages=(*PROGRAMS, MAILER)),
    Unit(f"{paths.FAX_TIMER}.path"),
    Unit(paths.FAX_INTAKE, starts=False),
    Unit(paths.FAX_PREPARE, starts=False),
)
COSTS = {"autoload_configs/spandsp.conf.xml": None}
"""Read by mod_spandsp at each reloadxml."""


def modules(site: Site) -> tuple[str, ...]:
    """Name the modules that speak T.30 and T.38, and that report a fax that has arrived."""
    return ("mod_lua", "mod_spandsp") if site.faxes else ()


def files(site: Site) -> Iterator[File]:
    """Yield the module's settings, and the dialplan that receives."""
    if site.faxes:
        yield config("autoload_configs/spandsp.conf.xml", site, folder=paths.FAXES)
        script = f"{paths.CURRENT}/{ARRIVED_SCRIPT}"
        yield config(
            "dialplan/services/faxes.xml",
            site,
            folder=paths.FAXES,
            script=script,
            faxes=[(one, _t38(site, one)) for one in site.faxes],
            secure=_is_secure(site),
            jitter_ms=JITTER_MS,
        )
        yield File(
            ARRIVED_SCRIPT, plain(f"freeswitch/{ARRIVED_SCRIPT}.j2", folder=paths.FAXES), 0o640
        )


def _is_secure(site: Site) -> bool:
    """Tell whether a fax may come encrypted."""
    return any(trunk.srtp for trunk in site.trunks)


def _t38(site: Site, one: Fax) -> Markup:
    """Return the dialplan's words for whether a fax speaks T.38, which cannot be encrypted."""
    if not one.t38:
        return Markup("false")
    if not _is_secure(site):
        return Markup("true")
    return Markup("${cond(${rtp_secure_media}x == x ? true : false)}")


def on_host(site: Site) -> Iterator[File]:
    """Yield the files that tell where faxes are kept and for how long, and what takes them on and
    mails them."""
    if not site.faxes:
        return
    intake = paths.FAX_INTAKE.rpartition("/")[2]
    values = {"site": site, "paths": paths, "mailer": MAILER, "users": users, "intake": intake}
    yield File(paths.FAX_FOLDERS, plain("system/fax.tmpfiles.j2", **values))
    yield from _program(site)
    for kind in ("service", "timer", "path"):
        yield File(f"{paths.FAX_TIMER}.{kind}", plain(f"system/fax.{kind}.j2", **values))
    yield File(paths.FAX_INTAKE, plain("system/fax-intake.service.j2", **values))
    yield File(paths.FAX_PREPARE, plain("system/fax-prepare.service.j2", **values))


def _program(site: Site) -> Iterator[File]:
    sender = site.smtp.sender if site.smtp else ""
    settings = fax.Settings(
        root=paths.FAXES,
        faxes={one.name: fax.Kept(one.format, one.mail) for one in site.faxes},
        sender=sender,
        mailer=(MAILER, "-C", paths.SMTP_CONFIG, "-f", sender),
    )
    source = b"#!/usr/bin/python3 -I\n" + inspect.getsource(fax).encode()
    yield File(paths.FAX_TOOL, source, 0o755)
    text = json.dumps(asdict(settings), indent=2) + "\n"
    yield File(paths.FAX_CONFIG, text.encode(), 0o644)


def packages(site: Site) -> tuple[str, ...]:
    """Name what makes and reads PDF, and what their program needs."""
    return (*PROGRAMS, "python3") if site.faxes else ()


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.faxes:
        yield (
            "Site.faxes: needs a Linux host, whose programs make and mail the documents; leave "
            "it out"
        )
