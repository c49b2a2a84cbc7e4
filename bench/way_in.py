"""Processor time a call, with an edge before the switch and without, in turns on one host.

    python bench/way_in.py [--calls 200] [--rate 10] [--turns 2]

A call is made by SIPp with a password: to the echo service (one leg), which hangs up after half a
second. Counted are FreeSWITCH's and Kamailio's own seconds. They are of one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import lab as lab_package
from lab.lab import find
from tests.roles.conftest import SITE, Operator
from tests.sipp import SIPP, complete_calls

HOST = "bench3"
DOMAIN = "roles.callcenter.test"
ECHO = "9196"


def used(operator: Operator) -> float:
    """Seconds of a processor that both services have used."""
    said = operator.ssh(
        HOST,
        "for p in $(pidof freeswitch kamailio); do "
        "awk '{print $14+$15}' /proc/$p/stat; done | awk '{s+=$1} END {print s}'",
    )
    return float(said) / os.sysconf("SC_CLK_TCK")


def measure(operator: Operator, folder: Path, calls: int, rate: int) -> float:
    """Milliseconds of a processor that a call takes."""
    password = json.loads(operator.secrets.read_text())["extension/1000"]
    server = next(one.address for one in operator.lab.hosts if one.name == HOST)
    file = folder / "calls.xml"
    file.touch(0o600)
    file.write_text(complete_calls("1000", password, ECHO, DOMAIN, 0.5))
    command = [str(SIPP), "-sf", str(file), "-i", operator.lab.gateway, "-nostdin"]
    command += ["-auth_uri", f"{ECHO}@{DOMAIN}", "-r", str(rate), f"{server}:5060", "-m"]
    quiet = {"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    # The first calls load what later ones find.
    subprocess.run([*command, "20"], check=True, timeout=120, **quiet)  # type: ignore[call-overload]
    before = used(operator)
    subprocess.run([*command, str(calls)], check=True, timeout=300, **quiet)  # type: ignore[call-overload]
    return (used(operator) - before) / calls * 1000


def main() -> None:
    """Print milliseconds a call, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (("calls", 200), ("rate", 10), ("turns", 2)):
        parser.add_argument(f"--{name}", type=int, default=count)
    given = parser.parse_args()
    lab = find(f"bench-{os.getpid()}")
    without = SITE.replace("max_calls=100", "max_calls=100, calls_per_extension=90").replace(
        # The lab's gateway guesses nothing.
        "Network(",
        'Network(local_networks=["10.0.0.0/8"], ',
    )
    try:
        lab.up(())
        lab_package.enter(lab.name)
        lab.up((HOST,))
        with tempfile.TemporaryDirectory() as folder:
            (own := Path(folder) / "operator").mkdir()
            operator = Operator(own, lab, (HOST,), None)
            for _ in range(given.turns):
                for name, site in (
                    ("without", without),
                    ("with an edge", without.replace("Network(", "Network(edge=True, ")),
                ):
                    operator.describe(site)
                    operator.succeed()
                    took = measure(operator, Path(folder), given.calls, given.rate)
                    print(f"{name}: {took:.1f} ms of a processor a call", flush=True)
            operator.close()
    finally:
        lab.down()


if __name__ == "__main__":
    main()
