"""Programs that steer calls: the Event Socket in both directions, and scripts; the examples run as
an operator runs them, through ssh."""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.phones import Exchange, Phone, RegistrationRefused, Unreachable
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.conftest import EDGE, ROOT, SITE, Operator
from tests.roles.support import CALLEE_HZ, CALLER_HZ, connected, phone_of, still_talking

HOST = "applications1"
EXAMPLES = ROOT / "examples/event_socket"
PYTHON = ROOT / ".venv-examples/bin/python"
"""Interpreter of the examples, whose library asks for other versions than ours does."""
PORT, SOCKET = 8084, 18021
PROMPT_HZ = 880
STARTS = PATIENCE
"""Seconds within which a program has started, and done the first of what it is for. Java compiles
it before."""

SERVED = """
    applications=[
        Application("ivr", 8084, number=6300, otherwise=extension(1002)),
        Application("blocking", 8084, number=6301, asynchronous=False, otherwise=extension(1002)),
        Application("last", 8085, number=6302),
    ],
    event_socket=EventSocket(users=[
        EventSocketUser(
            "listener",
            events=["CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP", "BACKGROUND_JOB"],
            commands=["originate"],
        ),
        EventSocketUser("click-to-call", events=["BACKGROUND_JOB"], commands=["originate"]),
        EventSocketUser("watcher", events=["sofia::register", "HEARTBEAT"]),
    ]),
    scripts=[
        LuaScript("ask", "{example}", number=6400, otherwise=extension(1002)),
        LuaScript("breaks", "{folder}/breaks.lua", number=6401, otherwise=extension(1002)),
    ],
    media="""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "breaks.lua").write_text("session:answer()\nlocal nothing = nil\nnothing.here = 1\n")
    return SITE.replace("media=", SERVED.replace("{folder}", str(folder)).strip()).replace(
        "{example}", str(ROOT / "examples/lua/ask.lua")
    )


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], site: str) -> Operator:
    made = operator_of(HOST)
    made.describe(site)
    made.succeed()
    return made


ALLOWED = f'restrict,port-forwarding,permitlisten="127.0.0.1:{PORT}",permitopen="127.0.0.1:8021"'
"""Settings that docs/applications.md has."""


