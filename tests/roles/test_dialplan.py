"""What ``route`` says, and what FreeSWITCH does: 2,000 calls on 200 Sites from a seed.

Each Site's dialplan and directory are put before a FreeSWITCH that runs; calls are SIP, with a
digest or from a carrier's address. Nobody is registered, and carriers answer 503, so that a call
takes all of its way at once. Menus, queues and programs are not there, so that what follows them is
seen.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from callcenter.client import inventory
from callcenter.client.event_socket import EventSocketClient, connect
from callcenter.client.ssh import login
from callcenter.render import File, Tree, freeswitch, paths
from callcenter.render.routing import _onward, explain
from callcenter.site import Site, SiteError, Switch
from callcenter.site.destinations import SERVICES, word_of
from lab.lab import Lab
from lab.network import BRIDGE
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Account, Message, Peer, render, sdp
from tests.roles.conftest import ALONE, BEHIND, SITE, Operator
from tests.roles.generated import BOOK, DOMAIN, NUMBERS, TRUNKS, ZONES, Dialled, Generator

HOST = "dialplan1"
SITES, CALLS = 200, 10
"""Sites, and calls of each."""

EVERYTHING = """
    timezone="UTC",
    hours=[Hours(f"known{n}", ["Mon-Sun 00:00-24:00"], timezone=zone, night=f"*6{n}")
           for n, zone in enumerate(ZONES)],
    ivrs=[Ivr("known", say("Press."), options={"1": extension(1000)})],
    queues=[Queue("known")],
    agents=[Agent(1000, skills={"known": 1})],
    ring_groups=[RingGroup("known", [1000], outside=[outside("030123456", by=1000)])],
    conferences=[Conference("known")],
    faxes=[Fax("known")],
    notices=[Notice("known", say("Closed."))],
    applications=[Application("known", 8084)],
    http_applications=[HttpApplication("known", "http://127.0.0.1:9/")],
    scripts=[LuaScript("known", "SCRIPT")],
    parking=Parking(5901, 5903),
    features=FeatureCodes(forward="*72", forward_off="*73", do_not_disturb="*78",
                          do_not_disturb_off="*79"),
    trunks=[
        Trunk("a", host="ADDRESS_A", ping_seconds=None, caller_id="+4930123400"),
        Trunk("b", host="ADDRESS_B", ping_seconds=None, caller_id="+4930123400"),
        Trunk("c", host="ADDRESS_C", ping_seconds=None, caller_id="+4930123400"),
    ],
    outbound=[Route("all", pattern=r"^0[1-9]\\d{5,11}$", strip=1, prefix="+49",
                    trunks=["a", "b"], weights=[1, 1])],
    outbound_limits=OutboundLimits(countries=["+49"]),
    emergency=[Emergency("112", trunks=["a", "b", "c"])],
    guessers=Guessers(enabled=False),
    media=Media(max_calls=100, max_calls_per_second=1000, calls_per_extension=100),
