#!/bin/sh
# Removes packages, where apt itself says that they came for nobody else's sake.
# Arguments: their names.
set -e
export DEBIAN_FRONTEND=noninteractive

for name in "$@"; do
    ! apt-get -s -o APT::AutoRemove::SuggestsImportant=false \
        -o APT::AutoRemove::RecommendsImportant=false autoremove | grep -q "^Remv $name " ||
        apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 remove "$name"
done
