"""Debian's package index: which files of a folder of packages a host needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Package", "closure", "fits", "read_index", "version_matches", "version_order"]

CODENAMES = frozenset(
    (
        *("stretch", "buster", "bullseye", "bookworm", "trixie", "forky", "sid"),
        *("focal", "jammy", "noble"),
    )
)
"""Names of releases that packages carry in their versions."""


@dataclass(frozen=True)
class Package:
    """One stanza of a Packages index."""

    name: str
    version: str
    architecture: str
    filename: str
    depends: tuple[str, ...]
    """Names only: apt on the host checks the versions."""
    stanza: str


def read_index(text: str) -> list[Package]:
    """List every package of a Packages index."""
    packages = []
    for stanza in re.split(r"\n\s*\n", text.strip()):
        fields = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", stanza, re.MULTILINE))
        if "Package" not in fields:
            continue
        depends = ",".join((fields.get("Pre-Depends", ""), fields.get("Depends", "")))
        packages.append(
            Package(
                name=fields["Package"],
                version=fields.get("Version", ""),
                architecture=fields.get("Architecture", "all"),
                filename=fields.get("Filename", ""),
                depends=tuple(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", depends)),
                stanza=stanza,
            )
        )
    return packages


def version_matches(version: str, pinned: str) -> bool:
    """Tell whether a package's version is of the pinned upstream version: 1.10.12~release-1 is
    1.10.12, 1.10.120 is not."""
    return re.match(re.escape(pinned) + r"(?![0-9.])", version) is not None


def version_order(version: str) -> tuple[object, ...]:
    """Return a key that sorts versions as dpkg does: ~ goes before the end, letters before other
    signs."""
    epoch, _, rest = version.rpartition(":")
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return (int(epoch) if epoch.isdigit() else 0, _order(upstream), _order(revision))


def _order(part: str) -> list[tuple[list[int], int]]:
    words = re.findall(r"([^0-9]*)([0-9]*)", part)
    # The end of a word is a sign, too: after ~ and before all others.
    return [([*map(_weight, word), 0], int(number or 0)) for word, number in words]


def _weight(sign: str) -> int:
    if sign == "~":
        return -1
    return ord(sign) if sign.isalpha() else ord(sign) + 256


def fits(package: Package, architecture: str, codename: str) -> bool:
    """Tell whether a package is for a host's processors and release.

    A version that names a release (``1.10.12~release-1~bookworm+1``) is for that one alone; one
    that names none is for all.
    """
    if package.architecture not in ("all", architecture):
        return False
    named = {word for word in re.findall(r"[a-z]+", package.version) if word in CODENAMES}
    return not named or codename in named


def closure(
    packages: Iterable[Package],
    wanted: Iterable[str],
    pinned: str,
    architecture: str,
    codename: str,
) -> list[Package]:
    """Choose the packages of a folder that ``wanted`` need of it; what it lacks, Debian has.

    Only what fits the host counts. FreeSWITCH's own are taken in the pinned version only, each in
    its newest build. Raises KeyError with the first name of ``wanted`` that the folder does not
    hold in it.
    """
    by_name: dict[str, Package] = {}
    suited = (one for one in packages if fits(one, architecture, codename))
    for package in sorted(suited, key=lambda one: version_order(one.version)):
        own = package.name.startswith(("freeswitch", "libfreeswitch"))
        if not own or version_matches(package.version, pinned):
            by_name[package.name] = package
    names = list(wanted)
    for name in names:
        if name not in by_name:
            raise KeyError(name)
    chosen: dict[str, Package] = {}
    while names:
        name = names.pop()
        if name in chosen or name not in by_name:
            continue
        chosen[name] = by_name[name]
        names += by_name[name].depends
    return [chosen[name] for name in sorted(chosen)]


def index_of(folder: Path) -> list[Package]:
    """Return the index of a flat repository. Raises FileNotFoundError where there is none."""
    return read_index((folder / "Packages").read_text(encoding="utf-8"))
