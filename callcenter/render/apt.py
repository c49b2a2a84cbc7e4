"""Source of FreeSWITCH's packages, as apt on the host reads it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from callcenter.render import paths
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.site import AptRepository, SignalWire, Site, SiteError

__all__ = ["PackageSource", "configuration", "package_source"]

SIGNALWIRE_USER = "signalwire"


@dataclass(frozen=True)
class PackageSource:
    """How apt reaches FreeSWITCH's packages."""

    uri: str
    suite: str
    components: tuple[str, ...] = ()
    key: bytes | None = None
    """The repository's signing key; None where it is fetched from the repository or not needed."""
    key_url: str | None = None
    """Address at which the repository itself offers its key."""
    login: tuple[str, str] | None = None
    login_field: str = ""
    """The Site's field that the login's secret comes from, for whoever must mend it."""

    @property
    def signed(self) -> bool:
        """Whether apt checks the repository's signature."""
        return self.key is not None or self.key_url is not None

    def files(self) -> Iterator[File]:
        """Yield apt's own files. The login is root's alone."""
        yield File(
            paths.APT_SOURCES,
            plain(
                "system/apt.sources.j2",
                uri=self.uri,
                suite=self.suite,
                components=self.components,
                key=paths.APT_KEY if self.signed else None,
            ),
        )
        if self.key is not None:
            yield File(paths.APT_KEY, self.key)
        if self.login is not None:
            user, password = self.login
            address = urlsplit(self.uri)
            # apt sends a login over plain http only where the entry says http.
            scheme = "http://" if address.scheme == "http" else ""
            yield File(
                paths.APT_AUTH,
                plain(
                    "system/apt.auth.j2",
                    machine=f"{scheme}{address.netloc}{address.path}",
                    user=user,
                    password=password,
                ),
                0o600,
            )


def configuration(site: Site, codename: str) -> Tree:
    """Render where packages come from, and at which version."""
    return Tree(
        [
            File(
                paths.APT_PREFERENCES,
                plain("system/apt.preferences.j2", version=site.packages.version),
            ),
            *package_source(site, codename).files(),
        ]
    )


def package_source(site: Site, codename: str) -> PackageSource:
    """Return the source that the Site names, for a host of this Debian release."""
    source = site.packages
    if isinstance(source, SignalWire):
        return PackageSource(
            uri=source.url,
            suite=codename,
            components=("main",),
            key_url=f"{source.url}/{source.key_name}",
            login=(SIGNALWIRE_USER, site.reveal(source.token)),
            login_field="packages.token",
        )
    if isinstance(source, AptRepository):
        if not source.key.is_file():
            raise SiteError(
                [f"Site.packages.key: {source.key} is no file; give the repository's signing key"]
            )
        login = None
        if source.password is not None:
            login = (source.user, site.reveal(source.password))
        return PackageSource(
            uri=source.url,
            suite=source.suite or codename,
            components=tuple(source.components),
            key=_binary_key(source.key),
            login=login,
            login_field="packages.password",
        )
    return PackageSource(uri=f"file:{paths.LOCAL_REPOSITORY}", suite="./")


_ARMOUR = re.compile(
    rb"-----BEGIN PGP (?P<kind>[A-Z ]+)-----[ \t]*\r?\n(?:[^\r\n]+\r?\n)*[ \t]*\r?\n"
    rb"(?P<body>[A-Za-z0-9+/=\s]+?)(?:\r?\n=[A-Za-z0-9+/]{4})?\s*-----END PGP",
)


def _binary_key(path: Path) -> bytes:
    """Return a key as apt takes it in a file that ends in .gpg: without armour."""
    content = path.read_bytes()
    if b"PRIVATE KEY BLOCK" in content:
        raise SiteError([f"Site.packages.key: {path} is a private key; give the public one"])
    parts = []
    for armour in _ARMOUR.finditer(content):
        try:
            parts.append(base64.b64decode(b"".join(armour["body"].split()), validate=True))
        except ValueError:
            raise SiteError(
                [f"Site.packages.key: {path} is damaged; fetch the signing key again"]
            ) from None
    return b"".join(parts) or content
