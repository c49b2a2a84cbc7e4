"""The Site of Vagrant's machines: the lab's, or where there are only edges, one without a switch."""

import json
from pathlib import Path

from callcenter.site import Extension, FeatureCodes, LocalPackages, Media, Msi, Site

__all__ = ["site"]

_noted = Path("@vagrant.json")
_groups = {
    group
    for groups in (json.loads(_noted.read_text())["groups"].values() if _noted.is_file() else ())
    for group in groups
}
_edges_only = "edges" in _groups and "switches" not in _groups

site = Site(
    domain="vagrant.callcenter.test",
    timezone="Europe/Berlin",
    packages=LocalPackages(),
    windows=Msi("FreeSWITCH-1.10.12-Release-x64.msi") if "windows" in _groups else None,
    extensions=[
        *Extension.range(1000, 1019, ring_seconds=5),
        Extension(2000, name="Front desk", ring_seconds=5),
    ],
    media=Media(mode="bypass" if _edges_only else "default", max_calls=100),
    features=FeatureCodes(echo=None, tone=None) if _edges_only else FeatureCodes(),
)
