"""Attacks that change nothing and that nobody notices: those of a stranger without a password.

They are tried on lab hosts, and by ``bin/attack --inventory`` on the hosts of one's own site. None
holds a password, so none counts as a guess.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from callcenter.client.inventory import load
from tests.attack import vanilla
from tests.attack.conftest import EDGE_SITE
from tests.attack.sip import Message, Peer, Transport, render, sdp
from tests.roles.conftest import Operator

pytestmark = pytest.mark.harmless

LAB = {"edge": "stranger2", "switch": "stranger1"}
"""Lab hosts by what they are, where no inventory is given."""


@dataclass(frozen=True)
class Target:
    """A host that is attacked."""

    address: str
    port: int
    domain: str
    number: str
    """Number of one of its extensions."""
    own: str
    """Address that this machine has towards it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "at" not in metafunc.fixturenames:
        return
    inventory = metafunc.config.getoption("--inventory")
    names = [host.name for host in load(inventory).hosts] if inventory else [*LAB]
    if metafunc.config.getoption("--vanilla"):
        names = ["switch"]
    marks = {"edge": [pytest.mark.switchless]} if not inventory else {}
    metafunc.parametrize(
        "at", [pytest.param(name, marks=marks.get(name, ())) for name in names], scope="module"
    )


@pytest.fixture(scope="module")
def target(at: str, request: pytest.FixtureRequest) -> Target:
    """The host by that name, as a stranger knows it."""
    inventory = request.config.getoption("--inventory")
    if inventory:
        loaded = load(Path(inventory))
        host = next(one for one in loaded.hosts if one.name == at)
        site, address = loaded.site, host.switch.advertised_address
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.connect((address, site.network.sip_port))
            own = way.getsockname()[0]
        number = site.extensions[0].number
        return Target(address, site.network.sip_port, site.domain, number, own)
    operator_of: Callable[..., Operator] = request.getfixturevalue("operator_of")
    operator = operator_of(LAB[at])
    domain = "roles.callcenter.test"
    if request.config.getoption("--vanilla"):
        carrier = f"{operator.lab.gateway}:5066"
        vanilla.configure(operator, operator.lab, LAB[at], domain, carrier, "739164", "482917")
    else:
        if at == "edge":
            operator.describe(EDGE_SITE, group="edges")
        operator.succeed()
    address = next(one.address for one in operator.lab.hosts if one.name == LAB[at])
    return Target(address, 5060, domain, "1000", operator.lab.gateway)


@pytest.fixture
def peer(target: Target) -> Iterator[Callable[..., Peer]]:
    """Strangers, each at a port of its own."""
    with ExitStack() as resources:

        def made(transport: Transport = "udp") -> Peer:
            one = Peer(target.own, (target.address, target.port), transport)
            return resources.enter_context(one)

        yield made


def asked(target: Target, peer: Peer, method: str, to: str, **more: object) -> Message | None:
    """Return the final answer to a request without a password, or nothing."""
    uri = str(more.pop("uri", f"sip:{to}@{target.domain}"))
    made = peer.request(method, uri, to=to, domain=target.domain, **more)  # type: ignore[arg-type]
    answer = peer.ask(made, 1)
    if answer is not None and method == "INVITE":
        peer.acknowledge(answer, uri)
    return answer


def refused(answer: Message | None) -> bool:
    return answer is None or (answer.status or 0) >= 300


def test_it_answers_strangers(target: Target, peer: Callable[..., Peer]) -> None:
    """No attack: what is silent to this machine is closed to it by the packet filter."""
    if asked(target, peer(), "REGISTER", target.number, uri=f"sip:{target.domain}") is None:
        pytest.skip(f"{target.address} does not answer this machine: it is down, or not for us")


def test_the_product_and_its_version(target: Target, peer: Callable[..., Peer]) -> None:
    """Gain: which known holes are worth a try."""
    for method in ("OPTIONS", "REGISTER", "INVITE"):
        answer = asked(target, peer(), method, target.number)
        told = "" if answer is None else answer.header("server") + answer.header("user-agent")
        assert "kamailio" not in told.lower()
        assert "freeswitch" not in told.lower()
        assert not any(sign.isdigit() for sign in told), told


@pytest.mark.parametrize(
    "number", ["00442079460000", "+442079460000", "900442079460000", "0044,1", "112", "*97"]
)
def test_a_call_outside(target: Target, peer: Callable[..., Peer], number: str) -> None:
    """Gain: free calls, by INVITE without a password."""
    one = peer()
    assert refused(asked(target, one, "INVITE", number, body=sdp(one.address)))


def test_a_call_to_an_extension(target: Target, peer: Callable[..., Peer]) -> None:
    """Gain: telephones that ring at night, by INVITE without a password."""
    one = peer()
    body = sdp(one.address)
    assert refused(asked(target, one, "INVITE", target.number, body=body))


