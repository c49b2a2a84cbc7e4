"""The same call centre: the tree for Windows is the one for Linux, but for its paths."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from callcenter.render import freeswitch, windows
from callcenter.site import Extension, Network, Site, Switch
from roles import windows as role
from roles.windows import operations, powershell
from roles.windows.facts import FirewallRule, parse_rule, registry
from tests.windows.test_powershell import parses


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(
        domain="windows.callcenter.test",
        extensions=[*Extension.range(1000, 1004)],
        network=Network(sip_from=("10.0.0.0/8", "192.0.2.0/24")),
        secret_file=tmp_path / "secrets.json",
    )


def test_the_trees_differ_in_nothing_but_paths(site: Site) -> None:
    switch = Switch("host", address="10.0.0.5")
    linux, ours = freeswitch.configuration(site, switch), windows.configuration(site, switch)
    assert [file.path for file in linux] == [file.path for file in ours]
    for file in ours:
        text = file.text
        for unix, there in windows.PATHS.items():
            text = text.replace(there, unix)
        assert text == linux[file.path].text
    assert linux.digest != ours.digest


def test_a_path_that_nobody_mapped_is_refused() -> None:
    with pytest.raises(ValueError, match="/var/x has no place on Windows"):
        windows._mapped('<param name="a" value="/var/x"/>')


def test_the_firewall_opens_exactly_the_sites_ports(site: Site) -> None:
    rules = role.firewall_rules(site)
    assert [(one.protocol, one.ports) for one in rules] == [
        ("udp", ("5060",)),
        ("tcp", ("5060",)),
        ("udp", ("16384-32767",)),
    ]
    assert all(one.program.endswith("FreeSwitchConsole.exe") for one in rules)
    assert all(one.remote == ("10.0.0.0/8", "192.0.2.0/24") for one in rules)


def test_firewall_scripts_are_powershell(site: Site) -> None:
    line = powershell.script(
        [operations._new_rule(role.GROUP, rule) for rule in role.firewall_rules(site)]
    )
    parses(base64.b64decode(line.removeprefix(powershell.START)).decode("utf-16-le"))


def test_a_rule_of_the_registry_is_read() -> None:
    text = (
        "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=5060|LPort2_10=16384-32767|"
        "RA4=10.0.0.0/255.0.0.0|App=C:\\Program Files\\FreeSWITCH\\FreeSwitchConsole.exe|"
        "Name=x|EmbedCtxt=FreeSWITCH|"
    )
    assert parse_rule("r", text) == FirewallRule(
        "r",
        "udp",
        ("5060", "16384-32767"),
        "C:\\Program Files\\FreeSWITCH\\FreeSwitchConsole.exe",
        ("10.0.0.0/8",),
        "FreeSWITCH",
    )
    assert parse_rule("r", text.replace("Allow", "Block")) is None


def test_the_registry_is_read() -> None:
    assert registry(["HKEY_LOCAL_MACHINE\\A", "    Display Name    REG_SZ    a  b", ""]) == {
        "HKEY_LOCAL_MACHINE\\A": {"Display Name": "a  b"}
    }


def test_versions_are_compared_as_windows_installer_does() -> None:
    assert operations.fields_of("1.10.12.0") == operations.fields_of("1.10.12") == (1, 10, 12)
