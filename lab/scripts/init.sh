#!/bin/sh
# Becomes the first process of a host in a container of Docker's: cgroup2 as systemd needs it,
# instead of Docker's, which is read-only or v1; and the host's own files instead of those that
# Docker lays over them.
set -e

umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for file in /etc/hostname /etc/hosts /etc/resolv.conf; do
    if mountpoint -q "$file"; then umount "$file"; fi # podman has no resolv.conf there
done
exec /sbin/init
