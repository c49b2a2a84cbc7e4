"""Data of a host: names that are read, and how ssh logs in, refused where it could not be meant
so."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["ADDRESSES", "SSH", "SUDO", "WINRM", "login_problems"]

SSH = (
    *("ssh_hostname", "ssh_port", "ssh_user", "ssh_password", "ssh_key", "ssh_key_password"),
    *("ssh_allow_agent", "ssh_look_for_keys", "ssh_forward_agent", "ssh_config_file"),
    *("ssh_known_hosts_file", "ssh_strict_host_key_checking", "ssh_paramiko_connect_kwargs"),
    *("ssh_connect_retries", "ssh_connect_retry_min_delay", "ssh_connect_retry_max_delay"),
    "ssh_file_transfer_protocol",
)
"""Names of pyinfra's host data for ssh."""

SUDO = ("_sudo", "_sudo_user", "_use_sudo_login", "_sudo_password", "_preserve_sudo_env")
"""Names of pyinfra's host data for sudo."""

WINRM = (
    *("winrm_hostname", "winrm_port", "winrm_user", "winrm_password", "winrm_auth"),
    *("winrm_ca_file", "winrm_certificate", "winrm_key"),
)
"""Names of the host data of a Windows host."""

ADDRESSES = ("public_ip", "address", "trunk_address", "trunk_public_ip", "stun")
"""Names of what a switch has, or an edge."""

ALIKE = 0.88
"""Share of their signs that a name and the one that was meant have in common. Data of an operator's
own have names, too: ``addresses`` is none of ours."""

CHECKING = ("yes", "no", "off", "ask", "accept-new")
"""Values of ssh_strict_host_key_checking that pyinfra knows."""

_WORD = re.compile(r"[^\s\"'\\#,*?!%-][^\s\"'\\#,*?!%]*")
"""Text that ssh's configuration and command line take as it stands."""


def login_problems(data: Mapping[str, Any], *, whole: bool = True) -> list[str]:
    """List what of a host's login could not work, a line each, beginning with the name of the data.
    ``whole``: the data of its groups is there, too."""
    return [*_each(data), *(_together(data) if whole else ())]


def _each(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _misspelt(data)
    port = data.get("ssh_port")
    if port is not None and (
        isinstance(port, bool) or not str(port).isascii() or not str(port).isdigit()
        or not 1 <= int(port) <= 65535
    ):  # fmt: skip
        yield "ssh_port: is no port; use a number from 1 to 65535, such as 22"
    for name, example in (("ssh_hostname", "cc1.example.net"), ("ssh_user", "deployer")):
        if (text := data.get(name)) is not None and not _fits(_WORD, text):
            yield f"{name}: holds signs that ssh would not take as they stand; use {example!r}"
    for name in ("ssh_key", "ssh_config_file"):
        if (file := data.get(name)) is not None and not _is_file(file):
            yield f"{name}: {file} is no file of this machine; give one that is, or leave it out"
    checking = data.get("ssh_strict_host_key_checking")
    if checking is not None and checking not in CHECKING:
        right = ", ".join(map(repr, CHECKING))
        yield f"ssh_strict_host_key_checking: is not one of the choices; use {right}"
    known_hosts = data.get("ssh_known_hosts_file")
    if known_hosts is not None and checking == "yes" and not _is_file(known_hosts):
        yield (
            f"ssh_known_hosts_file: {known_hosts} is no file of this machine, and with "
            "ssh_strict_host_key_checking 'yes' no host would be known; give one that holds its key"
        )
    for name in ("ssh_password", "ssh_key_password", "_sudo_password"):
        if (secret := data.get(name)) is None:
            continue
        if not isinstance(secret, str) or not secret:
            yield f"{name}: is empty, or no text; give the password, or leave it out"
        elif not secret.isprintable():
            yield f"{name}: holds a line break or another control character; give one line"
    for name in ("_sudo", "_use_sudo_login", "_preserve_sudo_env"):
        # A text such as "no" would be taken for true.
        if not isinstance(data.get(name, False), bool):
            yield f"{name}: must be True or False, without quotes"
    if (user := data.get("_sudo_user")) is not None and not _fits(_WORD, user):
        yield "_sudo_user: is no login's name; use one such as 'root'"


def _misspelt(data: Mapping[str, Any]) -> Iterator[str]:
    known = (*SSH, *SUDO, *WINRM)
    for name, value in data.items():
        if name in (*known, *ADDRESSES):
            continue
        if name.startswith(("ssh_", "winrm_")) or f"_{name}" in SUDO:
            close = difflib.get_close_matches(name, known, n=1)
            names = WINRM if name.startswith("winrm_") else SSH
            right = f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(names)
            yield f"{name}: is no host data of pyinfra's; {right}"
            continue
        # An address is text; what a file of group data imports is none.
        if not isinstance(value, str):
            continue
        written = name.lower().replace("-", "_")
        if close := difflib.get_close_matches(written, ADDRESSES, n=1, cutoff=ALIKE):
            yield (
                f"{name}: is read by nobody; did you mean {close[0]!r}? Data of your own needs "
                "another name"
            )


def _together(data: Mapping[str, Any]) -> Iterator[str]:
    if "ssh_key_password" in data and "ssh_key" not in data:
        yield "ssh_key_password: is for ssh_key, which is missing; give the key's path, too"
    for name in SUDO[1:]:
        if data.get(name) and not data.get("_sudo"):
            yield f"{name}: is for sudo, which is off; set _sudo=True, or leave it out"
    for name in ("_su_user", "_doas", "_dzdo"):
        if data.get(name):
            yield f"{name}: becomes root in a way that only deploys know; use _sudo=True"


def _fits(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and text.isprintable() and bool(pattern.fullmatch(text))


def _is_file(path: object) -> bool:
    return isinstance(path, str | Path) and Path(path).expanduser().is_file()
