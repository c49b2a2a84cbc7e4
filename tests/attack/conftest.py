"""Attackers beside lab hosts that were deployed as an operator deploys them."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from callcenter.site import LocalPackages
from lab import network
from lab.lab import Lab
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.attack.sip import ARRIVED, Account, Message, Peer, Transport, sdp
from tests.forks import Callcenter, Pyinfra
from tests.labs import kept
from tests.roles.conftest import (  # noqa: F401
    SITE,
    Images,
    Operator,
    exchange,
    images,
    lab,
    operator_of,
    operators,
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


SILENCE = 0.7
"""Seconds in which FreeSWITCH would have sent what it should not."""


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
        _take_addresses()
        number = next(_addresses)
        return f"10.78.{number // 250}.{number % 250 + 1}"

    def peer(self, transport: Transport = "udp", address: str | None = None, port: int = 0) -> Peer:
        """Return somebody at an address, a new one unless it is given."""
        made = Peer(address or self.new_address(), (self.address, 5060), transport, port=port)
        if transport == "udp":
            made.handled = self.handled
        return self._resources.enter_context(made)

    def settle(self) -> None:
        """Wait until Kamailio has handled all that it was sent by UDP before: one process of it
        reads that, in order, and asks a stranger for a password."""
        with Peer(self.new_address(), (self.address, 5060)) as stranger:
            asked = stranger.request("REGISTER", f"sip:{DOMAIN}", domain=DOMAIN)
            # A flood may have taken its place in the queue.
            eventually(lambda: stranger.ask(asked, 0.5), bool, "Kamailio's answer")

    def handled(self, request: bytes) -> bool:
        """Wait until Kamailio has handled a request, and tell whether it alone decides: of calls
        before a switch, FreeSWITCH does once the caller has logged in."""
        told = Message.parse(request)
        logged_in = told.header("authorization") or told.header("proxy-authorization")
        is_stranger = not logged_in and ";tag=" not in told.header("to")
        if self.is_before_switch and told.method != "REGISTER" and not is_stranger:
            return False
        self.settle()
        return True

    def unheard(self, *peers: Peer) -> None:
        """Make sure that nothing has reached any of them. FreeSWITCH takes its time to send what it
        should not; what Kamailio would send is sent once it has handled what came before."""
        if not self.is_before_switch:
            self.settle()
        for number, peer in enumerate(peers):
            waits = self.is_before_switch and not number
            assert [one.text for one in peer.messages(SILENCE if waits else ARRIVED)] == []

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
        """Return what Kamailio has logged by now: the journal is asked to catch up."""
        read = "journalctl --sync; journalctl -u kamailio -o cat --no-pager"
        return self.operator.ssh(self.host, read)


_addresses = itertools.count()


@cache
def _take_addresses() -> None:
    """Make every address of a network this machine's own, as long as the lab's network is there."""
    route = ["local", "10.78.0.0/16", "dev", network.BRIDGE]
    subprocess.run(["ip", "route", "replace", *route], check=True)


ALONE, BEFORE = "alone", "before a switch"
ALONE_HOST = "edge1"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep on one worker what attacks one host: an edge's, or else those of a file."""
    from xdist.scheduler import LoadScopeScheduling

    class ByHost(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            edge = re.search(rf"\[({ALONE}|{BEFORE})[-\]]", test)
            return edge[1] if edge and Path(file).stem.startswith("test_edge_") else file

    return ByHost(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Halt an edge once nobody attacks it any more."""
    made = item.funcargs.get("edge_operator") if isinstance(item, pytest.Function) else None
    yield
    is_last = nextitem is not None and _edge_of(nextitem) is None
    if isinstance(made, Operator) and is_last and not kept(item.session):
        made.lab.halt()


def _edge_of(item: pytest.Item) -> str | None:
    parameters = getattr(item, "callspec", None)
    return parameters.params.get("edge_operator") if parameters else None


@pytest.fixture(scope="session", params=[ALONE, BEFORE])
def edge_operator(
    lab: Lab,  # noqa: F811
    images: Images,  # noqa: F811
    pyinfra: Pyinfra,
    callcenter: Callcenter,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Operator]:
    """Whoever deploys the edge that all files attack: one alone, and one before a switch."""
    if request.param == BEFORE and not LocalPackages().index.is_file():
        pytest.skip("no FreeSWITCH packages for a switch behind the edge")
    with operators(lab, images, pyinfra, callcenter, tmp_path_factory, request.session) as hosts:
        made = hosts(ALONE_HOST if request.param == ALONE else "way1")
        if request.param == ALONE:
            made.describe(EDGE_SITE, group="edges")
        else:
            made.describe(BEFORE_SITE)
        made.succeed()
        yield made


@pytest.fixture
def edge(edge_operator: Operator) -> Iterator[Edge]:
    """The edge under attack."""
    with ExitStack() as resources:
        yield Edge(edge_operator, edge_operator.hosts[0], resources)