"""
OLD = "    media=Media(max_calls=100),"
EXTENSIONS = "*Extension.range(1000, 1009, ring_seconds=5)"

SEEN = (
    *("transfer", "bridge", "hangup", "echo", "playback", "db", "voicemail", "conference"),
    *("rxfax", "valet_park", "read"),
)
"""Applications that say where a call goes."""
STAYS = ("echo", "voicemail", "conference", "rxfax", "valet_park", "read")
"""Applications in which it would stay: it is ended."""

Step = tuple[str, ...]
"""Thing that a call meets: its kind, and which one."""

CODES = {"UNALLOCATED_NUMBER": "404", "OUTGOING_CALL_BARRED": "403", "CALL_REJECTED": "603"}
KINDS = ("voicemail", *map(word_of, SERVICES))
SKIPPED = (
    r".* is dialled as .*",
    r"\S+ is [a-z ]+ \S+ \(\S+\)",
    r"\S+ is \S+ \(speed_dials.*\)",
    r"  .*: .*",
    r"else .*:",
    r"else the call ends",
    r"it is refused \(403\) where .*",
    r"\S+ is passed over where .*",
    r"it is shown .*",
    r"extensions .* ring and tell of it",
    r"rule \S+ sends it elsewhere: .*",
    r"caller .* is of rule .*",
    r"\S+ by trunk \S+ is \+.*",
    r"\S+ pages .* for \d+ s: .*",
)
"""Lines of ``route`` that say in words what a step says, too."""


def said(site: Site, call: Dialled, closed: frozenset[str], now: datetime.datetime) -> list[Step]:
    """Return what ``route`` says of a call, step by step."""
    way = {"trunk": call.trunk, "outsider": call.caller} if call.trunk else {"caller": call.caller}
    out: list[Step] = []
    try:
        lines = explain(site, call.number, now, closed, **way)
        for line in _unregistered(site, lines, now, closed):
            out += _step(site, line)
    except SiteError:
        out.append(("refused", "404"))
    return _as_sent(site, call, out)


def _unregistered(
    site: Site, lines: Iterator[str], now: datetime.datetime, closed: frozenset[str]
) -> Iterator[str]:
    """Yield the lines, but where an extension has a way of its own while it has no phone: that
    way."""
    number = ""
    for line in lines:
        yield line
        if found := re.fullmatch(r"extension (\d+) rings .*", line):
            number = found[1]
        if line.startswith("  not registered: "):
            to = site.extension_by_number[number].not_registered
            assert to is not None
            yield from _unregistered(site, _onward(site, to, now, closed), now, closed)
            return


def _step(site: Site, line: str) -> Iterator[Step]:
    """Yield the steps of one line; ``to`` are the trunks that are tried, before it is known what
    each is sent."""

    def found(expression: str) -> re.Match[str] | None:
        return re.fullmatch(expression, line)

    if one := found(r"extension (\d+) (?:rings for \d+ s|answers by itself, .*)"):
        yield "rings", one[1]
    elif one := found(r"ring group (\S+) rings (.*) (together|in turn)"):
        yield "ring-group", one[1]
        members = site.named("ring_groups", one[1]).members if one[3] == "in turn" else ()
        for member in members:
            yield "rings", member
    elif one := found(r"\S+ is paging group (\S+) \(\S+\)"):
        yield "page", one[1]
    elif one := found(r"(\S+) is called (?:outside )?as if extension (\d+) called it.*"):
        yield "outside", one[2], one[1]
    elif one := found(r"the call ends \((\S+)\)"):
        yield "hang-up", one[1]
    elif one := found(r"the mailbox of (\d+) takes a message"):
        yield "voicemail", one[1]
    elif one := found(r"fax (\S+) receives"):
        yield "fax", one[1]
    elif one := found(r"IVR (\S+) plays its greeting"):
        yield "ivr", one[1]
    elif one := found(r"hours (\S+): (?:open|closed) by .*"):
        yield "hours", one[1]
    elif one := found(r"((?:http )?application|script|notice|conference|queue) (\S+)"):
        yield one[1].replace(" ", "-"), one[2]
    elif one := found(r"\S+ fits the route (\S+) \(.*\)"):
        yield "route", one[1]
    elif one := found(r"(\S+) is emergency\[.*\], which nothing limits"):
        yield "emergency", one[1]
    elif found(r"the call is refused \(403\): extension \d+ has not the route .*"):
        yield "refused", "no route"
    elif found(r"\d+ is told that it is no agent"):
        yield "refused", "603"
    elif one := found(r"(?:\S+ by trunk \S+ is none of inbound: )?the call is refused \((\d+)\).*"):
        yield "refused", one[1]
    elif one := found(r"(\S+) is called over (.*)"):
        spread, _, rest = one[2].rpartition(" (the others where one fails)")
        for word, names in (("any", spread), ("to", rest if spread else one[2])):
            for trunk in re.findall(r"([a-c]) \(", names):
                yield word, trunk, one[1]
    elif one := found(r"([a-c]) is (sent|shown) (\S+)"):
        yield one[2], one[1], one[3]
    elif one := found(r"caller .* by trunk \S+ is .*shown as (\S+), named (.*)"):
        yield "caller", one[1], one[2]
    elif one := found(r"calls to (\d+) go (to|outside to) (\d+) from then on.*"):
        yield "forward", one[1], ("outside-" if one[2] != "to" else "") + one[3]
    elif one := found(r"(\d+) is told that its calls cannot be forwarded to \S+"):
        yield "forward", one[1], "no"
    elif found(r"\S+ is features\.(?:forward|intercom)"):
        pass
    elif one := found(r"\S+ is (?:features|agent_codes|voicemail|parking)\.(\w+)(?: with \d+)?"):
        yield "code", one[1]
    elif found(r"\S+ is hours\[\d+\]\.night"):
        yield "code", "night"
    else:
        assert any(map(found, SKIPPED)), line


def _as_sent(site: Site, call: Dialled, steps: Sequence[Step]) -> list[Step]:
    """Return the same with what each carrier is sent, and shown."""
    out: list[Step] = []
    by, is_urgent = call.caller, False
    for index, step in enumerate(steps):
        match step:
            case ("route", _) if steps[index + 1 :] == [("refused", "no route")]:
                return [*out, ("refused", "403")]
            case ("sent" | "shown", *_) | ("code", "forward"):
                pass
            case ("to" | "any", name, number):
                told = {one[0]: one[2] for one in steps[index:] if one[1:2] == (name,)}
                trunk = site.named("trunks", name)
                is_whole = number.startswith("+") and not is_urgent
                sent = told.get("sent") or (trunk.sent(number) if is_whole else number)
                extension = site.extension_by_number[by]
                own = extension.called_back_at if is_urgent else extension.caller_id
                shown = told.get("shown") or trunk.shown(own or str(trunk.caller_id))
                out.append((step[0], name, sent, shown))
            case ("forward", *_):
                return [*out, step]
            case _:
                out.append(step)
                is_urgent = step[0] == "emergency" or (is_urgent and step[0] != "route")
                if step[0] == "outside":
                    by = step[1]
    return out


@dataclass
class Trace:
    """What FreeSWITCH does with a call."""

    steps: list[Step] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    """Lines that have been put into FreeSWITCH's own database."""
    caller: tuple[str, str] | None = None
    is_over: bool = False
    """Fact that it has come to where it would stay: what it does while it is ended is nothing."""
    _is_ending: bool = False

    def meets(self, event: Mapping[str, str]) -> None:
        """Take an application that is executed."""
        if self.is_over:
            return
        data = event.get("Application-Data", "")
        match event["Application"]:
            case "transfer":
                if self.caller is None:
                    self.caller = event["Caller-Caller-ID-Number"], event["Caller-Caller-ID-Name"]
                self._transferred(*data.split(" "))
            case "bridge":
                self._called(data)
            case "hangup" if not self._is_ending and data in CODES:
                self.steps.append(("refused", CODES[data]))
            case "echo":
                self.steps.append(("code", "echo"))
            case "playback" if data.startswith("tone_stream://%(60000"):
                self.steps.append(("code", "tone"))
            case "db" if data.startswith("insert/"):
                self.stored.append(data.removeprefix("insert/"))
                if data.startswith("insert/forward/"):
                    self.steps[-1] = ("forward", *data.split("/", 3)[2:])

    def _transferred(self, name: str, dialplan: str, context: str) -> None:
        self._is_ending = name.startswith("hang-up-")
        if context != "services":
            return
        if one := re.fullmatch(r"route-([a-z]+)-.*", name):
            self.steps.append(("route", one[1]))
        elif one := re.fullmatch(r"outside-(\d+)-(\S+)", name):
            self.steps.append(("outside", one[1], one[2]))
        elif one := re.fullmatch(r"during-(\S+)-[0-9a-f]{8}", name):
            self.steps.append(("hours", one[1]))
        elif (one := re.fullmatch(r"(hang-up|emergency|voicemail)-(\S+)", name)) or (
            one := re.fullmatch(rf"({'|'.join(KINDS)})-(\1\d)(?:-priority-60)?", name)
        ):
            self.steps.append((one[1], one[2]))
        elif one := re.fullmatch(r"page-(page\d)", name):
            self.steps.append(("page", one[1]))
        elif one := re.fullmatch(r"intercom-\d+", name):
            self.steps.append(("code", "intercom"))
        elif one := re.fullmatch(r"forward-\d+", name):
            self.steps.append(("forward", self.caller[0] if self.caller else "", "no"))
        elif (
            one := re.fullmatch(
                r"(?:agent-)?(forward-off|do-not-disturb|do-not-disturb-off|pickup|log-in|log-out|pause)",
                name,
            )
        ) or (one := re.fullmatch(r"(check|check-any)-voicemail", name)):
            self.steps.append(("code", one[1].replace("-", "_")))
        elif one := re.fullmatch(r"night-\S+", name):
            self.steps.append(("code", "night"))
        elif name == "park-anywhere":
            self.steps.append(("code", "number"))
        elif name.startswith("take-from-"):
            self.steps.append(("code", "first"))
        else:
            assert re.fullmatch(r"extension-\d+|unanswered|left-\S+|limit-country", name), name

    def _called(self, data: str) -> None:
        if one := re.fullmatch(r"\{(.*)\}sofia/gateway/([^/]+)/(.*)", data):
            shown = re.search(r"origination_caller_id_number=([^;]*)", one[1])
            self.steps.append(("to", one[2], one[3], shown[1] if shown else ""))
        elif one := re.search(r"loopback/asked-(\d+)-(\S+)/services/XML", data):
            self.steps.append(("outside", one[1], one[2]))
        elif one := re.fullmatch(r"(?:\{[^}]*\})*user/(\d+)@\S+", data):
            self.steps.append(("rings", one[1]))
        else:
            assert data == "error/user_not_registered", data