@pytest.mark.parametrize("user", ["number", "nobody", "admin", "100"])
def test_a_registration(target: Target, peer: Callable[..., Peer], user: str) -> None:
    """Gain: an extension's calls, by REGISTER without a password."""
    user = target.number if user == "number" else user
    answer = asked(target, peer(), "REGISTER", user, uri=f"sip:{target.domain}", user=user)
    assert refused(answer)


@pytest.mark.parametrize(
    "event", ["presence", "dialog", "message-summary", "reg", "as-feature-event"]
)
def test_a_subscription(target: Target, peer: Callable[..., Peer], event: str) -> None:
    """Gain: who telephones when, by SUBSCRIBE without a password."""
    extra = [("Event", event), ("Expires", "60")]
    assert refused(asked(target, peer(), "SUBSCRIBE", target.number, extra=extra))


@pytest.mark.parametrize("user", ["api+status", "api+version", "conf+1", "number"])
def test_a_text_message(target: Target, peer: Callable[..., Peer], user: str) -> None:
    """Gain: commands of FreeSWITCH, or words on a telephone, by MESSAGE without a password."""
    to = target.number if user == "number" else user
    one = peer()
    answer = asked(target, one, "MESSAGE", to, body=b"x", content_type="text/plain")
    assert answer is None or "FreeSWITCH (Version" not in answer.text
    assert all(message.method != "MESSAGE" for message in one.messages(0.5))
    assert refused(answer)


@pytest.mark.parametrize("method", ["REFER", "INFO", "NOTIFY", "UPDATE", "PRACK", "BYE", "PUBLISH"])
def test_a_request_of_no_call(target: Target, peer: Callable[..., Peer], method: str) -> None:
    """Gain: an order to a telephone, or a parser before any password, by a request of no call."""
    extra = {
        "REFER": [("Refer-To", f"<sip:{target.number}@{target.domain}>")],
        "NOTIFY": [("Event", "check-sync"), ("Subscription-State", "active")],
        "PUBLISH": [("Event", "presence"), ("Expires", "0")],
    }.get(method, [])
    assert refused(asked(target, peer(), method, target.number, extra=extra))


@pytest.mark.parametrize("method", ["OPTIONS", "MESSAGE", "INVITE", "BYE"])
@pytest.mark.parametrize("tag", [None, "x"])
def test_a_route_to_elsewhere(
    target: Target, peer: Callable[..., Peer], method: str, tag: str | None
) -> None:
    """Gain: any host is reached from the site's address, by a Route through it."""
    sender, victim = peer(), peer()
    route = ("Route", f"<sip:{target.address}:{target.port};lr>")
    asked(
        target, sender, method, "x", uri=f"sip:x@{victim.contact}", extra=[route], to_tag=tag
    )  # fmt: skip
    assert list(victim.messages(0.5)) == []


def test_an_answer_that_is_passed_on(target: Target, peer: Callable[..., Peer]) -> None:
    """Gain: any host is sent packets by a response with two Vias."""
    sender, victim = peer(), peer()
    vias = [
        ("Via", f"SIP/2.0/UDP {target.address}:{target.port};branch=z9hG4bKa"),
        ("Via", f"SIP/2.0/UDP {victim.contact};branch=z9hG4bKb"),
    ]
    named = [(n, v) for n, v in sender.headers("OPTIONS").items() if n != "Via"]
    sender.send(render("SIP/2.0 200 OK", [*vias, *named]))
    assert list(victim.messages(0.5)) == []


def test_an_answer_that_is_larger(target: Target, peer: Callable[..., Peer]) -> None:
    """Gain: the site multiplies what is sent in another's name."""
    one = peer()
    sent = one.request("OPTIONS", f"sip:{target.domain}", domain=target.domain)
    answer = one.ask(sent, 1)
    assert answer is None or len(answer.text) <= 3 * len(sent)


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_which_extensions_there_are(target: Target, peer: Callable[..., Peer], method: str) -> None:
    """Gain: the list of extensions, by what one that is there is told, and one that is not."""
    answers = []
    for user in (target.number, "9988776655"):
        uri = f"sip:{target.domain}" if method == "REGISTER" else f"sip:{user}@{target.domain}"
        answers.append(asked(target, peer(), method, user, uri=uri, user=user))
    one, other = (0 if answer is None else answer.status for answer in answers)
    assert one == other


@pytest.mark.parametrize(
    ("port", "what"),
    [
        (8021, "the Event Socket"),
        (5080, "the carriers' port"),
        (8089, "HTTP applications"),
        (5432, "PostgreSQL"),
        (6432, "PgBouncer"),
        (8081, "verto"),
        (7443, "SIP in a browser"),
        (2855, "MSRP"),
        (2049, "Kamailio's control"),
    ],
)
def test_a_port_that_is_nobodys(target: Target, port: int, what: str) -> None:
    """Gain: what was made for the host itself, from outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.settimeout(1)
        assert tried.connect_ex((target.address, port)) != 0, what
