"""Grammar of SIP messages that pass Kamailio: expressions of POSIX, extended, without regard to
case, in quotes within which nothing is escaped. Lengths are counted apart: many repetitions of one
part cost as much as all the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = ["Grammar", "literal"]


def literal(text: str) -> str:
    """Return the expression of a text itself, such as an address."""
    return "".join(f"[{sign}]" if sign in ".[]" else sign for sign in text)


@dataclass(frozen=True)
class Grammar:
    """Expressions of what comes from phones, and goes to them."""

    name: str
    """The Site's domain."""
    behind: bool
    """Presence of a switch behind Kamailio, which is dialled with what people write."""
    tls: bool
    wss: bool
    """Presence of browsers, which need TLS, too."""

    port: ClassVar = "(:[0-9]{1,5})?"
    host: ClassVar = "([0-9a-z.-]+|[[][0-9a-f:.]+[]])"
    number: ClassVar = "([0-9*+]|%23)+"
    tag: ClassVar = "[-0-9a-z.!%*_+~]+"
    id: ClassVar = "[-0-9a-z.!%*_+~@:=/]+"
    display: ClassVar = r'("[^"\<>${}|;`]*" ?|[-0-9a-z.!%*_+~ ]*)'
    open: ClassVar = r"\nm=audio [0-9]+ RTP/AVP "
    """Voice that is offered without encryption."""
    secret: ClassVar = r"\nm=audio [0-9]+ RTP/SAVP "
    """Voice that is offered with it."""
    seconds: ClassVar = "[0-9]{2,6}"
    session: ClassVar = f"{seconds}(;refresher=ua[cs])?"
    push: ClassVar = "pn-(provider|param|prid)(=([-0-9a-z._~:/+]|%2[bdf]|%3[adf])+)?"
    """Words by which a push service knows a phone that sleeps (RFC 8599); nothing acts on them."""
    dialled: ClassVar = "([-0-9*+.()]|%23|%20|%28|%29)+"
    """Number as people dial it, with the signs that they write between digits."""
    watched: ClassVar = f"(park[+])?{number}"
    call_id: ClassVar = "[-0-9a-z.!*_+~@]+"
    replaces: ClassVar = (
        f"[?]Replaces=({call_id}|%40|%2[0-9a-f])+"
        f"%3B(to|from)-tag(=|%3D){tag}%3B(to|from)-tag(=|%3D){tag}"
    )

    @property
    def domain(self) -> str:
        """The Site's domain, itself."""
        return self.name.replace(".", "[.]")

    @property
    def transport(self) -> str:
        """A transport: browsers write ws where WSS is meant (RFC 7118, 5.2)."""
        return "(udp|tcp|tls|wss?)" if self.wss else "(udp|tcp|tls)" if self.tls else "(udp|tcp)"

    @property
    def protocol(self) -> str:
        """The same, as Via has it."""
        return self.transport.upper()

    @property
    def user(self) -> str:
        """A number or a name before the @. Before a switch it has the signs that people write
        between digits, which To repeats."""
        signs = "._*+()" if self.behind else "._*+"
        escaped = "%23|%20|%28|%29" if self.behind else "%23"
        return f"([-0-9a-z{signs}]|{escaped})+"

    @property
    def parameters(self) -> str:
        """Return what may follow in the Request-URI."""
        return f"(;(transport={self.transport}|user=phone))*"

    @property
    def identity(self) -> str:
        """Return who calls or is called. Linphone writes To without brackets; what follows is the
        header's then (RFC 3261, 20.10)."""
        who = f"sip:{self.user}@{self.domain}{self.port}"
        return f"({self.display}<{who}{self.parameters}>|{who})"

    @property
    def _place(self) -> str:
        known = f"transport={self.transport}|ob|user=phone|(line|rinstance)=[0-9a-z]+|{self.push}"
        return f"{self.host}{self.port}(;({known}))*"

    @property
    def _where(self) -> str:
        return f"sip:([-0-9a-z._~+=]+@)?{self._place}"

    @property
    def target(self) -> str:
        """Return what a request within a dialog goes to. FreeSWITCH's own place bears the number
        that was dialled."""
        if self.behind:
            return f"(sip:{self.user}@{self._place}|{self._where})"
        return self._where

    @property
    def contact(self) -> str:
        """The whole of Contact. Linphone repeats there what Kamailio has answered to its REGISTER:
        where it was seen to be."""
        seen = rf"sip:{self.host}:[0-9]{{1,5}}(;transport={self.transport})?"
        text = r'[^"\<>${}|;`]*'
        value = f'([0-9a-z.+-]+|"(<urn:uuid:[0-9a-f-]+>|{seen}|{text})")'
        return f"^{self.display}<{self._where}>(;[+]?[0-9a-z.-]+(={value})?)*$"

    @property
    def via(self) -> str:
        """A Via of the phone's own."""
        known = f"rport(=[0-9]{{1,5}})?|received=[0-9a-f.:]+|alias|branch=z9hG4bK{self.tag}"
        return f"SIP/2[.]0/{self.protocol} {self.host}{self.port}(;({known}))*"

    def route(self, addresses: str) -> str:
        """Return the expression of a Record-Route of Kamailio's own, which it signs. ``addresses``:
        the expression of its addresses with their ports."""
        hop = f"{self.transport}-[0-9a-f.:]+-[0-9]{{1,5}}"
        by = "(tcp|tls|ws)" if self.wss else "(tcp|tls)" if self.tls else "tcp"
        return f"<sip:({addresses})(;transport={by})?;lr(=on)?;a={hop};b={hop};k=[0-9a-f]{{32}}>"