@pytest.fixture(scope="module")
def addresses(lab: Lab) -> Iterator[dict[str, str]]:
    """An address of this machine for each carrier, which answers 503 there."""
    found = {name: f"10.77.0.{241 + index}" for index, name in enumerate(TRUNKS)}
    for address in found.values():
        subprocess.run(["ip", "address", "add", f"{address}/24", "dev", BRIDGE], check=True)
    with ExitStack() as open_:
        for address in found.values():
            open_.enter_context(carrier(address))
        yield found
    for address in found.values():
        subprocess.run(["ip", "address", "del", f"{address}/24", "dev", BRIDGE], check=True)


@contextmanager
def carrier(address: str) -> Iterator[None]:
    """Give somebody who takes no call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((address, 5060))

        def answer() -> None:
            while True:
                data, source = listening.recvfrom(65535)
                if not data:
                    return
                asked = Message.parse(data)
                if asked.method == "INVITE":
                    names = ("via", "from", "to", "call-id", "cseq")
                    kept = [(name, value) for name, value in asked.headers if name in names]
                    kept = [(n, f"{v};tag=none" if n == "to" else v) for n, v in kept]
                    listening.sendto(render("SIP/2.0 503 Service Unavailable", kept), source)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        listening.sendto(b"", (address, 5060))
        thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Sites are made of."""
    made = tmp_path_factory.mktemp("generated")
    (made / "absent.lua").write_text("-- It is on no host.\n")
    (made / "book.csv").write_text(BOOK)
    return made


