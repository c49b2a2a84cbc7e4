"""Program that prepares an image's host: it does once what each host of tests would do, unnoticed.

    python3 - PACKAGE... <tests/roles/prepare.py

PACKAGE is what tests may install. What these need and nobody notices by itself is installed:
to unpack it takes a processor seconds. Then apt is left, of all that Debian has, those packages and
what they need: its lists tell of 60,000, and it goes through all of them each time that it is asked
for one, which takes up to a second, and with a hundredth of them next to nothing. logind keeps no
session of a login, of which there are thousands and which nobody greets, and no installation starts
Perl for questions that nobody would answer. sshd tells of each command and transfer, by which tests
count them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

LEFT_OUT = {
    Path("/etc/pam.d/common-session"): "pam_systemd.so",
    Path("/etc/pam.d/sshd"): "pam_motd.so",
    Path("/etc/apt/apt.conf.d/70debconf"): "dpkg-preconfigure",
}
"""Words of the lines that go, by file."""
SSHD = Path("/etc/ssh/sshd_config")
LISTS = Path("/var/lib/apt/lists")
NEEDS = re.compile(r"^(?:Pre-Depends|Depends|Recommends): (.*)$", re.MULTILINE)
PROVIDES = re.compile(r"^Provides: (.*)$", re.MULTILINE)
NAME = re.compile(r"(?:^|[,|] *)([a-z0-9][a-z0-9+.-]+)")
UNNOTICED = re.compile(
    r"lib.*|fonts-.*|xfonts-.*|postgresql-client-.*|locales|poppler-data|ssl-cert|x11-common"
)


def names_in(stanzas: str) -> list[str]:
    """Return the names of packages that stanzas say they need or recommend."""
    return [one for line in NEEDS.findall(stanzas) for one in NAME.findall(line)]


def name(stanza: str) -> str:
    """Return the package of a stanza."""
    return stanza.partition("\n")[0].removeprefix("Package: ")


def needed(stanzas: Iterable[str], wanted: Iterable[str]) -> set[str]:
    """Return the names of packages that are wanted, and of those that they need or recommend."""
    known: dict[str, list[str]] = {}
    giving: dict[str, set[str]] = {}
    for stanza in stanzas:
        known.setdefault(name(stanza), []).append(stanza)
        for listed in PROVIDES.findall(stanza):
            for provided in NAME.findall(listed):
                giving.setdefault(provided, set()).add(name(stanza))
    found: set[str] = set()
    asked = set(wanted)
    while asked:
        found |= asked
        read = [stanza for one in asked for stanza in known.get(one, [])]
        named = asked.union(*(names_in(stanza) for stanza in read))
        asked = named.union(*(giving.get(one, ()) for one in named)) - found
    return found


def output(*words: str) -> str:
    """Return what a program prints, which must succeed."""
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout


def install(wanted: Iterable[str]) -> None:
    """Install what these packages need and nobody notices by itself."""
    apt = ("apt-get", "-qq", "-y", "--no-install-recommends")
    asked = sorted(wanted)
    coming = re.findall(r"^Inst (\S+) ", output(*apt, "-s", "install", *asked), re.MULTILINE)
    needs = [one for one in coming if one not in asked and UNNOTICED.fullmatch(one)]
    if needs:
        output(*apt, "install", *needs)
        # It goes with whoever needed it.
        output("apt-mark", "auto", *needs)


def main(wanted: list[str]) -> None:
    """Prepare this host."""
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    for path, words in LEFT_OUT.items():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if words not in line))
    told = SSHD.read_text().replace("/sftp-server\n", "/sftp-server -l INFO\n")
    SSHD.write_text(f"{told}LogLevel VERBOSE\n")
    output("apt-get", "-qq", "update")
    lists = {
        path: [stanza for stanza in path.read_text().split("\n\n") if stanza.strip()]
        for path in LISTS.glob("*_Packages")
        if not path.is_symlink()
    }
    stanzas = [stanza for one in lists.values() for stanza in one]
    install(set(wanted).intersection(map(name, stanzas)))
    left = needed(stanzas, [*wanted, *output("dpkg-query", "-W", "-f", "${Package}\n").split()])
    for path, some in lists.items():
        before = path.stat()
        path.write_text("".join(f"{one}\n\n" for one in some if name(one) in left))
        # apt would fetch what has another time.
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for cache in Path("/var/cache/apt").glob("*.bin"):
        cache.unlink()
    output("apt-cache", "gencaches")
    output("apt-get", "clean")


if __name__ == "__main__":
    main(sys.argv[1:])
