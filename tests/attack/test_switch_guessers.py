"""Attackers who guess passwords at a switch, beside phones that go on working.

Each has an address of the internet's, in none of the Site's own networks.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from callcenter import bans, paths
from callcenter.__main__ import main
from lab import network
from lab.lab import Lab
from tests.acceptance.support.waiting import eventually
from tests.attack.sip import Account, Peer, digest, sdp
from tests.roles.conftest import Operator
from tests.roles.test_limits import mail_server, text_of

HOST = "guessed1"
DOMAIN = "roles.callcenter.test"
CARRIER = "198.51.100.99"
NOC = "noc@example.org"
PIN = "739164"
OFFICE = "198.51.100.64/28"
"""Network of an office that the Site names."""
SITE = f"""
from callcenter.site import *
from callcenter.secrets import Secret

site = Site(
    domain="{DOMAIN}",
    extensions=[*Extension.range(1000, 1039, ring_seconds=5)],
    network=Network(sip_from="anywhere", local_networks=["192.168.0.0/16", "{OFFICE}"]),
    firewall=Firewall(ssh_from="anywhere"),
    media=Media(max_calls=100),
    conferences=[Conference("weekly", number=3000, pin=Secret(literal="{PIN}"))],
    trunks=[Trunk("carrier", host="{CARRIER}", channels=5, ping_seconds=None)],
    inbound=[Did("+4930123400", to=extension(1002))],
    smtp=Smtp("GATEWAY", port=SMTP_PORT, tls="none", sender="cc@example.org"),
    guessers=Guessers(alarm="{NOC}"),
    maintenance=Maintenance(live_calls="stop"),
    secret_file="{{secrets}}",
)
"""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator], lab: Lab) -> Operator:
    made = operator_of(HOST)
    made.describe(SITE.replace("GATEWAY", lab.gateway).replace("SMTP_PORT", "2525"))
    made.succeed()
    return made
