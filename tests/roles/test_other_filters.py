"""A packet filter of the host's own is found before it shuts out phones, and the way out named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.roles.conftest import SITE, Operator
from tests.roles.support import sentence

HOST = "filtered1"
OFF = SITE.replace("Firewall(", "Firewall(enabled=False, ")
INSTALL = (
    "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; "
    "apt-get install -y -qq --no-install-recommends {} >/dev/null 2>&1; dpkg-query -W -f ok {}"
)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of(HOST, bare=True)


@pytest.mark.parametrize(
    ("name", "on", "off"),
    [
        ("ufw", "ufw allow 22/tcp && ufw --force enable", "ufw disable"),
        ("firewalld", "systemctl start firewalld", "systemctl disable --now firewalld"),
    ],
)
def test_another_filter_is_named_with_the_way_out(
    operator: Operator, name: str, on: str, off: str
) -> None:
    assert operator.ssh(HOST, INSTALL.format(name, name)).endswith("ok")
    operator.ssh(HOST, on)
    try:
        operator.describe()
        run = operator.deploy("-y")
        assert run.code != 0, run.output
        # Not by `refused`: counters of another filter's rules go on.
        assert operator.ssh(HOST, "dpkg-query -W | grep -c freeswitch; ls -d /etc/callcenter*") == (
            "0\nls: cannot access '/etc/callcenter*': No such file or directory\n"
        )
        line = sentence(run, HOST, f"{name} is active on it")
        assert f"run {off}" in line
        assert "firewall.tcp_ports and udp_ports" in line
        # Who keeps it is told what to open in it.
        assert "5060/udp, 5060/tcp, 16384-32767/udp" in line
        operator.describe(OFF)
        assert "is active on it" not in operator.succeed("--dry").output
        # The way that was named is a way.
        operator.describe()
        operator.ssh(HOST, off)
        assert "is active on it" not in operator.succeed("--dry").output
    finally:
        operator.ssh(HOST, f"{off}; apt-get purge -y -qq {name} >/dev/null 2>&1")
