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
def certificates(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """In that folder ``authority.pem`` and ``switch.pem``, whose key is the secret ``switch``."""
    authority = Authority("the authority")
    certificate, key = authority.made("cc1.example.net")
    (own_folder / "authority.pem").write_bytes(authority.pem)
    (own_folder / "switch.pem").write_bytes(certificate)
    monkeypatch.setenv("CALLCENTER_SECRET_SWITCH", key.decode())
    return authority
