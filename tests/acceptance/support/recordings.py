"""Recordings on a host, as sound."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import numpy as np

from callcenter.render import paths
from tests.acceptance.support.audio import Pcm


def newest(host: Any, of: str) -> tuple[str, list[Pcm]]:
    """Return the newest recording of an extension's or a queue's calls: its file, and its
    channels."""
    find = f"find {paths.RECORDINGS} -name '*-{of}-*.wav' -printf '%T@ %p\\n'"
    path = host.check_output(f"{find} | sort -n | tail -n 1").split()[1]
    content = base64.b64decode(host.check_output(f"base64 {path}"))
    with wave.open(io.BytesIO(content)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        channels = file.getnchannels()
        return path, [Pcm(frames[n::channels], file.getframerate()) for n in range(channels)]
