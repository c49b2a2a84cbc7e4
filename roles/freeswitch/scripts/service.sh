#!/bin/sh
# Starts a unit anew, or stops it where its file has gone.
# Arguments: its file.
set -e
path=$1
name=${path##*/}

if [ -e "$path" ]; then
    systemctl daemon-reload
    systemctl enable --quiet "$name"
    systemctl restart "$name"
else
    systemctl stop "$name" 2>/dev/null || :
    rm -f "/etc/systemd/system/multi-user.target.wants/$name"
    systemctl daemon-reload
fi
