"""HTTP applications: mod_httapi, and what the guard before it goes by."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

from callcenter.onhost import http_guard
from callcenter.render import paths, sounds, users
from callcenter.render._files import File
from callcenter.render._templates import plain
from callcenter.render.services._dialplan import config, name_of
from callcenter.render.services._shape import Unit
from callcenter.site import Site

__all__ = ["COSTS", "FOLDER", "UNITS", "files", "modules", "needs_linux", "on_host", "packages"]

FOLDER = "http_applications"
"""Folder that the guard reads. It is in the release: a configuration that is taken back has its
own."""

UNITS = (
    Unit(
        paths.HTTP_GUARD_UNIT,
        (paths.HTTP_GUARD_TOOL,),
        cost="an application that is asked in that moment does not answer",
    ),
)
COSTS = {
    "http_applications/": None,
    # The same for every Site: mod_httapi reads it when it loads.
    "autoload_configs/httapi.conf.xml": None,
}


def modules(site: Site) -> tuple[str, ...]:
    """Name the modules of the tones that they may play, and mod_httapi."""
    return ("mod_httapi", "mod_tone_stream") if site.http_applications else ()


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that asks them, and a file of where they are and what they may do."""
    if not site.http_applications:
        return
    yield config("autoload_configs/httapi.conf.xml", site)
    yield config("dialplan/services/http_applications.xml", site)
    given = {
        "applications": {
            one.name: {
                "url": one.url,
                "user": one.user,
                "wait_seconds": one.wait_seconds,
                "leads_to": {word: name_of(to) for word, to in one.leads_to.items()},
            }
            for one in site.http_applications
        },
        "notices": {one.name: sounds.path(site, one.announcement) for one in site.notices},
    }
    yield File(f"{FOLDER}/applications.json", (json.dumps(given, indent=2) + "\n").encode(), 0o640)
    for one in site.http_applications:
        if one.password is not None:
            # The word keeps the value out of diffs.
            text = f"password {site.reveal(one.password)}\n".encode()
            yield File(f"{FOLDER}/{one.name}.password", text, 0o640)
        if one.ca_file is not None:
            yield File(f"{FOLDER}/{one.name}.pem", one.ca_file.read_bytes(), 0o640)


def on_host(site: Site) -> Iterator[File]:
    """Yield the files of what asks HTTP applications."""
    if not site.http_applications:
        return
    folder = FOLDER
    values = {"site": site, "paths": paths, "users": users, "folder": folder}
    # Run by its own name, by which the preflight knows who has the port.
    text = "#!/usr/bin/python3 -I\n" + inspect.getsource(http_guard)
    yield File(paths.HTTP_GUARD_TOOL, text.encode(), 0o755)
    yield File(paths.HTTP_GUARD_UNIT, plain("system/http-guard.service.j2", **values))


def packages(site: Site) -> tuple[str, ...]:
    """Name what the guard runs by, and what knows certificates."""
    return ("python3", "ca-certificates") if site.http_applications else ()


def needs_linux(site: Site) -> Iterator[str]:
    """Yield what of it a Windows host cannot have."""
    if site.http_applications:
        yield (
            "Site.http_applications: needs a Linux host, where a service stands before them; "
            "leave it out"
        )
