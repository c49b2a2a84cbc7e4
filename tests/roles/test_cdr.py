"""Call detail records on a real switch: none lost, none twice, none kept too long."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from callcenter.render import paths
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import SITE, Operator
from tests.roles.support import phone_of, until

HOST = "cdr1"
UNIT = "callcenter-calls.service"


def described(cdr: str, more: str = "") -> str:
    return SITE.replace("media=", f"cdr={cdr},{more}\n    media=")


LOCAL = described('Cdr("database", keep_days=30)', " database=LocalPostgres(),")


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of(HOST)


def asked(operator: Operator, query: str) -> str:
    return operator.ssh(
        HOST, f'cd / && runuser -u freeswitch -- psql -qAt callcenter -c "{query}"'
    ).strip()


def spooled(operator: Operator) -> int:
    return int(operator.ssh(HOST, f"ls {paths.CALLS_SPOOL} | wc -l"))


def test_100_calls_while_the_database_is_stopped(operator: Operator, exchange: Exchange) -> None:
    operator.describe(LOCAL)
    operator.succeed()
    assert operator.succeed().changes == 0
    caller = phone_of(operator, HOST, exchange, "1000")

    def call(times: int) -> None:
        for _ in range(times):
            made = caller.call("9196")
            made.wait_established()
            made.hangup()

    call(30)
    until(lambda: asked(operator, "SELECT count(*) FROM calls"), "30")
    operator.ssh(HOST, "systemctl stop postgresql 'postgresql@*'")
    call(40)
    # Written before the caller is told that the call has ended, or just after.
    until(lambda: spooled(operator), 40)
    # A file that comes twice, as after a crash between commit and deletion.
    operator.ssh(
        HOST,
        f"cd {paths.CALLS_SPOOL} && cp -p $(ls | head -n 1) again.json && "
        f"systemctl kill -s KILL {UNIT}",
    )
    operator.ssh(HOST, "systemctl start postgresql")
    call(30)
    until(lambda: spooled(operator), 0)
    found = asked(operator, "SELECT count(*), count(DISTINCT id), min(caller) FROM calls")
    assert found == "100|100|1000"
    said = operator.ssh(HOST, f"journalctl -u {UNIT} --no-pager -o cat")
    assert f"Records wait in {paths.CALLS_SPOOL}" in said


def test_old_records_leave_the_database(operator: Operator) -> None:
    asked(
        operator,
        "INSERT INTO calls SELECT gen_random_uuid(), switch, direction, caller, dialled, "
        "answered_by, trunk, queue, agent, started, answered, joined, "
        "now() - interval '31 days', seconds, talk_seconds, cause, recording "
        "FROM calls LIMIT 1",
    )
    assert asked(operator, "SELECT count(*) FROM calls") == "101"
    operator.ssh(HOST, f"systemctl restart {UNIT}")
    until(lambda: asked(operator, "SELECT count(*) FROM calls"), "100")


def test_a_table_of_an_earlier_release_gets_the_new_column(
    operator: Operator, exchange: Exchange
) -> None:
    asked(operator, "ALTER TABLE calls DROP COLUMN forwarded_by")
    operator.ssh(HOST, f"systemctl restart {UNIT}")
    made = phone_of(operator, HOST, exchange, "1000").call("9196")
    made.wait_established()
    made.hangup()
    until(lambda: asked(operator, "SELECT count(*) FROM calls"), "101")
    assert asked(operator, "DELETE FROM calls WHERE id = (SELECT id FROM calls ORDER BY started "
                 "DESC LIMIT 1) RETURNING forwarded_by IS NULL") == "t"  # fmt: skip


def test_off_it_is_gone_and_on_again_the_records_are_there(operator: Operator) -> None:
    operator.describe()
    operator.succeed()
    for path in (paths.CALLS_TOOL, paths.CALLS_UNIT, paths.CALLS_CONFIG, paths.POSTGRES_CLUSTER):
        assert operator.ssh(HOST, f"ls {path} 2>/dev/null") == ""
    until(lambda: operator.ssh(HOST, f"systemctl list-units --all | grep {UNIT}"), "")
    until(lambda: operator.ssh(HOST, "pgrep -x postgres"), "")
    assert operator.ssh(HOST, "systemctl is-enabled postgresql").strip() == "disabled"
    assert operator.succeed().changes == 0
    operator.describe(LOCAL)
    operator.succeed()
    assert asked(operator, "SELECT count(*) FROM calls") == "100"
    assert operator.ssh(HOST, "ss -Hltnp | grep postgres") == ""


@pytest.mark.parametrize(("kind", "suffix"), [("json", "jsonl"), ("csv", "csv")])
def test_files(operator: Operator, exchange: Exchange, kind: str, suffix: str) -> None:
    operator.describe(described(f'Cdr("{kind}", keep_days=7)'))
    operator.succeed()
    # The database goes with the Site's last word of it.
    # Its last processes may outlast the first for a moment.
    until(lambda: operator.ssh(HOST, "pgrep -x postgres"), "")
    call = phone_of(operator, HOST, exchange, "1000").call("9196")
    call.wait_established()
    call.hangup()

    def lines() -> list[str]:
        return operator.ssh(HOST, f"cat {paths.CALLS}/20*.{suffix} 2>/dev/null").splitlines()

    until(lambda: len(lines()), 2 if kind == "csv" else 1)
    if kind == "csv":
        assert lines()[0].startswith("id,switch,direction,caller,dialled,")
        assert ",internal,1000,9196," in lines()[1]
    else:
        assert json.loads(lines()[0])["dialled"] == "9196"
    assert operator.ssh(HOST, f"stat -c %U:%a {paths.CALLS}/20*.{suffix}") == "freeswitch:640\n"
    old = f"{paths.CALLS}/2020-01-01.{suffix}"
    operator.ssh(HOST, f"touch {old} && systemctl restart {UNIT}")
    until(lambda: operator.ssh(HOST, f"ls {old} 2>/dev/null"), "")
    assert lines()


def test_a_postgresql_that_was_there_is_left_as_it_is(
    operator_of: Callable[..., Operator],
) -> None:
    operator = operator_of("cdr2")
    host = operator.hosts[0]
    operator.ssh(
        host, "apt-get -qq update && apt-get -y -qq install --no-install-recommends postgresql"
    )
    operator.describe(LOCAL)
    operator.succeed()
    ask = "cd / && runuser -u freeswitch -- psql -qAt callcenter -c 'SELECT count(*) FROM calls'"
    until(lambda: operator.ssh(host, ask).strip(), "0")
    look = (
        "systemctl is-active postgresql 'postgresql@*'; ss -Hltn 'sport = 5432'; "
        "head -n1 /var/lib/postgresql/15/main/postmaster.pid"
    )
    before = operator.ssh(host, look)
    assert "5432" in before
    operator.describe()
    operator.succeed()
    assert operator.ssh(host, look) == before


SERVER = "db.callcenter.test"
CERTIFICATE = (
    "cd /etc/postgresql/15/main && openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj "
    f"/CN={SERVER} -addext subjectAltName=DNS:{SERVER} -keyout own.key -out own.crt 2>/dev/null && "
    "chown postgres own.key"
)
SETTINGS = (
    "listen_addresses = '*'\nssl = on\n"
    "ssl_cert_file = '/etc/postgresql/15/main/own.crt'\n"
    "ssl_key_file = '/etc/postgresql/15/main/own.key'\n"
)


def test_a_database_of_the_operators_own(
    operator: Operator, operator_of: Callable[..., Operator], exchange: Exchange, tmp_path: Path
) -> None:
    own = operator_of("db1", bare=True)
    own.ssh(
        "db1",
        "apt-get -qq update && "
        "apt-get -y -qq install --no-install-recommends postgresql openssl && "
        f"{CERTIFICATE} && printf %s {shlex.quote(SETTINGS)} >conf.d/own.conf && "
        "echo 'hostssl callcenter callcenter all scram-sha-256' >>pg_hba.conf && "
        "runuser -u postgres -- createdb callcenter && systemctl restart postgresql",
    )
    authority = tmp_path / "ca.pem"
    authority.write_text(own.ssh("db1", "cat /etc/postgresql/15/main/own.crt"))
    address = next(one.address for one in operator.lab.hosts if one.name == "db1")
    operator.ssh(HOST, f"echo {address} {SERVER} >>/etc/hosts")
    remote = f'RemotePostgres("{SERVER}", password=secret("database"), ca_file="{authority}")'
    operator.describe(described('Cdr("database")', f" database={remote},"))
    operator.succeed()
    password = json.loads(operator.secrets.read_text())["database"]
    assert operator.ssh(HOST, f"stat -c %U:%G:%a {paths.CALLS_PASSWORD}") == (
        "root:freeswitch:640\n"
    )
    call = phone_of(operator, HOST, exchange, "1000").call("9196")
    call.wait_established()
    call.hangup()
    # There is no such role yet.
    until(
        lambda: operator.ssh(HOST, f"journalctl -u {UNIT} -o cat -n 5"),
        lambda said: "Records wait" in said,
    )
    assert spooled(operator) == 1

    def of_server(query: str) -> str:
        return own.ssh("db1", f'cd / && runuser -u postgres -- psql -qAt callcenter -c "{query}"')

    of_server(
        f"CREATE ROLE callcenter LOGIN PASSWORD '{password}'; "
        "GRANT CREATE ON SCHEMA public TO callcenter"
    )
    until(lambda: spooled(operator), 0)
    assert of_server("SELECT caller, dialled FROM calls") == "1000|9196\n"
    assert of_server("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                     "WHERE usename = 'callcenter'") == "t\n"  # fmt: skip
    assert password not in operator.ssh(HOST, f"journalctl -u {UNIT} -o cat; ps axww")
    # Another name than the certificate's is not spoken to.
    operator.ssh(HOST, f"sed -i 's/{SERVER}/other.test/' /etc/hosts {paths.CALLS_CONFIG}")
    operator.ssh(HOST, f"systemctl restart {UNIT}")
    until(
        lambda: operator.ssh(HOST, f"journalctl -u {UNIT} -n 5"),
        lambda said: "does not match host name" in said,
    )
