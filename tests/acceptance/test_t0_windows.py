"""T0 of a Windows host: it is what the Site says, and open to nobody else. What any switch has,
modules and the profile, is proved as on Linux."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callcenter import render
from callcenter.client.inventory import Host
from callcenter.render import windows_paths as paths
from callcenter.site import Site, Switch
from pyinfra_windows import facts
from pyinfra_windows.operations import fields_of
from pyinfra_windows.powershell import SENTINEL, quote, script
from roles import windows
from tests.acceptance.support.windows import asked


@pytest.fixture(autouse=True)
def windows_only(node: Host) -> None:
    if not node.switch.is_windows:
        pytest.skip(f"{node.name} is no Windows host")


@pytest.fixture
def powershell(host: Any) -> Callable[[list[str]], list[str]]:
    """What statements of PowerShell print; skipped where there is no real one."""
    if not asked(host, facts.PowerShell()):
        pytest.skip("this needs PowerShell, and the one there is not real")

    def ask(lines: list[str]) -> list[str]:
        said = host.run(script(lines).get_raw_value()).stdout.splitlines()
        assert said, "the script printed nothing"
        assert said[-1].strip() == SENTINEL, said
        return [one.strip() for one in said[:-1]]

    return ask


def test_version(host: Any, site: Site) -> None:
    """FreeSWITCH is installed at the Site's version"""
    product = asked(host, facts.MsiPackages()).get(paths.PRODUCT_CODE)
    assert product is not None, "FreeSWITCH is not installed"
    assert fields_of(product.version) == fields_of(site.packages.version)


def test_service(host: Any, fs_cli: Callable[[str], str]) -> None:
    """The service runs, starts at boot and after a failure, and FreeSWITCH answers as ready"""
    service = asked(host, facts.Service(), service=paths.SERVICE)
    assert service is not None, "there is no service"
    assert (service.running, service.automatic, service.recovers) == (True, True, True)
    assert "is ready" in fs_cli("status")


def test_event_socket_is_on_loopback(host: Any, site: Site) -> None:
    """The Event Socket listens on loopback only"""
    listeners = [one for one in asked(host, facts.WindowsHost()).listeners if one[0] == "tcp"]
    if not listeners:
        pytest.skip("its netstat names no TCP port that listens, as wine's does not")
    at = {address for _, address, port in listeners if port == site.event_socket.port}
    assert at == {"127.0.0.1"}


def test_firewall(host: Any, site: Site) -> None:
    """Windows' firewall lets in the Site's ports, for FreeSWITCH's program, and no others"""
    rules = asked_rules(host)
    assert rules == {one.name: one for one in windows.firewall_rules(site)}


def asked_rules(host: Any) -> dict[str, facts.FirewallRule]:
    """Return the rules of our group."""
    return asked(host, facts.FirewallRules(), group=windows.GROUP)


def test_no_drift(host: Any, site: Site, switch: Switch) -> None:
    """The configuration is the Site's to the byte: nothing was edited by hand"""
    wanted = render.windows.configuration(site, switch)
    present = asked(host, facts.TreeDigests(), folder=paths.CONFIG)
    assert not wanted.against(present), f"differing: {wanted.against(present).paths}"


def test_logs_are_rotated(host: Any) -> None:
    """The daily task that renames FreeSWITCH's log is there, with its batch file"""
    assert asked(host, facts.Task(), task=paths.RETENTION)
    assert f"{paths.RETENTION}.cmd" in asked(host, facts.TreeDigests(), folder=paths.STATE)


def test_password_is_a_hash(host: Any, site: Site, switch: Switch) -> None:
    """No phone's password is on the switch, only its a1-hash"""
    names = [file.path for file in render.windows.configuration(site, switch)]
    users = [name for name in names if name.startswith("directory/users/")]
    text = "".join(asked(host, facts.Texts(), folder=paths.CONFIG, names=users).values())
    assert 'name="a1-hash"' in text
    assert 'name="password"' not in text
    assert [e.number for e in site.extensions if site.reveal(e.password) in text] == []


@pytest.mark.parametrize("folder", [paths.CONFIG, paths.STATE])
def test_secrets_are_not_readable(
    powershell: Callable[[list[str]], list[str]], folder: str
) -> None:
    """Nobody but administrators and the system may read what holds secrets"""
    sids = powershell(
        [
            f"(Get-Acl -LiteralPath {quote(folder)}).Access | ForEach-Object {{ "
            "$_.IdentityReference.Translate([Security.Principal.SecurityIdentifier]).Value }"
        ]
    )
    assert set(sids) == {"S-1-5-18", "S-1-5-32-544"}
