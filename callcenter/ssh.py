"""pyinfra's ssh data of an inventory's hosts, as OpenSSH reads it."""

from __future__ import annotations

from callcenter.inventory import Inventory

__all__ = ["ssh_config"]

_WORDS = {
    "ssh_hostname": "HostName",
    "ssh_user": "User",
    "ssh_port": "Port",
    "ssh_key": "IdentityFile",
    "ssh_known_hosts_file": "UserKnownHostsFile",
}


def ssh_config(inventory: Inventory) -> str:
    """The text of a configuration with which ``ssh NAME`` logs in as deploys do."""
    lines = []
    for host in inventory.hosts:
        lines.append(f"Host {host.name}")
        lines += [f"  {word} {host.data[key]}" for key, word in _WORDS.items() if key in host.data]
        lines += ["  BatchMode yes", "  LogLevel ERROR"]
    return "\n".join(lines) + "\n"
