"""Caps of calls outside on a real switch: calls, minutes and money within an hour or a day."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from callcenter.__main__ import main
from callcenter.render import paths
from callcenter.render.freeswitch import LUA_IS_UP
from lab.lab import Lab
from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.phones import Call, Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.conftest import SITE, Operator
from tests.roles.sides import in_turn
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    logged,
    phone_of,
    sentence,
    still_talking,
    until,
    until_on,
)
from tests.roles.support import refused as refuses
from tests.roles.test_billing import tone
from tests.roles.test_cdr import CERTIFICATE, SERVER, SETTINGS
from tests.roles.test_fax import PAGES, send, tiff
from tests.roles.test_limits import MAIL_SERVER, NOC, calls, mail_server, text_of
from tests.roles.test_limits import final as statuses
from tests.roles.test_trunks import ALLOWED, folder_in, refused
from tests.sipp import SIPP, sipp

HOST, PAIR, SHARED = "limits1", ("caps1", "caps2"), "caps3"
CLUSTER = "postgresql@15-main"
"""Unit of PostgreSQL itself: who stops the one around it may find it at work."""
CARRIER, BUSY, DOWN, MAIL = 5084, 5085, 5086, 2527
"""Ports of this machine."""
CAPPED_HZ = 1900
BURST = 5

ROUTES = '["burst", "paid", "talk", "crash", "open", "closed", "own"]'
EXTENSIONS = f"*[Extension(1000 + n, ring_seconds=5, routes={ROUTES}) for n in range(10)]"
CAPPED = f"""
    trunks=[
        Trunk("busy", host="GATEWAY", port={BUSY}, channels=100, caller_id="+4930123401",
              ping_seconds=None),
        Trunk("good", host="GATEWAY", port={CARRIER}, channels=100, caller_id="+4930123401",
              ping_seconds=None),
        Trunk("down", host="GATEWAY", port={DOWN}, ping_seconds=None),
    ],
    inbound=[Did("+4930123455", to=outside("711111111", by=1002))],
    outbound=[
        Route("burst", pattern=r"^7\\d{{8}}$", strip=1, prefix="+4947", trunks=["busy", "good"]),
        Route("paid", pattern=r"^6\\d{{8}}$", strip=1, prefix="+4948", trunks=["good"]),
        Route("talk", pattern=r"^5\\d{{8}}$", strip=1, prefix="+4946", trunks=["good"]),
        Route("crash", pattern=r"^2\\d{{8}}$", strip=1, prefix="+4943", trunks=["good"]),
        Route("open", pattern=r"^40\\d{{7}}$", strip=1, prefix="+494", trunks=["busy"]),
        Route("closed", pattern=r"^41\\d{{7}}$", strip=1, prefix="+494", trunks=["busy"]),
        Route("own", pattern=r"^3\\d{{8}}$", strip=1, prefix="+4943",
              trunks=["down", "busy"]),
    ],
    faxes=[Fax("inbox", routes=["own"])],
    emergency=[Emergency("112", trunks=["busy"])],
    outbound_limits=OutboundLimits(
        countries=["+49"], calls=100, calls_per_hour=1000, alarm="{NOC}"
    ),
    smtp=Smtp("{MAIL_SERVER}", port={MAIL}, tls="none", sender="pbx@callcenter.test"),
    hours=[Hours("always", ["Mon-Sun 00:00-24:00"])],
    billing=Billing(currency="EUR", rates=[Rate("+49", "6.00"), Rate("+49482", "0.60")]),
    caps=[
        Cap("burst", per="hour", calls={BURST}, prefixes=["+4947"],
            announcement=Sound("FOLDER/capped.wav")),
        Cap("paid", per="day", money="0.80", routes=["paid"],
            announcement=Sound("FOLDER/capped.wav")),
        Cap("talk", per="day", minutes=1, routes=["talk"]),
        Cap("crash", per="day", minutes=1, routes=["crash"]),
        Cap("open", per="hour", calls=0, routes=["open"], hours="always", when="open"),
        Cap("closed", per="hour", calls=0, routes=["closed"], hours="always"),
        Cap("own", per="hour", calls=1, routes=["own"], each="extension"),
    ],
    media="""


def described(lab: Lab, folder: Path) -> str:
    tone(folder / "capped.wav", CAPPED_HZ)
    text = SITE.replace(ALLOWED, EXTENSIONS).replace("media=", CAPPED, 1)
    text = text.replace(
        "max_calls=100", "max_calls=100, calls_per_extension=100, max_calls_per_second=1000"
    )
    return text.replace("GATEWAY", lab.gateway).replace("FOLDER", str(folder))


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(described(lab, made.folder))
    made.succeed()
    assert made.succeed().changes == 0
    assert made.ssh(HOST, f"echo '{lab.gateway} {MAIL_SERVER}' >>/etc/hosts") == ""
    return made


@pytest.fixture
def exchange(lab: Lab) -> Iterator[Exchange]:
    """The phones of extensions, and those that are the world behind the good carrier."""
    with Exchange(lab.gateway, port=CARRIER) as made:
        yield made


def counted(operator: Operator, cap: str, what: str) -> str:
    """Return what the switch has counted of a cap."""
    asked = f"SELECT {what} FROM counted WHERE cap = '{cap}'"
    script = (
        f"import sqlite3; file = sqlite3.connect('file:{paths.CAPS_DATABASE}?mode=ro', uri=True); "
        f'print(file.execute("{asked}").fetchone()[0])'
    )
    return operator.ssh(HOST, f"python3 -c {shlex.quote(script)}").strip()


def outside(
    operator: Operator, exchange: Exchange, by: str, number: str, called: str, host: str = HOST
) -> tuple[Call, Call]:
    """Return a call that somebody outside has answered."""
    world = exchange.phone(called)
    call = phone_of(operator, host, exchange, by).call(number)
    answered = world.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    assert_heard(call, CALLEE_HZ, 0.2)
    return call, answered


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_twenty_at_once_do_not_pass_a_cap(operator: Operator, lab: Lab, tmp_path: Path) -> None:
    """Nor does a restart, nor a call that is forwarded; one mail tells of all of them."""
    busy = "SIP/2.0 486 Busy Here"
    address = next(one.address for one in operator.lab.hosts if one.name == HOST)
    with (
        mail_server(lab) as mails,
        sipp(folder_in(tmp_path, "busy"), lab.gateway, BUSY, answers=busy) as carrier,
    ):
        with calls(operator, folder_in(tmp_path, "many"), "1000", to="711111111", count=20) as made:
            assert sorted(statuses(made)) == ["403"] * (20 - BURST) + ["486"] * BURST
        assert carrier.called == ["+494711111111"] * BURST
        message = mails.get(timeout=PATIENCE)
        assert message["Subject"] == f"Limit hit on {HOST}: cap of cap burst"
        told = text_of(message)
        assert told[0] == f"On {HOST} a limit of cap burst was hit {20 - BURST} times."
        assert "Call:  of 1000 to +494711111111" in told
        operator.ssh(HOST, f"systemctl restart {paths.UNIT}")
        until_on(operator, HOST, "fs_cli -x 'sofia status' | grep -q 'internal.*RUNNING'")
        # Where the first calls of a process started Lua together, FreeSWITCH ended with them.
        began = f"{LUA_IS_UP}|Started Profile internal"
        log = operator.ssh(HOST, f"grep -aoE '{began}' /var/log/freeswitch/freeswitch.log")
        assert log.splitlines()[-2:] == began.split("|")
        with Exchange(lab.gateway, port=CARRIER) as exchange:
            caller = phone_of(operator, HOST, exchange, "1001")
            call = caller.call("711111112")
            assert_heard(call, CAPPED_HZ, 0.5)
            assert refused(call) == 403
            # Somebody outside whose call an extension's number would send on.
            stranger = exchange.phone("+49405550000", domain=f"{address}:5080")
            assert refused(stranger.call("+4930123455")) == 403
        assert in_turn(operator, "1001", ["112"]) == ["486"]
        assert carrier.called == ["+494711111111"] * BURST + ["112"]
        assert mails.get(timeout=PATIENCE)["Subject"].startswith("Emergency call")
        assert mails.empty()


def test_a_call_ends_when_the_money_does(operator: Operator, exchange: Exchange) -> None:
    """After eight seconds at ten cents each, to the caller's ears; then nobody calls."""
    call, answered = outside(operator, exchange, "1000", "600000000", "+494800000000")
    answered.wait_ended()
    assert_heard(call, CAPPED_HZ, 0.5)
    call.wait_ended()
    until(lambda: counted(operator, "paid", "max(ended) > 0"), "1")
    assert 8 <= int(counted(operator, "paid", "sum(reserved)")) <= 10
    assert refused(phone_of(operator, HOST, exchange, "1001").call("600000001")) == 403


