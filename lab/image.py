"""A Debian root to boot hosts from, made once and kept."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from lab import network, packages
from lab.system import LabError, run, single

__all__ = ["PACKAGES", "RELEASES", "bootstrap", "image", "layers"]

RELEASES = ("bookworm", "trixie")

PACKAGES = (
    "ca-certificates",
    "cron",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
)
"""A small server as a provider installs it; what FreeSWITCH needs beyond is the roles' business."""

LANGUAGES = 'Acquire::Languages "none"'
"""Descriptions of 60,000 packages that nobody reads on a lab host, and that apt goes through each
time."""

LISTS = "--skip=cleanup/apt/lists"
"""mmdebstrap's option that leaves the lists of packages: a host fetches those that have changed."""

SIGNED = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
"""Keys of Debian's lists, in one file: for the nine in /etc/apt, and each list that it reads, apt
starts eight programs each."""

IDLE = (
    *("cryptsetup", "debug", "fstab", "getty", "gpt-auto", "hibernate-resume", "integritysetup"),
    *("rc-local", "run", "system-update", "veritysetup"),
)
"""Generators of systemd's units for disks and boots that a lab host has not. All of them run each
time that systemd reads its units."""

UNSAFE = "force-unsafe-io"
"""dpkg's option by which it does not wait for the disk: a lab host is sooner made than mended."""

ROOM_MEGABYTES = 2000


def image(cache: Path, release: str) -> Path:
    """Return the folder of a release's root, built if it is not there (about half a minute)."""
    if release not in RELEASES:
        raise LabError(f"{release} is no release of the lab; use {' or '.join(RELEASES)}")
    # A month's name keeps security updates from ageing in the cache.
    month = time.strftime("%Y-%m")
    recipe = "\n".join((release, month, LANGUAGES, LISTS, SIGNED, UNSAFE, *IDLE, *PACKAGES))
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    folder = cache / "images" / f"{release}-{digest}"
    if folder.is_dir():
        return folder
    with single(cache / "images.lock"):
        if folder.is_dir():  # built while we waited
            return folder
        free = shutil.disk_usage(cache).free // 2**20
        if free < ROOM_MEGABYTES:
            raise LabError(
                f"{cache} has {free} MB free and an image needs {ROOM_MEGABYTES}; make room, or "
                "set CALLCENTER_LAB_CACHE to another disk"
            )
        building = folder.with_suffix(".building")
        for left in folder.parent.glob("*.building"):  # by a build that was killed
            shutil.rmtree(left)
        building.parent.mkdir(parents=True, exist_ok=True)
        bootstrap(building, release, PACKAGES, options=[LISTS])
        masks = building / "etc/systemd/system-generators"
        masks.mkdir(parents=True)
        for one in IDLE:
            (masks / f"systemd-{one}-generator").symlink_to("/dev/null")
        (building / "etc/dpkg/dpkg.cfg.d/lab").write_text(f"{UNSAFE}\n")
        # Nobody reads what each login would be greeted with.
        for greeting in (building / "etc/update-motd.d").glob("*"):
            greeting.unlink()
        building.rename(folder)
        return folder


def layers(image: Path) -> list[Path]:
    """List the folders that an image is made of, the uppermost first: one, unless it was
    prepared."""
    below = image / "below"
    return [image / "layer", *layers(below.resolve())] if below.is_symlink() else [image]


def bootstrap(
    folder: Path,
    release: str,
    include: Sequence[str],
    hooks: Sequence[str] = (),
    options: Sequence[str] = (),
) -> None:
    """Make a release's root in ``folder``, of this machine's own mirrors. Hooks and options are
    mmdebstrap's, hooks shell lines with the root as ``$1``, run at the end."""
    network.outside()
    mirrors = packages.mirrors(
        run(
            ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)"],
            say="could not read this machine's apt sources",
        )
    )
    proxy = packages.upstream_proxy()
    run(
        [
            # Killed with us, and all it started with it: no half-made image has a builder.
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--pid", "--kill-child", "--mount-proc"),
            "mmdebstrap",
            "--variant=minbase",
            *options,
            f"--include={','.join(include)}",
            f"--aptopt={LANGUAGES}",
            *([f'--aptopt=Acquire::http::Proxy "{proxy}"'] if proxy else []),
            # Each host makes its own.
            "--customize-hook=rm -f $1/etc/ssh/ssh_host_* $1/etc/machine-id",
            "--customize-hook=touch $1/etc/machine-id",
            "--customize-hook=chroot $1 systemctl enable -q systemd-networkd",
            *(f"--customize-hook={hook}" for hook in hooks),
            release,
            str(folder),
            f"deb [{SIGNED}] {mirrors['Debian']} {release} main",
            f"deb [{SIGNED}] {mirrors['Debian']} {release}-updates main",
            f"deb [{SIGNED}] {mirrors['Debian-Security']} {release}-security main",
        ],
        say=f"could not build the {release} image",
    )
