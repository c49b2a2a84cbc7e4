"""What a run costs: commands, and time against pyinfra's own file operations in one run.

    python -m bench.changes [--extensions 10 2000 10000]

Boots a lab host, deploys, and counts with the host's own sshd, as the role tests do. Times are of
one machine in one run: only their ratio means anything elsewhere.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import lab as lab_package
from callcenter.render import freeswitch
from callcenter.site import Extension, Media, Site, Switch
from lab.lab import find
from tests.forks import COMMAND, Callcenter, Pyinfra
from tests.roles.conftest import ROOT, SITE, Operator

HOST = "bench1"


def main() -> None:
    """Print a table: extensions, files, what runs cost, and the ratio to file by file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--extensions", type=int, nargs="*", default=[10, 2000, 10_000])
    counts = parser.parse_args().extensions
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
            print(
                "extensions  files  commands: none / one more   seconds: ours  file by file  ratio"
            )
            for count in counts:
                print(row(operator, count))
    finally:
        lab.down()


def row(operator: Operator, count: int) -> str:
    """One line of the table."""
    numbers = f"range(100000, {100000 + count - 1}"
    operator.describe(SITE.replace("range(1000, 1009", numbers))
    operator.succeed()
    begun = time.monotonic()
    nothing = operator.succeed()
    ours = time.monotonic() - begun
    assert nothing.changes == 0
    files, theirs = file_by_file(operator, count)
    operator.describe(SITE.replace("range(1000, 1009", f"range(100000, {100000 + count}"))
    more = operator.succeed()
    return (
        f"{count:>10}  {files:>5}  {nothing.commands:>14} / {more.commands:<9}   "
        f"{ours:>13.1f}  {theirs:>12.1f}  {theirs / ours:>5.1f}"
    )


def file_by_file(operator: Operator, count: int) -> tuple[int, float]:
    """The same tree by one files.put a file, on a second run that changes nothing."""
    address = operator.lab.inventory()[0][1]["address"]
    site = Site(
        "roles.callcenter.test",
        extensions=Extension.range(100000, 100000 + count - 1, ring_seconds=5),
        media=Media(max_calls=100),
        secret_file=operator.secrets,
    )
    tree = freeswitch.configuration(site, Switch(HOST, address=address))
    local = operator.folder / f"tree-{count}"
    lines = ["from pyinfra.operations import files"]
    for file in tree:
        source = local / file.path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(file.content)
        lines.append(f"files.put(src={str(source)!r}, dest='/root/tree/{file.path}', mode='640')")
    script = operator.folder / f"tree-{count}.py"
    script.write_text("\n".join(lines) + "\n")
    command = [str(COMMAND), "-y", str(operator.inventory), str(script)]
    seconds = 0.0
    for _ in range(2):
        begun = time.monotonic()
        subprocess.run(
            command, cwd=ROOT, env=operator.environment(), check=True, capture_output=True
        )
        seconds = time.monotonic() - begun
    return len(tree), seconds


if __name__ == "__main__":
    main()
