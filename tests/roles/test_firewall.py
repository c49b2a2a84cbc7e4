"""Only what the Site opens is reachable, and nobody is locked out by a mistake."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from callcenter.render import paths
from lab.network import BRIDGE
from roles.firewall.operations import UNDO_SECONDS
from tests.acceptance.support.phones import Exchange
from tests.roles.conftest import EDGE, ROOT, SITE, Operator
from tests.roles.support import connected, listening, sentence, still_talking, until

HOST = "fw1"
PORT = 9187
TABLE = "nft -s -t list table inet callcenter"
FOLDERS = "stat -c '%n %a %U' / /etc /etc/systemd /etc/systemd/system /run /usr /var /var/lib /tmp"


def site(firewall: str) -> str:
    return SITE.replace("Firewall(", f"Firewall({firewall}, ")


LOCKED_OUT = SITE.replace('ssh_from="anywhere"', 'ssh_from=("192.0.2.0/24",)')


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of(HOST, bare=True)


@pytest.fixture(scope="module")
def bare_folders(operator: Operator) -> str:
    """Modes of the host's folders before its first deploy."""
    return operator.ssh(HOST, FOLDERS)


@pytest.fixture(autouse=True)
def _as_described(operator: Operator, bare_folders: str) -> None:
    """Each test begins with the plain Site, deployed."""
    operator.describe()
    operator.succeed()


def address(operator: Operator) -> str:
    return next(host.address for host in operator.lab.hosts if host.name == HOST)


def reachable(operator: Operator, port: int) -> bool:
    """Tell whether a TCP connection from outside comes through, dropped as it may be on its way."""
    try:
        with socket.create_connection((address(operator), port), timeout=2):
            return True
    except TimeoutError:
        return False


def is_reachable(operator: Operator, port: int) -> None:
    """Wait until a TCP connection from outside comes through."""
    until(lambda: reachable(operator, port), True)


def lets_in(operator: Operator) -> bool:
    """Tell whether a new login comes through within two seconds."""
    command = operator.lab.ssh(HOST, ["true"])
    command[1:1] = ["-o", "ConnectTimeout=2"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0


def configuration(operator: Operator) -> str:
    """Return the files of /etc with all that could be changed about them. The lists of who is
    never shut out follow ssh_from, before the packet filter does."""
    but = "! -path /etc/callcenter ! -path '/etc/callcenter/bans.*'"
    but += f" ! -path {paths.KAMAILIO} ! -path {paths.KAMAILIO_CONFIG}"
    return operator.ssh(HOST, f"find /etc {but} -printf '%p %s %m %u %l %T@\\n' | sort")


@contextmanager
def repository_with(operator: Operator, **changes: str) -> Iterator[None]:
    """Give the operator works from a copy in which the firewall's operations say something else."""
    file = operator.own_repository() / "roles/firewall/operations.py"
    text = (ROOT / "roles/firewall/operations.py").read_text()
    for was, becomes in changes.items():
        assert was in text
        text = text.replace(was, becomes)
    file.write_text(text)
    try:
        yield
    finally:
        operator.repository = ROOT


def undone_after(seconds: int) -> dict[str, str]:
    """Return the change that makes a test shorter."""
    return {f"UNDO_SECONDS = {UNDO_SECONDS}": f"UNDO_SECONDS = {seconds}"}


def until_let_in(operator: Operator) -> None:
    until(lambda: lets_in(operator), True)


def until_no_timer(operator: Operator) -> None:
    """Wait until the host has taken its former rules back."""
    timer = "callcenter-firewall-undo.timer"
    # A second's pause between two looks is on the host's side: one connection serves for both.
    waits = f"systemctl is-active --quiet {timer} && sleep 1 && echo waiting"
    until(lambda: operator.ssh(HOST, waits), "")


def test_folders_of_the_host_keep_their_modes(operator: Operator, bare_folders: str) -> None:
    assert "/ 755 root\n/etc 755 root\n" in bare_folders
    assert operator.ssh(HOST, FOLDERS) == bare_folders


def test_answers_of_a_dhcpv6_server_come_in(operator: Operator) -> None:
    own = operator.ssh(HOST, "ip -6 -o addr show scope link | grep -o 'fe80[^/]*' | head -n 1")
    at = socket.getaddrinfo(f"{own.strip()}%{BRIDGE}", 546, socket.AF_INET6, socket.SOCK_DGRAM)[0][
        4
    ]
    # A client's socket, as a renewal leaves it: it has sent nothing from which its answers follow.
    client = (
        "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
        's.bind(("::", 546)); s.settimeout(60); print("listens", flush=True); '
        'print("got", s.recv(64).decode())'
    )
    command = operator.lab.ssh(HOST, [f"python3 -c {shlex.quote(client)}"])
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as listens,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server,
    ):
        assert listens.stdout
        assert listens.stdout.readline() == "listens\n"
        server.bind(("::", 547))
        server.sendto(b"renewed", at)
        assert listens.stdout.read() == "got renewed\n"


