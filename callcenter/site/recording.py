"""Recordings: what becomes of the calls that extensions and queues have recorded."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Self

from pydantic import Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site.sounds import Announcement

__all__ = ["Recording"]

Key = Annotated[int, Field(strict=True, ge=0, le=9)]


@model
class Recording:
    """How calls are recorded, for all that say ``record``: WAV, below a folder a day, readable by
    FreeSWITCH and root alone."""

    _: KW_ONLY
    keep_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = 90
    """Days until a recording is deleted from the host, which is done once a day."""
    announcement: Announcement | None = None
    """Announcement to the caller before the call is connected. Default: none; many laws ask for
    one."""
    stereo: Annotated[bool, Field(strict=True)] = True
    """Channel for each side: the caller in the left one, the called in the right. False: both in
    one."""
    pause: Key | None = 7
    """Key that, after * in a recorded call, makes the recording silent from there on. None: nobody
    can."""
    resume: Key | None = 8
    """Key that, after * in a recorded call, records again."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pause is not None and self.pause == self.resume:
            raise Problem("resume", f"{self.resume} is already pause; choose another key")
        if self.pause is not None and self.resume is None:
            raise Problem("resume", "is missing, so a pause would have no end; give it a key")
        return self
