"""A large call centre: what rendering, deploying and a run that changes nothing cost.

    python -m bench.services [--extensions 1000] [--agents 200] [--queues 50]

Boots a lab host and counts commands with the host's own sshd. Seconds are of one machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import lab as lab_package
from callcenter.render import freeswitch
from callcenter.site import Agent, Extension, Queue, Site, Switch
from lab.lab import find
from tests.acceptance.support.audio import assert_speech
from tests.acceptance.support.phones import Exchange
from tests.forks import Callcenter, Pyinfra
from tests.roles.conftest import SITE, Operator
from tests.roles.support import phone_of

HOST = "bench2"


def main() -> None:
    """Print what each step took, and what the switch says that it has."""
    parser = argparse.ArgumentParser()
    for name, count in (("extensions", 1000), ("agents", 200), ("queues", 50)):
        parser.add_argument(f"--{name}", type=int, default=count)
    given = parser.parse_args()
    lab = find(f"bench-{os.getpid()}")
    try:
        lab.up(())
        lab_package.enter(lab.name)
        lab.up((HOST,))
        with tempfile.TemporaryDirectory() as folder:
            (own := Path(folder) / "operator").mkdir()
            # The command itself, as it is typed.
            operator = Operator(own, lab, (HOST,), Pyinfra(forks=False), Callcenter())
            operator.succeed()
            measure(operator, given.extensions, given.agents, given.queues)
    finally:
        lab.down()


def measure(operator: Operator, extensions: int, agents: int, queues: int) -> None:
    """Render, deploy, deploy again, one agent more, and ask FreeSWITCH."""
    numbers = f"range(10000, {10000 + extensions - 1}"

    def described(count: int) -> str:
        return SITE.replace("range(1000, 1009", numbers).replace(
            "media=",
            f"queues=[Queue(f'q{{n}}', number=70000 + n) for n in range({queues})],\n"
            f"    agents=[Agent(str(10000 + n), skills={{f'q{{n % {queues}}}': 1, "
            f"f'q{{(n + 1) % {queues}}}': 2}}) for n in range({count})],\n    media=",
        )

    begun = time.monotonic()
    site = Site(
        "bench.example.net",
        extensions=[*Extension.range(10000, 10000 + extensions - 1)],
        queues=[Queue(f"q{n}", number=str(70000 + n)) for n in range(queues)],
        agents=[
            Agent(str(10000 + n), skills={f"q{n % queues}": 1, f"q{(n + 1) % queues}": 2})
            for n in range(agents)
        ],
        secret_file=operator.secrets,
    )
    tree = freeswitch.configuration(site, Switch("bench", address="10.0.0.5"))
    print(f"described and rendered: {len(tree)} files in {time.monotonic() - begun:.1f} s")
    for what, count in (
        ("deployed", agents),
        ("nothing changes", agents),
        ("one agent more", agents + 1),
    ):
        operator.describe(described(count))
        begun = time.monotonic()
        run = operator.succeed()
        spent = time.monotonic() - begun
        print(f"{what}: {run.commands} commands, {run.changes} changes, {spent:.1f} s")
    with Exchange(operator.lab.gateway) as exchange:
        number = str(10000 + extensions - 1)
        begun = time.monotonic()
        phone = phone_of(operator, HOST, exchange, number)
        call = phone.call(str(70000 + queues - 1))
        call.wait_established()
        print(
            f"the last extension registers, and the last queue answers: "
            f"{time.monotonic() - begun:.2f} s"
        )
        assert_speech(call, seconds=1)
        call.hangup()
    ask = "fs_cli -x 'callcenter_config {} list' | grep -c '|'"
    for what in ("queue", "agent", "tier"):
        print(f"{what}s: {int(operator.ssh(HOST, ask.format(what))) - 1}")


if __name__ == "__main__":
    main()
