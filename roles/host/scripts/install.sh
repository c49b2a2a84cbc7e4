#!/bin/sh
# Installs a package of Debian's whose own service is not to start, and others.
# Arguments: the package, empty where it is there; the mark of its installation by a deploy; names
# of all packages that are to be installed.
set -e
package=$1 mark=$2
shift 2

export DEBIAN_FRONTEND=noninteractive
if [ -n "$package" ]; then
    systemctl mask --quiet "$package"
    mkdir -p "$(dirname "$mark")"
    touch "$mark"
fi
apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
