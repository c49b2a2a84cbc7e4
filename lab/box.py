"""A Vagrant box for libvirt, of Debian's packages alone: a disk that boots by its own boot loader.

No loop device and no mount is needed: mke2fs fills the file system from a folder, and grub's two
images are written where the BIOS and grub's first stage look for them.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tarfile
import tempfile
from pathlib import Path

from callcenter.render import shell
from lab.image import PACKAGES, RELEASES, ROOM_MEGABYTES, bootstrap
from lab.system import PACKAGES as OWN
from lab.system import LabError, as_root, require, run, single

__all__ = ["box", "path_of"]

GIGABYTES = 8
"""Size of the disk as the machine sees it; the file holds only what is used."""

KERNEL = ("initramfs-tools", "linux-image-cloud-amd64", "zstd")
"""The cloud kernel: virtio and what a virtual machine has, no other hardware's drivers."""

INSECURE_KEY = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltG"
    "EFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSI"
    "Fo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NO"
    "Td0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8t"
    "ehUc9c9WhQ== vagrant insecure public key"
)
"""Key whose other half every Vagrant knows, and replaces when the machine comes up."""

# A label fits every disk bus, and eth0 every network card. Debian keeps /vmlinuz and /initrd.img
# at the newest kernel, so the machine's own updates need no boot loader's tools.
GRUB_CFG = """\
set timeout=0
linux /vmlinuz root=LABEL=callcenter ro net.ifnames=0 console=tty0 console=ttyS0
initrd /initrd.img
boot
"""

FILES = {
    "boot/grub/grub.cfg": (GRUB_CFG, 0o644),
    "etc/fstab": ("LABEL=callcenter / ext4 errors=remount-ro 0 1\n", 0o644),
    "etc/hostname": ("callcenter\n", 0o644),
    "etc/hosts": ("127.0.0.1 localhost\n127.0.1.1 callcenter\n", 0o644),
    "etc/systemd/network/10-all.network": (
        # A server leases by the card's address, which Vagrant knows.
        "[Match]\nName=eth*\n[Network]\nDHCP=ipv4\n[DHCPv4]\nClientIdentifier=mac\n",
        0o644,
    ),
    "etc/systemd/system/ssh-keys.service": (
        "[Unit]\nDescription=This machine's own ssh host keys\nBefore=ssh.service\n"
        "ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key\n"
        "[Service]\nType=oneshot\nExecStart=/usr/bin/ssh-keygen -A\n"
        "[Install]\nWantedBy=multi-user.target\n",
        0o644,
    ),
    "etc/sudoers.d/vagrant": ("vagrant ALL=(ALL) NOPASSWD: ALL\n", 0o440),
    "home/vagrant/.ssh/authorized_keys": (INSECURE_KEY + "\n", 0o600),
}

HOOKS = (
    "chroot $1 useradd --create-home --shell /bin/bash --password '*' vagrant",
    "install -d -m 700 $1/home/vagrant/.ssh",
    "{copy} $1/",
    "chroot $1 chown -R vagrant: /home/vagrant",
    "chroot $1 systemctl enable -q ssh ssh-keys",
)

GRUB = Path("/usr/lib/grub/i386-pc")
GRUB_MODULES = ("biosdisk", "boot", "ext2", "linux", "normal", "part_msdos")
_SECTOR = 512
_START = 2048 * _SECTOR


def path_of(cache: Path, release: str) -> Path:
    """Return the path where a release's box is, or will be: the Vagrantfile looks there."""
    return cache / "boxes" / f"callcenter-{release}.box"


def box(cache: Path, release: str) -> Path:
    """Build a release's box (a minute or two), also where there is one."""
    as_root()
    if release not in RELEASES:
        raise LabError(f"{release} is no release of the lab; use {' or '.join(RELEASES)}")
    require(
        {
            **OWN,
            "lib/grub/i386-pc/boot.img": "grub-pc-bin",
            "bin/grub-mkimage": "grub-common",
            "bin/qemu-img": "qemu-utils",
            "sbin/sfdisk": "fdisk",
            "sbin/mke2fs": "e2fsprogs",
        }
    )
    made = path_of(cache, release)
    made.parent.mkdir(parents=True, exist_ok=True)
    with (
        single(cache / "boxes.lock"),
        tempfile.TemporaryDirectory(prefix="building.", dir=made.parent) as building,
    ):
        free = shutil.disk_usage(building).free // 2**20
        if free < ROOM_MEGABYTES:
            raise LabError(
                f"{cache} has {free} MB free and a box needs {ROOM_MEGABYTES}; make room"
            )
        folder = Path(building)
        _root(folder, release)
        _disk(folder)
        (folder / "metadata.json").write_text(
            json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": GIGABYTES})
        )
        (folder / "Vagrantfile").write_text('Vagrant.configure("2") { |config| }\n')
        with tarfile.open(folder / made.name, "w") as box:
            for name in ("metadata.json", "Vagrantfile", "box.img"):
                box.add(folder / name, name)
        (folder / made.name).rename(made)
    return made


def _root(folder: Path, release: str) -> None:
    files = folder / "files"
    for name, (text, mode) in FILES.items():
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(text)
        (files / name).chmod(mode)
    (files / "home/vagrant/.ssh").chmod(0o700)
    copy = shlex.join(["cp", "-a", f"{files}/."])
    hooks = [hook.format(copy=copy) for hook in HOOKS]
    bootstrap(folder / "root", release, (*PACKAGES, *KERNEL), hooks)


def _disk(folder: Path) -> None:
    raw = folder / "disk"
    with raw.open("wb") as disk:
        disk.truncate(GIGABYTES * 2**30)
    (folder / "table").write_text(f"label: dos\nstart={_START // _SECTOR}, type=83, bootable\n")
    say = "could not make the box's disk"
    run([*shell.words(__file__, "partition", str(raw), str(folder / "table"))], say=say)
    run(
        [
            *("mke2fs", "-q", "-t", "ext4", "-L", "callcenter", "-d", str(folder / "root")),
            # What grub 2.06 cannot read.
            *("-O", "^metadata_csum_seed,^orphan_file"),
            *("-E", f"offset={_START}"),
            *(str(raw), f"{(GIGABYTES * 2**30 - _START) // 1024}k"),
        ],
        say=say,
    )
    core = folder / "core.img"
    run(
        [
            *("grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub"),
            *("-o", str(core), *GRUB_MODULES),
        ],
        say=say,
    )
    if core.stat().st_size > _START - _SECTOR:
        raise LabError(f"{say}: grub does not fit before the first partition")
    with raw.open("r+b") as disk:
        # The partition table begins at byte 440; boot.img looks for the rest in sector 1.
        disk.write((GRUB / "boot.img").read_bytes()[:440])
        disk.seek(_SECTOR)
        disk.write(core.read_bytes())
    shutil.rmtree(folder / "root")
    convert = ["qemu-img", "convert", "-c", "-O", "qcow2", str(raw), str(folder / "box.img")]
    run(convert, say=say)
    raw.unlink()
