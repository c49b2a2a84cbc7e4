"""Images of hosts on which something was done already: made once, kept, and shared by new hosts.

A host is booted of a release's image, prepared and switched off; what it wrote becomes a layer that
further hosts have below their own. Each has its own address, name, ssh keys and machine-id, as
every host of a lab.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lab.image import RELEASES, ROOM_MEGABYTES, image
from lab.lab import Lab, find
from lab.system import LabError, run, single

__all__ = ["HOST", "prepared"]

HOST = "prepared"
"""Name of the host that is prepared, in a lab of its own."""

UNUSED_SECONDS = 2 * 24 * 3600
"""Age at which an image that nobody asked for goes."""

LEFT = ("var/log/journal/*", "var/lib/systemd/random-seed", "root/.ssh", "tmp/*", "var/tmp/*")
"""Traces of the prepared host itself, below its root."""


def prepared(
    recipe: str,
    prepare: Callable[[Lab], None],
    release: str = "",
    below: Path | None = None,
) -> Path:
    """Return the image of a host after ``prepare``, which is called with a lab whose one host is
    ``HOST``, where there is no such image yet. ``recipe``: all that decides what ``prepare``
    leaves. ``below``: another prepared image that it begins with, and not the release's."""
    cache = find().cache
    base = below or image(cache, release or RELEASES[0])
    digest = hashlib.sha256(f"{base.name}\n{recipe}".encode()).hexdigest()[:12]
    folder = cache / "prepared" / f"{base.name.partition('-')[0]}-{digest}"
    with single(cache / "prepared.lock"):  # whoever comes second waits, and has it
        if folder.is_dir():
            os.utime(folder)
            return folder
        if (free := shutil.disk_usage(cache).free // 2**20) < ROOM_MEGABYTES:
            raise LabError(
                f"{cache} has {free} MB free and an image needs {ROOM_MEGABYTES}; make room"
            )
        lab = find(f"prepare-{digest}")
        lab.down()  # of a run that was killed
        try:
            lab.up((HOST,), release, prepared=below)
            prepare(lab)
            lab.switch_off(HOST)
            disk = lab.state / "hosts" / HOST
            run(["umount", str(disk / "root")], say="could not unmount the prepared host's disk")
            for left in LEFT:
                for path in (disk / "upper").glob(left):
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
            building = folder.with_suffix(".building")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            (building / "below").symlink_to(base)
            # It may be another file system, and there are devices that mark what was removed.
            run(["mv", f"{disk}/upper", f"{building}/layer"], say="could not keep the image")
            building.rename(folder)
        finally:
            lab.down()
    _tidy(cache)
    return folder


def _tidy(cache: Path) -> None:
    used = {one.resolve() for one in find().state.parent.glob("*/hosts/*/image")}
    used.update(one.resolve() for one in (cache / "prepared").glob("*/below"))
    for folder in (cache / "prepared").glob("*-*"):
        old = time.time() - folder.stat().st_mtime > UNUSED_SECONDS
        if old and folder not in used:
            shutil.rmtree(folder)
