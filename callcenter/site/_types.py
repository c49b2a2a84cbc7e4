"""Words that several models use: addresses, ports, numbers that can be dialled, names of people."""

from __future__ import annotations

import functools
import ipaddress
import re
import unicodedata
import zoneinfo
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

__all__ = [
    "Address",
    "DisplayName",
    "Domain",
    "Email",
    "Many",
    "Map",
    "Name",
    "Networks",
    "Number",
    "Port",
    "Timezone",
    "Transport",
    "dialled",
    "domain_name",
    "grammar",
    "no_entries",
]

if TYPE_CHECKING:
    # Lists are taken as well, and editors must not call them wrong.
    from collections.abc import Mapping as Map
    from collections.abc import Sequence as Many
else:

    class Many:
        """``Many[T]`` is a tuple of any length, so that models can be hashed."""

        def __class_getitem__(cls, item: Any) -> Any:
            return tuple[item, ...]

    class Map:
        """``Map[K, V]`` is a mapping that does not change, so that models can be hashed."""

        def __class_getitem__(cls, items: Any) -> Any:
            key, value = items
            return Annotated[dict[key, value], AfterValidator(_FrozenDict)]


class _FrozenDict(dict[Any, Any]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a Site's mappings do not change")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def no_entries() -> Map[Any, Any]:
    """Return the default of a mapping."""
    return _FrozenDict()


Transport = Literal["udp", "tcp"]


def grammar(pattern: str, *, number: bool = False) -> WithJsonSchema:
    """Return the JSON Schema of text of a form, so that an editor refuses what ``check`` does.
    Spaces around it are cut off. ``number``: whether YAML may hold a whole number instead."""
    text = {"type": "string", "pattern": rf"^\s*(?:{pattern})\s*$"}
    return WithJsonSchema({"anyOf": [text, {"type": "integer", "minimum": 10}]} if number else text)


_ADDRESS = r"[0-9A-Fa-f:.]+"


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
        if "%" in text:
            raise ValueError("has a zone")
    except ValueError:
        raise ValueError("is no IP address; use one such as '203.0.113.10'") from None
    return mapped(text)


Address = Annotated[str, AfterValidator(_address), grammar(_ADDRESS)]
"""IPv4 or IPv6 address, never a name: FreeSWITCH must not depend on a resolver to bind."""


def mapped(text: str) -> str:
    """Return an address of IPv4 that is written as one of IPv6 (``::ffff:192.0.2.1``) as IPv4."""
    address = ipaddress.ip_address(text)
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(inner or address)


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as wrong:
        if "host bits" in str(wrong):
            right = ipaddress.ip_network(text, strict=False)
            raise ValueError(f"{text} has host bits set; use '{right}'") from None
        raise ValueError("is no network; use one such as '192.168.0.0/16'") from None
    first = network.network_address
    if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped and network.prefixlen >= 96:
        inner = ipaddress.ip_network(f"{first.ipv4_mapped}/{network.prefixlen - 96}")
        raise ValueError(f"{text} is IPv4 written as IPv6; use '{inner}'")
    if network.is_multicast:
        raise ValueError(f"{text} is multicast, from which nobody sends; name a network")
    return str(network)


Networks = Many[Annotated[str, AfterValidator(_network), grammar(rf"{_ADDRESS}(?:/[0-9.]+)?")]]
"""CIDR networks."""

Port = Annotated[int, Field(strict=True, ge=1024, le=65535)]
"""Port that an unprivileged daemon can bind: FreeSWITCH keeps no capabilities."""


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"


def domain_name(text: str) -> str:
    """Return a DNS name in small letters, or refuse it."""
    text = text.lower()
    if len(text) > 253 or not re.fullmatch(DOMAIN, text):
        raise ValueError("is no domain name; use one such as 'cc.example.net'")
    return text


Domain = Annotated[str, AfterValidator(domain_name), grammar(DOMAIN)]
"""DNS name. It is the realm of every phone's digest, so changing it changes every a1-hash."""


_LOCAL = r"[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}"


def _email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if not re.fullmatch(_LOCAL, local):
        raise ValueError("is no e-mail address; use one such as 'desk@example.net'")
    return f"{local}@{domain_name(domain)}"


Email = Annotated[str, AfterValidator(_email), grammar(f"{_LOCAL}@{DOMAIN}")]
"""E-mail address of plain signs: FreeSWITCH hands it to a shell."""

_DIALLED = re.compile(r"[0-9*#]{2,15}")


def dialled(given: object) -> object:
    """Return a number written as an integer in Python or YAML as the text that a phone dials."""
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return str(given)
    return given


def _number(text: str) -> str:
    if not _DIALLED.fullmatch(text):
        raise ValueError("cannot be dialled; use 2 to 15 digits (* and # in feature codes)")
    return text


Number = Annotated[
    str,
    BeforeValidator(dialled),
    AfterValidator(_number),
    grammar(_DIALLED.pattern, number=True),
]
"""Number that a phone dials inside the site (E.164 allows 15 digits at most)."""


def _display_name(text: str) -> str:
    for sign in text:
        # Cc: line breaks would end a SIP header; Cs and Cn cannot be written as UTF-8 or XML.
        if unicodedata.category(sign) in ("Cc", "Cs", "Cn") or sign in "\u2028\u2029":
            raise ValueError(
                f"holds U+{ord(sign):04X}, which no SIP header or XML file can carry; "
                "use printable text on one line"
            )
    return text


DisplayName = Annotated[str, Field(max_length=80), AfterValidator(_display_name)]
"""Text that callers see. Any printable text stays just that: text."""


_NAME = r"[a-z][a-z0-9-]{0,31}"


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise ValueError("is no name; use small letters, digits and -, such as 'sales'")
    return text


Name = Annotated[str, AfterValidator(_name), grammar(_NAME)]
"""Word by which other parts of the Site, FreeSWITCH's configuration and its logs name a thing."""


@functools.cache
def _timezone(name: str) -> str:
    # To list all takes longer than a Site's other checks together.
    try:
        zoneinfo.ZoneInfo(name)
        # The database as it is kept, which names no place.
        is_zone = not name.startswith(("posix", "right/"))
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        is_zone = False
    if not is_zone:
        raise ValueError(f"{name!r} is no IANA time zone; use one such as 'Europe/Berlin'")
    return name


Timezone = Annotated[str, AfterValidator(_timezone)]
"""Name of the IANA time zone database."""
