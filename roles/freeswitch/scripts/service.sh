#!/bin/sh
# Starts a unit anew, if its file is there.
# Arguments: that file.
set -e
path=$1
name=${path##*/}

[ -e "$path" ] || exit 0
systemctl enable --no-reload --quiet "$name"
systemctl restart "$name"
