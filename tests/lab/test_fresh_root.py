"""The README's two commands, from a clone, in an empty Debian 12 of its own: nothing that this
machine has installed helps. A quarter of an hour and much to download, so only where
CALLCENTER_FRESH=1 asks for it.

The root is Debian's minimal one, in mount and process namespaces of its own. Of this machine it is
given what any machine has to be told: name servers, the apt mirror and proxy, certificates and
pip's index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab import packages

ROOT = Path(__file__).resolve().parents[2]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        not os.environ.get("CALLCENTER_FRESH"),
        reason="a quarter of an hour in a Debian root of its own; CALLCENTER_FRESH=1 runs it",
    ),
]

# As pid 1 of the root: what an init mounts, then the machine around it is let go of.
BOOT = """
set -eu
root=$1 variables=$2 command=$3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for from in /sys /dev; do
    mount --rbind "$from" "$root$from"
done
for on in /run /tmp; do
    mount -t tmpfs tmpfs "$root$on"
done
cd "$root"
mkdir -p outer
pivot_root . outer
umount --lazy outer
code=0
chroot . /usr/bin/env -i $variables sh -c "cd /root/repository && $command" || code=$?
# cgroups are the kernel's, not the root's. One that still holds a process stays, and fails this.
lab=callcenter-lab-$(stat -c %d run)-
find sys/fs/cgroup -depth -type d -path "*/$lab*" -exec rmdir {} +
exit $code
"""


@dataclass
class Fresh:
    """A root and what its commands said."""

    root: Path
    variables: list[str]
    times: dict[str, float] = field(default_factory=dict)

    @property
    def repository(self) -> Path:
        """The clone in it, as seen from here."""
        return self.root / "root/repository"

    def run(self, command: str) -> str:
        """Run a command as an operator would who has just logged in; it must succeed."""
        begun = time.monotonic()
        log = self.root.with_name(f"{re.sub('[^a-z]+', '-', command)}.log")
        # Not through a pipe: a failed run is long, and is looked at while it goes on.
        with log.open("w") as out:
            done = subprocess.run(
                [
                    *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                    *("sh", "-c", BOOT, "boot", str(self.root)),
                    *(" ".join(self.variables), command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
        self.times[command] = time.monotonic() - begun
        said = log.read_text(errors="replace")
        print(f"{command}: {self.times[command]:.0f} s, exit code {done.returncode}")
        assert done.returncode == 0, said[-20000:]
        return said


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    """An empty Debian 12 with a clone of this repository."""
    packages_of_debian = packages.mirrors(
        subprocess.check_output(
            ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)"], text=True
        )
    )
    dump = subprocess.check_output(["apt-config", "dump"], text=True)
    ways = re.findall(r"^(Acquire::(?:https?::|Check-|Retries).*);$", dump, re.M)
    root = tmp_path_factory.mktemp("fresh") / "root"
    subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"),
            *(f"--aptopt={way}" for way in ways),
            *("bookworm", str(root)),
            f"deb {packages_of_debian['Debian']} bookworm main",
            f"deb {packages_of_debian['Debian']} bookworm-updates main",
            f"deb {packages_of_debian['Debian-Security']} bookworm-security main",
        ],
        check=True,
    )
    for name in ("resolv.conf", "hosts"):
        shutil.copyfile(Path("/etc", name), root / "etc" / name)
    shutil.copyfile(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
    clone = root / "root/repository"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), str(clone)], check=True)
    passed_on = ("PIP_INDEX_URL", "http_proxy", "https_proxy", "no_proxy")
    try:
        yield Fresh(
            root,
            [
                *("HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"PIP_CERT={CERTIFICATES}"),
                *(f"{name}={os.environ[name]}" for name in passed_on if name in os.environ),
            ],
        )
    finally:
        shutil.rmtree(root)


def passed(report: Path) -> int:
    """Return how many tests of a JUnit report passed."""
    [suite] = ElementTree.parse(report).getroot().iter("testsuite")
    count = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    assert count["failures"] == count["errors"] == 0
    return count["tests"] - count["skipped"]


def test_bin_lab_ends_with_a_call_heard(fresh: Fresh) -> None:
    said = fresh.run("bin/lab && bin/lab down")
    assert "no FreeSWITCH packages in /srv/freeswitch-apt, so phones meet at Kamailio" in said
    assert passed(fresh.repository / "reports/lab-edges.xml") > 0
    heard = [
        case.get("name", "")
        for case in ElementTree.parse(fresh.repository / "reports/lab-edges.xml").iter("testcase")
        if "test_t2_call" in case.get("classname", "") and not list(case.iter("skipped"))
    ]
    assert heard
    assert "python -m callcenter phone inventories/lab-edges " in said


def test_bin_test_passes_and_names_what_was_skipped(fresh: Fresh) -> None:
    said = fresh.run("bin/test")
    tiers = said[said.rindex("== tiers") :]
    assert "FAILED" not in tiers
    assert "ran      acceptance-edges" in tiers
    assert "ran      windows" in tiers
    assert "skipped  acceptance: no FreeSWITCH packages in /srv/freeswitch-apt" in tiers
    assert passed(fresh.repository / "reports/acceptance-edges.xml") > 0
