#!/bin/sh
# Starts a timer anew, or stops it where its file has gone.
# Arguments: its file, without its kind.
set -e
path=$1
name=${path##*/}

if [ -e "$path.timer" ]; then
    systemctl daemon-reload
    systemctl enable --quiet "$name.timer"
    systemctl restart "$name.timer"
else
    # Stopped before systemd forgets what it was, or its name stays in the list of timers.
    # Its service, too, or it would fail when its failure is forgotten already.
    systemctl stop "$name.timer" "$name.service" 2>/dev/null || :
    rm -f "/etc/systemd/system/timers.target.wants/$name.timer" \
        "/var/lib/systemd/timers/stamp-$name.timer"
    systemctl daemon-reload
fi
