"""Both doors into a Windows host: what goes through them, and what they say when it does not."""

from __future__ import annotations

import base64
import io
import logging
import os
import re

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import ConnectError

from pyinfra_windows.connectors import Refused
from pyinfra_windows.powershell import script
from tests.windows.support.machine import Machine


@pytest.fixture
def folder(machine: Machine, request: pytest.FixtureRequest) -> str:
    """A folder of the host that no other test uses."""
    name = re.sub(r"\W+", " ", request.node.name).strip()
    return f"C:\\call centre\\{name}"


def test_the_host_answers_with_its_own_exit_codes(machine: Machine) -> None:
    assert machine.line("echo one& echo two>&2") == (True, ["one", "two"])
    assert machine.line("exit 194")[0] is False
    assert machine.line("exit 194", _success_exit_codes=[0, 194])[0] is True


def test_folder_environment_and_standard_input_arrive(machine: Machine) -> None:
    assert machine.line("cd", _chdir="C:\\windows")[1][0].lower() == "c:\\windows"
    assert machine.line("set NAME", _env={"NAME": "a & b"})[1] == ["NAME=a & b"]
    good, lines = machine.line("set /p x=& call echo %^x%", _stdin="given\r\n")
    assert good
    assert lines[-1].endswith("given")


def test_a_program_that_reads_sees_the_end_of_no_input(machine: Machine) -> None:
    assert machine.line("tar.exe -tf -", _timeout=60) == (True, [])


def test_what_is_sent_on_standard_input_is_in_no_log(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        connector = machine.connector()
        connector.connect()
        good, output = connector.run_shell_command(
            StringCommand("set /p x=& call echo %^x%"), _stdin="Geheimnis-Nummer-9\r\n"
        )
        connector.disconnect()
    assert good
    assert output.stdout_lines[-1].endswith("Geheimnis-Nummer-9")
    secret = base64.b64encode(b"Geheimnis-Nummer-9\r\n").decode()
    for word in ("Geheimnis-Nummer-9", secret):
        assert word not in caplog.text


def test_the_environment_is_carried_or_refused(machine: Machine) -> None:
    for value in ("a\\", "a b", "&|<>^", "`$x", "Grüße"):
        assert machine.line("set NAME", _env={"NAME": value})[1] == [f"NAME={value}"]
    with pytest.raises(Refused, match="holds %"):
        machine.line("set NAME", _env={"NAME": "100%"})
    with pytest.raises(Refused, match="no name of an environment variable"):
        machine.line("set NAME", _env={"A B": "1"})


def test_what_is_no_path_fails_that_host_alone(machine: Machine) -> None:
    with pytest.raises(Refused, match="no absolute Windows path"):
        machine.connected.put_file(io.BytesIO(b""), "relative.txt")
    with pytest.raises(Refused, match="no absolute Windows path"):
        machine.line("cd", _chdir="/tmp")


def test_a_command_that_takes_too_long_is_given_up(machine: Machine) -> None:
    with pytest.raises(TimeoutError, match="no end after"):
        machine.line("ping -n 30 127.0.0.1", _timeout=1)


@pytest.mark.parametrize("option", ["_sudo", "_su_user", "_doas"])
def test_options_of_unix_are_refused(machine: Machine, option: str) -> None:
    with pytest.raises(Refused, match=f"{option} has no meaning on Windows"):
        machine.line("echo", **{option: "root"})


def test_what_is_no_one_line_is_refused(machine: Machine) -> None:
    with pytest.raises(Refused, match="one line"):
        machine.line("echo a\necho b")
    with pytest.raises(Refused, match="8191"):
        machine.line("rem " + "x" * 9000)


@pytest.mark.parametrize("size", [0, 1, 250_001])
def test_a_file_comes_back_as_it_went(machine: Machine, folder: str, size: int) -> None:
    content, back = os.urandom(size), io.BytesIO()
    assert machine.connected.put_file(io.BytesIO(content), folder + r"\some file.bin")
    assert machine.connected.get_file(folder + r"\some file.bin", back)
    assert back.getvalue() == content
    assert machine.line(f'dir /b "{folder}"')[1] == ["some file.bin"]


def test_a_file_that_is_not_there_is_named(machine: Machine, folder: str) -> None:
    with pytest.raises(Refused, match=r"nothing\.bin cannot be read"):
        machine.connected.get_file(folder + r"\nothing.bin", io.BytesIO())


def test_a_script_without_a_real_powershell_fails(machine: Machine) -> None:
    if machine.has_powershell():
        assert machine.line(script(["Write-Output 'ü'"])) == (True, ["ü"])
        return
    good, lines = machine.line(script(["Write-Output 1"]))
    assert not good
    assert "did not reach its end" in lines[-1]


def test_a_wrong_password_is_said_in_one_line(machine: Machine) -> None:
    wrong = machine.connector(**machine.wrong_login())
    with pytest.raises(ConnectError) as refused:
        wrong.connect()
    said = str(refused.value)
    assert "login" in said or "Authentication" in said
    assert "\n" not in said
    assert "not-the-password" not in said


def test_a_certificate_that_nobody_vouches_for_is_refused(machine: Machine) -> None:
    if machine.door != "winrm":
        pytest.skip("ssh has host keys")
    with pytest.raises(ConnectError, match="is not trusted") as refused:
        machine.connector(winrm_ca_file="").connect()
    assert "winrm_ca_file" in str(refused.value)


def test_basic_authentication_is_refused(machine: Machine) -> None:
    if machine.door != "winrm":
        pytest.skip("a matter of WinRM")
    with pytest.raises(ConnectError, match="use ntlm, kerberos or certificate"):
        machine.connector(winrm_auth="basic").connect()


def test_a_host_that_does_not_answer_is_named(machine: Machine) -> None:
    port = "ssh_port" if machine.door == "winssh" else "winrm_port"
    with pytest.raises(ConnectError, match=r"[Cc]ould not connect|cannot be reached"):
        machine.connector(**{port: 1}).connect()


def test_a_linux_host_is_told_from_a_windows_one(machine: Machine) -> None:
    if machine.real or machine.door != "winssh":
        pytest.skip("needs a Linux host at the same door; WinRM is no door of one")
    with pytest.raises(ConnectError, match="is a Linux host, not Windows; leave out the connector"):
        machine.connector(**machine.wine.linux().data).connect()