def test_time_is_reserved_before_it_is_talked(operator: Operator, exchange: Exchange) -> None:
    """Two calls have the whole minute between them; who hangs up gives back what is left of it."""
    first = outside(operator, exchange, "1000", "500000000", "+494600000000")
    second = outside(operator, exchange, "1001", "500000001", "+494600000001")
    third = phone_of(operator, HOST, exchange, "1002")
    assert refused(third.call("500000002")) == 403
    still_talking(*first)
    first[0].hangup()
    first[1].wait_ended()
    until(lambda: counted(operator, "talk", "count(ended)"), "1")
    call, answered = outside(operator, exchange, "1003", "500000003", "+494600000003")
    still_talking(*second)
    call.hangup()
    second[0].hangup()
    answered.wait_ended()


def test_a_crash_gives_nothing_back(operator: Operator, lab: Lab) -> None:
    """Who makes FreeSWITCH fall has not made calls free."""
    with Exchange(lab.gateway, port=CARRIER) as exchange:
        for number, by in enumerate(("1000", "1001")):
            outside(operator, exchange, by, f"20000000{number}", f"+49430000000{number}")
        operator.ssh(HOST, f"systemctl kill -s KILL {paths.UNIT}")
        until_on(operator, HOST, "fs_cli -x 'sofia status' 2>&1 | grep -q 'internal.*RUNNING'")
    with Exchange(lab.gateway, port=CARRIER) as exchange:
        assert refused(phone_of(operator, HOST, exchange, "1002").call("200000002")) == 403


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_hours_and_extensions(operator: Operator, lab: Lab, tmp_path: Path) -> None:
    """A cap of closed hours counts nothing while they are open, and each extension has its own, as
    has a fax. A call that is tried over two trunks is one."""
    (document := tmp_path / "page.tif").write_bytes(tiff(PAGES))
    with sipp(
        folder_in(tmp_path, "busy"), lab.gateway, BUSY, answers="SIP/2.0 486 Busy Here"
    ) as carrier:
        numbers = ["400000000", "410000000", "310000000", "310000000"]
        assert in_turn(operator, "1000", numbers) == ["403", "486", "486", "403"]
        assert in_turn(operator, "1001", numbers[2:3]) == ["486"]
        assert send(operator, "310000000", document) == (1, "0 of 2 pages sent: USER_BUSY")
        barred = "0 of 2 pages sent: OUTGOING_CALL_BARRED"
        assert send(operator, "310000000", document) == (1, barred)
        logged(
            operator,
            HOST,
            "(cap) of cap own of fax inbox hit by a call of fax-inbox to +494310000000",
        )
        assert carrier.called == ["+4941" + "0" * 7] + ["+494310000000"] * 3


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
@pytest.mark.parametrize(("broken", "uncounted"), [("counts", "486"), ("script", "503")])
def test_what_cannot_be_counted_is_not_called(
    operator: Operator, lab: Lab, tmp_path: Path, broken: str, uncounted: str
) -> None:
    """Help is, and what no cap counts while only counts are lacking."""
    file = {"counts": paths.CAPS_DATABASE, "script": f"{paths.CURRENT}/scripts/caps.lua"}[broken]
    operator.ssh(HOST, f"cp -p {file} {file}.kept && echo broken >{file}")
    try:
        with sipp(
            folder_in(tmp_path, "busy"), lab.gateway, BUSY, answers="SIP/2.0 486 Busy Here"
        ) as carrier:
            numbers = ["310000000", "112", "410000000"]
            assert in_turn(operator, "1003", numbers) == ["503", "486", uncounted]
            assert carrier.called[0] == "112"
            assert len(carrier.called) == (2 if uncounted == "486" else 1)
    finally:
        operator.ssh(HOST, f"cat {file}.kept >{file} && rm {file}.kept")


