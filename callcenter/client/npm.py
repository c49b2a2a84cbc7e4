"""The npm registry: packages that are told by their digests, kept once they are here."""

from __future__ import annotations

import base64
import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from callcenter.render import cache, jssip
from callcenter.site import SiteError

__all__ = ["REGISTRY", "lacking", "library"]

REGISTRY = "https://registry.npmjs.org/"
"""Address of the registry, unless NPM_CONFIG_REGISTRY names a mirror."""
_PATIENCE = 30


def library() -> bytes:
    """Return JsSIP as one script, of packages that are in the user's cache or are fetched into
    it."""
    return jssip.joined(_archives())


def lacking() -> list[str]:
    """Fetch what is not in the cache, and list why it cannot be had, a line each."""
    try:
        _archives()
    except SiteError as refused:
        return list(refused.problems)
    return []


def _archives() -> dict[str, bytes]:
    folder = cache.folder("npm")
    return {one.name: _archive(folder, one) for one in jssip.PACKAGES}


def _archive(folder: Path, package: jssip.Package) -> bytes:
    kept = folder / package.archive
    if kept.exists() and _is(package, found := kept.read_bytes()):
        return found
    url = os.environ.get("NPM_CONFIG_REGISTRY", REGISTRY).rstrip("/") + "/" + package.path
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
            got: bytes = answer.read()
    except (OSError, ValueError) as wrong:
        reason = wrong.reason if isinstance(wrong, urllib.error.URLError) else wrong
        raise SiteError(
            [
                f"Site.web_phone: {url} cannot be fetched ({reason}); set NPM_CONFIG_REGISTRY to a "
                f"mirror, or put the file into {folder}"
            ]
        ) from wrong
    if not _is(package, got):
        raise SiteError([f"Site.web_phone: {url} is not {package.archive} as it is known"])
    cache.keep(kept, got)
    return got


def _is(package: jssip.Package, archive: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(archive).digest()).decode() == package.integrity
