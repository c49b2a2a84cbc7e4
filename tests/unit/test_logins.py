"""One door to hosts: what an inventory says of a login is what ssh is told, and no more."""

from __future__ import annotations

import os
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pyinfra.connectors.ssh import connector_data_meta

import callcenter.site
from callcenter.client.inventory import Host, load
from callcenter.client.ssh import Login, login, refusal
from callcenter.site import SiteError, Switch, hosts
from callcenter.site.logins import ADDRESSES, SSH, WINRM, login_problems
from pyinfra_windows.connectors import WinRM

KEY = __file__
"""A file that is there; nobody logs in by it."""


def test_the_names_are_pyinfras() -> None:
    assert set(SSH) == set(connector_data_meta)


def test_the_names_are_ours() -> None:
    assert {"name", *ADDRESSES} == {field.name for field in fields(Switch)}
    assert set(WINRM) == set(WinRM.data_meta)


def test_data_of_the_operators_own_are_none_of_ours(tmp_path: Path) -> None:
    """Nor is what a file of group data imports."""
    own = {
        "site": 1,
        "sites": 2,
        "addresses": "a",
        "rack": "r7",
        "address_book": "b",
        "stunnel": "",
    }
    imported = dict.fromkeys(callcenter.site.__all__, object())
    assert login_problems({**imported, **own}) == []
    (tmp_path / "group_data").mkdir()
    (tmp_path / "prod").write_text('switches = [("cc1", {"address": "10.0.0.5"})]\n')
    data = tmp_path / "group_data/prod.py"
    data.write_text("from callcenter.site import *\nrack = 'r7'\n")
    assert load(tmp_path / "prod").hosts[0].data["rack"] == "r7"
    data.write_text("trunk_adress = '10.0.0.6'\n")
    with pytest.raises(SiteError) as refused:
        load(tmp_path / "prod")
    [line] = refused.value.problems
    assert line.startswith("cc1.trunk_adress: is read by nobody; did you mean 'trunk_address'?")


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"ssh_keyfile": KEY}, "ssh_keyfile", "did you mean 'ssh_key'?"),
    ({"ssh_username": "root"}, "ssh_username", "did you mean 'ssh_user"),
    ({"ssh_nonsense_altogether": 1}, "ssh_nonsense_altogether", "known: ssh_hostname"),
    ({"sudo": True}, "sudo", "did you mean '_sudo'?"),
    ({"sudo_password": "x"}, "sudo_password", "did you mean '_sudo_password'?"),
    ({"winrm_pasword": "x"}, "winrm_pasword", "did you mean 'winrm_password'?"),
    ({"winrm_zzzzzzzzzz": "x"}, "winrm_zzzzzzzzzz", "known: winrm_hostname"),
    ({"public_ipp": "203.0.113.1"}, "public_ipp", "did you mean 'public_ip'?"),
    ({"Public-IP": "203.0.113.1"}, "Public-IP", "did you mean 'public_ip'?"),
    ({"adress": "10.0.0.5"}, "adress", "did you mean 'address'?"),
    ({"trunk_adress": "10.0.0.6"}, "trunk_adress", "did you mean 'trunk_address'?"),
    ({"stunn": "stun.example.net"}, "stunn", "did you mean 'stun'?"),
    ({"ssh_port": 0}, "ssh_port", "1 to 65535"),
    ({"ssh_port": 65536}, "ssh_port", "1 to 65535"),
    ({"ssh_port": "ssh"}, "ssh_port", "such as 22"),
    ({"ssh_port": True}, "ssh_port", "such as 22"),
    ({"ssh_port": "٢٢"}, "ssh_port", "such as 22"),
    ({"ssh_hostname": "-oProxyCommand=id"}, "ssh_hostname", "use 'cc1.example.net'"),
    ({"ssh_hostname": "cc1\nProxyCommand id"}, "ssh_hostname", "as they stand"),
    ({"ssh_hostname": "*"}, "ssh_hostname", "as they stand"),
    ({"ssh_hostname": ""}, "ssh_hostname", "as they stand"),
    ({"ssh_user": "root -v"}, "ssh_user", "use 'deployer'"),
    ({"ssh_user": 'a"b'}, "ssh_user", "use 'deployer'"),
    ({"ssh_user": "%h"}, "ssh_user", "use 'deployer'"),
    ({"ssh_key": "no/such/key"}, "ssh_key", "is no file of this machine"),
    ({"ssh_config_file": "no/such/config"}, "ssh_config_file", "is no file of this machine"),
    ({"ssh_strict_host_key_checking": "maybe"}, "ssh_strict_host_key_checking", "'accept-new'"),
    ({"ssh_strict_host_key_checking": True}, "ssh_strict_host_key_checking", "'yes', 'no'"),
    ({"ssh_known_hosts_file": "none", "ssh_strict_host_key_checking": "yes"},
     "ssh_known_hosts_file", "no host would be known"),
    ({"ssh_password": ""}, "ssh_password", "is empty"),
    ({"ssh_password": "a\nb"}, "ssh_password", "one line"),
    ({"ssh_key": KEY, "ssh_key_password": 7}, "ssh_key_password", "no text"),
    ({"ssh_key_password": "of-nothing"}, "ssh_key_password", "ssh_key, which is missing"),
    ({"_sudo": "no"}, "_sudo", "True or False"),
    ({"_sudo": True, "_use_sudo_login": 1}, "_use_sudo_login", "True or False"),
    ({"_sudo": True, "_sudo_password": ""}, "_sudo_password", "is empty"),
    ({"_sudo": True, "_sudo_password": "a\0b"}, "_sudo_password", "one line"),
    ({"_sudo_password": "lonely-Password"}, "_sudo_password", "set _sudo=True"),
    ({"_use_sudo_login": True}, "_use_sudo_login", "set _sudo=True"),
    ({"_sudo": True, "_sudo_user": "-s"}, "_sudo_user", "such as 'root'"),
    ({"_sudo_user": "root"}, "_sudo_user", "set _sudo=True"),
    ({"_su_user": "root"}, "_su_user", "use _sudo=True"),
    ({"_doas": True}, "_doas", "use _sudo=True"),
    ({"_dzdo": True}, "_dzdo", "use _sudo=True"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "field", "words"), BAD, ids=[repr(one[0]) for one in BAD])
