#!/bin/sh
# Installs packages, FreeSWITCH's as one set.
# Arguments: FreeSWITCH's unit; its configuration folder; the mark of a restart that is needed; what
# goes again with the service that it comes for, names with blanks between; names of all packages.
set -eu
unit=$1 config=$2 restart_needed=$3 programs=$4
shift 4

# Runs apt-get. Configurations of packages that were changed by hand stay as they are.
apt() {
    apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
        "$@"
}

export DEBIAN_FRONTEND=noninteractive
# Its postinst starts the unit before the configuration is there; a mask that a reboot clears also
# stops an upgrade from restarting it with calls up.
systemctl mask --runtime --quiet "$unit"
trap 'systemctl unmask --runtime --quiet "$unit"' EXIT
dpkg --configure -a
mkdir -p "$config"
before=$(dpkg-query -W -f '${Version}' libfreeswitch1 2>/dev/null || true)
new=$(for name in $programs; do dpkg -s "$name" >/dev/null 2>&1 || echo "$name"; done)
# All of FreeSWITCH in one transaction: a module fits exactly one libfreeswitch1.
apt install --no-install-recommends --allow-downgrades "$@"
# What came with voicemail or fax may go with it.
came=$(for name in $new; do ! dpkg -s "$name" >/dev/null 2>&1 || echo "$name"; done)
# shellcheck disable=SC2086 # names of packages, a line each
[ -z "$came" ] || apt-mark auto $came
# A further module can be loaded at once; another libfreeswitch1 needs a restart.
[ "$before" = "$(dpkg-query -W -f '${Version}' libfreeswitch1)" ] ||
    ! systemctl is-active --quiet "$unit" || touch "$restart_needed"
