from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, since a Site keeps its secrets below the one it is used in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
