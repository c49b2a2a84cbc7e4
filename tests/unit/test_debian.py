"""Debian's package index: what a host needs of a folder of packages."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from callcenter.render.debian import (
    Package,
    closure,
    index_of,
    read_index,
    version_matches,
    version_order,
)

INDEX = """\
Package: freeswitch
Version: 1.10.12~release~23~abc-1~bookworm+1
Architecture: amd64
Pre-Depends: dpkg (>= 1.15.6)
Depends: libfreeswitch1 (= 1.10.12~release~23~abc-1~bookworm+1), libc6 (>= 2.34) | libc6.1, adduser
Filename: ./freeswitch_1.10.12_amd64.deb
Size: 26
SHA256: 0123
Description: Cross-Platform Scalable Multi-Protocol Soft Switch
 FreeSWITCH is a scalable open source softswitch.
 .
 Depends: this line is prose

Package: libfreeswitch1
Version: 1.10.12~release~23~abc-1~bookworm+1
Architecture: amd64
Depends: libsofia-sip-ua0 (>= 1.13.17), libks2 (>= 2)
Filename: ./libfreeswitch1_1.10.12_amd64.deb

Package: libfreeswitch1
Version: 1.10.11~release~25-1~bookworm+1
Filename: ./libfreeswitch1_1.10.11_amd64.deb

Package: libsofia-sip-ua0
Version: 1.13.17-1
Filename: ./libsofia-sip-ua0_1.13.17_amd64.deb

Package: freeswitch-mod-opus
Version: 1.10.12~release~23~abc-1~bookworm+1
Depends: libfreeswitch1 (= 1.10.12), freeswitch
Filename: ./freeswitch-mod-opus_1.10.12_amd64.deb

Package: unrelated
Version: 1.0
Filename: ./unrelated.deb
"""


@pytest.mark.parametrize(
    "version",
    ["1.10.12", "1.10.12~release~23~abc-1~bookworm+1", "1.10.12-3", "1.10.12+dfsg-1"],
)
def test_a_version_is_of_its_upstream_version(version: str) -> None:
    assert version_matches(version, "1.10.12")


@pytest.mark.parametrize("version", ["1.10.120", "1.10.1", "1.10.12.1", "1x10.12", "11.10.12", ""])
def test_a_version_that_only_looks_alike_is_not(version: str) -> None:
    assert not version_matches(version, "1.10.12")


def test_an_index_is_read_whole() -> None:
    packages = read_index(INDEX)
    assert [one.name for one in packages] == [
        "freeswitch", "libfreeswitch1", "libfreeswitch1", "libsofia-sip-ua0",
        "freeswitch-mod-opus", "unrelated",
    ]  # fmt: skip
    assert packages[0] == Package(
        name="freeswitch",
        version="1.10.12~release~23~abc-1~bookworm+1",
        architecture="amd64",
        filename="./freeswitch_1.10.12_amd64.deb",
        depends=("dpkg", "libfreeswitch1", "libc6", "libc6.1", "adduser"),
        stanza=INDEX.split("\n\n")[0],
    )


@pytest.mark.parametrize("text", ["", "\n\n\n", "Origin: a Release file\n"])
def test_an_index_of_nothing_is_empty(text: str) -> None:
    assert read_index(text) == []


def test_an_index_of_windows_lines_of_space_is_read() -> None:
    assert len(read_index(INDEX.replace("\n\n", "\n \n"))) == 6


def test_the_closure_holds_what_is_needed_and_no_more() -> None:
    chosen = closure(read_index(INDEX), ["freeswitch"], "1.10.12", "amd64", "bookworm")
    assert [(one.name, one.version[:7]) for one in chosen] == [
        ("freeswitch", "1.10.12"),
        ("libfreeswitch1", "1.10.12"),
        ("libsofia-sip-ua0", "1.13.17"),
    ]


def test_two_packages_that_need_each_other_are_no_trouble() -> None:
    circle = read_index("Package: aa\nDepends: bb\n\nPackage: bb\nDepends: aa, bb\n")
    assert [one.name for one in closure(circle, ["aa"], "1.10.12", "amd64", "bookworm")] == [
        "aa",
        "bb",
    ]


@pytest.mark.parametrize(
    ("wanted", "version", "missing"),
    [
        (["freeswitch", "freeswitch-mod-gsm"], "1.10.12", "freeswitch-mod-gsm"),
        (["freeswitch"], "1.10.11", "freeswitch"),
    ],
)
def test_what_the_folder_lacks_is_named(wanted: list[str], version: str, missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        closure(read_index(INDEX), wanted, version, "amd64", "bookworm")


def test_a_folder_has_its_index(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        index_of(tmp_path)
    (tmp_path / "Packages").write_text(INDEX)
    assert index_of(tmp_path) == read_index(INDEX)


def test_the_newest_of_several_builds_is_taken() -> None:
    builds = "\n\n".join(
        f"Package: freeswitch\nVersion: 1.10.12~release~{build}-1" for build in (9, 23, 10)
    )
    [chosen] = closure(read_index(builds), ["freeswitch"], "1.10.12", "amd64", "bookworm")
    assert chosen.version == "1.10.12~release~23-1"


ORDERED = [
    "1.10.12~release~9-1", "1.10.12~release~23-1", "1.10.12", "1.10.12-1", "1.10.12-1~bpo12+1",
    "1.10.12-1.1", "1.10.12+dfsg-1", "1.10.12a", "1.10.120", "1:1.0", "0", "1.0~rc1", "1.0-a-1",
]  # fmt: skip


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    for one, other in itertools.permutations(ORDERED, 2):
        older = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False)
        assert (version_order(one) < version_order(other)) == (older.returncode == 0), (one, other)


SEVERAL = "\n\n".join(
    f"Package: freeswitch\nVersion: 1.10.12~release-{build}~{release}+1\n"
    f"Architecture: {architecture}\nFilename: ./{release}-{architecture}.deb"
    for release in ("bookworm", "trixie")
    for build, architecture in ((1, "amd64"), (2, "arm64"))
)


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_a_folder_of_several_kinds_of_host_serves_each_its_own(
    architecture: str, codename: str
) -> None:
    [chosen] = closure(read_index(SEVERAL), ["freeswitch"], "1.10.12", architecture, codename)
    assert chosen.filename == f"./{codename}-{architecture}.deb"


@pytest.mark.parametrize(("architecture", "codename"), [("armhf", "trixie"), ("amd64", "noble")])
def test_a_folder_without_the_hosts_kind_lacks_it(architecture: str, codename: str) -> None:
    with pytest.raises(KeyError, match="freeswitch"):
        closure(read_index(SEVERAL), ["freeswitch"], "1.10.12", architecture, codename)


def test_a_version_that_names_no_release_is_for_all() -> None:
    package = read_index("Package: libks2\nVersion: 2.0.6-1\nArchitecture: amd64")
    assert closure(package, ["libks2"], "1.10.12", "amd64", "trixie") == package
