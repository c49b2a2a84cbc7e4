"""A FreeSWITCH host in an inventory: its name, its addresses, and how to log in."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Annotated, Any, Protocol, Self

from pydantic import AfterValidator, model_validator

from callcenter.site import connectors
from callcenter.site._model import Problem, SiteError, model
from callcenter.site._types import Address, DisplayName, domain_name
from callcenter.site.families import ONE
from callcenter.site.logins import login_problems
from callcenter.site.reach import is_no_host, is_private
from callcenter.site.secrets import Secret

__all__ = ["Switch", "hosts"]


class HostData(Protocol):
    """What pyinfra's host data and a plain mapping have in common."""

    def get(self, key: str, /) -> Any: ...


STUN_PORT = 3478
"""Port of STUN by RFC 8489."""


def _stun_server(text: str) -> str:
    host, colon, port = text.rpartition(":") if ":" in text else (text, "", str(STUN_PORT))
    named = "name it by host or host:port, such as 'stun.example.net' or 'stun.example.net:3478'"
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f"{text!r} has no port from 1 to 65535 behind the colon; {named}")
    try:
        return f"{domain_name(host)}{colon}{port if colon else ''}"
    except ValueError:
        raise ValueError(f"{text!r} is no STUN server's name or IPv4 address; {named}") from None


StunServer = Annotated[str, AfterValidator(_stun_server)]
"""A STUN server as ``host`` or ``host:port``."""


@model
class Switch:
    """One host that runs FreeSWITCH. At least one of the two addresses must be given."""

    name: DisplayName
    """Name that ssh connects to: a DNS name or an address. Windows: ``@winrm/`` or ``@winssh/`` and
    that name."""
    _: KW_ONLY
    public_ip: Address | None = None
    """Address that phones outside the local networks are told. Never a private one."""
    address: Address | None = None
    """The address on the host's own interface. Default: public_ip, for a host that holds it."""
    trunk_address: Address | None = None
    """Second address of the host, such as one in a carrier's VLAN, at which carriers call and are
    called. They are told it as it stands, or ``trunk_public_ip``. Default: carriers are served at
    ``address``."""
    trunk_public_ip: Address | None = None
    """The public address of the router before ``trunk_address``, which carriers outside the local
    networks are told. Default: there is no such router."""
    stun: StunServer | None = None
    """A STUN server, as ``host`` or ``host:port`` (default: 3478), which the host asks each minute
    for the public address of its router, instead of ``public_ip``. Needs ``address``, of IPv4.
    Refused for Windows hosts and for edges."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.name:
            raise Problem("name", "is empty; give what ssh connects to")
        if self.stun is not None:
            self._check_stun()
        if self.public_ip is None and self.address is None:
            raise Problem("address", "is missing; give address, public_ip or both")
        if self.public_ip is not None:
            advertised = ipaddress.ip_address(self.public_ip)
            if is_no_host(advertised):
                raise Problem("public_ip", f"{self.public_ip} is no host's address; give one")
            if is_private(advertised):
                raise Problem(
                    "public_ip",
                    f"{self.public_ip} is private, so nobody outside could answer it; give the "
                    "address that the internet sees, or only address for a site inside one network",
                )
        own = ipaddress.ip_address(self.bind_address)
        if own.version == 6 and own.is_link_local:
            raise Problem(
                "address",
                f"{self.bind_address} is link-local, which needs a zone to be reached; give a "
                "global address such as 2001:db8::10",
            )
        if self.public_ip is not None and ipaddress.ip_address(self.public_ip).version != (
            own.version
        ):
            raise Problem(
                "public_ip",
                f"{self.public_ip} is of IPv{10 - own.version} and address {self.bind_address} of "
                f"IPv{own.version}, so who is told the one could not reach the other; give an "
                f"IPv{own.version} address ({ONE})",
            )
        if is_no_host(own):
            raise Problem(
                "address",
                f"{self.bind_address} cannot be announced to phones; give the interface's address",
            )
        if self.trunk_address is not None:
            self._check_trunk_address(self.trunk_address)
        if self.trunk_public_ip is not None:
            self._check_trunk_public_ip(self.trunk_public_ip)
        return self

    def _check_trunk_address(self, text: str) -> None:
        if text == self.bind_address:
            raise Problem("trunk_address", f"{text} is where phones are served; leave it out")
        own = ipaddress.ip_address(text)
        if is_no_host(own) or own.is_loopback:
            raise Problem(
                "trunk_address",
                f"{text} cannot be announced to carriers; give the interface's address",
            )
        if own.version == 6 and own.is_link_local:
            raise Problem(
                "trunk_address",
                f"{text} is link-local, which needs a zone to be reached; give a global address",
            )

    def _check_trunk_public_ip(self, text: str) -> None:
        if self.trunk_address is None:
            raise Problem("trunk_public_ip", "is that of trunk_address; give it, too, or public_ip")
        advertised = ipaddress.ip_address(text)
        if is_no_host(advertised) or is_private(advertised):
            raise Problem(
                "trunk_public_ip",
                f"{text} is no address that a carrier outside could answer; give the router's "
                "public one",
            )
        own = ipaddress.ip_address(self.trunk_address)
        if advertised.version != own.version:
            raise Problem(
                "trunk_public_ip",
                f"{text} is of IPv{advertised.version}, and trunk_address of IPv{own.version}; "
                f"give one of IPv{own.version}",
            )

    def _check_stun(self) -> None:
        if self.is_windows:
            raise Problem("stun", "is asked by Linux hosts alone; give a Windows host public_ip")
        if self.public_ip is not None:
            raise Problem("stun", "asks for what public_ip says already; keep one of the two")
        if self.address is None:
            raise Problem(
                "stun", "is asked from address, which is missing; give the interface's address, too"
            )
        if ipaddress.ip_address(self.address).version != 4:
            raise Problem(
                "stun",
                f"is for the NAT of IPv4, and address is {self.address}; give an IPv4 address, or "
                "public_ip instead of stun",
            )

    @property
    def is_windows(self) -> bool:
        """True where its name says that it is a Windows host."""
        return self.name.startswith(connectors.WINDOWS)

    @property
    def bind_address(self) -> str:
        """Address that SIP and RTP bind to."""
        address = self.address or self.public_ip
        assert address is not None
        return address

    @property
    def loopback(self) -> str:
        """The loopback address of the same family, where FreeSWITCH is behind an edge."""
        return "::1" if ipaddress.ip_address(self.bind_address).version == 6 else "127.0.0.1"

    @property
    def trunk_bind_address(self) -> str:
        """Address that SIP and RTP of carriers bind to."""
        return self.trunk_address or self.bind_address

    @property
    def is_behind_nat(self) -> bool:
        """True where phones outside the local networks are told another address."""
        return self.stun is not None or self.advertised_address != self.bind_address

    @property
    def is_trunk_behind_nat(self) -> bool:
        """True where carriers outside the local networks are told another address."""
        return (
            self.trunk_public_ip is not None
            if self.trunk_address is not None
            else self.is_behind_nat
        )

    @property
    def advertised_address(self) -> str:
        """Address that phones outside the local networks are told. Of a switch with ``stun`` only
        its host knows it: :func:`callcenter.client.advertised.advertised` asks it."""
        assert self.stun is None, "only the host knows what it announces"
        return self.public_ip or self.bind_address

    @property
    def stun_server(self) -> tuple[str, int] | None:
        """Name and port of whom the host asks."""
        if self.stun is None:
            return None
        server, _, port = self.stun.partition(":")
        return server, int(port or STUN_PORT)

    @classmethod
    def of(cls, name: str, data: HostData) -> Switch:
        """Return the switch that an inventory's host describes."""
        return cls(
            name,
            public_ip=data.get("public_ip"),
            address=data.get("address"),
            trunk_address=data.get("trunk_address"),
            trunk_public_ip=data.get("trunk_public_ip"),
            stun=data.get("stun"),
        )