def test_a_login_that_cannot_work_is_refused(
    data: dict[str, Any], field: str, words: str, tmp_path: Path
) -> None:
    (line,) = login_problems(data)
    assert line.startswith(f"{field}: ")
    assert words in line
    secrets = [value for key, value in data.items() if "password" in key and value]
    assert [one for one in secrets if str(one) in line.partition(":")[2]] == []
    inventory = tmp_path / "prod"
    inventory.write_text(f"switches = [('cc1', {{'address': '10.0.0.5', **{data!r}}})]\n")
    with pytest.raises(SiteError) as refused:
        load(inventory)
    assert refused.value.problems == (f"cc1.{line}",)
    # Where nothing else could make it right, no connection is opened either.
    if not login_problems(data, whole=False):
        return
    with pytest.raises(SiteError) as refused:
        hosts(("cc1", {"address": "10.0.0.5", **data}))
    assert refused.value.problems == (f"switches['cc1'].{line}",)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"ssh_port": "2222", "ssh_user": "deployer", "ssh_key": KEY},
        {"ssh_hostname": "2001:db8::10"},
        {"ssh_known_hosts_file": "yet/to/be/made"},
        {"ssh_key": KEY, "ssh_key_password": "of the key, with signs: $(id) 'and' \"more\""},
        {"_sudo": True, "_sudo_password": "päss wörd%s", "_use_sudo_login": True},
        {"_sudo": False},
    ],
)
def test_a_login_that_can_work_passes(data: dict[str, Any]) -> None:
    assert login_problems(data) == []


def told(entered: Login) -> dict[str, str]:
    """Return what ssh itself makes of the login."""
    done = subprocess.run(
        [*entered.command(), "-G"], env=entered.environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def host(**data: Any) -> Host:
    return Host("cc1", ("switches",), {"address": "10.0.0.5", **data})


def test_host_data_comes_before_the_operators_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "Host cc1.internal\n  HostName 10.9.8.7\n  User other\n  Port 2222\n  ProxyJump jump\n"
        "Host jump\n  HostName 10.1.1.1\n  User jumper\n"
    )
    given = host(ssh_hostname="cc1.internal", ssh_user="deployer", ssh_config_file=str(config))
    with login(given) as entered:
        asked = told(entered)
        assert asked["hostname"] == "10.9.8.7"
        assert asked["user"] == "deployer"
        assert asked["port"] == "2222"
        assert asked["proxyjump"] == "jump"
        # What is the host's own is not the jump host's.
        entered.destination = "jump"
        assert told(entered)["user"] == "jumper"


