"""A FreeSWITCH host in an inventory: its name, its addresses, and how to log in."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Any, Protocol, Self

from pydantic import model_validator

from callcenter import connectors
from callcenter.secrets import Secret
from callcenter.site._model import Problem, SiteError, model
from callcenter.site._types import Address, DisplayName

__all__ = ["Switch", "hosts"]


class HostData(Protocol):
    """What pyinfra's host data and a plain mapping have in common."""

    def get(self, key: str, /) -> Any: ...


def _no_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return (
        address.is_unspecified
        or address.is_multicast
        or address.is_loopback
        or (address.version == 4 and address.is_reserved)
    )


@model
class Switch:
    """One host that runs FreeSWITCH. At least one of the two addresses must be given."""

    name: DisplayName
    """What ssh connects to: a DNS name or an address. Windows: ``@winrm/`` or ``@winssh/`` and that
    name."""
    _: KW_ONLY
    public_ip: Address | None = None
    """What phones outside the local networks are told. Never a private address."""
    address: Address | None = None
    """The address on the host's own interface. Default: public_ip, for a host that holds it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.name:
            raise Problem("name", "is empty; give what ssh connects to")
        if self.public_ip is None and self.address is None:
            raise Problem("address", "is missing; give address, public_ip or both")
        if self.public_ip is not None:
            announced = ipaddress.ip_address(self.public_ip)
            if _no_host(announced):
                raise Problem("public_ip", f"{self.public_ip} is no host's address; give one")
            # Documentation addresses are not global either, but examples must load.
            private = any(
                announced in ipaddress.ip_network(network)
                for network in (
                    "10.0.0.0/8",
                    "172.16.0.0/12",
                    "192.168.0.0/16",
                    "100.64.0.0/10",
                    "169.254.0.0/16",
                    "fc00::/7",
                    "fe80::/10",
                )
                if ipaddress.ip_network(network).version == announced.version
            )
            if private:
                raise Problem(
                    "public_ip",
                    f"{self.public_ip} is private, so nobody outside could answer it; give the "
                    "address that the internet sees, or only address for a site inside one network",
                )
        own = ipaddress.ip_address(self.bind_address)
        if _no_host(own):
            raise Problem(
                "address",
                f"{self.bind_address} cannot be announced to phones; give the interface's address",
            )
        return self

    @property
    def is_windows(self) -> bool:
        """Whether its name says that it is a Windows host."""
        return self.name.startswith(connectors.WINDOWS)

    @property
    def bind_address(self) -> str:
        """What SIP and RTP bind to."""
        address = self.address or self.public_ip
        assert address is not None
        return address

    @property
    def announced_address(self) -> str:
        """What phones outside the local networks are told."""
        return self.public_ip or self.bind_address

    @classmethod
    def of(cls, name: str, data: HostData) -> Switch:
        """The switch that an inventory's host describes."""
        return cls(name, public_ip=data.get("public_ip"), address=data.get("address"))


def hosts(
    *members: tuple[str, Mapping[str, Any]], group: str = "switches"
) -> list[tuple[str, dict[str, Any]]]:
    """An inventory's group of hosts, refused before a connection is opened where it is wrong.

    Each is a name and pyinfra's host data (``ssh_user``, ``ssh_port``, …) with ``public_ip`` and
    ``address``. ``group`` is the name of the inventory's variable: ``switches`` or ``edges``.
    """
    if not members:
        raise SiteError([f"{group}: is empty; an inventory needs at least one host"])
    problems: list[str] = []
    taken: dict[str, str] = {}
    names: set[str] = set()
    for name, data in members:
        if name in names:
            problems.append(f"{group}[{name!r}]: is listed twice; give each switch once")
            continue
        names.add(name)
        try:
            switch = Switch.of(name, data)
        except SiteError as refused:
            problems += [
                f"{group}[{name!r}]{line.removeprefix('Switch')}" for line in refused.problems
            ]
            continue
        if switch.is_windows:
            if group == "edges":
                problems.append(
                    f"{group}[{name!r}]: is a Windows host, which Kamailio does not run on; "
                    "give a Debian host"
                )
            connectors.register()
        for address in {switch.bind_address, switch.announced_address}:
            if address in taken:
                problems.append(
                    f"{group}[{name!r}]: {address} belongs to {taken[address]!r}; "
                    "give each switch its own"
                )
            taken[address] = name
    if problems:
        raise SiteError(problems)
    return [(name, _hidden(data)) for name, data in members]


def _hidden(data: Mapping[str, Any]) -> dict[str, Any]:
    """``pyinfra … debug-inventory`` prints host data."""
    password = data.get("winrm_password")
    hidden = {"winrm_password": Secret(literal=password)} if isinstance(password, str) else {}
    return {**data, **hidden}
