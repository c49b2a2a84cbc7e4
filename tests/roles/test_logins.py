"""Every command comes to a host as a deploy does: by a jump host from the operator's ssh_config, as
a login that is not root."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callcenter.client.inventory import Host, load
from callcenter.client.ssh import lines, login
from lab.lab import Lab
from tests.acceptance.support.audio import assert_speech
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.conftest import SITE, Operator
from tests.roles.support import phone_of, verify

INNER, JUMP = "inner1", "jump1"
PASSWORD = "of-the-Login 'and \"more"
NOTICE = 'notices=[Notice("storm", say("A storm is coming. Stay at home."), number=6200)],\n    '
DEPLOYER: dict[str, Any] = {"ssh_user": "deployer", "_sudo": True}
ASKER: dict[str, Any] = {"ssh_user": "asker", "_sudo": True, "_sudo_password": PASSWORD}


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    """A host that lets its administrators in by the jump host alone."""
    made = operator_of(INNER, JUMP)
    jump, inner = lab.host(JUMP), lab.host(INNER)
    made.ssh(JUMP, "useradd -m -s /bin/sh hopper && cp -r /root/.ssh /home/hopper/ && "
                   "chown -R hopper: /home/hopper/.ssh")  # fmt: skip
    made.ssh(
        INNER,
        "for user in deployer asker; do useradd -m -s /bin/sh $user; "
        "cp -r /root/.ssh /home/$user/; chown -R $user: /home/$user/.ssh; done; "
        "echo 'deployer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deployer; "
        "echo 'asker ALL=(ALL) ALL' >/etc/sudoers.d/asker; "
        f"echo 'AllowUsers root deployer@{jump.address} asker@{jump.address}' "
        ">/etc/ssh/sshd_config.d/jump.conf; echo 'PasswordAuthentication yes' "
        ">>/etc/ssh/sshd_config.d/jump.conf; systemctl restart ssh",
    )
    subprocess.run(lab.ssh(INNER, ["chpasswd"]), input=f"asker:{PASSWORD}\n", text=True, check=True)
    (made.folder / "config").write_text(
        "".join(
            f"Host {name}\n  HostName {host.address}\n  IdentityFile {host.ssh_key}\n"
            f"  StrictHostKeyChecking yes\n  UserKnownHostsFile {host.known_hosts}\n  {more}\n"
            for name, host, more in (
                (f"{INNER}.internal", inner, "ProxyJump hop"),
                ("hop", jump, "User hopper"),
            )
        )
    )
    return made


def described(operator: Operator, **data: Any) -> Host:
    """Return the inventory names nothing of ssh but the login and the operator's own
    configuration."""
    operator.describe(SITE.replace("media=", NOTICE + "media="))
    inner = operator.lab.host(INNER)
    entry = {
        "address": inner.address,
        "ssh_hostname": f"{INNER}.internal",
        "ssh_config_file": str(operator.folder / "config"),
        **data,
    }
    operator.inventory.write_text(
        f"from callcenter.site import hosts\nswitches = hosts(({INNER!r}, {entry!r}))\n"
    )
    (host,) = load(operator.inventory).hosts
    return host


def told(operator: Operator, exchange: Exchange, numbers: Path) -> str:
    """Return what ``notify`` prints of a call that is answered and heard."""
    phone = phone_of(operator, INNER, exchange, "1001")
    numbers.write_text("1001\n")
    command = operator.callcenter.begun("notify", operator.inventory, "storm", numbers)
    call = phone.incoming().answer()
    assert_speech(call, seconds=1)
    assert call.wait_ended().by == "them"
    out, err = command.communicate(timeout=60)
    assert command.returncode == 0, err
    return out


@pytest.mark.parametrize("data", [DEPLOYER, ASKER], ids=["without a password", "with one"])
def test_deploy_commands_and_proofs_come_in(
    operator: Operator, data: dict[str, Any], exchange: Exchange, tmp_path: Path
) -> None:
    described(operator, **data)
    operator.succeed("-y", "--json")
    assert "1001,heard,1" in told(operator, exchange, tmp_path / "numbers")
    done = verify(operator, "t0 or test_both_hear", tmp_path / "report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout
    # Root's own files are read, so it is root who asks.
    assert "test_t0" in done.stdout or "T0 host" in done.stdout


@pytest.mark.parametrize("data", [DEPLOYER, ASKER], ids=["without a password", "with one"])
def test_a_command_is_roots_and_gets_its_input_whole(
    operator: Operator, data: dict[str, Any]
) -> None:
    document = bytes(range(256)) * 4096
    with login(described(operator, **data)) as entered:
        assert entered.run("id -un").stdout == b"root\n"
        assert entered.run("cat", document).stdout == document
        assert entered.run("exit 3").returncode == 3
    # What answered sudo's question is gone.
    assert "askpass" not in operator.ssh(INNER, "ls /tmp")


def test_sudos_password_is_no_argument_and_in_no_log(operator: Operator) -> None:
    look = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; env; journalctl --no-pager; cat"
    with login(described(operator, **ASKER)) as entered:
        done = entered.run(look, b"my own")
        remote, given = entered.remote("echo ready; cat")
        with subprocess.Popen(
            [*entered.command(), remote],
            env=entered.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as here:
            assert here.stdin is not None
            assert here.stdout is not None
            here.stdin.write(given)
            here.stdin.flush()
            assert here.stdout.readline() == b"ready\n"
            mine = Path(f"/proc/{here.pid}/cmdline").read_bytes()
            here.stdin.close()
    seen = done.stdout.decode(errors="replace")
    assert seen.endswith("my own")
    assert "callcenter-askpass" in seen
    assert "of-the-Login" not in seen
    assert b"of-the-Login" not in mine
    assert b"callcenter-askpass" in mine


def test_a_command_ends_where_ssh_heeds_no_signal(operator: Operator) -> None:
    """Kill ssh, which misses a signal that comes as it begins to wait: one in a hundred."""
    host = described(operator, **DEPLOYER)
    ended: list[bytes | str] = []

    def enter() -> None:
        with login(host, shared=True) as entered:
            said = entered.run("id -un").stdout
        ended.append(said)
        ended.append(next(lines(host, "echo said; exec sleep 1000")))

    # ssh takes over what its parent ignores.
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        (running := threading.Thread(target=enter, daemon=True)).start()
        running.join(PATIENCE)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == [b"root\n", "said"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({**ASKER, "_sudo_password": "of-nobody-at-all"}, "incorrect password"),
        ({"ssh_user": "asker", "_sudo": True}, "a password is required"),
        ({"ssh_user": "nobody-much", "_sudo": True}, "Permission denied"),
    ],
)
def test_a_door_that_is_shut_says_why(operator: Operator, data: dict[str, Any], why: str) -> None:
    with login(described(operator, **data)) as entered:
        done = entered.run("id -un")
    assert done.returncode != 0
    assert why in done.stderr.decode()
    assert "of-nobody-at-all" not in done.stderr.decode()


def test_without_the_jump_host_nobody_comes_in(operator: Operator) -> None:
    inner = operator.lab.host(INNER)
    direct = described(
        operator,
        **DEPLOYER,
        ssh_key=str(inner.ssh_key),
        ssh_known_hosts_file=str(inner.known_hosts),
    )
    with login(Host(INNER, (), {**direct.data, "ssh_hostname": inner.address})) as entered:
        done = entered.run("id -un")
    assert done.returncode == 255
    assert "Permission denied" in done.stderr.decode()


def test_a_password_of_the_login(operator: Operator, tmp_path: Path) -> None:
    # No key of the operator's fits, so the password is what lets in.
    keyless = operator.folder / "keyless"
    key = f"  IdentityFile {operator.lab.host(INNER).ssh_key}\n"
    keyless.write_text((operator.folder / "config").read_text().replace(key, "", 1))
    asker = {**ASKER, "ssh_config_file": str(keyless)}
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    given = described(operator, **asker, ssh_key=str(other), ssh_password=PASSWORD)
    with login(given) as entered:
        assert entered.run("id -un").stdout == b"root\n"
    with login(described(operator, **asker, ssh_key=str(other), ssh_password="wrong")) as entered:
        assert "Permission denied" in entered.run("id -un").stderr.decode()


def test_a_key_that_has_a_passphrase(operator: Operator, tmp_path: Path) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", PASSWORD, "-f", key], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    operator.ssh(INNER, f"echo '{public}' >>/home/deployer/.ssh/authorized_keys")
    given = described(operator, **DEPLOYER, ssh_key=str(key), ssh_key_password=PASSWORD)
    with login(given) as entered:
        assert entered.run("id -un").stdout == b"root\n"
    # pyinfra's own deploy opens it by the same data.
    operator.succeed("-y", "--json")