def test_port_is_reachable_exactly_as_long_as_the_site_names_it(operator: Operator) -> None:
    with listening(operator, HOST, PORT):
        assert not reachable(operator, PORT)
        operator.describe(site(f"tcp_ports=({PORT},)"))
        operator.succeed()
        is_reachable(operator, PORT)
        operator.describe()
        operator.succeed()
        assert not reachable(operator, PORT)
    # What the Site opens is open all along, and the Event Socket never was.
    is_reachable(operator, 5060)
    assert not reachable(operator, 8021)
    run = operator.succeed()
    assert run.changes == 0, run.output


def test_further_ports_are_open_to_their_sources(operator: Operator) -> None:
    own, other = operator.lab.gateway, "192.0.2.77"

    def described(source: str) -> str:
        port = f"OpenPort({PORT}, sources=[{source!r}])"
        return site(f"tcp_ports=[{port}], udp_ports=[{port}]")

    def answers_by_udp() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            asking.sendto(b"who", (address(operator), PORT))
            try:
                return asking.recv(16) == b"me"
            except TimeoutError:
                return False

    answer = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        f's.bind(("0.0.0.0", {PORT})); print("listens", flush=True)\n'
        'while True: s.sendto(b"me", s.recvfrom(16)[1])'
    )
    command = operator.lab.ssh(HOST, [f"exec python3 -c {shlex.quote(answer)}"], terminal=True)
    with (
        listening(operator, HOST, PORT),
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as answers,
    ):
        assert answers.stdout
        assert answers.stdout.readline() == "listens\n"
        try:
            operator.describe(described(own))
            operator.succeed()
            is_reachable(operator, PORT)
            until(answers_by_udp, True)
            operator.describe(described(other))
            operator.succeed()
            assert (reachable(operator, PORT), answers_by_udp()) == (False, False)
            assert operator.succeed().changes == 0
        finally:
            answers.kill()


