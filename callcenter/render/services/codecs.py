"""The codec that is carried through: whether a call may have it is seen when it is made."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config
from callcenter.site import PASSTHROUGH_CODEC, Site

__all__ = ["files"]


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that looks at what a caller offers."""
    if PASSTHROUGH_CODEC not in site.media.codecs:
        return
    carriers = [
        one.name for one in site.trunks if one.codecs is None or PASSTHROUGH_CODEC in one.codecs
    ]
    yield config("dialplan/services/codecs.xml", site, codec=PASSTHROUGH_CODEC, carriers=carriers)
