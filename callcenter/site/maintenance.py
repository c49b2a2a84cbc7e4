"""What a deploy may do to calls that are up when only a harsh action applies a change."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Literal

from pydantic import Field

from callcenter.site._model import model

__all__ = ["Maintenance"]


@model
class Maintenance:
    """Asked only when a profile or the service must restart; gentler changes never wait."""

    _: KW_ONLY
    live_calls: Literal["drain", "stop", "drop"] = "drain"
    """Treatment of live calls. ``drain``: take no new calls and wait for the last to end. ``stop``:
    change nothing while calls are up, and say so. ``drop``: restart at once."""
    drain_seconds: Annotated[int, Field(strict=True, ge=1, le=14_400)] = 600
    """Seconds that ``drain`` waits before it gives up, takes calls again and changes nothing."""