def shown(operator: Operator, *words: str) -> list[dict[str, Any]]:
    """Return what the command says of caps."""
    with redirect_stdout(StringIO()) as said:
        assert main(["caps", str(operator.inventory), "--json", *words]) == 0
    found: list[dict[str, Any]] = json.loads(said.getvalue())
    return found


def test_what_is_used_is_shown(operator: Operator) -> None:
    """Counts are those of the tests before, of each extension and fax where each has its own."""
    found = {(row["cap"], row["of"]): row for row in shown(operator)}
    assert found["burst", "all calls of prefixes +4947"]["calls"] == {"used": BURST, "most": BURST}
    paid = found["paid", "all calls of routes paid"]
    assert (paid["per"], paid["money"]["most"], paid["switch"]) == ("day", "0.80", HOST)
    assert 0.8 <= float(paid["money"]["used"]) <= 1
    assert {of for cap, of in found if cap == "own"} >= {"extension 1000", "fax inbox"}
    with redirect_stdout(StringIO()) as said:
        assert main(["caps", str(operator.inventory)]) == 0
    assert f"{BURST} of {BURST}" in said.getvalue()


@pytest.fixture(scope="module")
def database(operator_of: Callable[..., Operator]) -> Operator:
    """A PostgreSQL of the operator's own."""
    own = operator_of(SHARED, bare=True)
    own.ssh(
        SHARED,
        "apt-get -qq update && apt-get -y -qq install --no-install-recommends postgresql openssl",
    )
    own.ssh(
        SHARED,
        f"{CERTIFICATE} && printf %s {shlex.quote(SETTINGS)} >conf.d/own.conf && "
        "echo 'hostssl callcenter callcenter all scram-sha-256' >>pg_hba.conf && "
        "runuser -u postgres -- createdb callcenter && systemctl restart postgresql",
    )
    return own


