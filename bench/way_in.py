"""Processor time a call: with an edge before the switch, without one, and FreeSWITCH's vanilla, in
turns on three hosts.

    python -m bench.way_in [--calls 100] [--rate 10] [--turns 2]

A call is made by SIPp with a password: to the echo service (one leg), which is hung up after half a
second. Counted are FreeSWITCH's and Kamailio's own seconds. They are of one machine, and mean
something where nothing else runs on it. It takes less than five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

import lab as lab_package
from lab.lab import find
from tests.attack import vanilla
from tests.forks import Callcenter, Pyinfra
from tests.roles.conftest import ALONE, BEHIND, SITE, Operator
from tests.sipp import SIPP, complete_calls

WITHOUT, EDGE, VANILLA = "without", "with an edge", "vanilla"
HOSTS = {WITHOUT: "bench3", EDGE: "bench4", VANILLA: "bench5"}
DOMAIN = "roles.callcenter.test"
ECHO = "9196"


def used(operator: Operator, host: str) -> float:
    """Seconds of a processor that both services have used."""
    said = operator.ssh(
        host,
        "for p in $(pidof freeswitch kamailio); do "
        "awk '{print $14+$15}' /proc/$p/stat; done | awk '{s+=$1} END {print s}'",
    )
    return float(said) / os.sysconf("SC_CLK_TCK")


def measure(operator: Operator, host: str, folder: Path, calls: int, rate: int) -> float:
    """Milliseconds of a processor that a call takes."""
    password = json.loads(operator.secrets.read_text())["extension/1000"]
    server = next(one.address for one in operator.lab.hosts if one.name == host)
    file = folder / "calls.xml"
    file.touch(0o600)
    file.write_text(complete_calls("1000", password, ECHO, DOMAIN, 0.5))
    command = [str(SIPP), "-sf", str(file), "-i", operator.lab.gateway, "-nostdin"]
    command += ["-auth_uri", f"{ECHO}@{DOMAIN}", "-r", str(rate), f"{server}:5060", "-m"]
    quiet = {"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    # The first calls load what later ones find.
    subprocess.run([*command, "10"], check=True, timeout=120, **quiet)  # type: ignore[call-overload]
    before = used(operator, host)
    subprocess.run([*command, str(calls)], check=True, timeout=300, **quiet)  # type: ignore[call-overload]
    return (used(operator, host) - before) / calls * 1000


def main() -> None:
    """Print milliseconds a call, in turns, and then the middle of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (("calls", 100), ("rate", 10), ("turns", 2)):
        parser.add_argument(f"--{name}", type=int, default=count)
    given = parser.parse_args()
    lab = find(f"bench-{os.getpid()}")
    site = SITE.replace("max_calls=100", "max_calls=100, calls_per_extension=90").replace(
        # The lab's gateway guesses nothing.
        "Network(",
        'Network(local_networks=["10.0.0.0/8"], ',
    )
    pyinfra = Pyinfra()
    try:
        lab.up(())
        lab_package.enter(lab.name)
        lab.up(tuple(HOSTS.values()))
        with tempfile.TemporaryDirectory() as folder:
            operators = {}
            for name, host in HOSTS.items():
                (own := Path(folder) / host).mkdir()
                operators[name] = operator = Operator(own, lab, (host,), pyinfra, Callcenter())
                operator.describe(
                    {
                        WITHOUT: site.replace(BEHIND, ALONE),
                        EDGE: site,
                        VANILLA: site.replace(BEHIND, ALONE).replace(
                            "Firewall(", "Firewall(enabled=False, "
                        ),
                    }[name]
                )
                operator.succeed()
            other = operators[VANILLA]
            carrier = f"{lab.gateway}:5066"
            vanilla.configure(other, lab, HOSTS[VANILLA], DOMAIN, carrier, "739164", "482917")
            took: dict[str, list[float]] = {name: [] for name in HOSTS}
            for _ in range(given.turns):
                for name, host in HOSTS.items():
                    one = measure(operators[name], host, Path(folder), given.calls, given.rate)
                    print(f"{name}: {one:.1f} ms of a processor a call", flush=True)
                    took[name].append(one)
            middle = {name: statistics.median(times) for name, times in took.items()}
            for name, one in middle.items():
                ratio = one / middle[VANILLA]
                print(
                    f"{name}: {one:.1f} ms, {ratio:.2f} of vanilla; load {os.getloadavg()[0]:.1f}"
                )
            for operator in operators.values():
                operator.close()
    finally:
        pyinfra.close()
        lab.down()


if __name__ == "__main__":
    main()
