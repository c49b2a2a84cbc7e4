"""Attackers beside lab hosts that were deployed as an operator deploys them."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from callcenter.site import LocalPackages
from lab import network
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Account, Message, Peer, Transport, sdp
from tests.roles.conftest import (  # noqa: F401
    SITE,
    Operator,
    exchange,
    lab,
    operator_of,
    plain_switch,
    pytest_collection_modifyitems,
)

DOMAIN = "roles.callcenter.test"
EDGE_SITE = SITE.replace(
    "media=Media(max_calls=100)",
    'media=Media(mode="bypass", max_calls=100), features=FeatureCodes(echo=None, tone=None)',
    # The lab's addresses are strangers'.
).replace("Network(", 'Network(local_networks=["192.168.0.0/16"], ')

BEFORE_SITE = SITE.replace("Network(", 'Network(local_networks=["192.168.0.0/16"], ').replace(
    # Raw phones leave calls behind.
    "max_calls=100",
    "max_calls=1000, calls_per_extension=900",
)


@dataclass(frozen=True)
class Dialog:
    """A call that is up between two raw peers, with what each needs to speak in it."""

    caller: Peer
    callee: Peer
    invite: Message
    """INVITE as the callee received it."""
    answer: Message
    """200 response as the caller received it."""

    def request(
        self, method: str, by: Peer, *, sender: Peer | None = None, **more: object
    ) -> bytes:
        """Return a request in the dialog in the name of a party, as a ``sender`` would write it."""
        peer = sender or by
        down = by is self.caller
        said = self.answer if down else self.invite
        sides = (said.header("from"), said.header("to"))
        if not down:
            sides = (self.answer.header("to"), self.answer.header("from"))
        other = re.findall(r"<([^>]+)>", said.header("contact"))[0]
        changed = {
            "From": sides[0],
            "To": sides[1],
            "Route": said.header("record-route"),
            **dict(more.pop("changed", {})),  # type: ignore[call-overload]
        }
        uri = str(more.pop("uri", other))
        return peer.request(
            method,
            uri,
            call_id=said.header("call-id"),
            cseq=int(str(more.pop("cseq", 20))),
            changed=changed,
            **more,  # type: ignore[arg-type]
        )


class Edge:
    """The edge under attack, and peers at addresses of their own."""

    def __init__(self, operator: Operator, host: str, resources: ExitStack) -> None:
        self.operator, self.host, self._resources = operator, host, resources
        self.address = next(one.address for one in operator.lab.hosts if one.name == host)
        self.is_before_switch = host != ALONE_HOST

    def new_address(self) -> str:
        """Return an address of the lab that nobody has used before."""
        number = next(_addresses)
        address = f"10.78.{number // 250}.{number % 250 + 1}"
        change = [f"{address}/32", "dev", network.BRIDGE]
        subprocess.run(["ip", "address", "replace", *change], check=True)
        self._resources.callback(
            subprocess.run, ["ip", "address", "delete", *change], capture_output=True, check=False
        )
        return address

    def peer(self, transport: Transport = "udp", address: str | None = None, port: int = 0) -> Peer:
        """Return somebody at an address, a new one unless it is given."""
        made = Peer(address or self.new_address(), (self.address, 5060), transport, port=port)
        return self._resources.enter_context(made)

    def account(self, number: str) -> Account:
        """Return an extension and its password."""
        secrets = json.loads(self.operator.secrets.read_text())
        return Account(number, DOMAIN, secrets[f"extension/{number}"])

    def register(self, peer: Peer, number: str, contact: str | None = None, **more: object) -> int:
        """Log a peer in as an extension, and return the final status (0: none came)."""
        changed = {} if contact is None else {"Contact": contact}
        answer = peer.login(
            "REGISTER",
            f"sip:{DOMAIN}",
            self.account(number),
            changed=changed,
            **more,  # type: ignore[arg-type]
        )
        return (answer.status or 0) if answer else 0

    def phone(self, number: str, transport: Transport = "udp") -> Peer:
        """Return a raw phone of an extension, registered at a new address, and at no other."""
        made = self.peer(transport)
        assert self.register(made, number, "*", extra=[("Expires", "0")]) == 200
        assert self.register(made, number) == 200
        return made

    def invite(self, caller: Peer, number: str, to: str, **more: object) -> Message | None:
        """Call, with the password; the final answer, or nothing within a second."""
        more.setdefault("body", sdp(caller.address))
        more.setdefault("timeout", 1)
        uri = str(more.pop("uri", f"sip:{to}@{DOMAIN}"))
        return caller.login("INVITE", uri, self.account(number), to=to, **more)  # type: ignore[arg-type]

    def ring(self, caller: Peer, number: str, callee: Peer, to: str, **more: object) -> Message:
        """Call a raw phone. Return its INVITE, to which it has said 100: for one that is silent
        Kamailio waits for five seconds, by a clock that leaps on a busy machine."""
        self.invite(caller, number, to, timeout=0, challenge=PATIENCE, **more)
        invite = callee.receive()
        assert invite is not None
        assert invite.method == "INVITE"
        callee.reply(invite, "100 Trying")
        return invite

    def dialog(
        self, caller: str = "1000", callee: str = "1001", transport: Transport = "udp"
    ) -> Dialog:
        """Return a call of two raw phones that is up."""
        one, two = self.phone(caller, transport), self.phone(callee)
        invite = self.ring(one, caller, two, callee)
        contact = ("Contact", f"<sip:{callee}@{two.contact}>")
        kind = ("Content-Type", "application/sdp")
        two.reply(invite, "200 OK", tag="callee", headers=[contact, kind], body=sdp(two.address))
        answer = next(m for m in one.messages(PATIENCE) if m.status == 200)
        made = Dialog(one, two, invite, answer)
        one.send(made.request("ACK", one, cseq=2))
        # The INVITE may have come twice.
        assert "ACK" in (one.method for one in two.messages(PATIENCE))
        return made

    def journal(self) -> str:
        """Return what Kamailio has logged."""
        return self.operator.ssh(self.host, "journalctl -u kamailio -o cat --no-pager")


_addresses = itertools.count()


ALONE, BEFORE = "alone", "before a switch"
ALONE_HOST = "edge1"


@pytest.fixture(scope="module", params=[ALONE, BEFORE])
def edge_operator(
    operator_of: Callable[..., Operator],  # noqa: F811
    request: pytest.FixtureRequest,
) -> Operator:
    """Whoever deploys the edge that is attacked: one alone, and one before a switch."""
    if request.param == BEFORE and not LocalPackages().index.is_file():
        pytest.skip("no FreeSWITCH packages for a switch behind the edge")
    made = operator_of(ALONE_HOST if request.param == ALONE else "way1")
    if request.param == ALONE:
        made.describe(EDGE_SITE, group="edges")
    else:
        made.describe(BEFORE_SITE)
    made.succeed()
    return made


@pytest.fixture
def edge(edge_operator: Operator) -> Iterator[Edge]:
    """The edge under attack."""
    with ExitStack() as resources:
        yield Edge(edge_operator, edge_operator.hosts[0], resources)
