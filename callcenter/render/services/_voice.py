"""The way of a call's voice through the switch, as its dialplan is told of it."""

from __future__ import annotations

from dataclasses import dataclass

from callcenter.site import PASSTHROUGH_CODEC, Media, Site
from callcenter.site.media import MediaMode

__all__ = ["Voice"]


@dataclass(frozen=True)
class Voice:
    """Treatment of voice in calls of one media mode."""

    mode: MediaMode
    media: Media

    @classmethod
    def of(cls, site: Site, mode: MediaMode | None = None) -> Voice:
        """Return that of a route's own mode, or of the Site's."""
        return cls(mode or site.media.mode, site.media)

    @property
    def bypasses(self) -> bool:
        """True where the two sides speak with each other, past the switch."""
        return self.mode == "bypass"

    @property
    def is_relayed(self) -> bool:
        """True where it goes through the switch as it comes, undecoded."""
        return self.mode == "proxy"

    @property
    def is_decoded(self) -> bool:
        """True where the switch hears it, and can speak another codec on the other side."""
        return self.mode == "default"

    @property
    def may_pass(self) -> bool:
        """True where a codec that the switch cannot speak is carried from one side to the other."""
        return self.is_decoded and PASSTHROUGH_CODEC in self.media.codecs