@pytest.fixture(scope="module")
def tunnel(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The way of a program elsewhere, both ways, with a key that is good for nothing else."""
    key = tmp_path_factory.mktemp("tunnel") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    said = operator.ssh(
        HOST,
        "useradd --create-home --shell /usr/sbin/nologin applications && "
        "install -d -o applications -m 700 ~applications/.ssh && "
        f"echo '{ALLOWED} {public}' >~applications/.ssh/authorized_keys",
    )
    assert said == ""
    _, *options, to = operator.lab.ssh(HOST, [])
    options[options.index("-i") + 1] = str(key)
    ports = ("-R", f"127.0.0.1:{PORT}:127.0.0.1:{PORT}", "-L", f"{SOCKET}:127.0.0.1:8021")
    login = ["ssh", "-N", "-o", "ExitOnForwardFailure=yes", *ports, *options]
    login.append("applications@" + to.partition("@")[2])
    with subprocess.Popen(login, stdin=subprocess.DEVNULL) as ssh:
        # The port there is the last thing that ssh asks for.
        while ssh.poll() is None and not operator.ssh(HOST, f"ss -Hltn sport = :{PORT}"):
            time.sleep(0.05)
        yield
        # It may miss SIGTERM (see callcenter/client/ssh.py).
        ssh.kill()


class Program:
    """An example that runs, and what it prints."""

    def __init__(self, *words: str, password: str = "", by: str | Path = PYTHON) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            [by, *words],
            cwd=EXAMPLES,
            env={**os.environ, "ESL_PASSWORD": password, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def says(self, words: str, timeout: float = STARTS) -> str:
        """Wait for a line with these words."""
        end = time.monotonic() + timeout
        while (line := self._next(end)) is not None:
            self._said.append(line)
            if words in line:
                return line
        raise AssertionError(f"{words!r} was not said:\n" + "\n".join(self._said))

    def _next(self, end: float) -> str | None:
        try:
            return self._lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return None

    def wait(self, timeout: float = STARTS) -> int:
        """Return its exit status."""
        return self._process.wait(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


Example = Callable[..., Program]
"""Starts an example by its name: its words, then the port and the password where it logs in."""


@pytest.fixture(scope="module")
def python(tunnel: None) -> Example:
    if not PYTHON.exists():
        pytest.skip(
            "no .venv-examples: python3 -m venv .venv-examples && .venv-examples/bin/pip install "
            "-r examples/event_socket/requirements.txt"
        )

    def start(name: str, *words: str, port: int | None = None, password: str = "") -> Program:
        ending = ("--port", str(port)) if port else ()
        return Program(f"{name}.py", *words, *ending, password=password)

    return start


@pytest.fixture(scope="module")
def java(tunnel: None, tmp_path_factory: pytest.TempPathFactory) -> Example:
    client, compiler = os.environ.get("CALLCENTER_ESL_CLIENT"), shutil.which("javac")
    if compiler is None:
        pytest.skip("javac is not installed (Debian's openjdk-17-jdk-headless)")
    if not client:
        pytest.skip("CALLCENTER_ESL_CLIENT names no class path of org.freeswitch.esl.client")
    classes = str(tmp_path_factory.mktemp("classes"))
    sources = (EXAMPLES / "java").glob("*.java")
    subprocess.run([compiler, "-Werror", "-cp", client, "-d", classes, *sources], check=True)

    def start(name: str, *words: str, port: int | None = None, password: str = "") -> Program:
        program = ["-cp", f"{client}:{classes}", name.title().replace("_", ""), *words]
        ending = [str(port)] if port else []
        return Program(*program, *ending, password=password, by=Path(compiler).with_name("java"))

    return start


@pytest.fixture(params=["python", "java"])
def example(request: pytest.FixtureRequest) -> Example:
    """In each language."""
    started: Example = request.getfixturevalue(request.param)
    return started


@pytest.fixture
def at(operator: Operator, exchange: Exchange) -> Callable[[str], Phone]:
    return lambda number: phone_of(operator, HOST, exchange, number)


def secret_of(operator: Operator, name: str) -> str:
    return str(json.loads(operator.secrets.read_text())[name])


def ring_otherwise(call_to: str, at: Callable[[str], Phone]) -> None:
    """Let the call go on to 1002, where both hear each other."""
    caller, other = at("1000"), at("1002")
    call = caller.call(call_to)
    answered = other.incoming().answer()
    call.wait_established()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    still_talking(call, answered)
    call.hangup()


@contextmanager
def listens(do: Callable[[socket.socket], None]) -> Iterator[None]:
    """Give an application that is not what it should be, beyond the tunnel."""
    served: list[bool] = []
    with socket.create_server(("127.0.0.1", PORT)) as server:
        server.settimeout(PATIENCE)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                do(connection)
            served.append(True)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert served


@pytest.mark.parametrize("number", ["6300", "6301"])
def test_absent_application(tunnel: None, at: Callable[[str], Phone], number: str) -> None:
    ring_otherwise(number, at)


@pytest.mark.parametrize("number", ["6300", "6301"])
@pytest.mark.parametrize("answers", [False, True])
def test_application_that_dies(
    tunnel: None, at: Callable[[str], Phone], number: str, answers: bool
) -> None:
    def die(connection: socket.socket) -> None:
        if answers:
            connection.sendall(b"connect\n\n")
            assert b"Channel" in connection.recv(65536)
            connection.sendall(b"sendmsg\ncall-command: execute\nexecute-app-name: answer\n\n")
            connection.recv(65536)

    with listens(die):
        ring_otherwise(number, at)


def test_absent_application_without_otherwise(at: Callable[[str], Phone]) -> None:
    assert at("1000").call("6302").wait_ended().by == "them"


def test_application_owns_its_call_alone(tunnel: None, at: Callable[[str], Phone]) -> None:
    said: list[bytes] = []

    def ask(connection: socket.socket) -> None:
        for command in (b"connect", b"api status", b"bgapi status", b"event plain ALL"):
            connection.sendall(command + b"\n\n")
            said.append(connection.recv(65536))

    with listens(ask):
        at("1000").call("6300").wait_ended()
    assert b"single-channel" in said[0]
    assert b"variable_application: ivr" in said[0]
    assert all(b"-ERR" in one for one in said[1:]), said


def test_a_call_that_an_application_has_sent_on_outlives_it(
    tunnel: None, at: Callable[[str], Phone]
) -> None:
    may_go = threading.Event()
    transfer = b"execute-app-name: transfer\nexecute-app-arg: 1001 XML default\n\n"

    def send_on(connection: socket.socket) -> None:
        for command in (b"connect\n\n", b"sendmsg\ncall-command: execute\n" + transfer):
            connection.sendall(command)
            connection.recv(65536)
        assert may_go.wait(PATIENCE)

    caller, callee = at("1000"), at("1001")
    with listens(send_on):
        call = caller.call("6300")
        answered = callee.incoming().answer()
        call.wait_established()
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        still_talking(call, answered)
        may_go.set()
    still_talking(call, answered)
    call.hangup()


def test_ivr_example(example: Example, at: Callable[[str], Phone]) -> None:
    with example("ivr") as program:
        program.says("waiting for calls")
        caller, callee = at("1000"), at("1001")
        call = caller.call("6300")
        call.wait_established()
        program.says("1000 calls")
        assert_heard(call, PROMPT_HZ, 0.8)
        call.send_dtmf("5")
        program.says("5 was pressed")
        # Longer than one prompt, and far less than two: a busy machine loses some.
        assert_heard(call, PROMPT_HZ, 2.8)
        call.send_dtmf("1")
        answered = callee.incoming().answer()
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        still_talking(call, answered)


def test_listener_example(example: Example, operator: Operator, at: Callable[[str], Phone]) -> None:
    phone = at("1000")
    password = secret_of(operator, "event-socket/listener")
    with example("listener", "1000", port=SOCKET, password=password) as program:
        call = phone.incoming(STARTS).answer()
        program.says("CHANNEL_ANSWER 1000")
        assert_heard(call, 620, 1)
        call.hangup()
        program.says("CHANNEL_HANGUP 1000 NORMAL_CLEARING")
    with example("listener", "1000", port=SOCKET, password=password[:-1]) as program:
        program.says("does not know listener by this password")
        assert program.wait() == 1


def test_java_without_a_library(
    tunnel: None, operator: Operator, at: Callable[[str], Phone]
) -> None:
    if (java := shutil.which("java")) is None:
        pytest.skip("java is not installed (Debian's openjdk-17-jdk-headless)")
    phone = at("1000")
    password = secret_of(operator, "event-socket/listener")
    words = ("Listener.java", "1000", str(SOCKET))
    with Program(*words, password=password, by=java) as program:
        call = phone.incoming(STARTS).answer()
        program.says("CHANNEL_ANSWER 1000")
        assert_heard(call, 620, 1)
        call.hangup()
        program.says("CHANNEL_HANGUP 1000 NORMAL_CLEARING")
    with Program(*words, password=password[:-1], by=java) as program:
        program.says("does not know listener by this password")
        assert program.wait() == 1
    with Program("Listener.java", "1000 &system(x)", password=password, by=java) as program:
        program.says("give the extension")


def test_click_to_call_example(
    example: Example, operator: Operator, at: Callable[[str], Phone]
) -> None:
    caller, callee = at("1000"), at("1001")
    password = secret_of(operator, "event-socket/click-to-call")
    with example("click_to_call", "1000", "1001", port=SOCKET, password=password) as program:
        call = caller.incoming(STARTS).answer()
        answered = callee.incoming().answer()
        program.says("+OK")
        assert program.wait() == 0
        call.play(CALLER_HZ)
        answered.play(CALLEE_HZ)
        still_talking(call, answered)
    with example("click_to_call", "1000", "1001 &system(x)", password=password) as program:
        assert program.wait() == 2


def said_to(password: str, *commands: str, user: str) -> list[str]:
    """Return what a user of the Event Socket is answered."""
    answers: list[str] = []
    with socket.create_connection(("127.0.0.1", SOCKET)) as connection:
        file = connection.makefile("rwb")
        for command in ("", f"userauth {user}@event_socket:{password}", *commands):
            if command:
                file.write(f"{command}\n\n".encode())
                file.flush()
            head = b""
            while not head.endswith(b"\n\n"):
                if not (line := file.readline()):
                    return answers
                head += line
            length = [int(x.split(b":")[1]) for x in head.splitlines() if b"Length" in x]
            body = file.read(length[0]) if length else b""
            answers.append((head + body).decode())
    return answers[1:]


def test_users_may_do_what_the_site_says(tunnel: None, operator: Operator) -> None:
    password = secret_of(operator, "event-socket/watcher")
    said = said_to(
        password,
        "api status",
        "bgapi status",
        "api originate user/1000 &park",
        "event plain CHANNEL_ANSWER",
        "event plain HEARTBEAT",
        "event plain CUSTOM sofia::register",
        "log 7",
        user="watcher",
    )
    assert "+OK accepted" in said[0]
    refused = ["-ERR" in answer for answer in said[1:]]
    assert refused == [True, True, True, True, False, False, True], said
    assert "+OK" not in "".join(said_to(password[:-1], "api status", user="watcher"))
    assert "+OK" not in "".join(said_to("", "api status", user="watcher"))


@pytest.mark.parametrize("domain", ["event_socket", "roles.callcenter.test"])
@pytest.mark.parametrize("known", [False, True])
def test_users_are_no_phones(
    operator: Operator, exchange: Exchange, domain: str, known: bool
) -> None:
    password = secret_of(operator, "event-socket/watcher") if known else ""
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    phone = exchange.phone("watcher", password, domain=domain, server=server)
    # An edge says nothing to who names another domain.
    silent = EDGE and domain == "event_socket"
    with pytest.raises(Unreachable if silent else RegistrationRefused):
        phone.register(timeout=5 if silent else PATIENCE)


def test_script(at: Callable[[str], Phone]) -> None:
    caller, callee = at("1000"), at("1001")
    call = caller.call("6400")
    call.wait_established()
    assert_heard(call, PROMPT_HZ, 0.8)
    call.send_dtmf("1")
    answered = callee.incoming().answer()
    call.play(CALLER_HZ)
    answered.play(CALLEE_HZ)
    still_talking(call, answered)
    call.hangup()
    call = caller.call("6400")
    call.wait_established()
    call.send_dtmf("9")
    assert call.wait_ended().by == "them"


def test_script_that_lets_go_or_fails(at: Callable[[str], Phone]) -> None:
    caller, other = at("1000"), at("1002")
    call = caller.call("6400")
    call.wait_established()
    call.send_dtmf("5")
    other.incoming().reject()
    call.wait_ended()
    call = caller.call("6401")
    other.incoming().reject()
    call.wait_ended()


def test_changed_script_costs_nothing(
    operator: Operator, exchange: Exchange, site: str, tmp_path: Path
) -> None:
    call, answered = connected(operator, HOST, exchange)
    (tmp_path / "new.lua").write_text('session:hangup("CALL_REJECTED")\n')
    lines = [
        f'LuaScript("ask", "{tmp_path}/new.lua", number=6400),' if '"ask"' in line else line
        for line in site.splitlines()
    ]
    operator.describe("\n".join(lines))
    operator.succeed()
    still_talking(call, answered)
    other = phone_of(operator, HOST, exchange, "1003")
    assert other.call("6400").wait_ended().code == 603
    operator.describe(site)
    operator.succeed()