def test_the_operators_own_configuration_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As pyinfra does it: that below $HOME.
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host cc1\n  HostName 10.9.8.7\n  User mine\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with login(host()) as entered:
        assert told(entered)["hostname"] == "10.9.8.7"
        assert told(entered)["user"] == "mine"


def test_new_keys_are_accepted_as_pyinfra_does_it() -> None:
    with login(host()) as entered:
        assert told(entered)["stricthostkeychecking"] == "accept-new"
    with login(host(ssh_strict_host_key_checking="yes")) as entered:
        assert told(entered)["stricthostkeychecking"] in ("true", "yes")


def test_no_secret_is_an_argument_or_in_a_file() -> None:
    secrets = {"ssh_password": "of-the-Login", "_sudo_password": "of-the-Root"}
    with login(host(_sudo=True, **secrets)) as entered:
        command, given = entered.remote("id -u")
        everything = " ".join([*entered.command(), command])
        everything += "".join(file.read_text() for file in entered.folder.iterdir())
        assert [one for one in secrets.values() if one in everything] == []
        assert given == b"of-the-Root\n"
        assert entered.environment["CALLCENTER_SSH_PASSWORD"] == "of-the-Login"
    assert not entered.folder.exists()
    assert "CALLCENTER_SSH_PASSWORD" not in os.environ


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        ({}, "sh -c 'id -u'"),
        ({"_sudo": True}, "sudo -H -n sh -c 'id -u'"),
        ({"_sudo": True, "_use_sudo_login": True}, "sudo -H -n -i sh -c 'id -u'"),
        ({"_sudo": True, "_sudo_user": "admin"}, "sudo -H -n -u admin sh -c 'id -u'"),
    ],
)
def test_sudo_is_asked_as_pyinfra_asks_it(data: dict[str, Any], begins: str) -> None:
    with login(host(**data)) as entered:
        assert entered.remote("id -u") == (begins, b"")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("deployer@10.9.8.7's password: ", "of-the-Login\n"),
        ("(deployer@10.9.8.7) Password: ", "of-the-Login\n"),
        # A jump host of the same operator's is not told it.
        ("deployer@10.1.1.1's password: ", ""),
        ("root@10.9.8.7's password: ", ""),
        (f"Enter passphrase for key '{KEY}': ", "of-the-Key\n"),
        ("Enter passphrase for key '/other': ", ""),
        ("Are you sure you want to continue connecting (yes/no/[fingerprint])? ", ""),
    ],
)
def test_only_what_a_password_is_for_is_told_it(asked: str, answered: str) -> None:
    given = host(
        ssh_hostname="10.9.8.7", ssh_user="deployer", ssh_password="of-the-Login",
        ssh_key=KEY, ssh_key_password="of-the-Key",
    )  # fmt: skip
    with login(given) as entered:
        done = subprocess.run(
            [entered.environment["SSH_ASKPASS"], asked], env=entered.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.stdout == answered
    assert (done.returncode == 0) == bool(answered)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        # As OpenSSH and sudo say it.
        (b"", "cc1: ssh failed"),
        (
            b"ssh: connect to host 10.0.0.5 port 22: Connection timed out",
            "cc1: ssh: connect to host 10.0.0.5 port 22: Connection timed out; is it up, and "
            "reached from here? ssh_hostname and ssh_port say where",
        ),
        (
            b"Welcome!\nssh: connect to host 10.0.0.5 port 2222: Connection refused\r\n",
            "cc1: ssh: connect to host 10.0.0.5 port 2222: Connection refused; no ssh listens "
            "there; ssh_port says another port",
        ),
        (
            b"@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@@@\n"
            b"Host key verification failed.\n",
            "cc1: Host key verification failed; its key is not the one that is known; ask who runs "
            "it, and see ssh_known_hosts_file",
        ),
        (
            b"deployer is not in the sudoers file.",
            "cc1: deployer is not in the sudoers file; let ssh_user use sudo, or log in as another",
        ),
        (b"one\ntwo\nthree\nfour", "cc1: two\ncc1: three\ncc1: four"),
        (b"a\x1b[2Jb", "cc1: a?[2Jb"),
    ],
)
def test_a_host_that_gives_no_answer_says_what_to_do(said: bytes, told: str) -> None:
    assert str(refusal(Host("cc1", (), {}), said)) == told
