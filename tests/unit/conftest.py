from __future__ import annotations

from pathlib import Path

import pytest

from tests.certificates import Authority


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, since a Site keeps its secrets below the one it is used in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def certificates(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In that folder ``authority.pem`` and ``switch.pem``, whose key is the secret ``switch``."""
    _, key = Authority.make(own_folder).certificate("switch")
    monkeypatch.setenv("CALLCENTER_SECRET_SWITCH", key.read_text())
