"""Paths on a Windows host. The Linux ones are in :mod:`callcenter.render.paths`."""

from __future__ import annotations

from typing import Final

__all__ = ["CLI", "CONFIG", "DATABASE", "INSTALLATION", "LOGS", "PROGRAM", "SERVICE"]
__all__ += ["APPLIED", "PRODUCT_CODE", "RECORDINGS", "RETENTION", "STATE"]

INSTALLATION: Final = "C:\\Program Files\\FreeSWITCH"
CONFIG: Final = f"{INSTALLATION}\\conf"
DATABASE: Final = f"{INSTALLATION}\\db"
LOGS: Final = f"{INSTALLATION}\\log"
RECORDINGS: Final = f"{INSTALLATION}\\recordings"
PROGRAM: Final = f"{INSTALLATION}\\FreeSwitchConsole.exe"
CLI: Final = f"{INSTALLATION}\\fs_cli.exe"
SERVICE: Final = "FreeSWITCH"
PRODUCT_CODE: Final = "{B004A325-1272-47E5-A415-A74E9FC99865}"
"""The same for every version, so that installing one over another is refused by msiexec."""

STATE: Final = "C:\\ProgramData\\callcenter"
"""Folder of ours: open to administrators and the system alone, since uploads pass through it."""
APPLIED: Final = f"{STATE}\\applied"
"""The digest of the configuration that FreeSWITCH has accepted."""
RETENTION: Final = "FreeSWITCH-retention"
"""The daily task, and its batch file in the folder above."""