def hosts(
    *members: tuple[str, Mapping[str, Any]], group: str = "switches"
) -> list[tuple[str, dict[str, Any]]]:
    """Return an inventory's group of hosts; refuse a wrong one before a connection is opened.

    Each is a name and pyinfra's host data (``ssh_user``, ``ssh_port``, …) with ``public_ip``,
    ``address``, ``trunk_address``, ``trunk_public_ip`` and ``stun``. ``group`` is the name of the
    inventory's variable: ``switches`` or ``edges``.
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
        problems += [f"{group}[{name!r}].{line}" for line in login_problems(data, whole=False)]
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
        if switch.stun is not None and group == "edges":
            problems.append(
                f"{group}[{name!r}].stun: is for FreeSWITCH, and Kamailio is on edges; give "
                "public_ip instead"
            )
        if switch.trunk_address is not None and group == "edges":
            problems.append(
                f"{group}[{name!r}].trunk_address: is for carriers, whom FreeSWITCH serves, and "
                "Kamailio is on edges; leave it out"
            )
        advertised = switch.bind_address if switch.stun is not None else switch.advertised_address
        for address in {switch.bind_address, advertised, switch.trunk_bind_address}:
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
    """Hide the password in host data, which ``pyinfra … debug-inventory`` prints."""
    password = data.get("winrm_password")
    hidden = {"winrm_password": Secret(literal=password)} if isinstance(password, str) else {}
    return {**data, **hidden}
