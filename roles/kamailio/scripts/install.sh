#!/bin/sh
# Installs packages of Kamailio's. Masked meanwhile: Debian's would start with its example.
# Arguments: its unit; their names.
set -e
unit=$1
shift

systemctl mask --runtime --quiet "$unit"
export DEBIAN_FRONTEND=noninteractive
apt-get -y -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