def told(database: Operator, asked: str) -> str:
    """Return what PostgreSQL answers."""
    asked = shlex.quote(asked)
    return database.ssh(
        SHARED, f"cd / && runuser -u postgres -- psql -qAt callcenter -c {asked}"
    ).strip()


def of_two(lab: Lab, folder: Path, counted_by: str) -> str:
    """Return the Site of two switches."""
    return described(lab, folder).replace("    caps=[", f"    {counted_by}\n    caps=[", 1)


@pytest.fixture(scope="module")
def pair(operator_of: Callable[..., Operator], database: Operator, lab: Lab) -> Operator:
    """Two switches that count in one database."""
    made = operator_of(*PAIR)
    made.describe(of_two(lab, made.folder, ""))
    run = refuses(made)
    for host in PAIR:
        assert "each of the 2 switches" in sentence(run, host, "Site.caps_counted_by")
    authority = made.folder / "ca.pem"
    authority.write_text(database.ssh(SHARED, "cat /etc/postgresql/15/main/own.crt"))
    address = next(one.address for one in lab.hosts if one.name == SHARED)
    for host in PAIR:
        made.ssh(host, f"echo '{address} {SERVER}\n{lab.gateway} {MAIL_SERVER}' >>/etc/hosts")
    remote = f'RemotePostgres("{SERVER}", password=secret("database"), ca_file="{authority}")'
    made.describe(of_two(lab, made.folder, f'caps_counted_by="site", database={remote},'))
    made.succeed()
    password = json.loads(made.secrets.read_text())["database"]
    told(
        database,
        f"CREATE ROLE callcenter LOGIN PASSWORD '{password}'; "
        "GRANT CREATE ON SCHEMA public TO callcenter",
    )
    assert made.succeed().changes == 0
    return made


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_calls_of_two_switches_reach_a_cap_together(
    pair: Operator, database: Operator, lab: Lab, tmp_path: Path
) -> None:
    """Also at once, and after a restart of one of them; the password is where it belongs."""
    with sipp(
        folder_in(tmp_path, "busy"), lab.gateway, BUSY, answers="SIP/2.0 486 Busy Here"
    ) as carrier:
        with ExitStack() as both:
            made = [
                both.enter_context(
                    calls(
                        pair,
                        folder_in(tmp_path, host),
                        "1000",
                        port=5098 + n,
                        host=host,
                        to="711111111",
                        count=20,
                    )
                )
                for n, host in enumerate(PAIR)
            ]
            answers = [status for one in made for status in statuses(one)]
        assert sorted(answers) == ["403"] * (40 - BURST) + ["486"] * BURST
        pair.ssh(PAIR[0], f"systemctl restart {paths.UNIT}")
        until_on(pair, PAIR[0], "fs_cli -x 'sofia status' | grep -q 'internal.*RUNNING'")
        assert in_turn(pair, "1001", ["711111112"]) == ["403"]
        assert carrier.called == ["+494711111111"] * BURST
    found = {row["cap"]: row for row in shown(pair, "--host", PAIR[1])}
    assert found["burst"]["calls"] == {"used": BURST, "most": BURST}
    assert found["burst"]["switch"] is None
    assert told(database, "SELECT count(*) FROM caps_counted WHERE cap = 'burst'") == str(BURST)
    assert pair.ssh(PAIR[0], f"stat -c %U:%G:%a {paths.POOL_CONFIG}") == "root:freeswitch:640\n"
    password = json.loads(pair.secrets.read_text())["database"]
    assert password not in pair.ssh(
        PAIR[0],
        "journalctl -o cat; ps axww; cat /var/log/freeswitch/*; "
        f"cat {paths.CURRENT}/*/*.xml {paths.CURRENT}/scripts/*",
    )


