"""Voice messages on the page that is a phone."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
from collections.abc import Iterator
from dataclasses import asdict, replace

from callcenter.onhost import voicemail_page
from callcenter.render import paths, users
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._shape import Unit
from callcenter.render.services.extensions import a1_hash
from callcenter.render.services.voicemails import PROFILE
from callcenter.site import Extension, Site, Switch
from callcenter.site.web_phone import MESSAGES

__all__ = ["HIDDEN", "UNITS", "apart", "key", "on_host", "packages"]

UNITS = (Unit(paths.VOICEMAIL_PAGE_UNIT, (paths.VOICEMAIL_PAGE_TOOL, paths.VOICEMAIL_PAGE_CONFIG)),)
HIDDEN = {paths.VOICEMAIL_PAGE_CONFIG: "keys of extensions, and a password"}


def key(site: Site, extension: Extension) -> str:
    """Return what an extension proves itself by. It is made of the hash that a phone logs in by,
    which it does not tell."""
    known = a1_hash(site, extension).encode()
    return hmac.new(known, voicemail_page.PURPOSE.encode(), hashlib.sha256).hexdigest()


def on_host(site: Site) -> Iterator[File]:
    """Yield the program, its settings and its unit."""
    if not site.shows_messages:
        return
    tool = f"#!/usr/bin/python3 -I\n{inspect.getsource(voicemail_page)}"
    yield File(paths.VOICEMAIL_PAGE_TOOL, tool.encode(), 0o755)
    yield from _program(_settings(site))


def apart(site: Site, switch: Switch, edge: Switch) -> Iterator[File]:
    """Yield settings and unit of a switch whose page the edge serves."""
    if site.web_phone is None or not site.shows_messages:
        return
    listens = (switch.bind_address, site.web_phone.messages_port)
    yield from _program(replace(_settings(site), listens=listens), edge)


def _settings(site: Site) -> voicemail_page.Settings:
    return voicemail_page.Settings(
        domain=site.domain,
        profile=PROFILE,
        folder=f"{paths.VOICEMAIL}/{PROFILE}/{site.domain}",
        socket=paths.VOICEMAIL_PAGE_SOCKET,
        port=site.event_socket.port,
        password=site.reveal(MESSAGES),
        keys={one.number: key(site, one) for one in site.extensions},
        mailboxes=tuple(one.number for one in site.mailboxes),
    )


def _program(settings: voicemail_page.Settings, edge: Switch | None = None) -> Iterator[File]:
    """Yield settings and unit of the program. ``edge``: whose web server asks, where it is not this
    host's."""
    text = json.dumps(asdict(settings), indent=1) + "\n"
    asks = [edge.bind_address] if edge is not None else []
    yield File(paths.VOICEMAIL_PAGE_CONFIG, text.encode(), 0o640, users.VOICEMAIL)
    yield File(
        paths.VOICEMAIL_PAGE_UNIT,
        plain(
            "system/voicemail-page.service.j2",
            paths=paths,
            users=users,
            runtime=paths.VOICEMAIL_PAGE_SOCKET.split("/")[2],
            storage=paths.VOICEMAIL.rpartition("/")[0],
            edge=edge,
            families="AF_INET AF_INET6" if any(":" in one for one in asks) else "AF_INET",
            allowed=" ".join(["localhost", *asks]),
        ),
    )


def packages(site: Site) -> tuple[str, ...]:
    """Name what the program runs by."""
    return ("python3",) if site.shows_messages else ()
