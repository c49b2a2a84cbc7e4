#!/bin/sh
# Removes packages, where apt itself says that they came for nobody else's sake.
# Arguments: their names.
set -e
export DEBIAN_FRONTEND=noninteractive

spare=$(apt-get -s -o APT::AutoRemove::SuggestsImportant=false \
    -o APT::AutoRemove::RecommendsImportant=false autoremove | sed -n 's/^Remv \([^ ]*\) .*/\1/p')
gone=
for name in "$@"; do
    ! echo "$spare" | grep -qx "$name" || gone="$gone $name"
done
# shellcheck disable=SC2086 # names of packages, with blanks between
[ -z "$gone" ] || apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 remove $gone
