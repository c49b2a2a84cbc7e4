"""Which holes of FreeSWITCH a version has, and where a user is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callcenter.__main__ import main
from callcenter.render.known_holes import HOLES, holes_of

LATER = {"CVE-2026-116574", "CVE-2026-116780", "CVE-2026-116779"}
LATE = {"CVE-2026-49840", "CVE-2026-49841", *LATER}


@pytest.mark.parametrize(
    ("version", "cves"),
    [
        ("1.10.10", {"CVE-2023-51443", *LATE}),
        ("1.10.12", LATE),
        ("1.10.12~bookworm-1", LATE),
        ("1.11.1", LATER),
        ("1.11.3", set()),
        ("2.0.0", set()),
    ],
)
def test_a_version_has_what_a_later_one_closes(version: str, cves: set[str]) -> None:
    assert {hole.cve for hole in holes_of(version)} == cves


def test_each_is_told_with_its_source() -> None:
    assert len({hole.cve for hole in HOLES}) == len(HOLES)
    for hole in HOLES:
        assert re.fullmatch(r"CVE-20[0-9]{2}-[0-9]{4,6}", hole.cve)
        assert hole.source.startswith("https://")
        assert hole.cve in str(hole)
        assert hole.source in str(hole)


def test_check_names_them(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = own_folder / "site.yaml"
    site.write_text(
        "domain: a.net\nextensions: [1000]\nnetwork: {sip_from: anywhere}\n"
        "firewall: {ssh_from: anywhere}\npackages: {source: local, version: 1.10.10}\n"
    )
    assert main(["check", str(site)]) == 0
    shown = capsys.readouterr()
    assert shown.out == "ok\n"
    first, second, *_ = shown.err.splitlines()
    assert first.startswith("warning: FreeSWITCH 1.10.10 has CVE-2023-51443 (fixed in 1.10.11): ")
    assert second.endswith("not reached: fs_cli speaks with FreeSWITCH on loopback alone")