@pytest.fixture(scope="module")
def operator(
    operator_of: Callable[..., Operator], addresses: dict[str, str], folder: Path
) -> Operator:
    made = operator_of(HOST)
    text = SITE.replace(BEHIND, ALONE).replace(OLD, EVERYTHING)
    text = text.replace(EXTENSIONS, 'Extension(1000, routes=["all"], voicemail=True)')
    for name, address in addresses.items():
        text = text.replace(f"ADDRESS_{name.upper()}", address)
    made.describe(text.replace("SCRIPT", str(folder / "absent.lua")).replace("ZONES", repr(ZONES)))
    made.succeed()
    return made


class Switchboard:
    """A FreeSWITCH that has one Site after the other."""

    def __init__(
        self, operator: Operator, client: EventSocketClient, peers: Mapping[str | None, Peer]
    ) -> None:
        self._operator, self._client, self._peers = operator, client, peers
        self._trace, self._ended = Trace(), asyncio.Queue[str]()
        self._lock = asyncio.Lock()

    async def asks(self, command: str) -> str:
        """Give a command, and return the answer."""
        async with self._lock:
            answer = await self._client.send(command)
        return answer.get("_body") or answer.get("Reply-Text", "")

    async def listens(self) -> None:
        """Take what calls meet, and end those that would stay."""
        await self.asks("event plain CHANNEL_EXECUTE CHANNEL_HANGUP_COMPLETE")
        await self.asks("filter Event-Name CHANNEL_HANGUP_COMPLETE")
        for name in SEEN:
            await self.asks(f"filter Application {name}")
        async for event in self._client.events():
            if event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE":
                self._ended.put_nowait(event.get("variable_sip_call_id", ""))
                continue
            self._trace.meets(event)
            is_endless = event.get("Application-Data", "").startswith("tone_stream://%(60000")
            if event["Application"] in STAYS or is_endless:
                self._trace.is_over = True
                await self.asks(f"bgapi uuid_kill {event['Unique-ID']}")

    async def loads(self, site: Site, switch: Switch) -> None:
        """Put the dialplan and the directory of a Site before FreeSWITCH."""
        names = ("dialplan/", "directory/", "autoload_configs/distributor")
        # Without sounds, which a Tree of all would have made. Pauses are for ears.
        made = Tree(
            File(
                file.path,
                file.content.replace(b'"sleep" data="500"', b'"sleep" data="1"'),
                file.mode,
            )
            for file in freeswitch._files(site, switch, switch)
            if file.path.startswith(names)
        )
        packed = base64.b64encode(made.archive(file.path for file in made)).decode()
        command = (
            f"cd {paths.CURRENT} && rm -rf dialplan directory sounds && "
            f"echo {packed} | base64 -d | tar xz --strip-components=1 --no-same-owner && "
            "chgrp -R freeswitch dialplan directory autoload_configs && "
            "chmod -R g+rX dialplan directory"
        )
        said = await asyncio.to_thread(self._operator.ssh, HOST, command)
        assert said == ""
        assert "+OK [Success]" in await self.asks("api reloadxml")
        await self.asks("api distributor_ctl reload")

    async def calls(self, call: Dialled, password: str) -> tuple[Trace, int]:
        """Make a call to its end; what it met, and how it was answered."""
        self._trace = Trace()
        answer = await asyncio.to_thread(self._call, call, password)
        while await asyncio.wait_for(self._ended.get(), PATIENCE) != answer.header("call-id"):
            pass
        assert answer.status is not None
        return self._trace, answer.status

    def _call(self, call: Dialled, password: str) -> Message:
        peer = self._peers[call.trunk]
        at = DOMAIN if call.trunk is None else peer.server[0]
        uri = f"sip:{quote(call.number, safe='+*;=-.()')}@{at}"
        body = sdp(peer.address)
        if call.trunk is None:
            account = Account(call.caller, DOMAIN, password)
            answer = peer.login("INVITE", uri, account, body=body, timeout=PATIENCE)
        else:
            answer = peer.ask(peer.request("INVITE", uri, body=body, user=call.caller), PATIENCE)
        assert answer is not None, call
        peer.acknowledge(answer, uri, branch=answer.status != 200)
        if answer.status == 200:
            for message in peer.messages(PATIENCE):
                is_own = message.header("call-id") == answer.header("call-id")
                if message.status is None and message.method == "BYE" and is_own:
                    peer.reply(message, "200 OK")
                    break
            else:
                raise AssertionError(f"{call} was never ended")
        return answer


