#!/bin/sh
# Starts a timer anew, or forgets when it last ran where its file has gone.
# Arguments: its file, without its kind.
set -e
path=$1
name=${path##*/}

if [ -e "$path.timer" ]; then
    systemctl enable --no-reload --quiet "$name.timer"
    systemctl restart "$name.timer"
else
    rm -f "/var/lib/systemd/timers/stamp-$name.timer"
fi
