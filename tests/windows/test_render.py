"""The same call centre: the tree for Windows is the one for Linux, but for its paths."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from scripts import parses, whole

from callcenter.render import freeswitch, windows
from callcenter.site import Extension, Firewall, Msi, Network, Site, Switch
from pyinfra_windows import operations, powershell
from pyinfra_windows.facts import Look
from roles import windows as role
from tests.forks import COMMAND
from tests.windows.support.machine import ROOT


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(
        domain="windows.callcenter.test",
        extensions=[*Extension.range(1000, 1004)],
        network=Network(edge=False, sip_from=("10.0.0.0/8", "192.168.2.0/24")),
        secret_file=tmp_path / "secrets.json",
    )


EDGE = Switch("edge", address="10.0.0.20", public_ip="203.0.113.20")


@pytest.fixture
def behind(tmp_path: Path) -> Site:
    """A site with an edge before it."""
    return Site(
        domain="windows.callcenter.test",
        extensions=[*Extension.range(1000, 1004)],
        network=Network(sip_from="anywhere"),
        windows=Msi("nothing.msi"),
        secret_file=tmp_path / "secrets.json",
    )


@pytest.mark.parametrize(("fixture", "edge"), [("site", None), ("behind", EDGE)])
def test_the_trees_differ_in_nothing_but_paths(
    request: pytest.FixtureRequest, fixture: str, edge: Switch | None
) -> None:
    site: Site = request.getfixturevalue(fixture)
    switch = Switch("host", address="10.0.0.5")
    linux = freeswitch.configuration(site, switch, edge)
    ours = windows.configuration(site, switch, edge)
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
    assert all(one.remote == ("10.0.0.0/8", "192.168.2.0/24") for one in rules)


def test_behind_an_edge_the_firewall_lets_in_its_sip_alone(behind: Site) -> None:
    rules = {one.name: one for one in role.firewall_rules(behind, EDGE)}
    assert set(rules) == {"FreeSWITCH-SIP-UDP", "FreeSWITCH-RTP-UDP"}
    assert rules["FreeSWITCH-SIP-UDP"].remote == ("10.0.0.20/32",)
    assert rules["FreeSWITCH-RTP-UDP"].remote == ()


def test_behind_an_edge_a_firewall_that_is_off_is_refused(behind: Site) -> None:
    look = Look(addresses=frozenset({"10.0.0.5"}))
    host = Switch("@winrm/a", address="10.0.0.5")
    there = role.Found(look, None, running=False, rules={}, open_profiles=("PublicProfile",))
    (line,) = [one for one in role.problems(behind, host, there, EDGE) if "firewall" in one]
    assert line.startswith("its firewall is off for PublicProfile, and behind an edge FreeSWITCH")


def test_many_networks_make_a_script_on_standard_input(tmp_path: Path) -> None:
    many = tuple(f"10.{n // 250}.{n % 250}.0/25" for n in range(400))
    site = Site(
        "windows.callcenter.test",
        extensions=[Extension(1000)],
        network=Network(edge=False, sip_from=many),
        secret_file=tmp_path / "secrets.json",
    )
    lines = operations.firewall_script(role.GROUP, role.firewall_rules(site), {})
    assert many[-1] in whole(powershell.script(lines))


def test_networks_are_given_once(tmp_path: Path) -> None:
    site = Site(
        "windows.callcenter.test",
        extensions=[Extension(1000)],
        network=Network(edge=False, sip_from=("10.0.0.0/9", "10.128.0.0/9", "fd00::/32")),
        firewall=Firewall(tcp_ports=(9100,)),
        secret_file=tmp_path / "secrets.json",
    )
    rules = role.firewall_rules(site)
    assert rules[0].remote == ("10.0.0.0/8", "fd00::/32")
    assert (rules[-1].name, rules[-1].ports, rules[-1].remote, rules[-1].program) == (
        "FreeSWITCH-TCP-9100",
        ("9100",),
        (),
        "",
    )


def test_preflight_names_what_is_wrong(tmp_path: Path) -> None:
    site = Site(
        "windows.callcenter.test",
        extensions=[Extension(1000)],
        windows=Msi("nothing.msi"),
        network=Network(edge=False),
        firewall=Firewall(ssh_from=("192.0.2.0/24",)),
        secret_file=tmp_path / "secrets.json",
    )
    found = Look(
        system="Microsoft Windows [Version 10.0.20348.1]",
        architecture="x86",
        free_megabytes=900,
        addresses=frozenset({"10.0.0.5", "127.0.0.1"}),
        listeners=frozenset({("tcp", "0.0.0.0", 5060), ("tcp", "10.0.0.5", 8021)}),
    )
    there = role.Found(found, None, running=False, rules={})
    wrong = role.problems(site, Switch("@winrm/a", address="10.0.0.6"), there)
    for words in (
        "Site.firewall.ssh_from: needs a Linux host",
        "nothing.msi is no file of this machine",
        "processor is x86",
        "tar.exe names no SHA-256",
        "no administrator",
        "10.0.0.6 is on no interface; it has 10.0.0.5",
        "port 5060/tcp (network.sip_port) is taken",
        "drive C: has 900 MB free; 1000 are needed",
    ):
        assert any(words in line for line in wrong), (words, wrong)
    # What listens elsewhere, or is FreeSWITCH itself, is in nobody's way.
    assert not any("8021" in line for line in wrong)
    there = role.Found(found, None, running=True, rules={})
    running = role.problems(site, Switch("@winrm/a", address="10.0.0.5"), there)
    assert not any("taken" in line or "interface" in line for line in running)


def test_logs_and_recordings_are_kept_for_their_days(site: Site) -> None:
    lines = role.retention(site)
    assert sum(f"/d -{site.recording.keep_days} " in line for line in lines) == 1
    # From the oldest to the newest, or each would overwrite the next.
    days = [int(one) for one in re.findall(r"move /y freeswitch\.log\.(\d+)", "\n".join(lines))]
    assert days == list(range(role.KEEP_LOGS - 1, 0, -1))


def test_the_workflow_is_powershell() -> None:
    workflow = yaml.safe_load(
        (Path(__file__).parents[2] / ".github/workflows/windows.yml").read_text()
    )
    steps = [one for one in workflow["jobs"]["windows"]["steps"] if "run" in one]
    scripts = [one["run"] for one in steps if "bash" not in one.get("shell", "pwsh")]
    assert len(scripts) == 3
    for text in scripts:
        parses(text)


def test_no_password_is_shown_in_an_inventory(tmp_path: Path) -> None:
    (tmp_path / "site").write_text(
        "from callcenter.site import hosts, secret\n"
        "switches = hosts(\n"
        "    ('@winrm/a', {'address': '10.0.0.5', 'winrm_password': 'Sprechende-Uhr-17'}),\n"
        "    ('@winrm/b', {'address': '10.0.0.6', 'winrm_password': secret('windows')}),\n"
        ")\n"
    )
    done = subprocess.run(
        [COMMAND, tmp_path / "site", "debug-inventory"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CALLCENTER_SECRET_WINDOWS": "Geheimnis-9"},
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "secret(<given>)" in output
    assert "secret('windows')" in output
    assert "Sprechende-Uhr" not in output
    assert "Geheimnis" not in output