def ordered(steps: Sequence[Step], told: Sequence[Step]) -> list[Step]:
    """FreeSWITCH's steps, with trunks of which any may come first in the order of ``route``."""
    out, left = list(steps), [index for index, one in enumerate(told) if one[0] == "any"]
    if left and left[-1] < len(out):
        wanted = [("to", *told[index][1:]) for index in left]
        if sorted(out[index] for index in left) == sorted(wanted):
            for index in left:
                out[index] = told[index]
    return out


def test_route_and_freeswitch_agree(
    operator: Operator, lab: Lab, addresses: dict[str, str], folder: Path
) -> None:
    (folder / "secrets.json").touch(0o600)
    (folder / "secrets.json").write_text(
        json.dumps({f"extension/{number}": f"a-phone-s-word-{number}" for number in NUMBERS})
    )
    found = inventory.load(operator.inventory)
    server = next(one.address for one in lab.hosts if one.name == HOST)
    switch = Switch(HOST, address=server)
    wrong: list[str] = []

    async def run(peers: Mapping[str | None, Peer]) -> int:
        count = 0
        password = found.site.reveal(found.site.event_socket.password)
        with login(found.hosts[0]) as entered:
            async with (
                connect(entered, found.site.event_socket.port, password) as client,
                asyncio.TaskGroup() as group,
            ):
                board = Switchboard(operator, client, peers)
                # What is not understood ends all, and is told.
                listening = group.create_task(board.listens())
                for seed in range(SITES):
                    made = Generator(seed, folder, tuple(addresses.values()))
                    site = made.site
                    await board.loads(site, switch)
                    for agent in site.agents:
                        await board.asks(
                            f"api callcenter_config agent add {agent.extension} callback"
                        )
                    for name in made.closed:
                        await board.asks(f"api db insert/night/{name}/closed")
                    for call in made.dialled(CALLS):
                        word = f"a-phone-s-word-{call.caller}"
                        trace, status = await board.calls(call, word)
                        now = datetime.datetime.now(datetime.UTC)
                        told = said(site, call, made.closed, now)
                        count += 1
                        wrong.extend(compared(seed, call, told, trace, status))
                        for stored in trace.stored:
                            await board.asks(f"api db delete/{stored.rpartition('/')[0]}")
                            if stored.startswith("night/"):
                                break
                    for agent in site.agents:
                        await board.asks(f"api callcenter_config agent del {agent.extension}")
                    for name in made.closed:
                        await board.asks(f"api db delete/night/{name}")
                listening.cancel()
        return count

    with ExitStack() as open_:
        peers: dict[str | None, Peer] = {
            name: open_.enter_context(Peer(addresses[name], (server, 5080))) for name in TRUNKS
        }
        phone = open_.enter_context(Peer(lab.gateway, (server, 5060)))
        assert asyncio.run(run({**peers, None: phone})) == SITES * CALLS
    assert not wrong, f"{len(wrong)} of {SITES * CALLS}:\n" + "\n".join(wrong)


def compared(
    seed: int, call: Dialled, told: Sequence[Step], trace: Trace, status: int
) -> Iterator[str]:
    """Yield what does not agree."""
    shown = [one[1:] for one in told if one[0] == "caller"]
    told = [one for one in told if one[0] != "caller"]
    steps = ordered(trace.steps, told)
    if steps != list(told):
        yield f"Site {seed}, {call}:\n  route {told}\n  FreeSWITCH {trace.steps} {status}"
    elif told and told[-1][0] == "refused" and status not in (200, int(told[-1][1])):
        yield f"Site {seed}, {call}: route {told}, and FreeSWITCH answered {status}"
    if shown and trace.caller is not None and trace.caller != shown[0]:
        yield f"Site {seed}, {call}: shown {trace.caller}, and route said {shown[0]}"