def test_change_of_rules_spares_calls_and_sessions(operator: Operator) -> None:
    session = subprocess.Popen(
        operator.lab.ssh(HOST, ['while read -r line; do echo "heard $line"; done']),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert session.stdin is not None
    assert session.stdout is not None
    try:
        session.stdin.write("before\n")
        assert session.stdout.readline() == "heard before\n"
        with Exchange(operator.lab.gateway) as exchange:
            call, answered = connected(operator, HOST, exchange)
            # Not even who may call in future concerns a call that is up.
            operator.describe(
                site(f"tcp_ports=({PORT},)").replace(
                    'sip_from="anywhere"', 'sip_from=("192.0.2.0/24",)'
                )
            )
            assert operator.succeed().changes >= 1
            still_talking(call, answered)
            # By the switch: the kernel forgets a phone's SIP after 30 s of silence, and whom the
            # Site names no more may not begin anew.
            operator.ssh(HOST, "fs_cli -x hupall")
            call.wait_ended()
            answered.wait_ended()
        session.stdin.write("after\n")
        assert session.stdout.readline() == "heard after\n"
    finally:
        # It may miss SIGTERM (see callcenter/client/ssh.py).
        session.kill()
        session.wait()


def test_tables_of_others_are_left_alone(operator: Operator) -> None:
    operator.ssh(
        HOST,
        "nft 'add table inet theirs; add chain inet theirs in { type filter hook input priority 5; "
        "}; add rule inet theirs in tcp dport 4711 counter drop'",
    )
    theirs = "nft -s list table inet theirs"
    before = operator.ssh(HOST, theirs)
    assert "4711" in before
    try:
        operator.describe(site(f"tcp_ports=({PORT},)"))
        operator.succeed()
        assert operator.ssh(HOST, theirs) == before
        operator.describe(site("enabled=False"))
        operator.succeed()
        assert operator.ssh(HOST, theirs) == before
        assert operator.ssh(HOST, "nft list tables") == "table inet theirs\n"
    finally:
        operator.ssh(HOST, "nft delete table inet theirs")


def test_rules_survive_services(operator: Operator) -> None:
    operator.ssh(
        HOST,
        "systemctl start nftables; systemctl restart callcenter-firewall callcenter-bans-filter",
    )
    both = f"{TABLE}; {TABLE}-bans"
    before = operator.ssh(HOST, both)
    # With an edge loopback has a chain of its own, too.
    assert before.count("policy ") == (5 if EDGE else 4)
    try:
        for unit in ("callcenter-firewall", "nftables"):
            # Debian's own begins with a flush of all there is.
            for what in ("reload", "restart"):
                assert operator.ssh(HOST, f"systemctl {what} {unit}") == ""
                # systemctl waits for that unit alone, and not for those that follow it.
                until(lambda: operator.ssh(HOST, both), before)
    finally:
        operator.ssh(HOST, "systemctl stop nftables")


def test_rules_that_are_gone_come_back_with_the_next_run(operator: Operator) -> None:
    before = operator.ssh(HOST, TABLE)
    operator.ssh(HOST, "nft flush ruleset")
    assert operator.succeed().changes == 1
    assert operator.ssh(HOST, TABLE) == before
    assert operator.succeed().changes == 0


def test_deployer_that_is_shut_out_is_let_in_again(operator: Operator) -> None:
    rules, files = operator.ssh(HOST, TABLE), configuration(operator)
    operator.describe(LOCKED_OUT)
    # Long enough for the new login, which is given up after ten seconds, and for a busy machine.
    with repository_with(operator, **undone_after(30)):
        running = operator.start("-y")
        output, _ = running.communicate()
    assert running.returncode != 0, output
    assert "Traceback" not in output
    lines = [line for line in output.splitlines() if "No new login" in line]
    assert len(lines) == 1, output
    assert f"[{HOST}]" in lines[0]
    assert "former rules back within 30 s" in lines[0]
    # It was no false alarm: nobody gets in now.
    assert not lets_in(operator)
    until_let_in(operator)
    assert operator.ssh(HOST, TABLE) == rules
    assert configuration(operator) == files
    operator.describe(site(f"tcp_ports=({PORT},)"))
    operator.succeed()
    assert str(PORT) in operator.ssh(HOST, TABLE)
    assert operator.succeed().changes == 0


WAITS_FOR_EVER = {"fresh.connect()": "print('loaded', flush=True); __import__('time').sleep(600)"}


def killed_between_load_and_confirmation(operator: Operator) -> None:
    running = operator.start("-y")
    assert running.stdout is not None
    try:
        seen = []
        for line in running.stdout:
            seen.append(line)
            if line == "loaded\n":
                break
        assert seen[-1] == "loaded\n", "".join(seen)
    finally:
        running.kill()
        running.wait()


def test_killed_deploy_is_undone(operator: Operator) -> None:
    rules, files = operator.ssh(HOST, TABLE), configuration(operator)
    operator.describe(site(f"tcp_ports=({PORT},)"))
    with repository_with(operator, **WAITS_FOR_EVER, **undone_after(6)):
        killed_between_load_and_confirmation(operator)
    assert str(PORT) in operator.ssh(HOST, TABLE)
    until_no_timer(operator)
    assert operator.ssh(HOST, TABLE) == rules
    assert configuration(operator) == files
    operator.succeed()
    assert str(PORT) in operator.ssh(HOST, TABLE)
    assert operator.succeed().changes == 0


def test_rules_of_a_killed_deploy_are_nothing_to_go_back_to(operator: Operator) -> None:
    rules = operator.ssh(HOST, TABLE)
    operator.describe(site(f"tcp_ports=({PORT},)"))
    with repository_with(operator, **WAITS_FOR_EVER):
        killed_between_load_and_confirmation(operator)
    # While its timer runs, the next one makes a mistake of its own.
    operator.describe(LOCKED_OUT)
    with repository_with(operator, **undone_after(12)):
        run = operator.start("-y")
        output, _ = run.communicate()
    assert run.returncode != 0, output
    until_let_in(operator)
    assert operator.ssh(HOST, TABLE) == rules


def test_login_that_comes_too_late_keeps_nothing(operator: Operator) -> None:
    rules, files = operator.ssh(HOST, TABLE), configuration(operator)
    operator.describe(site(f"tcp_ports=({PORT},)"))
    late = {"fresh.connect()": "__import__('time').sleep(4); fresh.connect()"}
    with repository_with(operator, **late, **undone_after(1)):
        run = operator.deploy("-y")
    assert run.code != 0
    assert "former rules are back" in sentence(run, HOST, "too late")
    assert operator.ssh(HOST, TABLE) == rules
    assert configuration(operator) == files
