"""FreeSWITCH's configuration for a Windows host: the Linux tree, with its paths mapped."""

from __future__ import annotations

import re
from typing import Final

from callcenter import windows_paths
from callcenter.render import freeswitch
from callcenter.render._files import File, Tree
from callcenter.render._templates import xml_escape
from callcenter.site import Site, Switch

__all__ = ["PATHS", "configuration"]

# FreeSWITCH takes slashes on Windows, and its XML needs no escape for them.
PATHS: Final = {
    "/run/freeswitch/core.db": f"{windows_paths.DATABASE}\\core.db".replace("\\", "/"),
}
"""The absolute paths of the Linux tree, and what stands in their place. There is no RAM disk."""

_ABSOLUTE = re.compile(r'(?<=value=")/[^"]+')


def configuration(site: Site, switch: Switch) -> Tree:
    """The tree below FreeSWITCH's ``conf``. A path that nobody has mapped is refused."""
    return Tree(
        File(file.path, _mapped(file.content.decode()).encode(), file.mode)
        for file in freeswitch.configuration(site, switch)
    )


def _mapped(text: str) -> str:
    def to_windows(found: re.Match[str]) -> str:
        try:
            return xml_escape(PATHS[found[0]])
        except KeyError:
            raise ValueError(f"{found[0]} has no place on Windows; add it to PATHS") from None

    return _ABSOLUTE.sub(to_windows, text)
