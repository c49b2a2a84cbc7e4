#!/bin/sh
# Removes a package that a deploy had installed.
# Arguments: the package; the mark of its installation; what came beside it, or nothing.
set -e
package=$1 mark=$2 beside=$3

export DEBIAN_FRONTEND=noninteractive
apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 purge "$package"
# Another may need it.
[ -z "$beside" ] || dpkg --purge "$beside" 2>/dev/null || :
systemctl unmask --quiet "$package"
rm -f "$mark"
