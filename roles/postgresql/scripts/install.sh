#!/bin/sh
# Installs PostgreSQL, whose package makes a cluster and starts it.
# Arguments: the package; the mark of its installation by a deploy.
set -e
package=$1 mark=$2

export DEBIAN_FRONTEND=noninteractive
apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install --no-install-recommends \
    "$package"
touch "$mark"
