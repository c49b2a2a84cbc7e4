"""A site without a switch: Kamailio registers its phones and connects them. No FreeSWITCH."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from callcenter.__main__ import main
from callcenter.render import paths
from tests.acceptance.support.phones import Exchange, RegistrationRefused
from tests.acceptance.support.waiting import PATIENCE
from tests.attack.sip import Account, Message, Peer, sdp
from tests.roles.conftest import ROOT, SITE, Operator, write_inventory
from tests.roles.support import (
    connected,
    interrupt,
    phone_of,
    refused,
    sentence,
    shown_until,
    still_talking,
    until_on,
    watching,
)

pytestmark = pytest.mark.switchless

HOST = "edge1"
DOMAIN = "roles.callcenter.test"
SWITCHLESS = SITE.replace(
    "media=Media(max_calls=100)",
    'media=Media(mode="bypass", max_calls=100), features=FeatureCodes(echo=None, tone=None)',
)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST, bare=True)
    made.describe(SWITCHLESS, group="edges")
    made.succeed()
    return made


@pytest.fixture
def described(operator: Operator) -> Iterator[Operator]:
    """An operator whose site is the first one again after the test."""
    yield operator
    operator.repository = ROOT
    operator.describe(SWITCHLESS, group="edges")
    operator.succeed()


def process(operator: Operator) -> str:
    return operator.ssh(HOST, "cat /run/kamailio/kamailio.pid").strip()


def test_second_run_changes_nothing(operator: Operator) -> None:
    again = operator.succeed(counted=True)
    assert again.changes == 0, again.output
    assert again.commands <= 12


def test_an_extension_costs_no_call_and_no_restart(described: Operator, exchange: Exchange) -> None:
    call, answered = connected(described, HOST, exchange)
    before = process(described)
    wider = SWITCHLESS.replace("range(1000, 1009", "range(1000, 1010")
    described.describe(wider, group="edges")
    assert described.succeed().changes == 2  # its files, and the reload
    still_talking(call, answered)
    assert process(described) == before
    secret = json.loads(described.secrets.read_text())["extension/1010"]
    server = next(one.address for one in described.lab.hosts if one.name == HOST)
    new = exchange.phone("1010", secret, domain="roles.callcenter.test", server=server)
    new.register()
    new.unregister()

    described.describe(SWITCHLESS, group="edges")
    described.succeed()
    with pytest.raises(RegistrationRefused) as gone:
        new.register()
    assert gone.value.code == 403
    still_talking(call, answered)


def test_a_restart_costs_no_call(described: Operator, exchange: Exchange) -> None:
    call, answered = connected(described, HOST, exchange)
    before = process(described)
    described.describe(
        SWITCHLESS.replace("Network(", 'Network(transports=("udp",), '), group="edges"
    )
    described.succeed()
    assert process(described) != before
    assert ":5060" not in described.ssh(HOST, "ss -Hlnt src :5060")
    still_talking(call, answered)
    call.hangup()
    assert answered.wait_ended().by == "them"


def test_a_configuration_that_kamailio_refuses_stops_nothing(described: Operator) -> None:
    before = process(described)
    template = described.own_repository() / "templates/kamailio/kamailio.cfg.j2"
    text = template.read_text()
    template.write_text(text.replace("request_route {", "request_route { nonsense("))
    run = described.deploy("-y")
    assert run.code != 0
    assert "parse error in config file" in run.output
    assert process(described) == before
    assert "active" in described.ssh(HOST, f"systemctl is-active {paths.KAMAILIO_UNIT}")


@pytest.mark.parametrize("end", ["restart", "kill --signal=KILL"])
def test_a_restart_forgets_no_phone(operator: Operator, exchange: Exchange, end: str) -> None:
    """Neither one that was asked for, nor one after a crash."""
    caller, callee = (phone_of(operator, HOST, exchange, number) for number in ("1000", "1001"))
    # On disk before the end comes, which may come at any moment.
    for phone in (caller, callee):
        contact = phone.wait_message(lambda one: one.sent and one.method == "REGISTER")
        where = contact.header("contact").partition("<")[2].partition(">")[0]
        asked = f'select count(*) from location where contact = \\"{where}\\"'
        until_on(operator, HOST, f'test "$(sqlite3 {paths.KAMAILIO_LOCATION} "{asked}")" = 1')
    before = process(operator)
    operator.ssh(HOST, f"systemctl {end} {paths.KAMAILIO_UNIT}")
    until_on(operator, HOST, f"pid=$(cat /run/kamailio/kamailio.pid) && test $pid != {before}")
    call = caller.call("1001")
    answered = callee.incoming().answer()
    call.wait_established()
    assert answered.established


def raw_phone(operator: Operator, number: str) -> Peer:
    """Return a phone of an extension that does what a test says, registered."""
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    peer = Peer(operator.lab.gateway, (server, 5060))
    password = json.loads(operator.secrets.read_text())[f"extension/{number}"]
    account = Account(number, "roles.callcenter.test", password)
    answer = peer.login("REGISTER", f"sip:{account.domain}", account, timeout=PATIENCE)
    assert answer is not None
    assert answer.status == 200, answer.text
    return peer


def rung(peer: Peer) -> Message:
    """Return the call that a raw phone is rung by."""
    invite = peer.receive(PATIENCE)
    assert invite is not None
    assert invite.method == "INVITE"
    return invite


def test_all_phones_of_an_extension_ring(operator: Operator, exchange: Exchange) -> None:
    """Those that are there, though one is not: each rings, and any may answer."""
    phones = [raw_phone(operator, "1004") for _ in range(3)]
    phones.pop(0).close()
    call = phone_of(operator, HOST, exchange, "1000").call("1004")
    invites = [rung(phone) for phone in phones]
    phones[0].reply(invites[0], "180 Ringing", tag="a")
    # Kamailio has heard of it before the answer of the other comes.
    call.wait_ringing()
    contact = [("Contact", f"<sip:1004@{phones[1].contact}>"), ("Content-Type", "application/sdp")]
    body = sdp(phones[1].address)
    phones[1].reply(invites[1], "200 OK", tag="a", headers=contact, body=body)
    call.wait_established()
    assert "CANCEL" in (message.method for message in phones[0].messages(PATIENCE))
    for phone in phones:
        phone.close()


@pytest.mark.parametrize(
    ("said", "arrives"),
    [("1800;refresher=uas", "1800;refresher=uas"), ("1800;refresher=${system(id)}", "")],
    ids=["a timer", "no timer"],
)
def test_phones_agree_how_long_a_session_lasts(operator: Operator, said: str, arrives: str) -> None:
    caller, callee = raw_phone(operator, "1006"), raw_phone(operator, "1007")
    told = [("Session-Expires", said), ("Min-SE", "90"), ("Supported", "timer")]
    password = json.loads(operator.secrets.read_text())["extension/1006"]

    def answered() -> Message:
        invite = rung(callee)
        there = [("Contact", f"<sip:1007@{callee.contact}>"), ("Content-Type", "application/sdp")]
        callee.reply(invite, "200 OK", tag="a", headers=[*there, *told], body=sdp(callee.address))
        return invite

    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(answered)
        answer = caller.login(
            *("INVITE", f"sip:1007@{DOMAIN}", Account("1006", DOMAIN, password)),
            to="1007",
            body=sdp(caller.address),
            extra=told,
            timeout=PATIENCE,
        )
    assert answer is not None
    assert answer.status == 200
    for message in (asked.result(), answer):
        found = {name: message.header(name) for name in ("session-expires", "min-se", "supported")}
        assert found == {"session-expires": arrives, "min-se": "90", "supported": "timer"}
    for phone in (caller, callee):
        phone.close()


def test_a_phone_that_comes_back_needs_no_place(operator: Operator, exchange: Exchange) -> None:
    """A phone that comes from another port each time keeps five contacts: the oldest goes."""
    phones = [raw_phone(operator, "1005") for _ in range(7)]
    phone_of(operator, HOST, exchange, "1000").call("1005")
    for phone in phones[2:]:
        rung(phone)
    assert [phone.receive(0.1) for phone in phones[:2]] == [None, None]
    for phone in phones:
        phone.close()


def test_what_needs_a_switch_is_refused(described: Operator) -> None:
    described.describe(SITE, group="edges")
    run = refused(described)
    for field in ("Site.features.echo", "Site.features.tone", "Site.media.mode"):
        line = sentence(run, HOST, field)
        assert "needs a switch" in line


def test_an_operator_sees_and_lifts_who_is_shut_out(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    """No program of ours is on an edge; the command brings its own."""
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    secret = json.loads(operator.secrets.read_text())["extension/1008"]
    with Peer(operator.lab.gateway, (server, 5060)) as guesser:
        uri, statuses = "sip:roles.callcenter.test", []
        for password in [*(f"guess-Number-{n}" for n in range(5)), secret]:
            tried = Account("1008", "roles.callcenter.test", password)
            wait = 2 if password == secret else PATIENCE
            answer = guesser.login("REGISTER", uri, tried, timeout=wait)
            statuses.append(answer.status if answer else 0)
        assert statuses == [403] * 5 + [0]
        assert main(["bans", str(operator.inventory)]) == 0
        assert f"{HOST}  1008@{guesser.address}  for " in capsys.readouterr().out
        assert main(["bans", str(operator.inventory), "--lift", guesser.address]) == 0
        answer = guesser.login("REGISTER", uri, Account("1008", "roles.callcenter.test", secret))
        assert answer is not None
        assert answer.status == 200


def test_the_sip_of_a_host_is_seen_and_no_login_in_it(
    operator: Operator, exchange: Exchange
) -> None:
    """And it ends with who looks, not with its time."""
    with watching(operator, "siptrace", HOST, "--for", "600") as tracing:
        shown_until(tracing, f"listening at {HOST} for 600 s\n")
        phone = phone_of(operator, HOST, exchange, "1002")
        shown = shown_until(tracing, "\n  SIP/2.0 200")
        sent = phone.wait_message(lambda one: one.sent and "response=" in one.text)
        [digest] = re.findall(r'response="([0-9a-f]{32})"', sent.text)
        assert 'response="***"' in shown
        assert digest not in shown
        assert f" udp {operator.lab.gateway}:" in shown
        ours = "pgrep -fc '^python3 -I - 600'"
        assert operator.ssh(HOST, ours) == "1\n"
        interrupt(tracing)
        assert tracing.wait(PATIENCE) == 130
    until_on(operator, HOST, f"! {ours}")


def test_what_a_host_logs_is_seen_in_the_sites_time(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    site = ("--site", str(operator.inventory))
    secret = json.loads(operator.secrets.read_text())["extension/1003"]
    unit = "systemd-run --quiet --wait --unit=callcenter-speaks.service"
    assert operator.ssh(HOST, f"{unit} printf 'a\\033b\\npassword {secret}\\n'") == ""
    with watching(operator, "logs", HOST, "--follow") as following:
        shown = shown_until(following, "password (secret extension/1003)\n")
        assert re.search(r"^20\S+ \S+ printf: a\?b$", shown, re.MULTILINE), shown
        assert re.search(r"^20\S+ \S+ kamailio: ", shown, re.MULTILINE), shown
        times = [line[:23] for line in shown.splitlines()]
        assert times == sorted(times)
        assert operator.ssh(HOST, f"{unit} echo later") == ""
        shown_until(following, " echo: later\n")
        interrupt(following)
        assert following.wait(PATIENCE) == 130
    until_on(operator, HOST, "! pgrep -x journalctl")
    assert main(["logs", HOST, *site, "--since", "2001-01-01T00:00"]) == 0
    assert " echo: later\n" in capsys.readouterr().out
    assert main(["logs", HOST, *site, "--since", "0s"]) == 0
    assert " echo: later\n" not in capsys.readouterr().out


MISTAKES: list[tuple[dict[str, Any], str]] = [
    # What is wrong of a host's data, and what to do about it.
    ({"ssh_hostname": "10.77.0.250"}, "No route to host; is it up, and reached from here?"),
    ({"ssh_hostname": "cc1.nowhere.test"}, "give ssh_hostname, or a name that DNS knows"),
    ({"ssh_user": "nobody-much"}, "Permission denied"),
    ({"ssh_user": "newcomer", "_sudo": True}, "a password is required; _sudo_password"),
    ({"ssh_user": "newcomer", "_sudo": True, "_sudo_password": "not-it-7"}, "_sudo_password is"),
    ({"ssh_user": "newcomer"}, "root"),
]


@pytest.fixture(scope="module")
def newcomer(operator: Operator) -> Operator:
    """An operator of a host that somebody may enter, and nothing else."""
    home = "/home/newcomer"
    made = (
        "apt-get -y -qq install sudo >/dev/null && useradd -m newcomer && "
        f"cp -r /root/.ssh {home}/ && chown -R newcomer {home}/.ssh && echo made"
    )
    assert operator.ssh(HOST, made).endswith("made\n")
    return operator


@pytest.mark.parametrize(("data", "right"), MISTAKES, ids=[repr(one[0]) for one in MISTAKES])
@pytest.mark.parametrize(
    "typed", ["bans {site}", f"logs {HOST} --site {{site}}", "deploy {site} -y"]
)
def test_a_mistake_in_the_login_is_told_in_three_lines(
    newcomer: Operator,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    typed: str,
    data: dict[str, Any],
    right: str,
) -> None:
    [(name, own)] = [one for one in newcomer.lab.inventory() if one[0] == HOST]
    site = SWITCHLESS.replace("{secrets}", str(newcomer.secrets))
    write_inventory(tmp_path / "site", [(name, {**own, **data})], site, "edges")
    assert main(typed.format(site=tmp_path / "site").split()) == 1
    shown = capfd.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert "not-it-7" not in shown.out + shown.err
    if typed.startswith("deploy"):
        # In pyinfra's words, which are more.
        assert HOST in shown.out + shown.err
        return
    lines = (shown.out + shown.err).splitlines()
    assert len(lines) <= 3
    assert lines[0].startswith(f"{HOST}: ")
    assert right in "\n".join(lines)