def test_a_crash_of_one_switch_frees_nothing_of_either(pair: Operator, lab: Lab) -> None:
    """The other's call talks on, and gives back what it has not used."""
    with Exchange(lab.gateway, port=CARRIER) as exchange:
        outside(pair, exchange, "1000", "500000000", "+494600000000", PAIR[0])
        second = outside(pair, exchange, "1001", "500000001", "+494600000001", PAIR[1])
        third = phone_of(pair, PAIR[1], exchange, "1002")
        assert refused(third.call("500000002")) == 403
        pair.ssh(PAIR[0], f"systemctl kill -s KILL {paths.UNIT}")
        until_on(pair, PAIR[0], "fs_cli -x 'sofia status' 2>&1 | grep -q 'internal.*RUNNING'")
        assert refused(third.call("500000002")) == 403
        still_talking(*second)
        second[0].hangup()
        second[1].wait_ended()
        until(lambda: ended(pair), True)
        call, answered = outside(pair, exchange, "1003", "500000003", "+494600000003", PAIR[0])
        call.hangup()
        answered.wait_ended()


def ended(pair: Operator) -> bool:
    """Tell whether a cap of minutes has got some back."""
    talk = next(row for row in shown(pair) if row["cap"] == "talk")
    return bool(talk["minutes"]["used"] < 1)


@pytest.mark.skipif(SIPP is None, reason="sipp is not installed (Debian's sip-tester)")
def test_while_the_database_is_away(
    pair: Operator, database: Operator, lab: Lab, tmp_path: Path
) -> None:
    """A call that is up talks what is reserved, and for longer where the database comes back
    meanwhile."""
    with Exchange(lab.gateway, port=CARRIER) as exchange:
        call, answered = outside(pair, exchange, "1000", "620000000", "+494820000000", PAIR[1])
        reserved = "SELECT max(reserved) FROM caps_counted WHERE cap = 'paid'"
        database.ssh(SHARED, f"systemctl stop {CLUSTER}")
        try:
            with sipp(
                folder_in(tmp_path, "busy"), lab.gateway, BUSY, answers="SIP/2.0 486 Busy Here"
            ) as carrier:
                numbers = ["310000000", "112", "410000000"]
                assert in_turn(pair, "1003", numbers) == ["503", "486", "486"]
                assert carrier.called == ["112", "+49410000000"]
            logged(pair, PAIR[1], "not done: SELECT cap, whose")
        finally:
            database.ssh(SHARED, f"systemctl start {CLUSTER}")
        until(lambda: int(told(database, reserved)), lambda seconds: seconds > 30)
        still_talking(call, answered)
        database.ssh(SHARED, f"systemctl stop {CLUSTER}")
        try:
            answered.wait_ended()
            call.wait_ended()
        finally:
            database.ssh(SHARED, f"systemctl start {CLUSTER}")
        # The pool tries it once a second.
        until(lambda: main(["caps", str(pair.inventory), "--host", PAIR[1]]), 0)
        call, answered = outside(pair, exchange, "1001", "620000001", "+494820000001", PAIR[1])
        call.hangup()
        answered.wait_ended()


def test_each_switch_by_itself(pair: Operator, database: Operator, lab: Lab) -> None:
    """Counts go back to each switch where the Site says so; the shared table stays."""
    kept = told(database, "SELECT count(*) FROM caps_counted")
    pair.describe(of_two(lab, pair.folder, 'caps_counted_by="switch",'))
    pair.succeed()
    assert pair.succeed().changes == 0
    assert {row["switch"] for row in shown(pair)} == {*PAIR}
    for host in PAIR:
        assert pair.ssh(host, "fs_cli -x 'module_exists mod_pgsql'").strip() == "false"
        for path in (paths.POOL_UNIT, paths.POOL_CONFIG, paths.POOL_CA):
            assert pair.ssh(host, f"ls {path} 2>/dev/null") == ""
        until_on(pair, host, "! pgrep -x pgbouncer && ! dpkg-query -W pgbouncer 2>/dev/null")
    assert told(database, "SELECT count(*) FROM caps_counted") == kept
